//! What passed and became no rule: which observations, and what of them a rule must not let through.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use super::{
    passage::Passage,
    rule::{Flow, Peer},
    world::{Party, Subject, SubjectRef},
};
use crate::{event::Protocol, workload::Workload};

/// Who was at the other end of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stranger<'a> {
    /// What it is a part of, where it is a pod of the same cluster.
    pub workload: Option<&'a Workload>,
    /// Its address.
    pub address: IpAddr,
    /// The transport.
    pub protocol: Protocol,
    /// The server's port, host byte order.
    pub port: u16,
    /// Whether it is a pod's own node, or a pod of it.
    pub is_with_own_node: bool,
}

impl<'a> Stranger<'a> {
    fn of(passage: &Passage<'a>) -> Self {
        let Passage { party, peer, port, protocol, .. } = *passage;
        let workload = match peer {
            Party::Pod { cluster, pod, .. } if party.cluster() == Some(cluster) => Some(&pod.workload),
            _ => None,
        };
        let is_with_own_node = passage.is_with_own_node();
        Self { workload, address: peer.address(), protocol, port, is_with_own_node }
    }

    /// Whether a rule would let it through: a block may hold a workload's addresses, too.
    pub(super) fn is_admitted(&self, flow: &Flow) -> bool {
        let is_peer = || match &flow.peer {
            Peer::Workload(workload) => self.workload == Some(workload),
            Peer::Address(address) => *address == self.address,
            Peer::Endpoint { blocks, .. } | Peer::Blocks { blocks, .. } => blocks.hold(self.address),
        };
        flow.ports.holds(self.protocol, self.port) && is_peer()
    }
}

/// By subject, and whether it connects.
type Sides<'a> = BTreeMap<(SubjectRef<'a>, bool), BTreeSet<Stranger<'a>>>;

/// All of it. Of a million flows nobody keeps each end by itself.
#[derive(Clone, Debug, Default)]
pub struct Quarantine<'a> {
    observations: BTreeSet<usize>,
    sides: Sides<'a>,
    ends: usize,
    connections: u64,
}

impl<'a> Quarantine<'a> {
    /// Adds an end of something; of whom no policy can be for, nothing.
    pub fn add(&mut self, passage: &Passage<'a>) {
        let Some(subject) = passage.party.subject_ref() else { return };
        self.observations.insert(passage.observation);
        self.sides.entry((subject, passage.is_egress)).or_default().insert(Stranger::of(passage));
        self.ends += 1;
        self.connections = self.connections.saturating_add(passage.connections);
    }

    /// Indices of the observations, in order, each once.
    pub fn observations(&self) -> impl Iterator<Item = usize> {
        self.observations.iter().copied()
    }

    /// Ends, and the connections that each of them saw.
    #[must_use]
    pub fn count(&self) -> (usize, u64) {
        (self.ends, self.connections)
    }

    /// Who was at the other end of a subject in one direction.
    pub fn of<'q>(
        &'q self,
        subject: &'q Subject,
        is_egress: bool,
    ) -> impl Iterator<Item = &'q Stranger<'q>> + use<'a, 'q> {
        self.sides.get(&(subject.to_ref(), is_egress)).into_iter().flatten()
    }

    pub(super) fn sides(&self) -> &Sides<'a> {
        &self.sides
    }
}

impl<'a> FromIterator<Passage<'a>> for Quarantine<'a> {
    fn from_iter<T: IntoIterator<Item = Passage<'a>>>(passages: T) -> Self {
        let mut quarantine = Self::default();
        passages.into_iter().for_each(|passage| quarantine.add(&passage));
        quarantine
    }
}
