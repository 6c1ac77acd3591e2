//! A node's address names one node: invariant 6 rests on it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::wire::Cluster;
use crate::matrix::check::{Check, address};
use crate::matrix::faults::Fault;
use crate::matrix::located::Located;

/// Notes every node address that an earlier node has too. A repetition within one node is told elsewhere.
pub(super) fn nodes(clusters: &[(Located<String>, Located<Cluster>)], faults: &mut Vec<Fault>) {
    let mut owners: BTreeMap<IpAddr, (&str, &str)> = BTreeMap::new();
    for (owner, written, address) in clusters.iter().flat_map(addresses) {
        let first = *owners.entry(address).or_insert(owner);
        if first != owner {
            let (cluster, node) = first;
            faults.push(written.fault(format!("{address} is already node `{node}` of cluster `{cluster}`")));
        }
    }
}

type Owned<'a> = ((&'a str, &'a str), &'a Located<String>, IpAddr);

fn addresses((name, cluster): &(Located<String>, Located<Cluster>)) -> impl Iterator<Item = Owned<'_>> {
    let cluster_name = name.value.as_deref().unwrap_or_default();
    let nodes = cluster.value.iter().filter_map(|cluster| cluster.nodes.as_ref()?.value.as_ref());
    nodes.flat_map(|nodes| &nodes.0).flat_map(move |(node, written)| {
        let owner = (cluster_name, node.value.as_deref().unwrap_or_default());
        let written = written.value.iter().flat_map(|many| &many.0);
        written.filter_map(move |text| Some((owner, text, address(text.value.as_ref()?).ok()?)))
    })
}
