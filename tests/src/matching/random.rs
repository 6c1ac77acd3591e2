//! Random inventories, matrices and tuples in which everything overlaps: few addresses, few names, few ports.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use fastrand::Rng;
use flowdrift::{
    event::Protocol,
    flow::Direction,
    matching::{Names, Tuple},
    matrix::{
        EndpointName, Matrix, PortSpec, Ports,
        inventory::{BUILT_IN, Cluster, Endpoint, Ingress, Inventory},
    },
};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::plain::{matrix_of, row_between};

const CLUSTERS: [&str; 4] = ["build", "run-eu", "run-us", "view"];
const ROLES: [&str; 2] = ["run", "build"];
const GROUPS: [&str; 5] = ["/kubepods", "/kubepods/a", "/kubepods/ab", "system.slice/x/", "/"];
const PORTS: [u16; 9] = [1, 22, 79, 80, 81, 443, 8443, 31_234, 65_535];

/// One matrix against one inventory.
pub struct World {
    /// What the names mean.
    pub inventory: Inventory,
    /// What is declared.
    pub matrix: Matrix,
    blocks: Vec<IpNet>,
    ports: Vec<u16>,
}

/// Owns what a [`Tuple`] borrows.
pub struct OwnedTuple {
    cluster: &'static str,
    cgroup: Option<&'static str>,
    direction: Direction,
    local: IpAddr,
    remote: IpAddr,
    port: u16,
    protocol: Protocol,
}

impl OwnedTuple {
    /// As the matcher takes it.
    #[must_use]
    pub fn tuple(&self) -> Tuple<'static> {
        let Self { cluster, cgroup, direction, local, remote, port, protocol } = *self;
        Tuple { cluster, node: "n", cgroup, direction, local, remote, port, protocol, names: None }
    }
}

/// Whatever comes up so often.
fn chance(random: &mut Rng, percent: u32) -> bool {
    random.u32(..100) < percent
}

fn one<T: Copy>(random: &mut Rng, of: &[T]) -> T {
    of[random.usize(..of.len())]
}

fn some<T>(random: &mut Rng, most: usize, mut make: impl FnMut(&mut Rng) -> T) -> Vec<T> {
    (0..random.usize(..=most)).map(|_| make(random)).collect()
}

fn block(random: &mut Rng) -> IpNet {
    if chance(random, 50) {
        let [low, high] = [random.u8(..), random.u8(..)];
        let address = match random.u32(..10) {
            0 => Ipv4Addr::new(127, 0, low % 2, high),
            1 => Ipv4Addr::UNSPECIFIED,
            2 => random.u32(..).into(),
            _ => Ipv4Addr::new(10, low % 3, high % 3, random.u8(..) & one(random, &[0x80, 0x03, 0xff])),
        };
        let length = one(random, &[0, 7, 8, 9, 15, 16, 17, 23, 24, 25, 30, 31, 32, 32, 32]);
        return IpNet::V4(Ipv4Net::new_assert(address, length).trunc());
    }
    let address = match random.u32(..10) {
        0 => u128::from(Ipv6Addr::LOCALHOST),
        1 => 0,
        2 => random.u128(..),
        3 => 0xffff_0a00_0000 + u128::from(random.u8(..)),
        _ => {
            0xfd00 << 112
                | u128::from(random.u8(..3)) << 80
                | u128::from(random.u8(..3)) << 64
                | u128::from(random.u8(..))
        }
    };
    let length = one(random, &[0, 7, 8, 16, 31, 47, 48, 49, 63, 64, 65, 96, 104, 120, 127, 128, 128, 128]);
    IpNet::V6(Ipv6Net::new_assert(address.into(), length).trunc())
}

