//! What the inventory and the rows call by one name, as somebody at one end of a connection sees it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::{blocks::Blocks, rule::Peer, world::World};
use crate::{
    matching::{Cell, LocalKind, Place, Rows},
    matrix::{
        EndpointName,
        inventory::{Cluster, Endpoint, Ingress, Inventory},
    },
};

/// From where somebody looks, and at whom.
#[derive(Clone, Copy)]
pub(super) struct Reach<'a> {
    /// What is where.
    pub(super) inventory: &'a Inventory,
    /// The cluster in which he is, where that is known.
    pub(super) from: Option<&'a str>,
    /// What that cluster has for itself.
    pub(super) home: &'a [IpNet],
    /// Whether he connects; otherwise he is reached.
    pub(super) is_egress: bool,
    /// Whom he sees; `None` for whoever it may be.
    pub(super) address: Option<IpAddr>,
}

impl<'a> Reach<'a> {
    /// From a cluster.
    pub(super) fn new(
        world: &'a World<'_>,
        from: Option<&'a str>,
        is_egress: bool,
        address: Option<IpAddr>,
    ) -> Self {
        let home = from.map(|from| world.home(from)).unwrap_or_default();
        Self { inventory: world.inventory, from, home, is_egress, address }
    }

    /// Every name that means somebody there.
    pub(super) fn all(self) -> impl Iterator<Item = Named> {
        let endpoints = self.inventory.endpoints.iter().filter(move |(_, endpoint)| self.means(endpoint));
        let endpoints = endpoints.map(|(name, endpoint)| Named::of_endpoint(name, endpoint));
        let clusters = self.inventory.clusters.iter();
        endpoints.chain(clusters.flat_map(move |(name, cluster)| self.of_cluster(name, cluster)))
    }

    /// Every name that means whoever has the address there, without looking at each.
    pub(super) fn every(self, rows: &Rows, address: IpAddr) -> impl Iterator<Item = Named> {
        let endpoints =
            rows.endpoints_at(address).filter_map(|name| self.inventory.endpoints.get_key_value(name));
        let endpoints = endpoints.filter(move |(_, endpoint)| self.means(endpoint));
        let endpoints = endpoints.map(|(name, endpoint)| Named::of_endpoint(name, endpoint));
        let clusters = self.inventory.clusters.iter();
        endpoints.chain(clusters.flat_map(move |(name, cluster)| self.of_cluster(name, cluster)))
    }

    /// Whether an endpoint's addresses mean it there.
    fn means(&self, endpoint: &Endpoint) -> bool {
        let Some(home) = endpoint.cluster.as_deref() else { return true };
        let is_routable = || self.inventory.clusters.get(home).is_some_and(|cluster| cluster.routable);
        self.from == Some(home) || is_routable() || !self.is_inner(home)
    }

    /// Whether a block of an endpoint means it there, whoever is asked for: pods' addresses mean nothing in another cluster.
    fn means_there(&self, endpoint: &Endpoint, block: &IpNet) -> bool {
        let home = endpoint.cluster.as_deref().filter(|home| self.from != Some(*home));
        let home = home.and_then(|home| self.inventory.clusters.get(home)).filter(|home| !home.routable);
        let is_inner =
            |home: &Cluster| home.pods.iter().chain(&home.services).any(|inner| inner.contains(block));
        self.address.is_some() || !home.is_some_and(is_inner)
    }

    /// Whether the address is one that other clusters may have, too.
    fn is_inner(&self, cluster: &str) -> bool {
        let cluster = self.inventory.clusters.get(cluster);
        cluster.zip(self.address).is_some_and(|(cluster, address)| {
            cluster.pods.iter().chain(&cluster.services).any(|block| block.contains(&address))
        })
    }

    /// What a cell lets be at the peer's end, where the other end has these addresses.
    pub(super) fn of_cell(&self, cell: &Cell, own: &[IpAddr]) -> Vec<Named> {
        let between = self.between(cell).into_iter().flat_map(|between| [between.proxies, between.ingress]);
        let all = self.of_place(cell).into_iter().chain(between);
        all.map(|named| self.meant(cell, own, named)).collect()
    }

