//! What leaves a cluster, for the languages that govern nothing else.

use std::{collections::BTreeSet, net::IpAddr};

use crate::policy::{
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
    pub(super) fn of(world: &World<'_>, subject: &Subject, rule: &Rule) -> Self {
        let cluster = subject.cluster();
        let addresses = rule.evidence.addresses.iter().copied();
        let addresses = addresses.filter(|address| is_outside(world, cluster, &world.at(cluster, *address)));
        Self { addresses: addresses.collect(), ports: rule.evidence.ports.clone() }
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
