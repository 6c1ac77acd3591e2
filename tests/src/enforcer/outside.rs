//! What leaves a cluster, and under which name.

use std::net::IpAddr;

use super::Site;

/// Whether an address is no pod's, service's or node's of the cluster.
pub(super) fn leaves(site: Site<'_>, address: IpAddr) -> bool {
    let cluster = &site.world.inventory.clusters[site.cluster];
    let is_listed = site.world.clusters[site.cluster].pods.iter().any(|pod| pod.addresses.contains(&address));
    let is_node = cluster.nodes.values().flatten().any(|node| *node == address);
    let is_inner = cluster.pods.iter().chain(&cluster.services).any(|block| block.contains(&address));
    !is_listed && !is_node && !is_inner
}

/// Whether a host name, or one that begins with `*.`, is that of an address.
pub(super) fn is_name(site: Site<'_>, host: &str, address: IpAddr) -> bool {
    let labels = |name: &str| name.to_ascii_lowercase().split('.').map(str::to_owned).collect::<Vec<_>>();
    let asked = labels(host);
    site.world.hosts_at(address).map(labels).any(|name| match asked.split_first() {
        Some((first, rest)) if first == "*" => name.len() > rest.len() && name.ends_with(rest),
        _ => name == asked,
    })
}
