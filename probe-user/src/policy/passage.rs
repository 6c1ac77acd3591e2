//! What was observed, at the places where a network lets it through or not: as its client leaves, as its server is reached.

use std::{fmt, net::IpAddr};

use rayon::prelude::*;

use super::world::{Party, World};
use crate::{
    event::Protocol,
    judge::{FlowVerdict, Judgement, Observation, ObservedEnd},
    matching::Tuple,
    wording::plural,
};

/// So many are worked on together, on all CPUs: a batch takes little room.
const TOGETHER: usize = 1 << 14;

/// With what right something passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// A row declares it.
    Declared,
    /// The baseline covers it.
    Baseline,
    /// An exception covers it, and held.
    Exempt,
    /// The matrix does not speak of such traffic.
    OutOfScope,
    /// It is in scope, and nothing allows it.
    Undeclared,
}

impl Standing {
    /// Whether somebody answers for it.
    #[must_use]
    pub fn is_legitimate(self) -> bool {
        matches!(self, Self::Declared | Self::Baseline | Self::Exempt)
    }

    /// The word of the reports.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Declared => "declared",
            Self::Baseline => "baseline",
            Self::Exempt => "exempt",
            Self::OutOfScope => "out of scope",
            Self::Undeclared => "undeclared",
        }
    }
}

/// One side of an observation, where a policy for that side's end governs it.
#[derive(Clone, Debug)]
pub struct Passage<'a> {
    /// Index of the observation.
    pub observation: usize,
    /// Whom the policy is for.
    pub party: Party<'a>,
    /// Who is at the other end, as it is seen there.
    pub peer: Party<'a>,
    /// Whether the party connected; otherwise it was reached.
    pub is_egress: bool,
    /// The server's port as it is seen there, after the translation of services, host byte order.
    pub port: u16,
    /// The transport.
    pub protocol: Protocol,
    /// What the client asked for, where that is something else than the peer and the port: a service's address.
    pub dialled: Option<(IpAddr, u16)>,
    /// With what right it passed.
    pub standing: Standing,
    /// Cells that take the credit, where it is declared.
    pub cells: Vec<usize>,
    /// Row of the baseline, or index of the exception.
    pub excuse: Option<usize>,
    /// Connections that stood, and exchanges that nobody answered.
    pub connections: u64,
}

/// `run/shop/web → 192.0.2.7 443/tcp, declared, 3 connections`.
impl fmt::Display for Passage<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { party, peer, is_egress, port, protocol, standing, connections, .. } = self;
        let arrow = if *is_egress { "→" } else { "←" };
        let (standing, count) = (standing.word(), plural(*connections, "connection"));
        write!(formatter, "{party} {arrow} {peer} {port}/{protocol}, {standing}, {count}")
    }
}

impl<'a> Passage<'a> {
    /// What might pass a party's end, whether or not anybody saw it: nobody answers for it. `port` is in host byte order.
    #[must_use]
    pub fn between(
        (party, peer): (Party<'a>, Party<'a>),
        is_egress: bool,
        port: u16,
        protocol: Protocol,
    ) -> Self {
        Self {
            observation: 0,
            party,
            peer,
            is_egress,
            port,
            protocol,
            dialled: None,
            standing: Standing::Undeclared,
            cells: Vec::new(),
            excuse: None,
            connections: 0,
        }
    }
}

impl Passage<'_> {
    /// Whether both ends are one node's own sockets: whatever addresses they have, it never leaves the node's namespace.
    #[must_use]
    pub fn is_within_node(&self) -> bool {
        match (&self.party, &self.peer) {
            (Party::Node { cluster, node, .. }, Party::Node { cluster: of, node: other, .. }) => {
                (cluster, node) == (of, other)
            }
            _ => false,
        }
    }

    /// Whether it is between a pod and the node that it runs on, such as the kubelet's probes: no language cuts what comes
    /// from there, some cut what goes there, and neither is a reason to govern a pod.
    #[must_use]
    pub fn is_with_own_node(&self) -> bool {
        match (&self.party, &self.peer) {
            (Party::Pod { cluster, pod, .. }, Party::Node { cluster: of, node, .. }) => {
                cluster == of && pod.node.as_deref() == Some(*node)
            }
            _ => false,
        }
    }
}

/// What passed, in the order of the observations: of a million flows nobody keeps them all. What failed, what never left its node,
/// and whose ends nobody knows is no passage.
pub fn passages<'a, 'b>(
    world: &'b World<'a>,
    judgement: &'b Judgement<'a>,
) -> impl Iterator<Item = Passage<'a>> + use<'a, 'b> {
    let count = judgement.observations.len();
    (0..count).step_by(TOGETHER).flat_map(move |first| {
        let batch = (first..count.min(first + TOGETHER)).into_par_iter();
        batch.flat_map_iter(|index| of_observation(world, judgement, index)).collect::<Vec<_>>()
    })
}

/// Each passage with what becomes of it, in their order; asked on all CPUs.
pub fn replayed<'a, T: Send>(
    mut passages: impl Iterator<Item = Passage<'a>>,
    becomes: impl Fn(&Passage<'a>) -> T + Sync,
) -> impl Iterator<Item = (Passage<'a>, T)> {
    let batches = std::iter::from_fn(move || {
        let batch: Vec<Passage<'a>> = passages.by_ref().take(TOGETHER).collect();
        (!batch.is_empty()).then_some(batch)
    });
    batches.flat_map(move |batch| {
        let told: Vec<T> = batch.par_iter().map(&becomes).collect();
        batch.into_iter().zip(told)
    })
}

