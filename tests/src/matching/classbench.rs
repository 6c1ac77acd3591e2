//! Filter sets in ClassBench's format, as matrices.
//!
//! A line is `@SOURCE DESTINATION LOW : HIGH LOW : HIGH PROTOCOL/MASK FLAGS/MASK`, where the ports are the client's, then the
//! server's. No row speaks of a client's port or of TCP flags, so what a filter asks of those is left out for all matchers alike.

use std::{collections::HashSet, net::IpAddr};

use fastrand::Rng;
use flowdrift::{
    event::Protocol,
    matrix::{EndpointName, Matrix, PortSpec, Ports, inventory::Inventory},
};
use ipnet::IpNet;

use super::{
    plain::{inventory_of, matrix_of, row_between},
    traffic::{Filter, Packet, between, within},
};

/// A filter set.
pub struct FilterSet {
    /// What the names of its prefixes mean.
    pub inventory: Inventory,
    /// A row for each filter that a row can say.
    pub matrix: Matrix,
    /// The same, as a packet filter takes them.
    pub filters: Vec<Filter>,
    /// How many filters ask for a transport without a name here.
    pub unsaid: usize,
}

impl FilterSet {
    /// Reads one.
    ///
    /// # Errors
    ///
    /// The first line that is none, and what was expected.
    pub fn read(text: &str) -> Result<Self, String> {
        let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
        let read = lines.map(|(number, line)| {
            filter(line).map_err(|expected| format!("line {number}: {expected} is expected: {line}"))
        });
        let all: Vec<Option<Filter>> = read.collect::<Result<_, _>>()?;
        let filters: Vec<Filter> = all.iter().filter_map(|filter| *filter).collect();
        let name = |block: IpNet| EndpointName::new(&block.to_string());
        let blocks: HashSet<IpNet> = filters.iter().flat_map(|filter| filter.ends).collect();
        let inventory = inventory_of(blocks.iter().map(|block| (name(*block), vec![*block])));
        let rows = filters.iter().map(|Filter { ends, ports, protocol }| {
            let ports = match *ports {
                (0, u16::MAX) => Ports::Any,
                (first, last) => Ports::Range { first, last },
            };
            let [from, to] = ends.map(|end| vec![name(end)]);
            row_between(from, to, vec![PortSpec { ports, protocol: *protocol }])
        });
        let matrix = matrix_of(rows);
        Ok(Self { inventory, matrix, unsaid: all.len() - filters.len(), filters })
    }

    /// So many packets, each of which fits some filter, between at most `pairs` different pairs of addresses: filters of hosts
    /// have only so many.
    #[must_use]
    pub fn traffic(&self, packets: usize, pairs: usize) -> Vec<Packet> {
        between(packets, pairs, |random| self.packet(random))
    }

    fn packet(&self, random: &mut Rng) -> Packet {
        let Filter { ends, ports: (first, last), protocol } =
            self.filters[random.usize(..self.filters.len())];
        let [client, server] = ends.map(|block| within(random, block));
        let protocol = protocol.unwrap_or(Protocol::Tcp);
        Packet { client, server, port: random.u16(first..=last), protocol }
    }
}

/// One line's filter, unless a row cannot say its transport; otherwise what is expected.
fn filter(line: &str) -> Result<Option<Filter>, &'static str> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [source, destination, _, ":", _, first, ":", last, protocol, ..] = words.as_slice() else {
        return Err("@SOURCE DESTINATION LOW : HIGH LOW : HIGH PROTOCOL/MASK");
    };
    let block = |text: &str| text.parse::<IpNet>().map(|block| block.trunc()).map_err(|_| "ADDRESS/LENGTH");
    let source = source.strip_prefix('@').ok_or("@SOURCE")?;
    let port = |text: &str| text.parse::<u16>().map_err(|_| "a port");
    let ports = (port(first)?, port(last)?);
    let protocol = match *protocol {
        "0x00/0x00" => None,
        "0x01/0xFF" => Some(Protocol::Icmp),
        "0x06/0xFF" => Some(Protocol::Tcp),
        "0x11/0xFF" => Some(Protocol::Udp),
        "0x84/0xFF" => Some(Protocol::Sctp),
        other if other.ends_with("/0xFF") => return Ok(None),
        _ => return Err("PROTOCOL/0xFF or 0x00/0x00"),
    };
    let ends = [block(source)?, block(destination)?];
    if ends.iter().any(|end| !matches!(end.addr(), IpAddr::V4(_))) {
        return Err("an IPv4 block");
    }
    Ok(Some(Filter { ends, ports, protocol }))
}
