//! nftables' sets on the same filters and packets: whether a packet fits any of them.
//!
//! A set of concatenated ranges holds no two elements that share an address, so overlapping filters go into several, and a
//! packet asks them one by one until one has it. The packets are sent over a raw socket in a namespace of its own, and dropped where the sets were
//! asked, in the hook of what is sent; what that takes without any set is subtracted. It tells no more than whether there is
//! a filter: which ones they are is beyond a set.

use std::{
    fmt::Write,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use anyhow::{Context, Result, ensure};
use ipnet::IpNet;
use serde::Serialize;
use socket2::{Domain, Protocol as Number, Socket, Type};

use super::rte_acl::number;
use crate::{
    accept::cost::median,
    matching::traffic::{Filter, Packet},
    namespace::TestNamespace,
    usage::Thread,
};

/// Packets that are sent.
const PACKETS: usize = 200_000;
/// Rounds with and without sets; the median of each counts.
const ROUNDS: usize = 5;
/// More sets than this are not asked for: one look-up would take longer than sending the packet a hundred times.
const MOST_SETS: usize = 256;

/// What was seen.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Sets {
    /// How many sets the filters need.
    pub(super) sets: usize,
    /// Nanoseconds for a packet, without sets and with them.
    without: f64,
    with: f64,
    /// Look-ups per second, of all sets.
    pub(super) per_second: f64,
    /// Packets that were sent, and those that fit a filter.
    pub(super) packets: usize,
    pub(super) hits: u64,
}

/// Measures; nothing where the filters need too many sets.
pub(super) fn measure(filters: &[Filter], packets: &[Packet]) -> Result<Option<Sets>> {
    let Some(sets) = apart(filters) else { return Ok(None) };
    let packets: Vec<Packet> =
        packets.iter().filter(|packet| may_be_sent(packet)).take(PACKETS).copied().collect();
    let namespace = TestNamespace::new("sets");
    namespace.ip(&["address", "add", "192.0.2.1/32", "dev", "lo"]);
    namespace.ip(&["route", "add", "default", "dev", "lo"]);
    let (empty, full) = (script(&[]), script(&sets));
    let (mut without, mut with, mut hits) = (Vec::new(), Vec::new(), 0);
    for _ in 0..ROUNDS {
        namespace.nft(&empty);
        without.push(namespace.run(|| send(&packets))?);
        namespace.nft(&full);
        with.push(namespace.run(|| send(&packets))?);
        hits = counted(&namespace)?;
    }
    let (without, with) = (median(without.into_iter()), median(with.into_iter()));
    let per_second = 1e9 / (with - without).max(1.0);
    Ok(Some(Sets { sets: sets.len(), without, with, per_second, packets: packets.len(), hits }))
}

/// Whether a raw socket sends it: no multicast, and nothing of a class that has no route.
pub(super) fn may_be_sent(packet: &Packet) -> bool {
    match packet.server {
        IpAddr::V4(server) => server.octets()[0] < 224 && server.octets()[0] != 0,
        IpAddr::V6(_) => false,
    }
}

/// A filter as the ranges of an element: client, server, transport, port.
type Ranges = [(u32, u32); 4];

fn ranges(filter: &Filter) -> Option<Ranges> {
    let block = |block: IpNet| match block {
        IpNet::V4(block) => Some((block.network().to_bits(), block.broadcast().to_bits())),
        IpNet::V6(_) => None,
    };
    let [client, server] = filter.ends;
    let protocol =
        filter.protocol.map_or((0, 255), |protocol| (number(protocol).into(), number(protocol).into()));
    let (first, last) = filter.ports;
    Some([block(client)?, block(server)?, protocol, (first.into(), last.into())])
}

