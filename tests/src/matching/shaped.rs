//! Inventories and matrices as large sites have them: groups of blocks, rows between groups, and traffic of which most is
//! declared.

use std::net::IpAddr;

use fastrand::Rng;
use flowdrift::{
    event::Protocol,
    matrix::{EndpointName, Matrix, PortSpec, Ports, inventory::Inventory},
};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::{
    plain::{inventory_of, matrix_of, row_between},
    traffic::{Filter, Packet, between, within},
};

/// Groups of addresses.
const ENDPOINTS: usize = 2_000;
/// Blocks of each.
const BLOCKS: usize = 5;
/// Of all groups, so many have a wide block around others', too.
const WIDE: usize = 20;

/// How large, and of which family.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Rows of the matrix.
    pub rows: usize,
    /// IPv6 addresses.
    pub v6: bool,
}

/// A site.
pub struct Site {
    /// What the names mean.
    pub inventory: Inventory,
    /// What is declared.
    pub matrix: Matrix,
    groups: Vec<Vec<IpNet>>,
    /// Source and destination group and the ports of each row.
    rows: Vec<(usize, usize, PortSpec)>,
}

impl Site {
    /// The same for the same shape.
    #[must_use]
    pub fn new(shape: Shape) -> Self {
        let mut random = Rng::with_seed(20_000);
        let groups = groups(&mut random, shape.v6);
        let names: Vec<EndpointName> =
            (0..ENDPOINTS).map(|index| EndpointName::new(&format!("group-{index}"))).collect();
        let inventory = inventory_of(names.iter().cloned().zip(groups.iter().cloned()));
        let row = |_| (random.usize(..ENDPOINTS), random.usize(..ENDPOINTS), port(&mut random));
        let rows: Vec<_> = (0..shape.rows).map(row).collect();
        let written = rows.iter().map(|(from, to, port)| {
            row_between(vec![names[*from].clone()], vec![names[*to].clone()], vec![*port])
        });
        let matrix = matrix_of(written);
        Self { inventory, matrix, groups, rows }
    }

    /// What the rows are to a packet filter.
    pub fn filters(&self) -> impl Iterator<Item = Filter> + '_ {
        self.rows.iter().flat_map(|(from, to, port)| {
            let ports = match port.ports {
                Ports::Range { first, last } => (first, last),
                _ => (0, u16::MAX),
            };
            let protocol = port.protocol;
            let (from, to) = (&self.groups[*from], &self.groups[*to]);
            from.iter().flat_map(move |client| {
                to.iter().map(move |server| Filter { ends: [*client, *server], ports, protocol })
            })
        })
    }

    /// So many packets of which six in ten fit a row, between `pairs` different pairs of addresses.
    #[must_use]
    pub fn traffic(&self, packets: usize, pairs: usize) -> Vec<Packet> {
        between(
            packets,
            pairs,
            |random| {
                if random.u32(..10) < 6 { self.declared(random) } else { self.stray(random) }
            },
        )
    }

    fn declared(&self, random: &mut Rng) -> Packet {
        let (from, to, port) = self.rows[random.usize(..self.rows.len())];
        let (client, server) = (self.address(random, from), self.address(random, to));
        let number = match port.ports {
            Ports::Range { first, last } => random.u16(first..=last),
            _ => random.u16(..),
        };
        Packet { client, server, port: number, protocol: port.protocol.unwrap_or(Protocol::Tcp) }
    }

    fn address(&self, random: &mut Rng, group: usize) -> IpAddr {
        let block = self.groups[group][random.usize(..BLOCKS)];
        within(random, block)
    }

    fn stray(&self, random: &mut Rng) -> Packet {
        let [from, to] = [random.usize(..ENDPOINTS), random.usize(..ENDPOINTS)];
        let (client, server) = (self.address(random, from), self.address(random, to));
        Packet { client, server, port: random.u16(1..), protocol: Protocol::Tcp }
    }
}

fn port(random: &mut Rng) -> PortSpec {
    let single = |port| Ports::Range { first: port, last: port };
    let ports = match random.u32(..10) {
        0 => Ports::Any,
        1 => Ports::Range { first: 30_000, last: 32_767 },
        2 => Ports::Range { first: 1_024, last: 65_535 },
        _ => single([22, 53, 80, 389, 443, 636, 5_432, 6_379, 8_443, 9_090][random.usize(..10)]),
    };
    let protocol = if random.u32(..10) == 0 { Protocol::Udp } else { Protocol::Tcp };
    PortSpec { ports, protocol: Some(protocol) }
}

/// Each group's blocks, no two in one /24 or /64, some hosts, some small, some whole.
fn groups(random: &mut Rng, v6: bool) -> Vec<Vec<IpNet>> {
    let mut subnets: Vec<u16> = (0..=u16::MAX).collect();
    random.shuffle(&mut subnets);
    let mut subnets = subnets.into_iter();
    let mut block = |random: &mut Rng| {
        let subnet = subnets.next().expect("there are more");
        let kind = [0, 0, 0, 0, 0, 1, 1, 1, 2, 2][random.usize(..10)];
        let host: u8 = random.u8(1..255);
        if v6 {
            let address = 0xfd00_0db8_0000 << 80 | u128::from(subnet) << 64 | u128::from(host) << 32 | 1;
            IpNet::V6(Ipv6Net::new_assert(address.into(), [128, 96, 64][kind]).trunc())
        } else {
            let address = 10 << 24 | u32::from(subnet) << 8 | u32::from(host);
            IpNet::V4(Ipv4Net::new_assert(address.into(), [32, 28, 24][kind]).trunc())
        }
    };
    let mut groups: Vec<Vec<IpNet>> =
        (0..ENDPOINTS).map(|_| (0..BLOCKS).map(|_| block(random)).collect()).collect();
    for group in groups.iter_mut().step_by(ENDPOINTS / WIDE) {
        let inner = group[0];
        let length = if v6 { 52 } else { 12 };
        group[1] = IpNet::new_assert(inner.addr(), length).trunc();
    }
    groups
}
