//! Whom a document is for.

use serde_saphyr::SerializeError;

use super::super::{CREATED_BY, HOST_NAME, expression::carrying};
use crate::{
    policy::{
        Rule,
        gather::SubjectPolicy,
        language::{
            File, component,
            pods::{self, Pods, resource_name},
            yaml::Yaml,
        },
        world::{Subject, World},
    },
    workload::{ClusterObjects, Labels},
};

/// A document.
pub(super) struct Document<'a> {
    pub(super) subject: &'a Subject,
    pub(super) cluster: &'a str,
    /// Its namespace, where it is for pods.
    pub(super) home: Option<&'a str>,
    pub(super) objects: Option<&'a ClusterObjects>,
    pub(super) selector: String,
    pub(super) ingress: Option<Vec<Rule>>,
    pub(super) egress: Option<Vec<Rule>>,
    pub(super) reaches_own_nodes: bool,
    whom: Whom<'a>,
}

enum Whom<'a> {
    Pods(Pods<'a>),
    Node(&'a str),
}

impl<'a> Document<'a> {
    /// For a subject, or why there is none.
    pub(super) fn of(world: &'a World<'_>, policy: &'a SubjectPolicy) -> Result<Self, String> {
        let subject = &policy.subject;
        let (whom, labels) = match subject {
            Subject::Node { cluster, node } => {
                // Who speaks to it cannot be told from the cluster's own pods.
                let Some(objects) = world.clusters.get(cluster) else {
                    return Err(format!("{subject}: nothing tells which pods its cluster has"));
                };
                (Whom::Node(node), host_labels(objects, node))
            }
            _ => {
                let pods = Pods::of(world, policy, "")?;
                let labels = pods.labels.clone();
                (Whom::Pods(pods), labels)
            }
        };
        let Some(selector) = carrying(&labels) else {
            return Err(format!(
                "{subject}: no selector of Calico can name its labels: no policy is written"
            ));
        };
        let home = match &whom {
            Whom::Pods(pods) => Some(pods.workload.namespace.as_str()),
            Whom::Node(_) => None,
        };
        Ok(Self {
            subject,
            cluster: subject.cluster(),
            home,
            objects: world.clusters.get(subject.cluster()),
            selector,
            ingress: policy.ingress.clone(),
            egress: policy.egress_with_own_nodes(),
            reaches_own_nodes: policy.egress.is_some() && !policy.own_nodes.is_empty(),
            whom,
        })
    }

    /// Its rules in both directions.
    pub(super) fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.ingress.iter().chain(&self.egress).flatten()
    }

    /// Its first lines, up to the metadata; `prefix` is that of the kind.
    pub(super) fn head(&self, prefix: &str) -> Result<Yaml, SerializeError> {
        let version = "projectcalico.org/v3";
        let node = match &self.whom {
            Whom::Pods(pods) => return pods.head(version, &format!("{prefix}NetworkPolicy")),
            Whom::Node(node) => node,
        };
        let mut yaml = Yaml::default();
        yaml.comment(
            0,
            &format!(
                "node {node} of the cluster {}: its own processes, and pods on its network",
                self.cluster
            ),
        );
        for words in NODES {
            yaml.comment(0, words);
        }
        pods::head(&mut yaml, (version, &format!("{prefix}GlobalNetworkPolicy")), (&self.name(), None), &[])?;
        Ok(yaml)
    }

    fn name(&self) -> String {
        match &self.whom {
            Whom::Pods(pods) => pods.resource(),
            Whom::Node(node) => resource_name(&format!("node-{node}")),
        }
    }

    /// The document under its name.
    pub(super) fn file(&self, yaml: Yaml) -> File {
        match &self.whom {
            Whom::Pods(pods) => pods.file(yaml),
            Whom::Node(_) => {
                let name = format!("{}/{}.yaml", component(self.cluster), self.name());
                File { name, cluster: Some(self.cluster.to_owned()), text: yaml.into_text() }
            }
        }
    }

    /// What must be known before it is applied.
    pub(super) fn warning(&self) -> Option<String> {
        let Whom::Node(_) = self.whom else { return None };
        Some(format!(
            "{}: its policy governs its host endpoint, where the cluster has one, and cuts what the node does and nobody \
             saw: stage it, and watch it, before it is enforced",
            self.subject
        ))
    }
}

/// What a reviewer must know before a node is governed.
const NODES: [&str; 3] = [
    "It is for the node's automatic host endpoint: without hostEndpoint.autoCreate in KubeControllersConfiguration it is for nobody.",
    "It cuts whatever the node does that nobody saw while it was watched, such as pulls of images, updates, backups at night.",
    "The failsafe ports of FelixConfiguration (SSH, DHCP, DNS, BGP, etcd, Typha, the API server) stay open whatever it says.",
];

/// Labels by which a node's automatic host endpoint is selected: the node's own, and the one that tells it from others.
fn host_labels(objects: &ClusterObjects, node: &str) -> Labels {
    let listed = objects.nodes.get(node).and_then(|labels| labels.get(HOST_NAME));
    let name = listed.map_or(node, String::as_str);
    [(HOST_NAME, name), CREATED_BY].map(|(key, value)| (key.to_owned(), value.to_owned())).into()
}
