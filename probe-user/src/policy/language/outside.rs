//! What leaves a cluster, for the languages that govern nothing else.

use std::{collections::BTreeSet, net::IpAddr};

use crate::policy::{
    gather::Policies,
    passage::Passage,
    rule::{Peer, Rule},
    world::{Party, Subject, World},
};

/// Whether a peer is nobody of the cluster: none of its pods, its nodes, and its addresses that nobody lists.
pub(super) fn is_outside(world: &World<'_>, cluster: &str, peer: &Party<'_>) -> bool {
    match peer {
        Party::Pod { cluster: of, .. }
        | Party::Node { cluster: of, .. }
        | Party::Guest { cluster: of, .. } => *of != cluster,
        Party::Outside(address) => !world.is_within(cluster, *address),
    }
}

/// What of a rule was seen to leave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Leaving {
    pub(super) addresses: BTreeSet<IpAddr>,
    pub(super) ports: BTreeSet<u16>,
}

impl Leaving {
    /// Of a rule for what leaves a subject.
    pub(super) fn of(world: &World<'_>, policies: &Policies<'_>, subject: &Subject, rule: &Rule) -> Self {
        let (blocks, ports) = (rule.flow.peer.blocks(), rule.flow.ports);
        let is_it = |passage: &&Passage<'_>| {
            passage.is_egress
                && rule.evidence.standings.contains(&passage.standing)
                && ports.holds(passage.protocol, passage.port)
                && blocks.iter().any(|block| block.contains(&passage.peer.address()))
                && is_outside(world, subject.cluster(), &passage.peer)
                && passage.party.subject().as_ref() == Some(subject)
        };
        let mut leaving = Self::default();
        for passage in policies.passages.iter().filter(is_it) {
            leaving.addresses.insert(passage.peer.address());
            leaving.ports.insert(passage.port);
        }
        leaving
    }

    /// The same of a rule that nobody was seen to need: what it is declared for, as far as it names single addresses.
    pub(super) fn declared(world: &World<'_>, cluster: &str, peer: &Peer) -> Self {
        let blocks = peer.blocks();
        let single = blocks.iter().filter(|block| block.prefix_len() == block.max_prefix_len());
        let addresses = single.map(|block| block.addr());
        let outside = addresses.filter(|address| is_outside(world, cluster, &world.at(cluster, *address)));
        Self { addresses: outside.collect(), ports: BTreeSet::new() }
    }
}
