//! Which ends belong to which place: invariant 6.
//!
//! The local end is where its reporter is. The remote end is where its address says, and a pod or service
//! address says so only to the cluster that holds it, unless the inventory calls it routable: other clusters
//! use the same addresses for their own.

use std::net::IpAddr;

use ipnet::IpNet;

use super::cell::{LocalKind, Place};
use super::tuple::{Side, Tuple};
use crate::matrix::{
    EndpointName,
    inventory::{Cluster, Endpoint, Ingress, Inventory},
};

/// One tuple held against the inventory.
#[derive(Clone, Copy)]
pub(super) struct Reach<'a> {
    pub(super) inventory: &'a Inventory,
    pub(super) tuple: &'a Tuple<'a>,
}

/// Whether a block holds the address.
pub(super) fn hold(blocks: &[IpNet], address: IpAddr) -> bool {
    blocks.iter().any(|block| block.contains(&address))
}

impl<'a> Reach<'a> {
    /// Whether `side` is at `place`.
    pub(super) fn holds(&self, place: &Place, side: Side) -> bool {
        match place {
            Place::Any => !self.tuple.on_loopback_address(),
            Place::Cluster(name) => {
                self.at_home(name, side) || self.at_front(name, side) || self.leaves(name, side)
            }
            Place::Endpoint { name, .. } => {
                let endpoint = self.inventory.endpoints.get(name);
                endpoint.is_some_and(|endpoint| self.at_endpoint(name, endpoint, side))
            }
            Place::Ingress { cluster, .. } => {
                cluster.as_deref().is_some_and(|cluster| self.is_ingress(cluster, side))
            }
            Place::Local(kind) => self.at_local(*kind, side),
        }
    }

    /// Whether the tuple's server is at `place`. What stays within one cluster does not go to whoever may be
    /// anywhere: only an endpoint whose own block is within that cluster is meant by it. Otherwise a row for
    /// the Internet would be observed by a node that talks to its own pods.
    pub(super) fn goes_to(&self, place: &Place) -> bool {
        let server = self.tuple.server();
        let stays = self.tuple.is_loopback() || self.at_home(self.tuple.cluster, self.remote());
        self.holds(place, server)
            && match place {
                Place::Any => !stays,
                Place::Endpoint { name, cluster: None } if stays => {
                    let endpoint = self.inventory.endpoints.get(name);
                    endpoint.is_some_and(|endpoint| self.means(name, endpoint, server))
                }
                _ => true,
            }
    }

    fn remote(&self) -> Side {
        let (client, server) = (self.tuple.client(), self.tuple.server());
        if client.local { server } else { client }
    }

    /// Whether the endpoint means something within the reporter's cluster.
    fn means(&self, name: &EndpointName, endpoint: &Endpoint, side: Side) -> bool {
        let own = self.inventory.clusters.get(self.tuple.cluster);
        let is_own = |block: &IpNet| own.is_some_and(|own| is_own(own, block));
        (side.local && self.in_cgroup(&endpoint.cgroups))
            || self.blocks_at(name, endpoint, side.address).any(|block| is_own(&block))
    }

