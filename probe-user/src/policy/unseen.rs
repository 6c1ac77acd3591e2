//! Rules for what somebody answers for, whether or not anybody saw it.

use std::{collections::BTreeSet, net::IpAddr};

use ipnet::IpNet;

use super::{
    passage::Standing,
    reach::Reach,
    rule::{Evidence, Flow, Peer, PortRange, RowRef, Rule},
    world::{Subject, World},
};
use crate::{
    event::Protocol,
    matching::{Cell, Matcher, Place, Rows},
    matrix::{Ports, inventory::Cluster},
    workload::{Pod, ServicePort},
};

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
        let rule = |cell: &Cell, flow| {
            let (standings, rows) = ([self.standing].into(), [RowRef::new(self.rows, cell.row)].into());
            Rule { flow, evidence: Evidence { standings, rows, ..Evidence::default() } }
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

    fn flows(&self, cell: &Cell, own: &BTreeSet<IpAddr>) -> BTreeSet<Flow> {
        let (Some(declared), Some(protocol)) = (range(cell), cell.port.protocol) else {
            return BTreeSet::new();
        };
        let reach = Reach {
            inventory: self.world.inventory,
            from: Some(self.subject.cluster()),
            is_egress: self.is_egress,
            address: None,
        };
        let mut flows = BTreeSet::new();
        let ports = if self.is_egress {
            self.at_endpoint(cell, declared)
        } else {
            self.at_own(cell, declared, protocol)
        };
        // What a node sends itself is on no wire.
        let is_itself = |block: &IpNet| {
            matches!(self.subject, Subject::Node { .. }) && is_single(block) && own.contains(&block.addr())
        };
        for named in reach.of_cell(cell) {
            let others = named.blocks().iter().filter(|block| !is_itself(block));
            let (known, rest): (Vec<IpNet>, Vec<IpNet>) = others.partition(|block| self.is_known(block));
            for address in known.into_iter().map(|block| block.addr()) {
                let peers = self.known(address, &ports, protocol);
                flows.extend(
                    peers.into_iter().map(|(peer, (first, last))| Flow {
                        peer,
                        ports: PortRange { protocol, first, last },
                    }),
                );
            }
            if rest.is_empty() {
                continue;
            }
            let peer = named.with(rest).peer();
            let flow =
                |(first, last)| Flow { peer: peer.clone(), ports: PortRange { protocol, first, last } };
            flows.extend(ports.iter().copied().map(flow));
        }
        flows
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
    fn known(&self, address: IpAddr, ports: &[(u16, u16)], protocol: Protocol) -> Vec<(Peer, (u16, u16))> {
        let cluster = self.subject.cluster();
        let Some(objects) = self.world.clusters.get(cluster) else { return Vec::new() };
        if let Some(pod) = objects.pod_at(address) {
            return ports.iter().map(|port| (Peer::Workload(pod.workload.clone()), *port)).collect();
        }
        // Nobody sees a service's address on a wire: what is behind it is what passes. Who comes from one is its pods, and they
        // have addresses of their own.
        let dialled = ports.iter().filter(|_| self.is_egress).filter(|(first, last)| first == last);
        let behind = dialled.filter_map(|(port, _)| objects.service_at(address, *port, protocol));
        let pods = behind.flat_map(|(service, port)| objects.behind(service, port));
        let peers = |(pod, port): (&Pod, u16)| {
            let peers = if pod.on_host_network {
                pod.addresses.iter().copied().map(Peer::Address).collect()
            } else {
                vec![Peer::Workload(pod.workload.clone())]
            };
            peers.into_iter().map(move |peer| (peer, (port, port)))
        };
        pods.flat_map(peers).collect()
    }

    /// A declared port as the endpoint at the other end has it.
    fn at_endpoint(&self, cell: &Cell, declared: (u16, u16)) -> Vec<(u16, u16)> {
        let Place::Endpoint { name, .. } = &cell.destination else { return vec![declared] };
        let endpoint = self.world.inventory.endpoints.get(name);
        let actual = endpoint.and_then(|endpoint| endpoint.ports.get(&declared.0));
        match actual {
            Some(actual) if declared.0 == declared.1 => actual.iter().map(|port| (*port, *port)).collect(),
            _ => vec![declared],
        }
    }

    /// A declared port as the subject's own sockets have it: behind a service or an ingress it is another one.
    fn at_own(&self, cell: &Cell, declared: (u16, u16), protocol: Protocol) -> Vec<(u16, u16)> {
        let (port, last) = declared;
        if port != last {
            return vec![declared];
        }
        let mut found = BTreeSet::new();
        if let Some(ingress) = self.home().and_then(|home| home.ingress.as_ref()) {
            found.extend(ingress.listeners.get(&port));
            found.extend(ingress.targets.get(&port).into_iter().flatten());
        }
        if let Subject::Workload { cluster, workload } = self.subject
            && let Some(objects) = self.world.clusters.get(cluster)
        {
            for service in objects.services.iter().filter(|service| service.namespace == workload.namespace) {
                let is_it = |one: &&ServicePort| one.port == port && one.protocol == protocol;
                let Some(of_service) = service.ports.iter().find(is_it) else { continue };
                let own = objects.behind(service, of_service).filter(|(pod, _)| pod.workload == *workload);
                found.extend(own.map(|(_, port)| port));
            }
        }
        let mut found: Vec<(u16, u16)> = found.into_iter().map(|port| (port, port)).collect();
        if found.is_empty() {
            found = self.at_endpoint(cell, declared);
        }
        found
    }
}

/// The ports that a row names; none where it leaves them to somebody else.
fn range(cell: &Cell) -> Option<(u16, u16)> {
    match cell.port.ports {
        Ports::Range { first, last } => Some((first, last)),
        Ports::Any => Some((0, u16::MAX)),
        Ports::Varies | Ports::None => None,
    }
}

fn is_single(block: &IpNet) -> bool {
    block.prefix_len() == block.max_prefix_len()
}
