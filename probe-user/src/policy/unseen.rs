//! Rules for what somebody answers for, whether or not anybody saw it.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use ipnet::IpNet;

use super::{
    passage::Standing,
    reach::{Between, Named, Reach},
    rule::{Evidence, Flow, Peer, PortRange, RowRef, Rule},
    world::{Subject, World},
};
use crate::{
    event::Protocol,
    matching::{Cell, Matcher, Place, Rows},
    matrix::{
        Ports,
        inventory::{Cluster, Ingress},
    },
    workload::Pod,
};

/// What may pass, with what a client asks for where a service translates it.
type Flows = BTreeMap<Flow, BTreeSet<Dialled>>;

/// A service's address and port.
type Dialled = (IpAddr, u16);

/// One direction of a subject, before rows of which nothing was seen.
pub(super) struct Unseen<'a, 'b> {
    pub(super) world: &'b World<'a>,
    pub(super) rows: &'b Rows,
    /// With what right its rows let anything pass.
    pub(super) standing: Standing,
    pub(super) subject: &'b Subject,
    pub(super) is_egress: bool,
}

impl Unseen<'_, '_> {
    /// What every row lets the subject do, as the row has it: no observation tells what of it is needed.
    pub(super) fn rules(&self) -> Vec<Rule> {
        let own = self.world.addresses(self.subject);
        let cells = self.rows.cells().iter().filter(|cell| self.is_at(cell, &own));
        let rule = |cell: &Cell, (flow, dialled)| {
            let (standings, rows) =
                ([self.standing].into(), [RowRef::new(self.rows, cell.row, self.standing)].into());
            Rule { flow, evidence: Evidence { standings, rows, dialled, ..Evidence::default() } }
        };
        cells.flat_map(|cell| self.flows(cell, &own).into_iter().map(|flow| rule(cell, flow))).collect()
    }

    /// Whether the subject is at its end of a cell.
    fn is_at(&self, cell: &Cell, own: &BTreeSet<IpAddr>) -> bool {
        let place = if self.is_egress { &cell.source } else { &cell.destination };
        let holds =
            |blocks: &[IpNet]| own.iter().any(|address| blocks.iter().any(|block| block.contains(address)));
        let inventory = self.world.inventory;
        let home = self.subject.cluster();
        match place {
            Place::Cluster(name) => name == home,
            Place::Endpoint { name, cluster } => {
                cluster.as_deref().is_none_or(|cluster| cluster == home)
                    && inventory.endpoints.get(name).is_some_and(|endpoint| holds(&endpoint.cidrs))
            }
            Place::Ingress { cluster, .. } => {
                let ingress = self.home().and_then(|home| home.ingress.as_ref());
                cluster.as_deref() == Some(home) && ingress.is_some_and(|ingress| holds(&ingress.pods))
            }
            Place::Local(kind) => holds(&kind.blocks(self.home().into_iter(), inventory)),
            Place::Any => true,
        }
    }

    fn home(&self) -> Option<&Cluster> {
        self.world.inventory.clusters.get(self.subject.cluster())
    }

    fn flows(&self, cell: &Cell, own: &BTreeSet<IpAddr>) -> Flows {
        let (Some(declared), Some(protocol)) = (range(cell), cell.port.protocol) else {
            return Flows::new();
        };
        let reach = Reach::new(self.world, Some(self.subject.cluster()), self.is_egress, None);
        let addresses: Vec<IpAddr> = own.iter().copied().collect();
        let mut flows = Flows::new();
        for (named, ports) in self.legs(cell, reach, declared) {
            let named = reach.meant(cell, &addresses, named);
            self.let_in(named, (declared, &ports), protocol, own, &mut flows);
        }
        flows
    }

    /// Who is at the other end, and which ports the server has for him: behind an ingress these are others.
    fn legs(&self, cell: &Cell, reach: Reach<'_>, declared: Range) -> Vec<(Named, Vec<Range>)> {
        let straight = match (&cell.source, self.home().and_then(|home| home.ingress.as_ref())) {
            (Place::Ingress { .. }, Some(ingress)) if !self.is_egress => {
                let behind = mapped(&ingress.targets, declared);
                if behind.is_empty() { vec![declared] } else { behind }
            }
            _ => self.at_endpoint(cell, declared),
        };
        let mut legs: Vec<(Named, Vec<Range>)> =
            reach.of_place(cell).into_iter().map(|named| (named, straight.clone())).collect();
        let into_cluster = matches!(cell.destination, Place::Cluster(_) | Place::Ingress { .. });
        if let Some(Between { proxies, ingress, settings }) = reach.between(cell).filter(|_| into_cluster) {
            let listeners = settings.listeners.iter().map(|(front, listener)| (*front, vec![*listener]));
            if self.listens(settings) {
                legs.push((proxies, mapped(&listeners.collect(), declared)));
            }
            if let Subject::Workload { .. } = self.subject {
                let behind = mapped(&settings.targets, declared);
                let is_own = !settings.targets.keys().any(|front| holds(declared, *front));
                legs.push((ingress, if is_own { vec![declared] } else { behind }));
            }
        }
        legs
    }

