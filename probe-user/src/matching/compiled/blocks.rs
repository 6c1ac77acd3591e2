//! The blocks of the inventory, as far as a rule can tell them apart.
//!
//! Every rule of `reach.rs`, `leg.rs` and `hidden.rs` asks of an address only whether some block of a list holds it, and of
//! a block only what [`Atom`] says. So two addresses that the same atoms hold are one to all rules.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hashbrown::{HashMap, HashSet};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::super::{
    cell::{LocalKind, Place},
    reach::{is_inner, is_own},
    rows::Rows,
};
use crate::matrix::{EndpointName, inventory::Inventory};

/// Whose list a block stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Owner {
    Nodes(u32),
    Pods(u32),
    Services(u32),
    Egress(u32),
    Front(u32),
    Proxies(u32),
    IngressPods(u32),
    /// Index among the endpoints that some row names.
    Endpoint(u32),
    Resolvers,
    TimeServers,
    Loopback,
    Unspecified,
}

/// What a rule may ask of a block. Clusters are known by their place in the inventory.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Atom {
    pub(super) owner: Owner,
    /// Whether it lies within addresses that other clusters may use too: `Reach::in_blocks`.
    is_inner: bool,
    /// Whether it is a loopback block: `Reach::at_endpoint`.
    is_loopback: bool,
    /// To which clusters' reporters it means something of their own: `Reach::means`.
    own: Vec<u32>,
}

/// Every block with its atom.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    pub(super) atoms: Vec<Atom>,
    /// Blocks, each with the index of an atom. A block may stand in several lists.
    pub(super) blocks: Vec<(IpNet, u32)>,
    /// The endpoints that rows name, by their index.
    pub(super) endpoints: Vec<EndpointName>,
}

impl Blocks {
    pub(super) fn of(rows: &Rows) -> Self {
        let mut gathering =
            Gathering { inventory: rows.inventory(), known: HashMap::new(), found: Self::default() };
        gathering.add_built_in();
        gathering.add_clusters();
        gathering.add_endpoints(named(rows));
        gathering.found
    }
}

/// The endpoints that rows name. One that stands in no row needs no class of its own.
fn named(rows: &Rows) -> Vec<EndpointName> {
    let inventory = rows.inventory();
    let mut seen = HashSet::new();
    let mut names = Vec::new();
    let mut note = |name: &EndpointName| {
        if let Some((name, _)) = inventory.endpoints.get_key_value(name)
            && seen.insert(name.clone())
        {
            names.push(name.clone());
        }
    };
    for place in rows.cells.iter().flat_map(|cell| [&cell.source, &cell.destination]) {
        match place {
            Place::Endpoint { name, .. } => note(name),
            Place::Local(LocalKind::Registries) => inventory.registries.iter().for_each(&mut note),
            Place::Local(_) | Place::Cluster(_) | Place::Ingress { .. } | Place::Any => {}
        }
    }
    names
}

struct Gathering<'a> {
    inventory: &'a Inventory,
    known: HashMap<Atom, u32>,
    found: Blocks,
}

impl Gathering<'_> {
    fn add(&mut self, owner: Owner, home: Option<&str>, block: IpNet) {
        let clusters = &self.inventory.clusters;
        let (mut own, mut is_loopback, mut is_in_home) = (Vec::new(), false, false);
        if matches!(owner, Owner::Endpoint(_)) {
            let meaning = (0..).zip(clusters.values()).filter(|(_, cluster)| is_own(cluster, &block));
            own = meaning.map(|(index, _)| index).collect();
            is_loopback = block.network().is_loopback();
        }
        if let Some(cluster) = home.and_then(|home| clusters.get(home)) {
            is_in_home = is_inner(cluster, &block);
        }
        let atom = Atom { owner, is_inner: is_in_home, is_loopback, own };
        let next = self.found.atoms.len() as u32;
        let index = *self.known.entry(atom).or_insert_with_key(|atom| {
            self.found.atoms.push(atom.clone());
            next
        });
        self.found.blocks.push((block.trunc(), index));
    }

    /// What `IpAddr` itself tells of an address.
    fn add_built_in(&mut self) {
        let v4 = |address, length| IpNet::V4(Ipv4Net::new_assert(address, length));
        let v6 = |address| IpNet::V6(Ipv6Net::new_assert(address, 128));
        self.add(Owner::Loopback, None, v4(Ipv4Addr::new(127, 0, 0, 0), 8));
        self.add(Owner::Loopback, None, v6(Ipv6Addr::LOCALHOST));
        self.add(Owner::Unspecified, None, v4(Ipv4Addr::UNSPECIFIED, 32));
        self.add(Owner::Unspecified, None, v6(Ipv6Addr::UNSPECIFIED));
        let inventory = self.inventory;
        inventory.resolvers.iter().for_each(|block| self.add(Owner::Resolvers, None, *block));
        inventory.time_servers.iter().for_each(|block| self.add(Owner::TimeServers, None, *block));
    }

    fn add_clusters(&mut self) {
        for (index, (name, cluster)) in self.inventory.clusters.iter().enumerate() {
            let index = index as u32;
            let nodes: Vec<IpNet> =
                cluster.nodes.values().flatten().map(|node: &IpAddr| IpNet::from(*node)).collect();
            let mut lists: Vec<(Owner, &[IpNet])> = vec![
                (Owner::Nodes(index), &nodes),
                (Owner::Pods(index), &cluster.pods),
                (Owner::Services(index), &cluster.services),
                (Owner::Egress(index), &cluster.egress),
            ];
            if let Some(ingress) = &cluster.ingress {
                lists.push((Owner::Front(index), &ingress.addresses));
                lists.push((Owner::Proxies(index), &ingress.proxies));
                lists.push((Owner::IngressPods(index), &ingress.pods));
            }
            for (owner, list) in lists {
                list.iter().for_each(|block| self.add(owner, Some(name), *block));
            }
        }
    }

    fn add_endpoints(&mut self, names: Vec<EndpointName>) {
        for (index, name) in names.iter().enumerate() {
            let endpoint = &self.inventory.endpoints[name];
            for block in &endpoint.cidrs {
                self.add(Owner::Endpoint(index as u32), endpoint.cluster.as_deref(), *block);
            }
        }
        self.found.endpoints = names;
    }
}