/// What passed of one observation.
pub(super) fn of_observation<'a>(
    world: &World<'a>,
    judgement: &Judgement<'a>,
    index: usize,
) -> Vec<Passage<'a>> {
    let mut found = Vec::new();
    if let (Some(observation), Some(verdict)) =
        (judgement.observations.get(index), judgement.flows.get(index))
        && observation.passed() > 0
    {
        Passing { world, index, observation, verdict }.tell(&mut found);
    }
    found
}

struct Passing<'a, 'b> {
    world: &'b World<'a>,
    index: usize,
    observation: &'b Observation<'a>,
    verdict: &'b FlowVerdict,
}

impl<'a> Passing<'a, '_> {
    fn tell(&self, found: &mut Vec<Passage<'a>>) {
        let (client, servers) = (self.observation.clients.first(), self.observation.servers.as_slice());
        if self.observation.ends().any(|end| is_loopback(&end.tuple())) {
            return;
        }
        match client {
            Some(client) => self.seen_by_client(client, servers, found),
            None => servers.iter().for_each(|server| self.seen_by_server(server, found)),
        }
        // Of a datagram that nobody answered, nobody may know where it came from.
        let is_known = |passage: &Passage<'_>| !passage.peer.address().is_unspecified();
        found.retain(|passage| is_known(passage) && !passage.is_within_node());
    }

    /// The client's end was seen: what it leaves for, and whom in its own cluster it reaches.
    fn seen_by_client(
        &self,
        client: &ObservedEnd<'a>,
        servers: &[ObservedEnd<'a>],
        found: &mut Vec<Passage<'a>>,
    ) {
        let ObservedEnd { window, flow } = *client;
        let (cluster, owner) = (window.cluster.as_str(), self.world.owner(window, flow));
        let key = &flow.key;
        let seen = key.translated.map_or((key.remote, key.port), |face| (face.server, face.port));
        let is_asked = seen == (key.remote, key.port);
        let behind = if is_asked { self.world.behind(cluster, flow) } else { Vec::new() };
        // Whoever answered there tells best who he is; where another node translates, nobody there is whom the client leaves for.
        let answering = servers.iter().find(|server| server.flow.key.local == seen.0);
        let reached = match (answering, behind.as_slice()) {
            (Some(server), []) => vec![(self.world.owner(server.window, server.flow), seen.1)],
            (None, []) => vec![(self.world.at(cluster, seen.0), seen.1)],
            (..) => behind,
        };
        // What a node sends itself is on no wire.
        for (peer, port) in reached.into_iter().filter(|(peer, _)| peer.address() != owner.address()) {
            let dialled =
                ((peer.address(), port) != (key.remote, key.port)).then_some((key.remote, key.port));
            let egress = self.passage((owner, peer), true, port, key.protocol);
            found.push(Passage { dialled, ..egress });
            let is_neighbour = peer.cluster() == Some(cluster);
            if servers.is_empty() && is_neighbour {
                // Within a cluster nobody translates the client on the way.
                found.push(self.passage((peer, owner), false, port, key.protocol));
            }
        }
        // Several may have taken them, behind one address.
        servers.iter().for_each(|server| self.arrival(server, Some(owner), found));
    }

    /// Only the server's end was seen.
    fn seen_by_server(&self, server: &ObservedEnd<'a>, found: &mut Vec<Passage<'a>>) {
        self.arrival(server, None, found);
        let arrived = found.last().cloned();
        // Whoever came from the same cluster is governed there, too.
        if let Some(Passage { party, peer, port, protocol, .. }) = arrived
            && peer.cluster().is_some()
            && peer.cluster() == party.cluster()
        {
            found.push(self.passage((peer, party), true, port, protocol));
        }
    }

    /// What reaches a server, from whom it sees: its client, or whom the network puts in the client's place.
    fn arrival(&self, server: &ObservedEnd<'a>, client: Option<Party<'a>>, found: &mut Vec<Passage<'a>>) {
        let ObservedEnd { window, flow } = *server;
        let owner = self.world.owner(window, flow);
        let from = flow.key.remote;
        let peer = client.filter(|client| client.address() == from);
        let peer = peer.unwrap_or_else(|| self.world.at(&window.cluster, from));
        found.push(self.passage((owner, peer), false, flow.key.port, flow.key.protocol));
    }

    fn passage(
        &self,
        (party, peer): (Party<'a>, Party<'a>),
        is_egress: bool,
        port: u16,
        protocol: Protocol,
    ) -> Passage<'a> {
        let (standing, cells, excuse) = match self.verdict {
            FlowVerdict::Declared { cells, .. } => (Standing::Declared, cells.clone(), None),
            FlowVerdict::Baseline(row) => (Standing::Baseline, Vec::new(), Some(*row)),
            FlowVerdict::Exempt { exception, expired: false } => {
                (Standing::Exempt, Vec::new(), Some(*exception))
            }
            FlowVerdict::Exempt { exception, expired: true } => {
                (Standing::Undeclared, Vec::new(), Some(*exception))
            }
            FlowVerdict::Undeclared => (Standing::Undeclared, Vec::new(), None),
            FlowVerdict::OutOfScope => (Standing::OutOfScope, Vec::new(), None),
        };
        Passage {
            observation: self.index,
            party,
            peer,
            is_egress,
            port,
            protocol,
            dialled: None,
            standing,
            cells,
            excuse,
            connections: self.observation.passed(),
        }
    }
}

fn is_loopback(tuple: &Tuple<'_>) -> bool {
    tuple.local.is_loopback() || tuple.remote.is_loopback() || tuple.local == tuple.remote
}
