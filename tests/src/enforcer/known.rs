//! What a cluster that enforces knows of the ends of a passage.

use std::net::IpAddr;

use flowdrift::{
    policy::{Party, Passage},
    workload::{Labels, Pod},
};
use ipnet::IpNet;
use serde_json::Value;

use super::{Site, labels::selects};

/// A pod with its own network, which selectors can select.
pub(super) struct KnownPod<'p> {
    /// The pod.
    pub pod: &'p Pod,
    /// The labels of its namespace.
    pub namespace: Labels,
}

impl KnownPod<'_> {
    /// Whether both selectors select it; one that is missing is as an empty one.
    #[must_use]
    pub(super) fn is_in(&self, namespaces: &Value, pods: &Value) -> bool {
        selects(namespaces, &self.namespace) && selects(pods, &self.pod.labels)
    }
}

/// The pod that somebody is to the cluster of the site. Nobody is one who is in another cluster, whose labels
/// this one does not know, nor a node with the pods that have its network, nor whoever else has an address.
#[must_use]
pub(super) fn pod_of<'p>(site: Site<'_>, party: &Party<'p>) -> Option<KnownPod<'p>> {
    match *party {
        Party::Pod { cluster, pod, .. } if cluster == site.cluster => {
            Some(KnownPod { pod, namespace: namespace_labels(site, &pod.workload.namespace) })
        }
        _ => None,
    }
}

/// "The Kubernetes control plane sets an immutable label `kubernetes.io/metadata.name` on all namespaces, the
/// value of the label is the namespace name."
fn namespace_labels(site: Site<'_>, namespace: &str) -> Labels {
    let listed = site.world.clusters.get(site.cluster).and_then(|objects| objects.namespaces.get(namespace));
    let mut labels = listed.cloned().unwrap_or_default();
    labels.insert("kubernetes.io/metadata.name".to_owned(), namespace.to_owned());
    labels
}

/// The port that the server's pod calls by this name, for the transport that the packet has; none where no
/// pod is the server.
#[must_use]
pub(super) fn named_port(site: Site<'_>, passage: &Passage<'_>, name: &str) -> Option<u16> {
    let server = if passage.is_egress { &passage.peer } else { &passage.party };
    pod_of(site, server)?.pod.ports.get(&(name.to_owned(), passage.protocol)).copied()
}

/// Whether a pod reaches itself.
#[must_use]
pub(super) fn is_with_itself(passage: &Passage<'_>) -> bool {
    match (&passage.party, &passage.peer) {
        (Party::Pod { cluster, pod, .. }, Party::Pod { cluster: of, pod: other, .. }) => {
            (cluster, pod) == (of, other)
        }
        _ => false,
    }
}

/// Whether an address lies in a block.
#[must_use]
pub(super) fn is_within(block: &Value, address: IpAddr) -> bool {
    let block = block.as_str().expect("a block is text");
    block.parse::<IpNet>().expect("a block is in CIDR notation").contains(&address)
}

/// The entries of a list; none where it is missing.
pub(super) fn entries(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

/// Whether a list is missing or empty, which the languages mostly take for the same.
#[must_use]
pub(super) fn is_empty(list: &Value) -> bool {
    entries(list).next().is_none()
}
