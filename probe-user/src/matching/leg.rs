//! Over which hop of a declared path a tuple fits a cell. No kernel sees a path through a proxy end to end.

use std::collections::BTreeMap;

use super::cell::{Cell, Place};
use super::reach::{Reach, hold};
use crate::matrix::inventory::{Endpoint, Ingress};
use crate::matrix::{PortSpec, Ports};

/// One hop of a declared path that a socket can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Leg {
    /// The declared client to the declared server.
    Direct,
    /// The declared client to the load balancer in front of the server.
    ClientToFront,
    /// The load balancer to the port on which the nodes listen for it.
    FrontToListener,
    /// The ingress to a pod.
    IngressToPod,
}

impl Leg {
    /// Each, in their order.
    pub(super) const ALL: [Self; 4] =
        [Self::Direct, Self::ClientToFront, Self::FrontToListener, Self::IngressToPod];
}

/// The first leg over which the tuple fits the cell, and whether that is only possible: the cell's source is hidden behind
/// a proxy, or its server serves on every address and nobody asked which one it was.
/// Legs that show the source come first.
pub(super) fn fit(reach: Reach<'_>, cell: &Cell) -> Option<(Leg, bool)> {
    if !cell.port.carries(reach.tuple.protocol) {
        return None;
    }
    match &cell.destination {
        Place::Cluster(cluster) => fit_cluster(reach, cell, cluster),
        destination => {
            let hidden = source(reach, cell)?;
            let is_there = reach.goes_to(destination);
            let fits = (is_there || reach.may_go_to(destination)) && admits(reach, cell);
            fits.then_some((Leg::Direct, hidden || !is_there))
        }
    }
}

/// Whether the cell's source is hidden; `None` when the client cannot be it.
fn source(reach: Reach<'_>, cell: &Cell) -> Option<bool> {
    let client = reach.tuple.client();
    if reach.holds(&cell.source, client) {
        return Some(false);
    }
    reach.may_be(&cell.source, client).then_some(true)
}

fn fit_cluster(reach: Reach<'_>, cell: &Cell, cluster: &str) -> Option<(Leg, bool)> {
    let behind_ingress = matches!(cell.source, Place::Ingress { .. });
    let outer = if behind_ingress { None } else { fit_outer(reach, cell, cluster) };
    outer
        .or_else(|| to_pod(reach, cell, cluster).then_some((Leg::IngressToPod, !behind_ingress)))
        .or_else(|| (!behind_ingress).then_some((fit_open(reach, cell, cluster)?, source(reach, cell)?)))
}

/// The leg on which the destination is met as it is declared, whoever the source is.
fn fit_open(reach: Reach<'_>, cell: &Cell, cluster: &str) -> Option<Leg> {
    let server = reach.tuple.server();
    let leg = match () {
        () if reach.at_home(cluster, server) => Leg::Direct,
        () if reach.at_front(cluster, server) => Leg::ClientToFront,
        () => return None,
    };
    cell.port.ports.hold(reach.tuple.port).then_some(leg)
}

fn fit_outer(reach: Reach<'_>, cell: &Cell, cluster: &str) -> Option<(Leg, bool)> {
    let (client, server, port) = (reach.tuple.client(), reach.tuple.server(), reach.tuple.port);
    let source = reach.holds(&cell.source, client);
    if let Some(leg) = fit_open(reach, cell, cluster).filter(|_| source) {
        return Some((leg, false));
    }
    let home = reach.at_home(cluster, server);
    let ingress = reach.ingress(cluster)?;
    let listens = || listener(ingress, &cell.port, port) && hold(&ingress.proxies, client.address);
    (home && listens()).then_some((Leg::FrontToListener, !source))
}

fn to_pod(reach: Reach<'_>, cell: &Cell, cluster: &str) -> bool {
    let Some(ingress) = reach.ingress(cluster) else { return false };
    reach.is_ingress(cluster, reach.tuple.client())
        && reach.is_pod(cluster, reach.tuple.server())
        && target(ingress, &cell.port, reach.tuple.port)
}

/// Whether the nodes listen on `port` for a front port that is declared.
fn listener(ingress: &Ingress, declared: &PortSpec, port: u16) -> bool {
    ingress.listeners.iter().any(|(front, listener)| declared.ports.hold(*front) && *listener == port)
}

/// Whether pods serve on `port` what is declared for a front port; a front port without targets is its own.
fn target(ingress: &Ingress, declared: &PortSpec, port: u16) -> bool {
    mapped(&ingress.targets, declared, port)
        || (declared.ports.hold(port) && !ingress.targets.contains_key(&port))
}

fn mapped(ports: &BTreeMap<u16, Vec<u16>>, declared: &PortSpec, port: u16) -> bool {
    ports.iter().any(|(front, actual)| declared.ports.hold(*front) && actual.contains(&port))
}

/// Whether the cell admits the tuple's port at a destination that is no cluster.
pub(super) fn admits(reach: Reach<'_>, cell: &Cell) -> bool {
    let (declared, port) = (&cell.port, reach.tuple.port);
    let behind = match &cell.source {
        Place::Ingress { cluster: Some(cluster), .. } => reach.ingress(cluster),
        _ => None,
    };
    declared.ports.hold(port)
        || behind.is_some_and(|ingress| target(ingress, declared, port))
        || match &cell.destination {
            Place::Endpoint { name, .. } => {
                reach.inventory.endpoints.get(name).is_some_and(|endpoint| bound(endpoint, declared, port))
            }
            Place::Ingress { cluster: Some(cluster), .. } => {
                reach.ingress(cluster).is_some_and(|ingress| listener(ingress, declared, port))
            }
            _ => false,
        }
}

/// Whether the inventory binds a declared port to `port`; for `varies` everything that it binds.
fn bound(endpoint: &Endpoint, declared: &PortSpec, port: u16) -> bool {
    match declared.ports {
        Ports::Varies => endpoint.ports.iter().any(|(key, actual)| *key == port || actual.contains(&port)),
        _ => mapped(&endpoint.ports, declared, port),
    }
}
