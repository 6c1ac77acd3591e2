//! From one observed peer and port to what a rule says: as wide as the user's dial, and never wider than the rows.

use std::{collections::BTreeSet, net::IpAddr};

use ipnet::IpNet;

use super::{
    passage::{Passage, Standing},
    reach::{Named, Reach},
    rule::{Flow, Peer, PortRange},
    world::{Party, World},
};
use crate::{
    matching::{Cell, Matcher, Rows},
    matrix::Ports,
};

/// How wide a rule may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tightness {
    /// The addresses and ports that were seen.
    Exact,
    /// What the inventory calls by one name, as far as the rows declare it, and the rows' ranges of ports.
    #[default]
    Inventory,
    /// What the rows declare.
    Declared,
}

/// What a passage becomes. A workload of the same cluster is a workload however tight: its pods have other addresses
/// tomorrow. With it the host names by which it could not be known.
pub(super) fn flow(
    world: &World<'_>,
    rows: &Rows,
    passage: &Passage<'_>,
    tightness: Tightness,
) -> (Flow, Aliases) {
    Generaliser { world, rows, passage, tightness }.flow()
}

/// The same as tight as can be.
pub(super) fn exact(world: &World<'_>, rows: &Rows, passage: &Passage<'_>) -> (Flow, Aliases) {
    flow(world, rows, passage, Tightness::Exact)
}

/// Host names of rows that do not agree on them, and of which nothing tells which was meant; none where they do.
pub(super) type Aliases = BTreeSet<String>;

struct Generaliser<'a, 'b> {
    world: &'b World<'a>,
    rows: &'b Rows,
    passage: &'b Passage<'a>,
    tightness: Tightness,
}

impl Generaliser<'_, '_> {
    /// Peer and ports of one and the same row: those of several together would be wider than any of them.
    fn flow(&self) -> (Flow, Aliases) {
        let Passage { port, protocol, standing, .. } = *self.passage;
        let exact = Flow { peer: self.seen(), ports: PortRange { protocol, first: port, last: port } };
        if self.tightness == Tightness::Exact || standing != Standing::Declared {
            return (exact, Aliases::new());
        }
        let of_rows = self
            .cells()
            .map(|cell| Flow { peer: self.peer(cell), ports: self.ports(cell).unwrap_or(exact.ports) });
        let of_rows: Vec<Flow> = of_rows.collect();
        let width =
            |flow: &&Flow| (flow.peer.blocks().width(), flow.ports.last - flow.ports.first, (*flow).clone());
        let found = match self.tightness {
            Tightness::Declared => of_rows.iter().max_by_key(width),
            Tightness::Exact | Tightness::Inventory => of_rows.iter().min_by_key(width),
        };
        let Some(Flow { peer, ports }) = found.cloned() else { return (exact, Aliases::new()) };
        // Where rows know it by several names, or one by none, nothing tells how somebody asked for it.
        let names = |peer: &Peer| peer.hosts().iter().cloned().collect::<Aliases>();
        if of_rows.iter().all(|flow| names(&flow.peer) == names(&peer)) {
            return (Flow { peer, ports }, Aliases::new());
        }
        let aliases = of_rows.iter().flat_map(|flow| flow.peer.hosts()).cloned();
        (Flow { peer: peer.without_hosts(), ports }, aliases.collect())
    }

    /// Who was seen there.
    fn seen(&self) -> Peer {
        let Passage { party, peer, .. } = self.passage;
        match peer {
            Party::Pod { cluster, pod, .. } if party.cluster() == Some(cluster) => {
                Peer::Workload(pod.workload.clone())
            }
            _ => Peer::Address(peer.address()),
        }
    }

    /// Whom a row lets be there.
    fn peer(&self, cell: &Cell) -> Peer {
        let seen = self.seen();
        let Peer::Address(address) = seen else { return seen };
        let own = [self.passage.party.address()];
        let declared: Vec<Named> =
            self.reach().of_cell(cell, &own).into_iter().filter(|named| named.hold(address)).collect();
        let Some(widest) = declared.iter().max_by_key(|named| named.width()) else { return seen };
        if self.tightness == Tightness::Declared {
            return widest.peer();
        }
        self.narrowest(address, &declared).unwrap_or(seen)
    }

    fn reach(&self) -> Reach<'_> {
        let Passage { party, peer, is_egress, .. } = self.passage;
        Reach::new(self.world, party.cluster(), *is_egress, Some(peer.address()))
    }

    fn cells(&self) -> impl Iterator<Item = &Cell> {
        self.passage.cells.iter().map(|cell| &self.rows.cells()[*cell])
    }

    /// The narrowest of what the inventory calls by a name and what a row declares.
    fn narrowest(&self, address: IpAddr, declared: &[Named]) -> Option<Peer> {
        let allowed = IpNet::aggregate(&declared.iter().flat_map(|named| named.blocks().iter()).collect());
        let is_allowed = |block: &IpNet| allowed.iter().any(|wide| wide.contains(block));
        let apart: Vec<IpNet> = declared.iter().flat_map(|named| named.blocks().except()).collect();
        let reach = self.reach();
        let is_declared = |named: &Named| declared.iter().any(|one| one.label() == named.label());
        let named = reach.every(self.rows, address).filter(|named| named.hold(address)).filter_map(|named| {
            let is_declared = is_declared(&named);
            let named = if is_declared { named } else { named.without_hosts() };
            let is_apart = |block: &IpNet| apart.iter().any(|apart| apart.contains(block));
            let blocks = named.blocks().clone().filter(|block| is_allowed(block) && !is_apart(block));
            let blocks = blocks.without(&apart);
            blocks.hold(address).then(|| named.with(blocks))
        });
        let narrowest = named
            .filter(|named| !named.is_everything())
            .min_by_key(|named| (named.width(), !is_declared(named), named.label().to_owned()));
        narrowest.map(|named| named.peer())
    }

    /// The row's range around the port that was seen, where it has one.
    fn ports(&self, cell: &Cell) -> Option<PortRange> {
        let Passage { port, protocol, .. } = *self.passage;
        let range = match cell.port.ports {
            Ports::Range { first, last } => PortRange { protocol, first, last },
            Ports::Any if self.tightness == Tightness::Declared => {
                PortRange { protocol, first: 0, last: u16::MAX }
            }
            Ports::Any | Ports::Varies | Ports::None => return None,
        };
        // Behind a service or an ingress it is another one.
        range.holds(protocol, port).then_some(range)
    }
}