    /// Of whoever may be at the peer's end, whom a cell means. What stays within a cluster does not go to whoever may be
    /// anywhere, nor to a block that is wider than the cluster: so the matcher has it, and a rule is no wider.
    pub(super) fn meant(&self, cell: &Cell, own: &[IpAddr], named: Named) -> Named {
        let (Place::Any | Place::Endpoint { cluster: None, .. }) = &cell.destination else { return named };
        let is_home = |block: &IpNet| self.home.iter().any(|home| home.contains(block));
        let blocks = named.blocks.clone();
        let blocks = if self.is_egress {
            blocks
        } else if self.at_home(&cell.destination, own, is_home) {
            return named;
        } else {
            blocks.filter(|block| !is_home(block))
        };
        named.with(blocks.without(self.home))
    }

    /// Whether a place has these addresses by what it has within the cluster.
    fn at_home(&self, place: &Place, own: &[IpAddr], is_home: impl Fn(&IpNet) -> bool) -> bool {
        let Place::Endpoint { name, .. } = place else { return false };
        let endpoint = self.inventory.endpoints.get(name);
        let mut blocks = endpoint.into_iter().flat_map(|endpoint| &endpoint.cidrs);
        blocks.any(|block| own.iter().any(|address| block.contains(address)) && is_home(block))
    }

    /// Who a cell itself lets be there.
    pub(super) fn of_place(&self, cell: &Cell) -> Vec<Named> {
        let inventory = self.inventory;
        let cluster_of =
            |place: &Place| place.cluster().and_then(|name| inventory.clusters.get_key_value(name));
        let place = if self.is_egress { &cell.destination } else { &cell.source };
        match place {
            Place::Cluster(name) => {
                inventory.clusters.get(name).map(|cluster| self.of_cluster(name, cluster)).unwrap_or_default()
            }
            Place::Endpoint { name, .. } => {
                let endpoint = inventory.endpoints.get(name).filter(|endpoint| self.means(endpoint));
                let named = endpoint.map(|endpoint| {
                    let named = Named::of_endpoint(name, endpoint);
                    let meaning = named.blocks().clone().filter(|block| self.means_there(endpoint, block));
                    named.with(meaning)
                });
                named.into_iter().collect()
            }
            Place::Ingress { name, .. } => cluster_of(place)
                .and_then(|(_, cluster)| cluster.ingress.as_ref())
                .map(|ingress| Named::other(name.as_str(), &ingress.pods))
                .into_iter()
                .collect(),
            Place::Local(kind) => self.of_local(*kind),
            Place::Any => vec![Named::other("any", &everywhere())],
        }
    }

    /// Who stands between a cell's client and whom it reaches here, and is whom a server sees.
    pub(super) fn between(&self, cell: &Cell) -> Option<Between<'a>> {
        let name = cell.destination.cluster().filter(|_| !self.is_egress)?;
        let settings = self.inventory.clusters.get(name)?.ingress.as_ref()?;
        Some(Between {
            proxies: Named::of_part("ingress proxies", name, &settings.proxies),
            ingress: Named::of_part("ingress", name, &settings.pods),
            settings,
        })
    }

    /// A cluster's nodes, its edge, and, where they mean it, its own addresses; of whom the address, where it is known, is one.
    fn of_cluster(&self, name: &str, cluster: &Cluster) -> Vec<Named> {
        let mut all = Vec::new();
        let mut note = |what: &str, blocks: &[IpNet]| {
            let is_one = |address| blocks.iter().any(|block| block.contains(&address));
            if self.address.is_none_or(is_one) {
                all.push(Named::of_part(what, name, blocks));
            }
        };
        // There may be many: they are only listed where one of them is meant.
        let is_node = |address| cluster.nodes.values().flatten().any(|node| *node == address);
        if self.address.is_none_or(is_node) {
            note("nodes", &cluster.node_blocks().collect::<Vec<_>>());
        }
        match (self.is_egress, &cluster.ingress) {
            (true, Some(ingress)) => note("front", &ingress.addresses),
            (true, None) => {}
            (false, _) => note("egress", &cluster.egress),
        }
        if cluster.routable || self.from == Some(name) {
            note("pods", &cluster.pods);
            // On a wire these are their pods'.
            if self.address.is_some() {
                note("services", &cluster.services);
            }
        }
        all
    }

    fn of_local(&self, kind: LocalKind) -> Vec<Named> {
        let inventory = self.inventory;
        let own = self.from.and_then(|name| inventory.clusters.get(name));
        vec![Named::other(kind.name(), &kind.blocks(own.into_iter(), inventory))]
    }
}

