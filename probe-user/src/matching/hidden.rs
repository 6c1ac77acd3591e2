//! Sources that a listener cannot know by their address, and arrivals from addresses that say nothing.
//!
//! Pods whose addresses mean nothing elsewhere arrive from their node's or their cluster's egress address, and
//! so does everybody else there; a cgroup is on no wire at all. What arrives from such an address may have been
//! theirs, so it is neither undeclared nor proof, and "nothing arrived" may not be said beside it.

use super::cell::{Cell, Place};
use super::leg;
use super::reach::{Reach, hold, is_inner};
use super::rows::Rows;
use super::tuple::{Side, Tuple};
use crate::flow::Direction;
use crate::matrix::inventory::{Endpoint, Inventory};

/// Whether a listener in the cluster `at` cannot know the endpoint by the address that it connects from.
pub(super) fn is_concealed(inventory: &Inventory, endpoint: &Endpoint, at: Option<&str>) -> bool {
    let home = endpoint.cluster.as_deref();
    let cluster = home.and_then(|home| inventory.clusters.get(home));
    let is_translated = cluster.is_some_and(|cluster| {
        !cluster.routable && endpoint.cidrs.iter().any(|block| is_inner(cluster, block))
    });
    !endpoint.cgroups.is_empty() || (is_translated && home != at)
}

impl Reach<'_> {
    /// Whether the client may be at `place` though nothing shows that it is: the listener sees a node or the
    /// egress of its cluster, or does not know who sent a datagram, or the client's own node does not know the socket's
    /// workload.
    pub(super) fn may_be(&self, place: &Place, client: Side) -> bool {
        if !client.local && client.address.is_unspecified() {
            return true;
        }
        let Place::Endpoint { name, .. } = place else { return false };
        let Some(endpoint) = self.inventory.endpoints.get(name) else { return false };
        let home = endpoint.cluster.as_deref();
        if client.local {
            let is_here = home.is_none_or(|home| home == self.tuple.cluster);
            return is_here && !endpoint.cgroups.is_empty() && self.tuple.cgroup.is_none();
        }
        let mut clusters =
            self.inventory.clusters.keys().filter(|name| home.is_none_or(|home| home == name.as_str()));
        is_concealed(self.inventory, endpoint, Some(self.tuple.cluster))
            && clusters.any(|name| self.may_come_from(name, client))
    }

    /// Whether whoever is in a cluster may come from the client's address.
    pub(super) fn may_come_from(&self, cluster: &str, client: Side) -> bool {
        let egress = || self.inventory.clusters.get(cluster).map(|cluster| cluster.egress.as_slice());
        self.at_home(cluster, client) || hold(egress().unwrap_or_default(), client.address)
    }
}

impl Reach<'_> {
    /// Whether the server may be at `place` though nothing shows that it is: its socket takes what comes to any address of
    /// its namespace, and the kernel told nobody which one a datagram came to.
    pub(super) fn may_go_to(&self, place: &Place) -> bool {
        let server = self.tuple.server();
        let Place::Endpoint { name, .. } = place else { return false };
        let Some(endpoint) = self.inventory.endpoints.get(name) else { return false };
        let is_here = endpoint.cluster.as_deref().is_none_or(|home| home == self.tuple.cluster);
        server.local && server.address.is_unspecified() && is_here
    }
}

impl Rows {
    /// Cells to whose destination and port the tuple came from an address that places nobody, or that a proxy
    /// has: a source of theirs may be behind it.
    #[must_use]
    pub fn unplaced_arrivals(&self, tuple: &Tuple<'_>) -> Vec<usize> {
        self.unplaced_among(tuple, self.every_cell())
    }

    /// The same, of candidates.
    pub(super) fn unplaced_among(
        &self,
        tuple: &Tuple<'_>,
        candidates: impl Iterator<Item = usize>,
    ) -> Vec<usize> {
        if tuple.direction != Direction::Inbound {
            return Vec::new();
        }
        let reach = self.reach(tuple);
        let client = self.placed(tuple, tuple.client());
        let proxies = || self.inventory.clusters.values().filter_map(|cluster| cluster.ingress.as_ref());
        let is_proxy = || proxies().any(|ingress| hold(&ingress.proxies, client.address));
        if !(client.is_nowhere() || is_proxy()) {
            return Vec::new();
        }
        let arrives = |cell: &Cell| {
            let from_anybody = Cell { source: Place::Any, ..cell.clone() };
            leg::fit(reach, &from_anybody).is_some()
        };
        candidates.filter(|index| arrives(&self.cells[*index])).collect()
    }

    /// Cells that the tuple may be of, whose peer nobody saw: it comes from their source, over their transport.
    #[must_use]
    pub fn unaddressed(&self, tuple: &Tuple<'_>) -> Vec<usize> {
        self.unaddressed_among(tuple, self.every_cell())
    }

    /// The same, of candidates.
    pub(super) fn unaddressed_among(
        &self,
        tuple: &Tuple<'_>,
        candidates: impl Iterator<Item = usize>,
    ) -> Vec<usize> {
        if tuple.direction == Direction::Inbound || !tuple.remote.is_unspecified() {
            return Vec::new();
        }
        let reach = self.reach(tuple);
        let is_from =
            |cell: &Cell| cell.port.carries(tuple.protocol) && reach.holds(&cell.source, tuple.client());
        candidates.filter(|index| is_from(&self.cells[*index])).collect()
    }

    /// Whether a row names the tuple's server as an endpoint, with its port. What a socket says to its own
    /// loopback address is nobody's access.
    #[must_use]
    pub fn names_port_of_endpoint(&self, tuple: &Tuple<'_>) -> bool {
        self.names_port_among(tuple, self.every_cell())
    }

    /// The same, of candidates.
    pub(super) fn names_port_among(
        &self,
        tuple: &Tuple<'_>,
        mut candidates: impl Iterator<Item = usize>,
    ) -> bool {
        let reach = self.reach(tuple);
        let names = |cell: &Cell| {
            matches!(cell.destination, Place::Endpoint { .. })
                && cell.port.carries(tuple.protocol)
                && reach.goes_to(&cell.destination)
                && leg::admits(reach, cell)
        };
        !tuple.on_loopback_address()
            && candidates.any(|index| !self.is_wide_destination(index) && names(&self.cells[index]))
    }
}
