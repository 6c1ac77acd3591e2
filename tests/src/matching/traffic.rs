//! What matchers are asked.

use std::{collections::HashSet, net::IpAddr};

use fastrand::Rng;
use flowdrift::{
    event::Protocol,
    flow::Direction,
    matching::{Question, Reader, Tuple},
};
use ipnet::IpNet;

/// The tuple of a packet from a client to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// The client's address.
    pub client: IpAddr,
    /// The server's address.
    pub server: IpAddr,
    /// The server's port, host byte order.
    pub port: u16,
    /// The transport.
    pub protocol: Protocol,
}

impl Packet {
    /// The cluster whose node reports it.
    pub const CLUSTER: &str = "site";

    /// As its client reports it.
    #[must_use]
    pub fn question(&self, reader: &mut Reader) -> Question {
        let Self { client: local, server: remote, port, protocol } = *self;
        let direction = Direction::Outbound;
        let tuple = Tuple {
            cluster: Self::CLUSTER,
            node: "",
            cgroup: None,
            direction,
            local,
            remote,
            port,
            protocol,
            names: None,
        };
        Question::new(reader.reporter(Self::CLUSTER, None), &tuple)
    }
}

/// One row's demand on one block at each end: what a packet filter takes.
#[derive(Clone, Copy, Debug)]
pub struct Filter {
    /// Blocks of the client and of the server.
    pub ends: [IpNet; 2],
    /// The server's ports, both included.
    pub ports: (u16, u16),
    /// The transport; any if `None`.
    pub protocol: Option<Protocol>,
}

/// Some address of a block.
pub fn within(random: &mut Rng, block: IpNet) -> IpAddr {
    match block {
        IpNet::V4(block) => {
            let host = random.u32(..).checked_shr(block.prefix_len().into()).unwrap_or(0);
            IpAddr::V4((u32::from(block.network()) | host).into())
        }
        IpNet::V6(block) => {
            let host = random.u128(..).checked_shr(block.prefix_len().into()).unwrap_or(0);
            IpAddr::V6((u128::from(block.network()) | host).into())
        }
    }
}

/// So many packets, drawn between at most `pairs` different pairs of addresses: there may be no more. The same each time.
pub(super) fn between(packets: usize, pairs: usize, draw: impl Fn(&mut Rng) -> Packet) -> Vec<Packet> {
    /// So often as many are drawn until there seem to be no more pairs.
    const TRIES: usize = 16;
    let mut random = Rng::with_seed(30_000);
    let (mut seen, mut distinct) = (HashSet::new(), Vec::with_capacity(pairs));
    for _ in 0..TRIES * packets {
        let packet = draw(&mut random);
        let ends = [packet.client, packet.server];
        // What somebody sends to himself never leaves him, and of loopback addresses nothing does: a packet filter would not
        // see it.
        let leaves = packet.client != packet.server
            && !ends.iter().any(|end| end.is_loopback() || end.is_unspecified());
        if leaves && seen.insert(ends) {
            distinct.push(packet);
            if distinct.len() == pairs {
                break;
            }
        }
    }
    if packets > distinct.len() {
        (0..packets).map(|_| distinct[random.usize(..distinct.len())]).collect()
    } else {
        distinct
    }
}