fn address(random: &mut Rng, blocks: &[IpNet]) -> IpAddr {
    match random.u32(..20) {
        0 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        1 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        2 => IpAddr::V4(Ipv4Addr::LOCALHOST),
        3 => IpAddr::V6(Ipv6Addr::LOCALHOST),
        4 => Ipv4Addr::new(10, random.u8(..3), random.u8(..3), random.u8(..)).to_ipv6_mapped().into(),
        5 => block(random).addr(),
        _ if blocks.is_empty() => IpAddr::V4(random.u32(..).into()),
        _ => {
            let block = one(random, blocks);
            let edge = if chance(random, 50) { block.network() } else { block.broadcast() };
            let by = one(random, &[0, 0, 1, u128::MAX]);
            match edge {
                IpAddr::V4(edge) => IpAddr::V4(u32::from(edge).wrapping_add(by as u32).into()),
                IpAddr::V6(edge) => IpAddr::V6(u128::from(edge).wrapping_add(by).into()),
            }
        }
    }
}

fn ports_of(random: &mut Rng) -> (u16, Vec<u16>) {
    (one(random, &PORTS), some(random, 2, |random| one(random, &PORTS)))
}

fn cluster(random: &mut Rng) -> Cluster {
    let node = |random: &mut Rng| {
        let name = format!("n{}", random.u8(..3));
        (name, some(random, 2, |random| block(random).addr()))
    };
    let ingress = |random: &mut Rng| Ingress {
        addresses: some(random, 2, block),
        listeners: some(random, 3, |random| (one(random, &PORTS), one(random, &PORTS))).into_iter().collect(),
        proxies: some(random, 2, block),
        pods: some(random, 2, block),
        targets: some(random, 2, ports_of).into_iter().collect(),
    };
    Cluster {
        role: chance(random, 50).then(|| one(random, &ROLES).to_owned()),
        nodes: some(random, 2, node).into_iter().collect(),
        pods: some(random, 2, block),
        routable: chance(random, 30),
        services: some(random, 1, block),
        egress: some(random, 2, block),
        ingress: chance(random, 60).then(|| ingress(random)),
        ..Cluster::default()
    }
}

fn endpoint(random: &mut Rng) -> Endpoint {
    Endpoint {
        cluster: chance(random, 40).then(|| one(random, &CLUSTERS).to_owned()),
        cidrs: some(random, 4, block),
        cgroups: if chance(random, 25) { vec![one(random, &GROUPS).to_owned()] } else { Vec::new() },
        ports: if chance(random, 30) { [ports_of(random)].into() } else { Default::default() },
        ingress: chance(random, 10),
        ..Endpoint::default()
    }
}

fn port_spec(random: &mut Rng) -> PortSpec {
    let (one_end, other) = (one(random, &PORTS), one(random, &PORTS));
    let ports = match random.u32(..12) {
        0 => Ports::Any,
        1 => Ports::Varies,
        2..=4 => Ports::Range { first: one_end.min(other), last: one_end.max(other) },
        _ => Ports::Range { first: one_end, last: one_end },
    };
    let protocol = match (ports, random.u32(..10)) {
        (Ports::Varies, _) => None,
        (_, 0) => return PortSpec { ports: Ports::None, protocol: Some(Protocol::Icmp) },
        (_, 1) => Some(Protocol::Sctp),
        (_, 2..=4) => Some(Protocol::Udp),
        _ => Some(Protocol::Tcp),
    };
    PortSpec { ports, protocol }
}

impl World {
    /// One of its own for each state of `random`.
    #[must_use]
    pub fn new(random: &mut Rng) -> Self {
        let clusters = CLUSTERS.iter().filter(|_| chance(random, 75)).copied().collect::<Vec<_>>();
        let clusters = clusters.into_iter().map(|name| (name.to_owned(), cluster(random))).collect();
        let names: Vec<EndpointName> = (0..8).map(|index| EndpointName::new(&format!("e{index}"))).collect();
        let endpoints = names.iter().map(|name| (name.clone(), endpoint(random))).collect();
        let mut inventory = Inventory {
            clusters,
            endpoints,
            resolvers: some(random, 1, block),
            time_servers: some(random, 1, block),
            registries: some(random, 2, |random| names[random.usize(..names.len())].clone()),
            ..Inventory::default()
        };
        nest(random, &mut inventory);
        let name = |random: &mut Rng| match random.u32(..10) {
            0 => EndpointName::new(one(random, &BUILT_IN)),
            1 => EndpointName::new(one(random, &ROLES)),
            2..=4 => EndpointName::new(one(random, &CLUSTERS)),
            5 => EndpointName::new("nobody"),
            _ => names[random.usize(..names.len())].clone(),
        };
        let few = |random: &mut Rng| {
            let mut names = vec![name(random)];
            names.extend(some(random, 2, name));
            names
        };
        let row = |random: &mut Rng| {
            let mut ports = vec![port_spec(random)];
            ports.extend(some(random, 2, port_spec));
            row_between(few(random), few(random), ports)
        };
        let rows = some(random, 80, row);
        let matrix = matrix_of(rows);
        let (blocks, ports) = (blocks(&inventory), ports(&matrix));
        Self { inventory, matrix, blocks, ports }
    }

