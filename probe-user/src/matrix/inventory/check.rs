//! What is questionable about an inventory that can be read: overlaps, gaps, contradictions.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::Serialize;

use super::{Cluster, Inventory};

/// Something questionable.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Remark {
    /// Line of the inventory.
    pub line: u32,
    /// Whether it is probably wrong; otherwise it is worth knowing.
    pub is_warning: bool,
    /// What it is about, such as `clusters.run`.
    pub path: String,
    /// Why, in lower case and without a full stop.
    pub message: String,
}

/// Everything questionable, by line.
#[must_use]
pub fn check(inventory: &Inventory) -> Vec<Remark> {
    let mut remarks = Vec::new();
    for (name, cluster) in &inventory.clusters {
        let path = format!("clusters.{name}");
        let mut remark = |is_warning, message: String| {
            remarks.push(Remark { line: cluster.line, is_warning, path: path.clone(), message });
        };
        overlaps_within(cluster, &mut remark);
        gaps(cluster, inventory, &mut remark);
        contradictions(cluster, &mut remark);
    }
    between_clusters(inventory, &mut remarks);
    endpoints(inventory, &mut remarks);
    remarks.sort();
    remarks
}

fn overlaps(one: &[IpNet], other: &[IpNet]) -> Option<(IpNet, IpNet)> {
    let pairs = one.iter().flat_map(|one| other.iter().map(move |other| (*one, *other)));
    pairs.into_iter().find(|(one, other)| one.contains(other) || other.contains(one))
}

fn overlaps_within(cluster: &Cluster, remark: &mut impl FnMut(bool, String)) {
    if let Some((pods, services)) = overlaps(&cluster.pods, &cluster.services) {
        remark(true, format!("the pods' {pods} and the services' {services} overlap"));
    }
    let nodes = cluster
        .nodes
        .iter()
        .flat_map(|(node, addresses)| addresses.iter().map(move |address| (node, address)));
    for (node, address) in nodes {
        let within = |blocks: &[IpNet]| blocks.iter().copied().find(|block| block.contains(address));
        for (what, blocks) in [("pods", &cluster.pods), ("services", &cluster.services)] {
            if let Some(block) = within(blocks) {
                remark(true, format!("{address} of node `{node}` lies within the {what}' {block}"));
            }
        }
    }
}

fn gaps(cluster: &Cluster, inventory: &Inventory, remark: &mut impl FnMut(bool, String)) {
    if cluster.acknowledged.is_some() {
        return;
    }
    if cluster.nodes.is_empty() {
        remark(
            true,
            "no roster: nothing of this cluster can be called missing, since nobody knows who must watch"
                .to_owned(),
        );
    }
    if cluster.pods.is_empty() {
        remark(false, "no pod CIDRs: pods of it that others see are nobody".to_owned());
    }
    if cluster.egress.is_empty() && inventory.clusters.len() > 1 {
        remark(false, "no egress addresses: where it is translated, the far end sees a stranger".to_owned());
    }
    if cluster.ingress.is_none() {
        remark(false, "no ingress: rows to it need the nodes themselves as their destination".to_owned());
    }
}

fn contradictions(cluster: &Cluster, remark: &mut impl FnMut(bool, String)) {
    let Some(ingress) = &cluster.ingress else { return };
    if ingress.addresses.is_empty() && !(ingress.listeners.is_empty() && ingress.targets.is_empty()) {
        remark(true, "the ingress has ports and no addresses".to_owned());
    }
    if !ingress.targets.is_empty() && ingress.pods.is_empty() {
        remark(false, "the ingress has targets, and no pods that would connect to them".to_owned());
    }
    for port in ingress
        .targets
        .keys()
        .filter(|port| !ingress.listeners.is_empty() && !ingress.listeners.contains_key(port))
    {
        remark(true, format!("the ingress has targets for port {port} and no listener"));
    }
}

/// Blocks that two clusters share are usual, unless both say that theirs are routable.
fn between_clusters(inventory: &Inventory, remarks: &mut Vec<Remark>) {
    let clusters: Vec<(&String, &Cluster)> = inventory.clusters.iter().collect();
    for (index, (name, cluster)) in clusters.iter().enumerate() {
        for (other_name, other) in &clusters[index + 1..] {
            let mut remark = |message: String| {
                let path = format!("clusters.{other_name}");
                remarks.push(Remark { line: other.line, is_warning: true, path, message });
            };
            if cluster.routable
                && other.routable
                && let Some((one, two)) = overlaps(&cluster.pods, &other.pods)
            {
                remark(format!("its pods' {two} and {one} of `{name}` overlap, and both are routable"));
            }
            if let Some((one, two)) = overlaps(&cluster.egress, &other.egress) {
                remark(format!(
                    "its egress {two} and {one} of `{name}` overlap: what leaves by it may be either's"
                ));
            }
            let fronts = |cluster: &Cluster| {
                cluster.ingress.as_ref().map(|ingress| ingress.addresses.clone()).unwrap_or_default()
            };
            if let Some((one, two)) = overlaps(&fronts(cluster), &fronts(other)) {
                remark(format!(
                    "its ingress {two} and {one} of `{name}` overlap: what comes to it may be for either"
                ));
            }
        }
    }
}

