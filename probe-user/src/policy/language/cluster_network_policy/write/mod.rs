//! Rules as policies of a cluster: a document for each workload, with as many policies as its rules need.

mod direction;
mod entry;
mod fit;

use serde::Serialize;
use serde_saphyr::SerializeError;

use self::{
    direction::{Direction, Directions},
    entry::Pods as SelectedPods,
};
use super::{KINDS, LAST_PRIORITY, MOST};
use crate::policy::{
    gather::Policies,
    language::{
        File, Written,
        pods::{self, Pods, resource_name},
        yaml::Yaml,
    },
    world::World,
};

/// The priority of a workload's first policy; `super` says why.
const FIRST_PRIORITY: u16 = 900;

/// Why a node's own traffic is in no file.
const NODES: &str = "it has its node's network, which a ClusterNetworkPolicy does not govern";

/// What a reviewer must know before anything else.
const ACTIONS: [&str; 2] = [
    "Pass: it may go on to the NetworkPolicies of its namespace, which may still refuse it.",
    "Deny: nobody else may, and no NetworkPolicy overrides that.",
];

/// Writes them.
///
/// # Errors
/// What the writer of YAML says.
pub fn write(world: &World<'_>, policies: &Policies<'_>) -> Result<Written, SerializeError> {
    let mut written = Written::default();
    for policy in &policies.subjects {
        let subject = &policy.subject;
        let pods = match Pods::of(world, policy, NODES) {
            Ok(pods) => pods,
            Err(warning) => {
                written.warnings.push(warning);
                continue;
            }
        };
        let mut made = Directions { world, policies, pods: &pods, warnings: Vec::new() };
        let directions = [made.ingress(), made.egress()];
        written.warnings.extend(made.warnings.into_iter().map(|words| format!("{subject}: {words}")));
        let count = directions.iter().map(Direction::policies).max().unwrap_or_default();
        let room = usize::from(LAST_PRIORITY - FIRST_PRIORITY) + 1;
        if count > room {
            written.warnings.push(format!(
                "{subject}: its rules need {count} policies of {MOST} rules, and {room} have a priority: no policy is written"
            ));
        } else if count > 0 {
            let document = Document { pods: &pods, directions: &directions, count };
            written.files.push(document.file()?);
        }
    }
    Ok(written)
}

/// The policies of one workload.
struct Document<'a> {
    pods: &'a Pods<'a>,
    directions: &'a [Direction; 2],
    count: usize,
}

/// Whom a policy is for.
#[derive(Serialize)]
struct Subject {
    pods: SelectedPods,
}

impl Document<'_> {
    fn file(&self) -> Result<File, SerializeError> {
        let mut yaml = Yaml::default();
        let Pods { workload, cluster, .. } = self.pods;
        yaml.comment(0, &format!("{} {workload} of the cluster {cluster}", workload.kind));
        ACTIONS.iter().for_each(|words| yaml.comment(0, words));
        for part in 0..self.count {
            if part > 0 {
                yaml.line(0, "---");
            }
            self.policy(&mut yaml, part)?;
        }
        Ok(self.pods.file(yaml))
    }

    fn policy(&self, yaml: &mut Yaml, part: usize) -> Result<(), SerializeError> {
        let (version, kind) = KINDS[0].rsplit_once('/').unwrap_or_default();
        pods::head(yaml, (version, kind), (&self.name(part), None), &[])?;
        yaml.line(0, "spec:");
        yaml.entry(2, "tier", &"Admin")?;
        yaml.entry(2, "priority", &(usize::from(FIRST_PRIORITY) + part))?;
        let pods = SelectedPods::of(&self.pods.workload.namespace, &self.pods.labels);
        yaml.entry(2, "subject", &Subject { pods })?;
        for direction in self.directions {
            direction.write(yaml, part)?;
        }
        Ok(())
    }

    /// A namespace's name has no dot, and a kind's no digit: no two policies of a cluster get one name.
    fn name(&self, part: usize) -> String {
        let (namespace, own) = (&self.pods.workload.namespace, self.pods.resource());
        match part {
            0 => resource_name(&format!("{namespace}.{own}")),
            _ => resource_name(&format!("{namespace}.{}.{own}", part + 1)),
        }
    }
}