    /// A tuple near what is declared.
    #[must_use]
    pub fn tuple(&self, random: &mut Rng) -> OwnedTuple {
        let local = address(random, &self.blocks);
        let is_same = chance(random, 5);
        let port = one(random, &self.ports);
        OwnedTuple {
            cluster: one(random, &CLUSTERS),
            cgroup: chance(random, 70).then(|| {
                one(random, &["/kubepods/a/b", "kubepods/ab", "/kubepods", "/system.slice/x", "/other", ""])
            }),
            direction: one(random, &[Direction::Outbound, Direction::Inbound, Direction::Unknown]),
            local,
            remote: if is_same { local } else { address(random, &self.blocks) },
            port: port.wrapping_add(one(random, &[0, 0, 0, 1, u16::MAX])),
            protocol: one(
                random,
                &[Protocol::Tcp, Protocol::Tcp, Protocol::Udp, Protocol::Sctp, Protocol::Icmp],
            ),
        }
    }
}

impl World {
    /// Names for some of the addresses that are asked for.
    #[must_use]
    pub fn names(&self, random: &mut Rng, asked: &[OwnedTuple]) -> Names {
        let endpoints: Vec<&EndpointName> = self.inventory.endpoints.keys().collect();
        let mut names = Names::default();
        for tuple in asked {
            for address in [tuple.local, tuple.remote] {
                if chance(random, 20) {
                    names.add(address, one(random, &endpoints).clone());
                }
            }
        }
        names
    }
}

/// Lets endpoints have blocks around and within those of clusters: rules tell these apart.
fn nest(random: &mut Rng, inventory: &mut Inventory) {
    let Inventory { clusters, endpoints, .. } = inventory;
    let inner: Vec<IpNet> = clusters.values().flat_map(|cluster| &cluster.pods).copied().collect();
    for endpoint in endpoints.values_mut().filter(|_| !inner.is_empty()) {
        if chance(random, 40) {
            let block = one(random, &inner);
            let (length, longest) = (block.prefix_len(), block.max_prefix_len());
            for length in [length.saturating_sub(4), (length + 4).min(longest)] {
                endpoint.cidrs.push(IpNet::new_assert(block.addr(), length).trunc());
            }
        }
    }
}

/// Every block that an address may be at the edge of.
fn blocks(inventory: &Inventory) -> Vec<IpNet> {
    let Inventory { clusters, endpoints, resolvers, time_servers, .. } = inventory;
    let mut blocks: Vec<IpNet> = [resolvers.as_slice(), time_servers].concat();
    for cluster in clusters.values() {
        blocks.extend([&cluster.pods, &cluster.services, &cluster.egress].into_iter().flatten());
        blocks.extend(cluster.nodes.values().flatten().map(|node| IpNet::from(*node)));
        if let Some(Ingress { addresses, proxies, pods, .. }) = &cluster.ingress {
            blocks.extend([addresses, proxies, pods].into_iter().flatten());
        }
    }
    blocks.extend(endpoints.values().flat_map(|endpoint| &endpoint.cidrs));
    blocks
}

fn ports(matrix: &Matrix) -> Vec<u16> {
    let named = matrix.rows.iter().flat_map(|row| &row.ports).flat_map(|port| match port.ports {
        Ports::Range { first, last } => vec![first, last],
        _ => Vec::new(),
    });
    named.chain(PORTS).collect()
}
