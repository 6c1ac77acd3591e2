//! Rules as Cilium's policies: one for each workload, and one for each node.

use std::collections::BTreeMap;

use serde_saphyr::SerializeError;

use super::{
    entries::{Entries, left_out},
    labels::HOST_NAME,
    written::{Selector, direction},
};
use crate::{
    policy::{
        gather::{Policies, SubjectPolicy},
        language::{
            File, Written, component,
            pods::{Pods, head, resource_name},
            yaml::Yaml,
        },
        world::{Subject, World},
    },
    workload::{ClusterObjects, Labels},
};

const VERSION: &str = "cilium.io/v2";

/// Writes them.
///
/// # Errors
/// What the writer of YAML says.
pub fn write(world: &World<'_>, policies: &Policies<'_>) -> Result<Written, SerializeError> {
    let mut written = Written::default();
    let mut nodes: BTreeMap<&str, u64> = BTreeMap::new();
    for policy in &policies.subjects {
        let made = match &policy.subject {
            Subject::Node { cluster, node } => match world.clusters.get(cluster) {
                Some(objects) => {
                    *nodes.entry(cluster).or_default() += 1;
                    Node { world, policies, policy, objects, cluster, node }.file()?
                }
                None => {
                    let subject = &policy.subject;
                    written.warnings.push(format!("{subject}: nothing tells which pods its cluster has"));
                    continue;
                }
            },
            // Of nodes this says nothing: they have documents of their own.
            _ => match Pods::of(world, policy, "") {
                Ok(pods) => of_pods(world, policies, &pods)?,
                Err(warning) => {
                    written.warnings.push(warning);
                    continue;
                }
            },
        };
        let (file, warnings) = made;
        written.files.push(file);
        written.warnings.extend(warnings);
    }
    // Once, however many there are.
    for (cluster, count) in nodes {
        let told = |words: &&str| format!("{cluster}: each policy for a node, of {count}, {words}");
        written.warnings.extend(NEEDS.iter().take(2).map(told));
    }
    Ok(written)
}

type Made = (File, Vec<String>);

fn of_pods(world: &World<'_>, policies: &Policies<'_>, pods: &Pods<'_>) -> Result<Made, SerializeError> {
    let mut entries = Entries {
        world,
        policies,
        policy: pods.policy,
        objects: pods.objects,
        cluster: pods.cluster,
        namespace: Some(&pods.workload.namespace),
        warnings: Vec::new(),
    };
    let mut yaml = pods.head(VERSION, "CiliumNetworkPolicy")?;
    yaml.line(0, "spec:");
    if let Some(words) = left_out(&pods.labels) {
        yaml.comment(2, &words);
        entries.warn(&words);
    }
    yaml.entry(2, "endpointSelector", &Selector::of(&pods.labels))?;
    directions(&mut yaml, &mut entries)?;
    Ok((pods.file(yaml), entries.warnings))
}

fn directions(yaml: &mut Yaml, entries: &mut Entries<'_>) -> Result<(), SerializeError> {
    let policy = entries.policy;
    if let Some(rules) = &policy.ingress {
        direction(yaml, false, &entries.of(rules, false))?;
    }
    if let Some(rules) = &policy.egress {
        let mut rules = entries.of(rules, true);
        entries.listen(&mut rules);
        direction(yaml, true, &rules)?;
    }
    Ok(())
}

/// A node, with the pods that have its network.
struct Node<'a> {
    world: &'a World<'a>,
    policies: &'a Policies<'a>,
    policy: &'a SubjectPolicy,
    objects: &'a ClusterObjects,
    cluster: &'a str,
    node: &'a str,
}

/// What a reviewer must know before the host firewall enforces what was seen of a node.
const NEEDS: [&str; 3] = [
    "needs the host firewall (hostFirewall.enabled), and that the agent's option `labels` keeps kubernetes.io/hostname: it leaves that out by default, and then this selects NOBODY",
    "CUTS what nobody saw, however much the node needs it: the kubelet and its probes, the API server, etcd, SSH, tunnels between nodes, health checks, ICMP",
    "let it only audit first (policy-audit-mode), and add what the node needs",
];

impl Node<'_> {
    fn file(&self) -> Result<Made, SerializeError> {
        let Self { world, policies, policy, objects, cluster, node } = *self;
        let mut entries =
            Entries { world, policies, policy, objects, cluster, namespace: None, warnings: Vec::new() };
        let name = resource_name(&format!("node-{node}"));
        let title = format!(
            "Node {node} of the cluster {cluster}: its own traffic, and that of the pods on its network"
        );
        let mut yaml = Yaml::default();
        yaml.comment(0, &title);
        head(&mut yaml, (VERSION, "CiliumClusterwideNetworkPolicy"), (&name, None), &[])?;
        yaml.line(0, "spec:");
        for words in NEEDS {
            yaml.comment(2, words);
        }
        let given = objects.nodes.get(node).and_then(|labels| labels.get(HOST_NAME));
        let host_name = given.map_or_else(|| node.to_owned(), Clone::clone);
        yaml.entry(2, "nodeSelector", &Selector::of(&Labels::from([(HOST_NAME.to_owned(), host_name)])))?;
        directions(&mut yaml, &mut entries)?;
        let file = File {
            name: format!("{}/{name}.yaml", component(cluster)),
            cluster: Some(cluster.to_owned()),
            text: yaml.into_text(),
        };
        Ok((file, entries.warnings))
    }
}