    /// Whether the subject may be what takes connections from the front.
    fn listens(&self, ingress: &Ingress) -> bool {
        let own = self.world.addresses(self.subject);
        matches!(self.subject, Subject::Node { .. })
            || own.iter().any(|address| ingress.pods.iter().any(|block| block.contains(address)))
    }

    fn let_in(
        &self,
        named: Named,
        (declared, ports): (Range, &[Range]),
        protocol: Protocol,
        own: &BTreeSet<IpAddr>,
        flows: &mut Flows,
    ) {
        // What a node sends itself is on no wire.
        let is_itself = |block: &IpNet| {
            matches!(self.subject, Subject::Node { .. }) && is_single(block) && own.contains(&block.addr())
        };
        let flow = |peer: &Peer, (first, last): Range| Flow {
            peer: peer.clone(),
            ports: PortRange { protocol, first, last },
        };
        let others = named.blocks().clone().filter(|block| !is_itself(block));
        for address in others.iter().filter(|block| self.is_known(block)).map(|block| block.addr()) {
            for (peer, range, dialled) in self.known(address, (declared, ports), protocol) {
                flows.entry(flow(&peer, range)).or_default().extend(dialled);
            }
        }
        let rest = others.filter(|block| !self.is_known(block));
        if !rest.is_empty() {
            let peer = named.with(rest).peer();
            for range in ports {
                flows.entry(flow(&peer, *range)).or_default();
            }
        }
    }

    /// Whether it is an address of a pod or a service of the subject's own cluster.
    fn is_known(&self, block: &IpNet) -> bool {
        let objects = self.world.clusters.get(self.subject.cluster());
        is_single(block)
            && objects.is_some_and(|objects| {
                objects.pod_at(block.addr()).is_some() || objects.is_service(block.addr())
            })
    }

    /// The workloads at an address, or behind it, each with its ports there.
    fn known(
        &self,
        address: IpAddr,
        (declared, ports): (Range, &[Range]),
        protocol: Protocol,
    ) -> Vec<(Peer, Range, Option<Dialled>)> {
        let cluster = self.subject.cluster();
        let Some(objects) = self.world.clusters.get(cluster) else { return Vec::new() };
        if let Some(pod) = objects.pod_at(address) {
            return ports.iter().map(|port| (Peer::Workload(pod.workload.clone()), *port, None)).collect();
        }
        // Nobody sees a service's address on a wire: what is behind it is what passes. Who comes from one is its pods, and they
        // have addresses of their own.
        let dialled = (declared.0..=declared.1).filter(|_| self.is_egress);
        let served = dialled.filter_map(|port| Some((port, objects.service_at(address, port, protocol)?)));
        let behind = |(dialled, (service, port))| {
            objects.behind(service, port).map(move |(pod, port)| (pod, port, dialled))
        };
        let peers = |(pod, port, dialled): (&Pod, u16, u16)| {
            let peers = if pod.on_host_network {
                pod.addresses.iter().copied().map(Peer::Address).collect()
            } else {
                vec![Peer::Workload(pod.workload.clone())]
            };
            peers.into_iter().map(move |peer| (peer, (port, port), Some((address, dialled))))
        };
        served.flat_map(behind).flat_map(peers).collect()
    }

    /// A declared port as the endpoint that is connected to has it.
    fn at_endpoint(&self, cell: &Cell, declared: Range) -> Vec<Range> {
        let Place::Endpoint { name, .. } = &cell.destination else { return vec![declared] };
        let endpoint = self.world.inventory.endpoints.get(name);
        let actual = endpoint.map(|endpoint| mapped(&endpoint.ports, declared)).unwrap_or_default();
        // Of a range the rest is what it is.
        if actual.is_empty() || declared.0 != declared.1 { [actual, vec![declared]].concat() } else { actual }
    }
}

/// Ports from the first to the last.
type Range = (u16, u16);

fn holds((first, last): Range, port: u16) -> bool {
    (first..=last).contains(&port)
}

/// What is behind the declared ports, of those for which anything is said.
fn mapped(ports: &BTreeMap<u16, Vec<u16>>, declared: Range) -> Vec<Range> {
    let behind = ports.iter().filter(|(front, _)| holds(declared, **front)).flat_map(|(_, actual)| actual);
    behind.map(|port| (*port, *port)).collect()
}

/// The ports that a row names; none where it leaves them to somebody else.
fn range(cell: &Cell) -> Option<Range> {
    match cell.port.ports {
        Ports::Range { first, last } => Some((first, last)),
        Ports::Any => Some((0, u16::MAX)),
        Ports::Varies | Ports::None => None,
    }
}

fn is_single(block: &IpNet) -> bool {
    block.prefix_len() == block.max_prefix_len()
}