fn endpoints(inventory: &Inventory, remarks: &mut Vec<Remark>) {
    let roster: Vec<(&String, IpAddr)> = inventory
        .clusters
        .iter()
        .flat_map(|(name, cluster)| cluster.nodes.values().flatten().map(move |address| (name, *address)))
        .collect();
    let endpoints: Vec<_> = inventory.endpoints.iter().collect();
    for (index, (name, endpoint)) in endpoints.iter().enumerate() {
        let mut remark = |is_warning, message: String| {
            let path = format!("endpoints.{name}");
            remarks.push(Remark { line: endpoint.line, is_warning, path, message });
        };
        if endpoint.says_nothing() {
            remark(true, "nothing says what it is: rows that name it cannot be seen".to_owned());
        }
        if endpoint.cluster.is_none()
            && let Some((cluster, address)) =
                roster.iter().find(|(_, address)| endpoint.cidrs.iter().any(|block| block.contains(address)))
        {
            remark(
                true,
                format!("{address} is a node of cluster `{cluster}`, and the endpoint names no cluster"),
            );
        }
        for (other_name, other) in &endpoints[..index] {
            let same = endpoint.cluster == other.cluster && !endpoint.cidrs.is_empty();
            if same && endpoint.cidrs == other.cidrs {
                remark(
                    false,
                    format!(
                        "has the addresses of `{other_name}`: rows that differ by them alone share their evidence"
                    ),
                );
            } else if same && let Some((one, two)) = overlaps(&endpoint.cidrs, &other.cidrs) {
                remark(
                    false,
                    format!("{one} and {two} of `{other_name}` overlap: the narrower takes the credit"),
                );
            }
        }
    }
    if inventory.resolvers.is_empty()
        && inventory.endpoints.values().any(|endpoint| !endpoint.hosts.is_empty())
    {
        let message = "no resolvers, while endpoints have host names: no DNS answer will count".to_owned();
        remarks.push(Remark { line: 0, is_warning: true, path: "resolvers".to_owned(), message });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::read_inventory;

    fn remarks(text: &str) -> Vec<String> {
        let text = format!("apiVersion: flowdrift/v1\nkind: Inventory\n{text}");
        let inventory = read_inventory(&text, "i.yaml").unwrap_or_else(|faults| panic!("{faults}"));
        check(&inventory)
            .into_iter()
            .filter(|one| one.is_warning)
            .map(|one| format!("{}: {}", one.path, one.message))
            .collect()
    }

    #[test]
    fn overlaps_gaps_and_contradictions_are_told() {
        assert_eq!(
            remarks(
                "clusters:\n  a: {nodes: {n: 10.0.0.1}, pods: [10.0.0.0/16], services: [10.0.128.0/20], routable: true}\n  \
                 b: {pods: [10.0.4.0/24], routable: true, ingress: {listeners: {443: 8443}, targets: {80: [8080]}}}\n"
            ),
            [
                "clusters.a: 10.0.0.1 of node `n` lies within the pods' 10.0.0.0/16",
                "clusters.a: the pods' 10.0.0.0/16 and the services' 10.0.128.0/20 overlap",
                "clusters.b: its pods' 10.0.4.0/24 and 10.0.0.0/16 of `a` overlap, and both are routable",
                "clusters.b: no roster: nothing of this cluster can be called missing, since nobody knows who must watch",
                "clusters.b: the ingress has ports and no addresses",
                "clusters.b: the ingress has targets for port 80 and no listener",
            ]
        );
        assert_eq!(
            remarks("endpoints:\n  nothing: {}\n  names: {hosts: [a.example]}\n"),
            [
                "resolvers: no resolvers, while endpoints have host names: no DNS answer will count",
                "endpoints.nothing: nothing says what it is: rows that name it cannot be seen",
            ]
        );
    }

    #[test]
    fn blocks_that_clusters_repeat_are_usual() {
        let clusters = "clusters:\n  a: {nodes: {n: 10.1.0.1}, pods: [192.168.0.0/16]}\n  b: {nodes: {m: 10.2.0.1}, pods: [192.168.0.0/16]}\n";
        assert_eq!(remarks(clusters), [""; 0]);
    }
}
