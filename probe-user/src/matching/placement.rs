//! Where the two ends of a flow are, for readers, and whether the matrix speaks of it.

use std::net::IpAddr;

use super::cell::{Cell, Place};
use super::directory::Entry;
use super::reach::{Reach, hold};
use super::rows::{Matcher, Rows};
use super::tuple::{Side, Tuple};
use crate::matrix::EndpointName;
use crate::matrix::inventory::Endpoint;

/// Where both ends are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// The end that connected.
    pub client: Placed,
    /// The end that listened.
    pub server: Placed,
}

/// Where one end is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Its address.
    pub address: IpAddr,
    /// Its cluster, where invariant 6 lets it be known.
    pub cluster: Option<String>,
    /// Its node, likewise.
    pub node: Option<String>,
    /// Every endpoint of the inventory that it belongs to, sorted.
    pub names: Vec<EndpointName>,
    /// The narrowest of them that describes this end, unless that is the whole Internet.
    narrowest: Option<EndpointName>,
}

impl Placed {
    /// The narrowest endpoint of the inventory that describes it.
    #[must_use]
    pub fn endpoint(&self) -> Option<&EndpointName> {
        self.narrowest.as_ref()
    }

    /// Whether the inventory has no name for its address but the Internet's.
    pub(super) fn is_nowhere(&self) -> bool {
        self.cluster.is_none() && self.narrowest.is_none()
    }

    /// The best name for a reader: the endpoint, else the node, else the cluster, else the address.
    #[must_use]
    pub fn label(&self) -> String {
        match (&self.narrowest, &self.cluster, &self.node) {
            (Some(name), ..) => name.to_string(),
            (None, Some(cluster), Some(node)) => format!("{cluster}/{node}"),
            (None, Some(cluster), None) => cluster.clone(),
            (None, None, _) if self.address.is_unspecified() => "unknown peer".to_owned(),
            (None, None, _) => self.address.to_string(),
        }
    }
}

impl Rows {
    /// Where both ends of the tuple are.
    #[must_use]
    pub fn place(&self, tuple: &Tuple<'_>) -> Placement {
        Placement { client: self.placed(tuple, tuple.client()), server: self.placed(tuple, tuple.server()) }
    }

    /// Whether the matrix speaks of this kind of traffic: everything but what stays within one cluster, and of
    /// that only what a row fits, or what goes to an endpoint that a row with its source in that cluster names.
    #[must_use]
    pub fn in_scope(&self, tuple: &Tuple<'_>) -> bool {
        let fits = || {
            let mut found = Vec::new();
            self.matches(tuple, &mut found);
            !found.is_empty()
        };
        self.is_spoken_of(tuple, self.every_cell()) || fits()
    }

    /// The same of a tuple that fits no row; a row that speaks of it is among the candidates.
    pub(super) fn is_spoken_of(&self, tuple: &Tuple<'_>, candidates: impl Iterator<Item = usize>) -> bool {
        let Placement { client, server } = self.place(tuple);
        let Some(cluster) = client.cluster.filter(|cluster| server.cluster.as_ref() == Some(cluster)) else {
            return true;
        };
        let reach = self.reach(tuple);
        let mut candidates = candidates.map(|index| &self.cells[index]);
        candidates.any(|cell| names_destination(reach, cell, &cluster))
    }

    pub(super) fn placed(&self, tuple: &Tuple<'_>, side: Side) -> Placed {
        let reach = self.reach(tuple);
        let learnt = tuple.names.map_or(&[][..], |names| names.of(side.address));
        let candidates = self.directory.candidates(side.address, learnt);
        let mut named: Vec<(&Entry, &Endpoint)> = candidates
            .map(|entry| (entry, &self.inventory.endpoints[&entry.name]))
            .filter(|(entry, endpoint)| belongs(reach, &entry.name, endpoint, side))
            .collect();
        let names = named.iter().map(|(entry, _)| entry.name.clone()).collect();
        named.sort_by_key(|(entry, _)| (entry.width, &entry.name));
        let serves = |endpoint: &Endpoint| side.client || serves(endpoint, tuple.port);
        let node = self.directory.node(side.address);
        // What a node's address connects from is the node; an endpoint there is what the node serves.
        let is_node = side.client && node.is_some();
        let describes = |endpoint: &Endpoint| !is_everything(endpoint) && !is_node && serves(endpoint);
        let narrowest = named.iter().find(|(_, endpoint)| describes(endpoint));
        let (cluster, node) = home(reach, side, node);
        let endpoint_home = || narrowest.and_then(|(_, endpoint)| endpoint.cluster.clone());
        Placed {
            address: side.address,
            cluster: cluster.or_else(endpoint_home),
            node,
            names,
            narrowest: narrowest.map(|(entry, _)| entry.name.clone()),
        }
    }
}

fn names_destination(reach: Reach<'_>, cell: &Cell, cluster: &str) -> bool {
    matches!(cell.destination, Place::Endpoint { .. } | Place::Ingress { .. })
        && cell.source.cluster() == Some(cluster)
        && reach.holds(&cell.destination, reach.tuple.server())
}

fn belongs<'a>(reach: Reach<'a>, name: &EndpointName, endpoint: &'a Endpoint, side: Side) -> bool {
    if !endpoint.ingress {
        return reach.at_endpoint(name, endpoint, side);
    }
    reach.inventory.clusters.keys().any(|cluster| reach.is_ingress(cluster, side))
}

/// Whether a server may be called by the endpoint's name: one that says its ports shares its address with others.
fn serves(endpoint: &Endpoint, port: u16) -> bool {
    let ports = &endpoint.ports;
    ports.is_empty() || ports.iter().any(|(declared, actual)| *declared == port || actual.contains(&port))
}

fn is_everything(endpoint: &Endpoint) -> bool {
    endpoint.cidrs.iter().any(|block| block.prefix_len() == 0)
}

/// Cluster and node: the reporter's own, or what the address says, which may be a node's.
fn home(reach: Reach<'_>, side: Side, node: Option<(&str, &str)>) -> (Option<String>, Option<String>) {
    let tuple = reach.tuple;
    let of = |(cluster, node): (&str, &str)| (Some(cluster.to_owned()), Some(node.to_owned()));
    if side.local || tuple.is_loopback() {
        return of((tuple.cluster, tuple.node));
    }
    if let Some(node) = node {
        return of(node);
    }
    let clusters = || reach.inventory.clusters.iter();
    let own = [tuple.cluster].into_iter().filter(|name| reach.at_home(name, side)).map(str::to_owned);
    let inner = clusters().filter(|(name, _)| reach.at_home(name, side)).map(|(name, _)| name.clone());
    let edge = clusters().filter(|(_, cluster)| {
        let fronts = cluster.ingress.as_ref().is_some_and(|ingress| hold(&ingress.addresses, side.address));
        fronts || hold(&cluster.egress, side.address)
    });
    // Clusters may leave through one NAT, which then names none of them.
    let mut edge = edge.map(|(name, _)| name.clone());
    let only_edge = || edge.next().filter(|_| edge.next().is_none());
    (own.chain(inner).next().or_else(only_edge), None)
}
