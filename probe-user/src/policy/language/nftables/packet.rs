//! A packet, as far as rules may ask for it.

use std::net::IpAddr;

use crate::event::Protocol;

/// Where in the kernel a chain looks at packets (include/uapi/linux/netfilter.h, `nf_inet_hooks`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Hook {
    Prerouting,
    Input,
    Forward,
    Output,
    Postrouting,
}

/// What a rule asks a packet for. Each is a number, so that every set is one of ranges of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Field {
    /// Its source address, where it is of this family.
    Source { is_v4: bool },
    /// Its destination address, likewise.
    Destination { is_v4: bool },
    /// Its transport (IANA protocol number), where it is of this family.
    Transport { only_v4: Option<bool> },
    /// Its family: 2 or 10 (`NFPROTO_IPV4`, `NFPROTO_IPV6`).
    Family,
    /// The source port of this transport, or of any that has ports.
    SourcePort(Option<Protocol>),
    /// The destination port, likewise.
    DestinationPort(Option<Protocol>),
    /// What connection tracking says of it ([`state`]).
    State,
    /// The interface: 1 is loopback, which nothing observed went over.
    Interface,
    /// Something that only other transports have.
    OfOthers,
}

/// Bits of `ct state` (include/uapi/linux/netfilter/nf_conntrack_common.h, `NF_CT_STATE_BIT`, as nft names them).
pub(super) fn state(name: &str) -> Option<u128> {
    Some(match name {
        "invalid" => 1,
        "established" => 2,
        "related" => 4,
        "new" => 8,
        "untracked" => 64,
        _ => return None,
    })
}

/// Numbers from the first to the last.
pub(super) type Range = (u128, u128);

/// What the kernel chooses a client's port from (`net.ipv4.ip_local_port_range`, its default): nobody knows which it is.
pub(super) const EPHEMERAL: Range = (32_768, 60_999);

/// What a translation may make of it.
pub(super) const TRANSLATED: Range = (1_024, 65_535);

/// The first packet of an exchange, or the answer to it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packet {
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    pub(super) protocol: Protocol,
    /// The server's.
    pub(super) port: u16,
    /// The client's is any of these.
    pub(super) client: Range,
    /// Whether it comes from the server.
    pub(super) is_answer: bool,
}

impl Packet {
    /// What is at a field: more than one number where any of them may be there, and `None` where it has no such field.
    pub(super) fn at(&self, field: Field) -> Option<Range> {
        let known = |number: u128| Some((number, number));
        let (source, destination) = (number(self.source), number(self.destination));
        let (client, server) = (self.client, (u128::from(self.port), u128::from(self.port)));
        let has_ports = |of: Option<Protocol>| {
            self.protocol != Protocol::Icmp && of.is_none_or(|protocol| protocol == self.protocol)
        };
        match field {
            Field::Source { is_v4 } => known(source).filter(|_| self.source.is_ipv4() == is_v4),
            Field::Destination { is_v4 } => {
                known(destination).filter(|_| self.destination.is_ipv4() == is_v4)
            }
            Field::Transport { only_v4 } => known(transport(self.protocol))
                .filter(|_| only_v4.is_none_or(|only| only == self.source.is_ipv4())),
            Field::Family => known(if self.source.is_ipv4() { 2 } else { 10 }),
            Field::SourcePort(of) => has_ports(of).then_some(if self.is_answer { server } else { client }),
            Field::DestinationPort(of) => {
                has_ports(of).then_some(if self.is_answer { client } else { server })
            }
            Field::State => state(if self.is_answer { "established" } else { "new" }).and_then(known),
            Field::Interface => known(0),
            Field::OfOthers => None,
        }
    }
}

/// An address as a number, in the order of its bytes.
pub(super) fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// IANA's number.
pub(super) fn transport(protocol: Protocol) -> u128 {
    match protocol {
        Protocol::Icmp => 1,
        Protocol::Tcp => 6,
        Protocol::Udp => 17,
        Protocol::Sctp => 132,
    }
}
