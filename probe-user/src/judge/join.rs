//! The two ends of one connection, where addresses allow to say that they are.

use std::{collections::BTreeMap, net::IpAddr};

use crate::{
    event::Protocol,
    flow::{Direction, Flow, Outcomes, Window},
    matching::Tuple,
    matrix::inventory::Inventory,
};

/// One end of a connection, as its node reported it.
#[derive(Clone, Copy, Debug)]
pub struct ObservedEnd<'a> {
    /// The node's window.
    pub window: &'a Window,
    /// The flow.
    pub flow: &'a Flow,
}

impl<'a> ObservedEnd<'a> {
    /// What the matcher takes.
    #[must_use]
    pub fn tuple(&self) -> Tuple<'a> {
        let key = &self.flow.key;
        Tuple {
            cluster: &self.window.cluster,
            node: &self.window.node,
            cgroup: key.workload.cgroup.as_deref(),
            direction: key.direction,
            local: key.local,
            remote: key.remote,
            port: key.port,
            protocol: key.protocol,
        }
    }
}

/// Connections between the same two addresses and the same server port, as both ends saw them.
#[derive(Clone, Debug, Default)]
pub struct Observation<'a> {
    /// The connecting end: several workloads may share an address.
    pub clients: Vec<ObservedEnd<'a>>,
    /// The listening end.
    pub servers: Vec<ObservedEnd<'a>>,
}

impl<'a> Observation<'a> {
    /// Both ends.
    pub fn ends(&self) -> impl Iterator<Item = &ObservedEnd<'a>> {
        self.clients.iter().chain(&self.servers)
    }

    /// What the connecting end saw, together.
    #[must_use]
    pub fn client_outcomes(&self) -> Outcomes {
        sum(&self.clients)
    }

    /// What the listening end saw, together.
    #[must_use]
    pub fn server_outcomes(&self) -> Outcomes {
        sum(&self.servers)
    }

    /// Connections that stood, each counted once though both ends saw it.
    #[must_use]
    pub fn succeeded(&self) -> u64 {
        self.client_outcomes().succeeded().max(self.server_outcomes().succeeded())
    }

    /// Wall-clock time of the first and last fact, nanoseconds since the Unix epoch.
    #[must_use]
    pub fn seen(&self) -> (i64, i64) {
        let first = self.ends().map(|end| end.flow.first_seen).min().unwrap_or(0);
        let last = self.ends().map(|end| end.flow.last_seen).max().unwrap_or(0);
        (first, last)
    }
}

fn sum(ends: &[ObservedEnd<'_>]) -> Outcomes {
    let mut sum = Outcomes::default();
    ends.iter().for_each(|end| sum.add(&end.flow.outcomes));
    sum
}

/// Where an address means one host: everywhere, in one cluster, or on one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Space<'a> {
    Everywhere,
    Cluster(&'a str),
    Node(&'a str, &'a str, Option<&'a str>),
}

type Key<'a> = ((Space<'a>, IpAddr), (Space<'a>, IpAddr), u16, Protocol);

/// Joins what is one.
pub(super) fn observations<'a>(windows: &'a [Window], inventory: &'a Inventory) -> Vec<Observation<'a>> {
    let mut joined: BTreeMap<Key<'a>, Observation<'a>> = BTreeMap::new();
    for window in windows {
        for flow in &window.flows {
            let end = ObservedEnd { window, flow };
            let observation = joined.entry(key(end, inventory)).or_default();
            match flow.key.direction {
                Direction::Inbound => observation.servers.push(end),
                Direction::Outbound | Direction::Unknown => observation.clients.push(end),
            }
        }
    }
    joined.into_values().collect()
}

fn key<'a>(end: ObservedEnd<'a>, inventory: &'a Inventory) -> Key<'a> {
    let key = &end.flow.key;
    let place = |address| (space(end, address, inventory), address);
    let (client, server) = match key.direction {
        Direction::Inbound => (key.remote, key.local),
        Direction::Outbound | Direction::Unknown => (key.local, key.remote),
    };
    (place(client), place(server), key.port, key.protocol)
}

/// Invariant 6: what the reporting cluster's own blocks hold means nothing elsewhere.
fn space<'a>(end: ObservedEnd<'a>, address: IpAddr, inventory: &Inventory) -> Space<'a> {
    let ObservedEnd { window, flow } = end;
    let is_link_local = match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    if address.is_loopback() || is_link_local || address.is_unspecified() {
        return Space::Node(&window.cluster, &window.node, flow.key.workload.netns.as_deref());
    }
    let private = inventory.clusters.get(&window.cluster).is_some_and(|cluster| {
        let mut blocks = cluster.pods.iter().chain(&cluster.services);
        !cluster.routable && blocks.any(|block| block.contains(&address))
    });
    if private { Space::Cluster(&window.cluster) } else { Space::Everywhere }
}
