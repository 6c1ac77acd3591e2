//! From one observed peer and port to what a rule says: as wide as the user's dial, and never wider than the rows.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{
    passage::{Passage, Standing},
    rule::{Flow, Peer, PortRange},
    world::{Party, World},
};
use crate::{
    matching::{Cell, LocalKind, Matcher, Place, Rows, size},
    matrix::{
        Ports,
        inventory::{Cluster, Endpoint},
    },
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
/// tomorrow.
pub(super) fn flow(world: &World<'_>, rows: &Rows, passage: &Passage<'_>, tightness: Tightness) -> Flow {
    Generaliser { world, rows, passage, tightness }.flow()
}

/// The same as tight as can be.
pub(super) fn exact(world: &World<'_>, rows: &Rows, passage: &Passage<'_>) -> Flow {
    flow(world, rows, passage, Tightness::Exact)
}

struct Generaliser<'a, 'b> {
    world: &'b World<'a>,
    rows: &'b Rows,
    passage: &'b Passage<'a>,
    tightness: Tightness,
}

impl Generaliser<'_, '_> {
    /// Peer and ports of one and the same row: those of several together would be wider than any of them.
    fn flow(&self) -> Flow {
        let Passage { port, protocol, standing, .. } = *self.passage;
        let exact = Flow { peer: self.seen(), ports: PortRange { protocol, first: port, last: port } };
        if self.tightness == Tightness::Exact || standing != Standing::Declared {
            return exact;
        }
        let of_rows = self
            .cells()
            .map(|cell| Flow { peer: self.peer(cell), ports: self.ports(cell).unwrap_or(exact.ports) });
        let width =
            |flow: &Flow| (size(&flow.peer.blocks()), flow.ports.last - flow.ports.first, flow.clone());
        let found = match self.tightness {
            Tightness::Declared => of_rows.max_by_key(width),
            Tightness::Exact | Tightness::Inventory => of_rows.min_by_key(width),
        };
        found.unwrap_or(exact)
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
        let declared: Vec<Named> =
            self.declared(cell).into_iter().filter(|named| named.hold(address)).collect();
        let Some(widest) = declared.iter().max_by_key(|named| named.width()) else { return seen };
        if self.tightness == Tightness::Declared {
            return widest.peer(&widest.blocks);
        }
        self.narrowest(address, &declared).unwrap_or(seen)
    }

    fn cells(&self) -> impl Iterator<Item = &Cell> {
        self.passage.cells.iter().map(|cell| &self.rows.cells()[*cell])
    }

    /// The narrowest of what the inventory calls by a name and what a row declares.
    fn narrowest(&self, address: IpAddr, declared: &[Named]) -> Option<Peer> {
        let allowed: Vec<IpNet> =
            IpNet::aggregate(&declared.iter().flat_map(|named| named.blocks.clone()).collect());
        let is_allowed = |block: &IpNet| allowed.iter().any(|wide| wide.contains(block));
        let endpoints = self.world.inventory.endpoints.iter().filter(|(_, endpoint)| self.means(endpoint));
        let endpoints = endpoints.map(|(name, endpoint)| {
            let named = Named::of_endpoint(name, endpoint);
            let is_declared = declared.iter().any(|one| one.label() == named.label());
            if is_declared { named } else { named.without_hosts() }
        });
        let clusters =
            self.world.inventory.clusters.iter().flat_map(|(name, cluster)| self.of_cluster(name, cluster));
        let named = endpoints.chain(clusters).filter(|named| named.hold(address)).filter_map(|named| {
            let blocks: Vec<IpNet> = named.blocks.iter().copied().filter(is_allowed).collect();
            blocks.iter().any(|block| block.contains(&address)).then(|| named.with(blocks))
        });
        let narrowest =
            named.filter(|named| !named.is_everything()).min_by_key(|named| (named.width(), named.label()));
        narrowest.map(|named| named.peer(&named.blocks))
    }

    /// Whether an endpoint's addresses mean it where the party is.
    fn means(&self, endpoint: &Endpoint) -> bool {
        let Some(home) = endpoint.cluster.as_deref() else { return true };
        let is_routable = || self.world.inventory.clusters.get(home).is_some_and(|cluster| cluster.routable);
        self.passage.party.cluster() == Some(home) || is_routable() || !self.is_inner(home)
    }

    /// Whether the peer's address is one that other clusters may have, too.
    fn is_inner(&self, cluster: &str) -> bool {
        let address = self.passage.peer.address();
        let cluster = self.world.inventory.clusters.get(cluster);
        cluster.is_some_and(|cluster| {
            cluster.pods.iter().chain(&cluster.services).any(|block| block.contains(&address))
        })
    }

    /// What a cell lets be at the peer's end.
    fn declared(&self, cell: &Cell) -> Vec<Named> {
        let inventory = self.world.inventory;
        let cluster_of =
            |place: &Place| place.cluster().and_then(|name| inventory.clusters.get_key_value(name));
        let place = if self.passage.is_egress { &cell.destination } else { &cell.source };
        let mut all = match place {
            Place::Cluster(name) => {
                inventory.clusters.get(name).map(|cluster| self.of_cluster(name, cluster)).unwrap_or_default()
            }
            Place::Endpoint { name, .. } => {
                let endpoint = inventory.endpoints.get(name).filter(|endpoint| self.means(endpoint));
                endpoint.map(|endpoint| Named::of_endpoint(name, endpoint)).into_iter().collect()
            }
            Place::Ingress { name, .. } => cluster_of(place)
                .and_then(|(_, cluster)| cluster.ingress.as_ref())
                .map(|ingress| Named::blocks(name.to_string(), &ingress.pods))
                .into_iter()
                .collect(),
            Place::Local(kind) => self.of_local(*kind),
            Place::Any => vec![Named::blocks("any".to_owned(), &everywhere())],
        };
        // A proxy stands between, and is whom a listener sees.
        if let (false, Some((name, cluster))) = (self.passage.is_egress, cluster_of(&cell.destination))
            && let Some(ingress) = &cluster.ingress
        {
            all.push(Named::blocks(format!("ingress proxies of {name}"), &ingress.proxies));
            all.push(Named::blocks(format!("ingress of {name}"), &ingress.pods));
        }
        all
    }

    /// A cluster's nodes, its edge, and, where they mean it, its own addresses.
    fn of_cluster(&self, name: &str, cluster: &Cluster) -> Vec<Named> {
        let nodes: Vec<IpNet> = cluster.node_blocks().collect();
        let mut all = vec![Named::blocks(format!("nodes of {name}"), &nodes)];
        match (self.passage.is_egress, &cluster.ingress) {
            (true, Some(ingress)) => all.push(Named::blocks(format!("front of {name}"), &ingress.addresses)),
            (true, None) => {}
            (false, _) => all.push(Named::blocks(format!("egress of {name}"), &cluster.egress)),
        }
        if cluster.routable || self.passage.party.cluster() == Some(name) {
            all.push(Named::blocks(format!("pods of {name}"), &cluster.pods));
            all.push(Named::blocks(format!("services of {name}"), &cluster.services));
        }
        all
    }

    fn of_local(&self, kind: LocalKind) -> Vec<Named> {
        let inventory = self.world.inventory;
        let own = self.passage.party.cluster().and_then(|name| inventory.clusters.get(name));
        vec![Named::blocks(kind.name().to_owned(), &kind.blocks(own.into_iter(), inventory))]
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

/// Blocks that somebody calls by one name.
#[derive(Clone)]
struct Named {
    peer: Peer,
    blocks: Vec<IpNet>,
}

impl Named {
    fn of_endpoint(name: &crate::matrix::EndpointName, endpoint: &Endpoint) -> Self {
        let blocks = sorted(&endpoint.cidrs);
        let peer =
            Peer::Endpoint { name: name.clone(), hosts: endpoint.hosts.clone(), blocks: blocks.clone() };
        Self { peer, blocks }
    }

    fn blocks(name: String, blocks: &[IpNet]) -> Self {
        let blocks = sorted(blocks);
        Self { peer: Peer::Blocks { name, blocks: blocks.clone() }, blocks }
    }

    fn with(self, blocks: Vec<IpNet>) -> Self {
        Self { peer: self.peer(&blocks), blocks }
    }

    /// Whatever its names stand for tomorrow is not what a row declares by addresses.
    fn without_hosts(mut self) -> Self {
        if let Peer::Endpoint { hosts, .. } = &mut self.peer {
            hosts.clear();
        }
        self
    }

    fn hold(&self, address: IpAddr) -> bool {
        self.blocks.iter().any(|block| block.contains(&address))
    }

    fn width(&self) -> u128 {
        size(&self.blocks)
    }

    fn label(&self) -> String {
        self.peer.to_string()
    }

    fn is_everything(&self) -> bool {
        self.blocks.iter().any(|block| block.prefix_len() == 0)
    }

    /// The same name for these blocks.
    fn peer(&self, blocks: &[IpNet]) -> Peer {
        let blocks = blocks.to_vec();
        match self.peer.clone() {
            Peer::Endpoint { name, hosts, .. } => Peer::Endpoint { name, hosts, blocks },
            Peer::Blocks { name, .. } => Peer::Blocks { name, blocks },
            other => other,
        }
    }
}

fn sorted(blocks: &[IpNet]) -> Vec<IpNet> {
    let mut blocks: Vec<IpNet> = blocks.iter().map(IpNet::trunc).collect();
    blocks.sort_unstable();
    blocks.dedup();
    blocks
}

fn everywhere() -> [IpNet; 2] {
    let any = |address: IpAddr| IpNet::from(address);
    [any(std::net::Ipv4Addr::UNSPECIFIED.into()), any(std::net::Ipv6Addr::UNSPECIFIED.into())]
        .map(|one| IpNet::new_assert(one.addr(), 0))
}
