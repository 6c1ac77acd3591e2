//! Documents that are each for the pods of one workload, as most of a cluster's languages have them.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_saphyr::SerializeError;

use super::{File, Written, component, yaml::Yaml};
use crate::{
    policy::{
        gather::{Policies, SubjectPolicy},
        world::{Subject, World},
    },
    wording::plural,
    workload::{ClusterObjects, Labels, Workload},
};

/// The pods that a document is for.
pub(super) struct Pods<'a> {
    /// What their cluster says of itself.
    pub(super) objects: &'a ClusterObjects,
    /// Its name.
    pub(super) cluster: &'a str,
    /// What they are.
    pub(super) workload: &'a Workload,
    /// Labels that select them, and nobody else; none where they are called by their name.
    pub(super) labels: Labels,
    /// What they may do.
    pub(super) policy: &'a SubjectPolicy,
}

/// Writes a document for each workload, and warns of the subjects for which there is none: `nodes` says why a node's own
/// traffic is in no file.
///
/// # Errors
/// What the writer of YAML says.
pub(super) fn workloads<'a>(
    world: &'a World<'_>,
    policies: &'a Policies<'_>,
    nodes: &str,
    write: impl Fn(Pods<'a>) -> Result<File, SerializeError>,
) -> Result<Written, SerializeError> {
    let mut written = Written::default();
    for policy in &policies.subjects {
        match Pods::of(world, policy, nodes) {
            Ok(pods) => written.files.push(write(pods)?),
            Err(warning) => written.warnings.push(warning),
        }
    }
    Ok(written)
}

/// In the order in which people write it.
#[derive(Serialize)]
struct Metadata<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'a str>,
    labels: BTreeMap<&'a str, &'a str>,
}

/// The first lines of a resource, up to the metadata, with these labels beside the one that says who wrote it.
///
/// # Errors
/// What the writer of YAML says.
pub(super) fn head(
    yaml: &mut Yaml,
    (version, kind): (&str, &str),
    (name, namespace): (&str, Option<&str>),
    labels: &[(&str, &str)],
) -> Result<(), SerializeError> {
    yaml.line(0, &format!("apiVersion: {version}"));
    yaml.line(0, &format!("kind: {kind}"));
    let labels = labels.iter().copied().chain([("app.kubernetes.io/managed-by", "flowdrift")]).collect();
    yaml.entry(0, "metadata", &Metadata { name, namespace, labels })
}

/// The label by which every namespace has its name.
pub(super) fn of_namespace(name: &str) -> Labels {
    [("kubernetes.io/metadata.name".to_owned(), name.to_owned())].into()
}

/// What a reviewer must know of the labels by which a rule selects a workload at its other end.
pub(super) fn remark(objects: &ClusterObjects, workload: &Workload) -> Option<String> {
    let (labels, also) = objects.selector(workload);
    if labels.is_empty() {
        return Some("its pods have no label that stays: these are the addresses that they had".to_owned());
    }
    let also: Vec<String> = also.iter().map(ToString::to_string).collect();
    (!also.is_empty()).then(|| format!("its labels are also those of {}", also.join(", ")))
}

impl<'a> Pods<'a> {
    /// Those of a subject, or why no document can be for them: of a language that selects them by labels.
    pub(super) fn of(world: &'a World<'_>, policy: &'a SubjectPolicy, nodes: &str) -> Result<Self, String> {
        let pods = Self::called(world, policy, nodes)?;
        let Self { objects, workload, .. } = pods;
        let subject = &policy.subject;
        let (labels, also) = objects.selector(workload);
        if labels.is_empty() {
            return Err(format!(
                "{subject}: its pods have no label that stays and that all of them have: nothing selects them"
            ));
        }
        if !also.is_empty() {
            let others: Vec<String> = also.iter().map(ToString::to_string).collect();
            return Err(format!(
                "{subject}: the labels of its pods are also those of {}, who would be cut off with it: no policy is written",
                others.join(", ")
            ));
        }
        Ok(Self { labels, ..pods })
    }

    /// The same of a language that calls a workload by its name; there are no labels.
    pub(super) fn called(
        world: &'a World<'_>,
        policy: &'a SubjectPolicy,
        nodes: &str,
    ) -> Result<Self, String> {
        let subject = &policy.subject;
        let Subject::Workload { cluster, workload } = subject else {
            let why = match subject {
                Subject::Guest { .. } => "no cluster's objects tell whose address it is",
                _ => nodes,
            };
            let rules = plural(policy.ingress.iter().chain(&policy.egress).flatten().count() as u64, "rule");
            return Err(format!("{subject}: {why}; {rules} of it in no file here"));
        };
        let Some(objects) = world.clusters.get(cluster) else {
            return Err(format!("{subject}: nothing tells which pods its cluster has"));
        };
        Ok(Self { objects, cluster, workload, labels: Labels::new(), policy })
    }

    /// Name of the resource: what it is for, as the API lets it be called.
    pub(super) fn resource(&self) -> String {
        let Workload { kind, name, .. } = self.workload;
        resource_name(&format!("{}-{name}", kind.to_lowercase()))
    }

    /// A document with its first lines, up to the metadata.
    ///
    /// # Errors
    /// What the writer of YAML says.
    pub(super) fn head(&self, version: &str, kind: &str) -> Result<Yaml, SerializeError> {
        let Self { cluster, workload, .. } = self;
        let mut yaml = Yaml::default();
        yaml.comment(0, &format!("{} {workload} of the cluster {cluster}", workload.kind));
        head(&mut yaml, (version, kind), (&self.resource(), Some(&workload.namespace)), &[])?;
        Ok(yaml)
    }

    /// The document under its name.
    pub(super) fn file(&self, yaml: Yaml) -> File {
        let Self { cluster, workload, .. } = self;
        let name =
            format!("{}/{}/{}.yaml", component(cluster), component(&workload.namespace), self.resource());
        File { name, cluster: Some((*cluster).to_owned()), text: yaml.into_text() }
    }
}

/// RFC 1123 as the API asks for it (DNS subdomain): lower case, up to 253 letters, digits, `-` and `.`.
pub(super) fn resource_name(name: &str) -> String {
    let name: String = name
        .chars()
        .map(|letter| if letter.is_ascii_alphanumeric() || ".-".contains(letter) { letter } else { '-' })
        .collect();
    let name = name.to_ascii_lowercase();
    name.chars().take(253).collect::<String>().trim_matches(['-', '.']).to_owned()
}
