//! One decoded fact about one socket, whoever reported it.

use std::{borrow::Cow, fmt, net::IpAddr};

use probe_common::COMMAND_LENGTH;

/// Transport protocol of a flow or of a declared port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// RFC 9293, IP protocol 6.
    Tcp,
    /// RFC 768, IP protocol 17.
    Udp,
    /// RFC 9260, IP protocol 132.
    Sctp,
    /// RFC 792 and RFC 4443, IP protocols 1 and 58; it has no ports.
    Icmp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
            Self::Icmp => "icmp",
        })
    }
}

/// Address and port of one end; IPv4-mapped IPv6 addresses have become IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct End {
    /// The address.
    pub address: IpAddr,
    /// The port in host byte order; 0 where the socket has none yet.
    pub port: u16,
}

/// A connection as it looks on the other side of a translation of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct Face {
    /// The client's address.
    pub client: IpAddr,
    /// The server's address.
    pub server: IpAddr,
    /// The server's port, host byte order.
    pub port: u16,
}

/// The caller of `connect()`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process {
    /// Process id in the initial PID namespace.
    pub id: u32,
    /// The calling thread's name.
    pub command: Command,
}

/// A thread's name as the kernel keeps it: up to 15 bytes, whatever they are. The process chooses them.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Command([u8; COMMAND_LENGTH]);

impl Command {
    /// That of these bytes up to the first NUL.
    #[must_use]
    pub fn new(mut bytes: [u8; COMMAND_LENGTH]) -> Self {
        let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(COMMAND_LENGTH);
        bytes[end..].fill(0);
        Self(bytes)
    }

    /// The bytes, filled up with NUL.
    #[must_use]
    pub fn bytes(&self) -> &[u8; COMMAND_LENGTH] {
        &self.0
    }

    /// As text, invalid UTF-8 replaced. A renderer escapes it.
    #[must_use]
    pub fn to_text(&self) -> Cow<'_, str> {
        let end = self.0.iter().position(|byte| *byte == 0).unwrap_or(COMMAND_LENGTH);
        String::from_utf8_lossy(&self.0[..end])
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_text().fmt(formatter)
    }
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `connect()` sent a SYN; the outcome follows under the same socket cookie.
    Attempted,
    /// `connect()` died before any packet: no route, a prohibit or blackhole route, or another
    /// program of the cgroup that refused.
    Unrouted,
    /// The attempt succeeded.
    Connected,
    /// The attempt failed with this errno (asm-generic/errno.h); 0 when the application gave up or the
    /// failure was local (no free port).
    Failed(u16),
    /// A listener took the connection.
    Accepted,
    /// Datagrams went between a UDP socket and a peer, so many since the event before.
    Exchanged(Datagrams),
    /// The application had named this one for the datagrams to the peer, and a socket load-balancer chose the peer.
    Named(End),
}

impl Kind {
    /// The transport that it tells of.
    #[must_use]
    pub fn protocol(self) -> Protocol {
        match self {
            Self::Attempted | Self::Unrouted | Self::Connected | Self::Failed(_) | Self::Accepted => {
                Protocol::Tcp
            }
            Self::Exchanged(_) | Self::Named(_) => Protocol::Udp,
        }
    }
}

/// Which way a datagram went, as its socket sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// To the peer.
    Sent,
    /// From the peer.
    Received,
}

/// How often datagrams went between a UDP socket and one peer. A call counts once, also where it carries several
/// datagrams (`UDP_SEGMENT`, `UDP_GRO`) or a part of one (`MSG_MORE`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagrams {
    /// The way of the first one that this event knows of.
    pub first: Way,
    /// Whether the application, and not the kernel, chose the socket's port; `None` where the kernel does not tell.
    pub port_is_chosen: Option<bool>,
    /// Calls that sent.
    pub sent: u64,
    /// Calls that received.
    pub received: u64,
    /// Calls that failed on the way to the peer, or were told that an earlier datagram had.
    pub failed: u64,
    /// With this errno (asm-generic/errno.h); 0 when none failed.
    pub error: u16,
}

/// How much later than [`Event::time`] an event may have happened, nanoseconds. The hooks read the clock once per tick
/// (`probe-ebpf/src/clock.rs`), of 10 ms at most, and another CPU counts ticks for one that is starved only after five
/// (kernel/time/tick-sched.c, `MAX_STALLED_JIFFIES`). Times of one CPU are in order, those of two may be this far out.
pub const TICKS: u64 = 100_000_000;

/// A connection event: one fact, about one socket, at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What happened.
    pub kind: Kind,
    /// Nanoseconds on the reporting node's `CLOCK_BOOTTIME`: when `connect()` was called if the process is known,
    /// otherwise when the state changed. True to [`TICKS`]. In an exchange, when its first datagram went: exact.
    pub time: u64,
    /// Nanoseconds from then to the failure, in steps of 1,000, or to an exchange's latest datagram, in steps of
    /// 1,000,000; 0 in every other kind.
    pub elapsed: u64,
    /// Socket cookie: the same for an attempt, its outcome and sock_diag's view of the socket.
    pub socket: u64,
    /// cgroup-v2 id of the socket, where known.
    pub cgroup: Option<u64>,
    /// Cookie of the socket's network namespace, where known.
    pub netns: Option<u64>,
    /// The socket's own end.
    pub local: End,
    /// Its peer; without address and port where a datagram's is not known.
    pub remote: End,
    /// How the connection looks beyond this node's translations, by a socket load-balancer or netfilter, where it has any:
    /// nearer to its client, if the socket is its server's, and nearer to its server otherwise.
    pub translated: Option<Face>,
    /// The reporting hook cannot exclude that it repeats an earlier record of the same kind and socket.
    pub may_repeat: bool,
    /// Who called `connect()`, or sent or received an exchange's first datagram; accepts complete in softirq and never
    /// know.
    pub process: Option<Process>,
}

impl Event {
    /// Learns that `connect()` was to go elsewhere: a socket load-balancer has chosen the peer.
    pub(crate) fn redirect(&mut self, dialled: End) {
        let End { address: server, port } = std::mem::replace(&mut self.remote, dialled);
        self.translated = self.translated.or(Some(Face { client: self.local.address, server, port }));
    }

    /// Whether this is how a connection came to stand or failed: a socket has one, once.
    #[must_use]
    pub fn is_outcome(&self) -> bool {
        matches!(self.kind, Kind::Connected | Kind::Failed(_) | Kind::Accepted)
    }
}

/// Facts that differed in no more than the client's port and socket, folded while the rings were full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spilled {
    /// The first of them; of exchanges, with what all counted together.
    pub event: Event,
    /// How many they are.
    pub count: u64,
    /// In how many of them, if they are exchanges, something was received.
    pub answered: u64,
    /// When the latest of them happened, `CLOCK_BOOTTIME`, nanoseconds.
    pub last: u64,
}
