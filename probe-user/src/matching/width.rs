//! How much a cell admits, and who takes the credit (invariant 3).

use std::collections::BTreeSet;

use ipnet::IpNet;

use super::cell::{Cell, LocalKind, Place};
use super::rows::{Match, Rows};
use crate::matrix::Ports;
use crate::matrix::inventory::{Cluster, Endpoint, Inventory};

/// How much a cell admits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Width {
    /// Addresses at the destination; `u128::MAX` for `any`.
    pub destination: u128,
    /// Addresses at the source, likewise.
    pub source: u128,
    /// The server's ports.
    pub ports: u32,
}

impl Width {
    /// Whether this is narrower: nowhere wider, and somewhere not as wide. A strict partial order.
    #[must_use]
    pub fn narrower(&self, other: &Self) -> bool {
        self != other
            && self.destination <= other.destination
            && self.source <= other.source
            && self.ports <= other.ports
    }

    pub(super) fn of(cell: &Cell, inventory: &Inventory) -> Self {
        Self {
            destination: addresses(&cell.destination, inventory),
            source: addresses(&cell.source, inventory),
            ports: ports(cell, inventory),
        }
    }
}

impl Rows {
    /// Whether the cell describes an end so loosely that it describes nobody: `any`, or an endpoint with a /8
    /// of IPv4 or a /32 of IPv6 among its blocks. A cluster is what it is, however large.
    ///
    /// # Panics
    /// When there is no such cell.
    #[must_use]
    pub fn is_wide(&self, cell: usize) -> bool {
        is_wide(&self.cells[cell].source, &self.inventory) || self.is_wide_destination(cell)
    }

    /// Whether that is so of its destination.
    ///
    /// # Panics
    /// When there is no such cell.
    #[must_use]
    pub fn is_wide_destination(&self, cell: usize) -> bool {
        is_wide(&self.cells[cell].destination, &self.inventory)
    }
}

impl Rows {
    /// Leaves the credit with those who earn it: of the matches that show their source, only those than which none
    /// is narrower. What is left of them shares it. Matches whose source is hidden earn none and stay, as
    /// evidence that the destination was reached.
    ///
    /// # Panics
    /// When a match is not one of these rows'.
    pub fn credit(&self, found: &mut Vec<Match>) {
        let width = |one: &Match| self.width(one.cell());
        let shown: Vec<Width> = found.iter().filter(|one| !one.source_hidden()).map(width).collect();
        found.retain(|one| one.source_hidden() || !shown.iter().any(|other| other.narrower(&width(one))));
    }
}

fn is_wide(place: &Place, inventory: &Inventory) -> bool {
    const WIDE_V4: u8 = 8;
    const WIDE_V6: u8 = 32;
    let is_wide = |block: &IpNet| {
        let limit = if block.addr().is_ipv4() { WIDE_V4 } else { WIDE_V6 };
        block.prefix_len() <= limit && !block.network().is_loopback()
    };
    match place {
        Place::Any => true,
        Place::Endpoint { name, .. } => {
            inventory.endpoints.get(name).is_some_and(|endpoint| endpoint.cidrs.iter().any(is_wide))
        }
        _ => false,
    }
}

fn ports(cell: &Cell, inventory: &Inventory) -> u32 {
    let bound = match &cell.destination {
        Place::Endpoint { name, .. } => inventory.endpoints.get(name).map(|endpoint| &endpoint.ports),
        _ => None,
    };
    let varies = cell.port.ports == Ports::Varies;
    let bound = bound.into_iter().flatten().filter(|(key, _)| varies || cell.port.ports.hold(**key));
    let mut extra: BTreeSet<u16> = BTreeSet::new();
    for (key, actual) in bound {
        extra.extend(actual.iter().chain([key]).filter(|port| !cell.port.ports.hold(**port)));
    }
    cell.port.ports.count() + u32::try_from(extra.len()).unwrap_or(u32::MAX)
}

/// How many addresses a place holds.
pub(super) fn addresses(place: &Place, inventory: &Inventory) -> u128 {
    match place {
        Place::Any => u128::MAX,
        Place::Cluster(name) => inventory.clusters.get(name).map_or(0, of_cluster),
        Place::Endpoint { name, .. } => inventory.endpoints.get(name).map_or(0, of_endpoint),
        Place::Ingress { cluster, .. } => {
            let cluster = cluster.as_ref().and_then(|cluster| inventory.clusters.get(cluster));
            cluster.and_then(|cluster| cluster.ingress.as_ref()).map_or(0, |ingress| size(&ingress.pods))
        }
        Place::Local(kind) => of_local(*kind, inventory),
    }
}

fn of_cluster(cluster: &Cluster) -> u128 {
    let mut blocks = [cluster.pods.as_slice(), &cluster.services, &cluster.egress].concat();
    blocks.extend(cluster.ingress.iter().flat_map(|ingress| &ingress.addresses));
    blocks.extend(cluster.node_blocks());
    size(&blocks)
}

/// A workload that only its cgroups bind has about one address for each.
pub(super) fn of_endpoint(endpoint: &Endpoint) -> u128 {
    if endpoint.cidrs.is_empty() { endpoint.cgroups.len() as u128 } else { size(&endpoint.cidrs) }
}

/// What is relative to the reporter is as wide as all that may report.
fn of_local(kind: LocalKind, inventory: &Inventory) -> u128 {
    match kind {
        LocalKind::Loopback => (1 << 24) + 1,
        kind => size(&kind.blocks(inventory.clusters.values(), inventory)),
    }
}

impl LocalKind {
    /// Its blocks for whoever reports from these clusters; none of the loopback, which no inventory lists.
    pub fn blocks<'a>(
        self,
        clusters: impl Iterator<Item = &'a Cluster>,
        inventory: &Inventory,
    ) -> Vec<IpNet> {
        match self {
            Self::Loopback => Vec::new(),
            Self::Nodes => clusters.flat_map(Cluster::node_blocks).collect(),
            Self::Pods => clusters.flat_map(|cluster| cluster.pods.clone()).collect(),
            Self::Services => clusters.flat_map(|cluster| cluster.services.clone()).collect(),
            Self::Resolvers => inventory.resolvers.clone(),
            Self::TimeServers => inventory.time_servers.clone(),
            Self::Registries => {
                let endpoints = inventory.registries.iter().filter_map(|name| inventory.endpoints.get(name));
                endpoints.flat_map(|endpoint| endpoint.cidrs.clone()).collect()
            }
        }
    }
}

/// How many addresses some blocks hold together.
#[must_use]
pub fn size(blocks: &[IpNet]) -> u128 {
    let sizes = IpNet::aggregate(&blocks.to_vec()).into_iter().map(|block| {
        1_u128.checked_shl(u32::from(block.max_prefix_len() - block.prefix_len())).unwrap_or(u128::MAX)
    });
    sizes.fold(0, u128::saturating_add)
}