    /// The blocks of the endpoint that hold the address; where the address itself was seen to be the endpoint's, it is one.
    fn blocks_at(
        &self,
        name: &EndpointName,
        endpoint: &'a Endpoint,
        address: IpAddr,
    ) -> impl Iterator<Item = IpNet> + use<'a> {
        let is_named = self.tuple.names.is_some_and(|names| names.of(address).contains(name));
        holding(&endpoint.cidrs, address).chain(is_named.then(|| address.into()))
    }

    /// Whether `side` is inside the cluster: by its report, by its roster, or by an address that counts.
    pub(super) fn at_home(&self, name: &str, side: Side) -> bool {
        if side.local {
            return self.tuple.cluster == name;
        }
        let Some(cluster) = self.inventory.clusters.get(name) else { return false };
        let inner = || hold(&cluster.pods, side.address) || hold(&cluster.services, side.address);
        is_node(cluster, side.address) || (self.trusts(name, cluster) && inner())
    }

    /// Whether `side` is the load balancer's front, as a client sees it.
    pub(super) fn at_front(&self, name: &str, side: Side) -> bool {
        let ingress = self.ingress(name);
        !side.local && !side.client && ingress.is_some_and(|ingress| hold(&ingress.addresses, side.address))
    }

    /// Whether `side` is the cluster as the outside sees it.
    fn leaves(&self, name: &str, side: Side) -> bool {
        let cluster = self.inventory.clusters.get(name);
        !side.local && side.client && cluster.is_some_and(|cluster| hold(&cluster.egress, side.address))
    }

    /// Whether `side` is one of the cluster's pods.
    pub(super) fn is_pod(&self, name: &str, side: Side) -> bool {
        let Some(cluster) = self.inventory.clusters.get(name) else { return false };
        let counts = if side.local { self.tuple.cluster == name } else { self.trusts(name, cluster) };
        counts && hold(&cluster.pods, side.address)
    }

    /// Whether `side` is the ingress workload of the cluster.
    pub(super) fn is_ingress(&self, name: &str, side: Side) -> bool {
        self.ingress(name)
            .is_some_and(|ingress| self.in_blocks(name, holding(&ingress.pods, side.address), side))
    }

    pub(super) fn ingress(&self, cluster: &str) -> Option<&'a Ingress> {
        self.inventory.clusters.get(cluster)?.ingress.as_ref()
    }

    /// Whether `side` belongs to the endpoint.
    pub(super) fn at_endpoint(&self, name: &EndpointName, endpoint: &'a Endpoint, side: Side) -> bool {
        // Nobody knows who sent the datagram: not even that it came from the Internet.
        if !side.local && side.address.is_unspecified() {
            return false;
        }
        let home = endpoint.cluster.as_deref();
        let here = home.is_none_or(|cluster| cluster == self.tuple.cluster);
        if side.local && here && self.in_cgroup(&endpoint.cgroups) {
            return true;
        }
        let mut holding = self.blocks_at(name, endpoint, side.address);
        match home {
            Some(cluster) => self.in_blocks(cluster, holding, side),
            None => {
                // One that lies anywhere holds no loopback address unless it is a loopback block.
                let means = |block: IpNet| !side.address.is_loopback() || block.network().is_loopback();
                holding.any(means) && !(side.local && self.is_private(side.address))
            }
        }
    }

    /// Whether `side` has an address of the cluster, which these blocks hold.
    fn in_blocks(&self, name: &str, mut holding: impl Iterator<Item = IpNet>, side: Side) -> bool {
        if side.local {
            return self.tuple.cluster == name && holding.next().is_some();
        }
        let Some(cluster) = self.inventory.clusters.get(name) else { return false };
        let counts = |block: &IpNet| self.trusts(name, cluster) || !is_inner(cluster, block);
        holding.any(|block| counts(&block))
    }

    /// Whether the cluster's pod and service addresses mean it to this reporter.
    fn trusts(&self, name: &str, cluster: &Cluster) -> bool {
        cluster.routable || self.tuple.cluster == name
    }

    /// Whether the reporter's own cluster gives this address to pods that nobody else can reach.
    fn is_private(&self, address: IpAddr) -> bool {
        let own = self.inventory.clusters.get(self.tuple.cluster);
        own.is_some_and(|cluster| !cluster.routable && hold(&cluster.pods, address))
    }

    /// Whether the socket's cgroup is one of `prefixes` or below one.
    fn in_cgroup(&self, prefixes: &[String]) -> bool {
        self.tuple.cgroup.is_some_and(|cgroup| is_below(cgroup, prefixes))
    }

    fn at_local(&self, kind: LocalKind, side: Side) -> bool {
        let own = self.inventory.clusters.get(self.tuple.cluster);
        let own = |test: &dyn Fn(&Cluster) -> bool| own.is_some_and(test);
        match kind {
            LocalKind::Loopback => self.tuple.is_loopback(),
            LocalKind::Nodes => own(&|cluster| is_node(cluster, side.address)),
            LocalKind::Pods => own(&|cluster| hold(&cluster.pods, side.address)),
            LocalKind::Services => own(&|cluster| hold(&cluster.services, side.address)),
            LocalKind::Resolvers => hold(&self.inventory.resolvers, side.address),
            LocalKind::TimeServers => hold(&self.inventory.time_servers, side.address),
            LocalKind::Registries => {
                self.registries().any(|(name, endpoint)| self.at_endpoint(name, endpoint, side))
            }
        }
    }

    fn registries(&self) -> impl Iterator<Item = (&'a EndpointName, &'a Endpoint)> {
        let inventory = self.inventory;
        inventory.registries.iter().filter_map(|name| inventory.endpoints.get_key_value(name))
    }
}

/// The blocks that hold the address.
fn holding(blocks: &[IpNet], address: IpAddr) -> impl Iterator<Item = IpNet> {
    blocks.iter().copied().filter(move |block| block.contains(&address))
}

/// Whether a cgroup is one of `prefixes` or below one.
pub(super) fn is_below(cgroup: &str, prefixes: &[String]) -> bool {
    let cgroup = cgroup.trim_matches('/');
    let is_whole = |rest: &str| rest.is_empty() || rest.starts_with('/');
    prefixes.iter().any(|prefix| cgroup.strip_prefix(prefix.trim_matches('/')).is_some_and(is_whole))
}

/// Whether the roster has the address.
pub(super) fn is_node(cluster: &Cluster, address: IpAddr) -> bool {
    cluster.nodes.values().flatten().any(|node| *node == address)
}

/// Whether the block means something within the cluster: addresses of its pods or services, or a node.
pub(super) fn is_own(cluster: &Cluster, block: &IpNet) -> bool {
    is_inner(cluster, block) || is_node_block(cluster, block)
}

/// Whether the block is one node's address.
pub(super) fn is_node_block(cluster: &Cluster, block: &IpNet) -> bool {
    cluster.nodes.values().flatten().any(|address| IpNet::from(*address) == *block)
}

/// Whether the block lies within the addresses that other clusters may use too.
pub(super) fn is_inner(cluster: &Cluster, block: &IpNet) -> bool {
    cluster.pods.iter().chain(&cluster.services).any(|inner| inner.contains(block))
}