/// The filters in sets of which no two elements meet, each in the first that it fits into; nothing if they are too many.
fn apart(filters: &[Filter]) -> Option<Vec<Vec<Ranges>>> {
    let mut all: Vec<Ranges> = filters.iter().filter_map(ranges).collect();
    all.sort_unstable();
    all.dedup();
    let meet = |one: &Ranges, other: &Ranges| {
        one.iter().zip(other).all(|((first, last), (from, to))| first <= to && from <= last)
    };
    let mut sets: Vec<Vec<Ranges>> = Vec::new();
    for element in all {
        match sets.iter().position(|set| !set.iter().any(|other| meet(&element, other))) {
            Some(set) => sets[set].push(element),
            None if sets.len() == MOST_SETS => return None,
            None => sets.push(vec![element]),
        }
    }
    Some(sets)
}

fn script(sets: &[Vec<Ranges>]) -> String {
    let mut text = "flush ruleset\ntable ip filters {\n counter hits {}\n".to_owned();
    let address = |bits: u32| Ipv4Addr::from_bits(bits);
    for (index, set) in sets.iter().enumerate() {
        let elements = set.iter().map(|[client, server, protocol, port]| {
            let ends = [client, server].map(|(first, last)| match first == last {
                true => address(*first).to_string(),
                false => format!("{}-{}", address(*first), address(*last)),
            });
            let [protocol, port] = [protocol, port].map(|(first, last)| match first == last {
                true => first.to_string(),
                false => format!("{first}-{last}"),
            });
            format!("{} . {} . {protocol} . {port}", ends[0], ends[1])
        });
        let elements: Vec<String> = elements.collect();
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            " set s{index} {{ type ipv4_addr . ipv4_addr . inet_proto . inet_service; flags interval; elements = {{ {} }} }}",
            elements.join(", ")
        );
    }
    text += " chain sent {\n  type filter hook output priority 0;\n";
    for index in 0..sets.len() {
        let _ = writeln!(
            text,
            "  ip saddr . ip daddr . meta l4proto . th dport @s{index} counter name hits drop"
        );
    }
    text += "  drop\n }\n}\n";
    text
}

/// Sends each packet; nanoseconds of CPU time for one.
fn send(packets: &[Packet]) -> Result<f64> {
    let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Number::from(nix::libc::IPPROTO_RAW)))?;
    let mut bytes = [0_u8; 28];
    // Version and length of the header, and of the packet (RFC 791, 3.1); time to live.
    (bytes[0], bytes[3], bytes[8]) = (0x45, 28, 64);
    let this = Thread::this();
    let before = this.cpu_time()?;
    for packet in packets {
        let (IpAddr::V4(client), IpAddr::V4(server)) = (packet.client, packet.server) else { continue };
        bytes[9] = number(packet.protocol);
        bytes[12..16].copy_from_slice(&client.octets());
        bytes[16..20].copy_from_slice(&server.octets());
        bytes[22..24].copy_from_slice(&packet.port.to_be_bytes());
        match socket.send_to(&bytes, &SocketAddr::from((server, 0)).into()) {
            // It was dropped.
            Err(cause) if cause.raw_os_error() == Some(nix::libc::EPERM) => {}
            Err(cause) => return Err(cause).with_context(|| format!("sending {packet:?}")),
            Ok(_) => return Err(io::Error::other("nothing drops the packets").into()),
        }
    }
    Ok((this.cpu_time()? - before).as_nanos() as f64 / packets.len() as f64)
}

/// Packets that fitted.
fn counted(namespace: &TestNamespace) -> Result<u64> {
    let listed = std::process::Command::new("ip")
        .args(["netns", "exec", namespace.name(), "nft", "list", "counter", "ip", "filters", "hits"])
        .output()?;
    ensure!(listed.status.success(), "nft: {}", String::from_utf8_lossy(&listed.stderr));
    let text = String::from_utf8(listed.stdout)?;
    let count = text.split_once("packets ").and_then(|(_, rest)| rest.split(' ').next()?.parse().ok());
    count.context("nft tells no count")
}
