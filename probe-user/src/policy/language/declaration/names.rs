//! Whom a matrix would name: an endpoint of the inventory, a cluster by its role, a workload, or an address.

use std::{collections::BTreeSet, net::IpAddr};

use ipnet::IpNet;

use super::exact::Exact;
use crate::{
    matrix::EndpointName,
    policy::{
        blocks::Blocks,
        reach::Reach,
        rule::Peer,
        world::{Party, Subject, World},
    },
    wording,
    workload::Workload,
};

/// A name, and what a reader must know of it.
pub(super) struct Called {
    pub(super) name: EndpointName,
    pub(super) remark: Option<String>,
}

impl Called {
    fn plainly(name: EndpointName) -> Self {
        Self { name, remark: None }
    }
}

/// Names as one cluster uses them.
pub(super) struct Names<'a> {
    world: &'a World<'a>,
    cluster: &'a str,
    exact: Exact<'a>,
}

impl<'a> Names<'a> {
    pub(super) fn new(world: &'a World<'_>, cluster: &'a str) -> Self {
        Self { world, cluster, exact: Exact::new(world, cluster) }
    }

    pub(super) fn subject(&self, subject: &Subject) -> Called {
        match subject {
            Subject::Workload { workload, .. } => self.workload(workload),
            Subject::Node { node, .. } => self.node(node, &self.world.addresses(subject)),
            Subject::Guest { address, .. } => Called::plainly(EndpointName::new(&address.to_string())),
        }
    }

    /// What a rule has at its other end. The user's dial has shaped what is declared, and its names must be no wider; what
    /// nobody declared awaits somebody who thinks in names, and is told the addresses.
    pub(super) fn peers(&self, peer: &Peer, is_egress: bool, is_declared: bool) -> Vec<Called> {
        match peer {
            Peer::Workload(workload) => vec![self.workload(workload)],
            Peer::Endpoint { name, blocks, .. } if self.is_whole(name, blocks) => {
                vec![Called { name: name.clone(), remark: self.wider(blocks, is_egress) }]
            }
            Peer::Blocks { name, cluster: Some(cluster), .. } => {
                vec![Called { name: self.role(cluster), remark: Some(format!("seen as {name}")) }]
            }
            Peer::Blocks { name, cluster: None, blocks }
                if blocks.iter().any(|one| one.prefix_len() == 0) =>
            {
                vec![Called { name: EndpointName::new(name), remark: self.wider(blocks, is_egress) }]
            }
            Peer::Endpoint { name, blocks, .. } => parts(name.as_str(), blocks),
            Peer::Blocks { name, cluster: None, blocks } => parts(name, blocks),
            Peer::Address(address) => vec![self.address(*address, is_egress, is_declared)],
        }
    }

    /// What a name also means for who comes in, and none of the rows for whom it stands. What leaves for whoever may be anywhere
    /// leaves the cluster.
    fn wider(&self, blocks: &Blocks, is_egress: bool) -> Option<String> {
        let is_wider = !is_egress && !blocks.is_whole();
        is_wider.then(|| format!("WIDER: it also means what {} has for itself", self.cluster))
    }

    /// Whether an endpoint's blocks are all of it: a rule may have of it only what the rows declare.
    fn is_whole(&self, name: &EndpointName, blocks: &Blocks) -> bool {
        let endpoint = self.world.inventory.endpoints.get(name);
        endpoint.is_some_and(|endpoint| {
            endpoint.cidrs.iter().all(|cidr| blocks.iter().any(|block| block.contains(cidr)))
        })
    }

    /// The endpoint that is this workload and nobody else; its own name where there is none.
    fn workload(&self, workload: &Workload) -> Called {
        let found = self.exact.workload(workload).map(|name| Called::plainly(name.clone()));
        found.unwrap_or_else(|| Called {
            name: EndpointName::new(&workload.to_string()),
            remark: Some("which is no endpoint of the inventory".to_owned()),
        })
    }

    fn node(&self, node: &str, addresses: &BTreeSet<IpAddr>) -> Called {
        let role = || Called { name: self.role(self.cluster), remark: Some(format!("seen as node {node}")) };
        self.exact.node(addresses).map_or_else(role, |name| Called::plainly(name.clone()))
    }

    fn address(&self, address: IpAddr, is_egress: bool, is_declared: bool) -> Called {
        // One connection between two nodes has one name for each of them, whoever tells of it.
        if let Party::Node { cluster, node, .. } = self.world.at(self.cluster, address)
            && cluster == self.cluster
        {
            return self.node(node, &[address].into());
        }
        let reach = Reach::new(self.world, Some(self.cluster), is_egress, Some(address));
        let named = reach.all().filter(|named| named.hold(address) && !named.is_everything());
        let narrowest = named.min_by_key(|named| (named.width(), named.label().to_owned()));
        let name =
            match narrowest.filter(|named| !is_declared || named.width() == 1).map(|named| named.peer()) {
                Some(Peer::Endpoint { name, .. }) => Some(name),
                Some(Peer::Blocks { cluster: Some(cluster), .. }) => Some(self.role(&cluster)),
                _ => None,
            };
        match name {
            Some(name) => Called { name, remark: Some(format!("seen as {address}")) },
            None => Called::plainly(EndpointName::new(&address.to_string())),
        }
    }

    /// Whether a server's port is what the inventory says of another one, which clients ask for.
    pub(super) fn is_led_to(&self, server: &EndpointName, port: u16, asked: u16) -> bool {
        let endpoint = self.world.inventory.endpoints.get(server);
        let actual = endpoint.and_then(|endpoint| endpoint.ports.get(&asked));
        port != asked && actual.is_some_and(|actual| actual.contains(&port))
    }

    /// As matrices know a cluster.
    fn role(&self, cluster: &str) -> EndpointName {
        let role = self.world.inventory.clusters.get(cluster).and_then(|entry| entry.role.as_deref());
        EndpointName::new(role.unwrap_or(cluster))
    }
}

/// Blocks that no name is for.
fn parts(of: &str, blocks: &Blocks) -> Vec<Called> {
    let called = |block: &IpNet| Called {
        name: EndpointName::new(&wording::block(block)),
        remark: Some(format!("of {of}")),
    };
    blocks.parts().iter().map(called).collect()
}
