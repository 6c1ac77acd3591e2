//! What the plain enforcers have in common: how a field is read, and who stands on whose node.

use std::net::IpAddr;

use flowdrift::{
    event::Protocol,
    policy::{Party, Passage},
    workload::{Labels, Pod},
};
use ipnet::IpNet;
use serde_json::Value;

use super::Site;

/// The label by which a kubelet names its node, on every node.
const HOST_NAME: &str = "kubernetes.io/hostname";

/// The label that the API server gives to every namespace.
const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";

/// A list; empty where there is none.
#[must_use]
pub(super) fn items<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

/// A text; none where it is empty, which means the same everywhere.
#[must_use]
pub(super) fn text<'v>(value: &'v Value, key: &str) -> Option<&'v str> {
    value[key].as_str().filter(|text| !text.is_empty())
}

/// A list of texts.
pub(super) fn texts<'v>(value: &'v Value, key: &str) -> impl Iterator<Item = &'v str> {
    items(value, key).iter().filter_map(Value::as_str)
}

/// The pairs of a map.
#[must_use]
pub(super) fn pairs(value: &Value) -> Labels {
    let fields = value.as_object().into_iter().flatten();
    fields.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}

/// Lets nothing pass unread: what is not covered here would else be judged as if it were not there.
///
/// # Panics
///
/// Where a field is given that is not among those that are covered.
pub(super) fn covers(value: &Value, place: &str, known: &[&str]) {
    let mut fields = value.as_object().into_iter().flatten();
    let unread = fields.find(|(name, value)| !value.is_null() && !known.contains(&name.as_str()));
    assert!(unread.is_none(), "not covered: {place}.{}", unread.map_or("", |(name, _)| name));
}

/// A block, or an address, which is a block of one.
///
/// # Panics
///
/// Where it is neither.
#[must_use]
pub(super) fn block(text: &str) -> IpNet {
    let address = || text.parse::<IpAddr>().map(IpNet::from).ok();
    text.parse().ok().or_else(address).unwrap_or_else(|| panic!("{text} is a block"))
}

/// The labels of a node, with its name, which it has whether it was listed or not.
#[must_use]
pub(super) fn node_labels(site: Site<'_>, node: &str) -> Labels {
    let listed = site.world.clusters.get(site.cluster).and_then(|objects| objects.nodes.get(node));
    let mut labels = listed.cloned().unwrap_or_default();
    labels.entry(HOST_NAME.to_owned()).or_insert_with(|| node.to_owned());
    labels
}

/// The labels of a namespace, with its name, which it has whether it was listed or not.
#[must_use]
pub(super) fn namespace_labels(site: Site<'_>, namespace: &str) -> Labels {
    let listed = site.world.clusters.get(site.cluster).and_then(|objects| objects.namespaces.get(namespace));
    let mut labels = listed.cloned().unwrap_or_default();
    labels.entry(NAMESPACE_NAME.to_owned()).or_insert_with(|| namespace.to_owned());
    labels
}

/// The pod at an end, where it is one of the cluster that enforces.
#[must_use]
pub(super) fn pod_of<'p>(site: Site<'_>, end: &Party<'p>) -> Option<&'p Pod> {
    match end {
        Party::Pod { cluster, pod, .. } if *cluster == site.cluster => Some(pod),
        _ => None,
    }
}

/// The node at an end, where it is one of the cluster that enforces.
#[must_use]
pub(super) fn node_of<'p>(site: Site<'_>, end: &Party<'p>) -> Option<&'p str> {
    match end {
        Party::Node { cluster, node, .. } if *cluster == site.cluster => Some(node),
        _ => None,
    }
}

/// Whether one end is a pod, and the other the node that it runs on.
#[must_use]
pub(super) fn runs_on(site: Site<'_>, pod: &Party<'_>, node: &Party<'_>) -> bool {
    let home = pod_of(site, pod).and_then(|pod| pod.node.as_deref());
    home.is_some() && home == node_of(site, node)
}

/// The number that the server's end gives to a name; none where it is no pod, or has no such port.
#[must_use]
pub(super) fn named_port(
    site: Site<'_>,
    passage: &Passage<'_>,
    name: &str,
    protocol: Protocol,
) -> Option<u16> {
    let server = if passage.is_egress { &passage.peer } else { &passage.party };
    pod_of(site, server)?.ports.get(&(name.to_owned(), protocol)).copied()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    #[should_panic(expected = "not covered: rule.icmps")]
    fn a_field_that_nobody_reads_is_no_silence() {
        covers(&json!({"toPorts": [], "log": null, "icmps": []}), "rule", &["toPorts"]);
    }
}