/// How traffic enters a cluster, as its servers see it.
pub(super) struct Between<'a> {
    /// Clients of the listeners.
    pub(super) proxies: Named,
    /// Client of the pods.
    pub(super) ingress: Named,
    pub(super) settings: &'a Ingress,
}

/// Blocks that somebody calls by one name.
#[derive(Clone)]
pub(super) struct Named {
    name: Name,
    blocks: Blocks,
}

#[derive(Clone)]
enum Name {
    /// An endpoint's, with its host names.
    Endpoint(EndpointName, Vec<String>),
    /// A part of a cluster, and the cluster.
    Part(String, String),
    /// What else the inventory has.
    Other(String),
}

impl Named {
    fn of_endpoint(name: &EndpointName, endpoint: &Endpoint) -> Self {
        let name = Name::Endpoint(name.clone(), endpoint.hosts.clone());
        Self { name, blocks: Blocks::from_iter(endpoint.cidrs.iter().copied()) }
    }

    fn of_part(part: &str, cluster: &str, blocks: &[IpNet]) -> Self {
        let name = Name::Part(format!("{part} of {cluster}"), cluster.to_owned());
        Self { name, blocks: Blocks::from_iter(blocks.iter().copied()) }
    }

    fn other(name: &str, blocks: &[IpNet]) -> Self {
        Self { name: Name::Other(name.to_owned()), blocks: Blocks::from_iter(blocks.iter().copied()) }
    }

    /// The same name for these blocks.
    pub(super) fn with(self, blocks: Blocks) -> Self {
        Self { blocks, ..self }
    }

    /// Whatever its host names stand for tomorrow is not what a row declares by addresses.
    pub(super) fn without_hosts(mut self) -> Self {
        if let Name::Endpoint(_, hosts) = &mut self.name {
            hosts.clear();
        }
        self
    }

    pub(super) fn blocks(&self) -> &Blocks {
        &self.blocks
    }

    pub(super) fn hold(&self, address: IpAddr) -> bool {
        self.blocks.hold(address)
    }

    pub(super) fn width(&self) -> u128 {
        self.blocks.width()
    }

    pub(super) fn label(&self) -> &str {
        match &self.name {
            Name::Endpoint(name, _) => name.as_str(),
            Name::Part(name, _) | Name::Other(name) => name,
        }
    }

    pub(super) fn is_everything(&self) -> bool {
        self.blocks.iter().any(|block| block.prefix_len() == 0)
    }

    /// As a rule has it.
    pub(super) fn peer(&self) -> Peer {
        let blocks = self.blocks.clone();
        match self.name.clone() {
            Name::Endpoint(name, hosts) => Peer::Endpoint { name, hosts, blocks },
            Name::Part(name, cluster) => Peer::Blocks { name, cluster: Some(cluster), blocks },
            Name::Other(name) => Peer::Blocks { name, cluster: None, blocks },
        }
    }
}

/// Every address of both families.
pub(super) fn everywhere() -> [IpNet; 2] {
    [IpAddr::from(Ipv4Addr::UNSPECIFIED), Ipv6Addr::UNSPECIFIED.into()].map(|one| IpNet::new_assert(one, 0))
}
