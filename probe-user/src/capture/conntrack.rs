//! Translations of addresses on this node, as conntrack knows them (`nf_conntrack_netlink`,
//! include/uapi/linux/netfilter/nfnetlink_conntrack.h).
//!
//! A socket shows the addresses that it was told. Where netfilter translates them on the way, conntrack keeps both: the
//! connection as its packets come (original) and as they go on (the reply's, reversed). Both ends of a connection can be
//! joined, and a service's address and its backend's, where the node that translates is watched.
//!
//! What exists is dumped at the start, and what comes is told by events, over sockets that are opened in each namespace
//! before the rights are given up. A filter lets nothing through but connections that are translated.

use std::{collections::VecDeque, io, net::IpAddr, os::fd::AsRawFd};

use hashbrown::HashMap;
use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST, NlaBuffer, NlasIterator};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_NETFILTER};
use nix::{
    libc,
    sys::socket::{setsockopt, sockopt},
};

use super::{namespaces::Namespace, rights::Rights};
use crate::event::{End, Event, Face, Kind, Protocol, Way};

/// `NFNL_SUBSYS_CTNETLINK` (linux/netfilter/nfnetlink.h).
const CTNETLINK: u16 = 1;
/// `IPCTNL_MSG_CT_GET`.
const GET: u16 = 1;
/// `NFNLGRP_CONNTRACK_NEW`.
const GROUP_NEW: u32 = 1;
/// `CTA_TUPLE_ORIG`, `CTA_TUPLE_REPLY`, `CTA_STATUS` (`enum ctattr_type`).
const ORIGINAL: u16 = 1;
const REPLY: u16 = 2;
const STATUS: u16 = 3;
/// `IPS_SRC_NAT | IPS_DST_NAT` (linux/netfilter/nf_conntrack_common.h).
const TRANSLATED: u32 = 1 << 4 | 1 << 5;
/// `struct nlmsghdr` and `struct nfgenmsg`.
const HEADER: usize = 16;
const GENERIC: usize = 4;

/// So many translations are remembered, the latest.
const MOST: usize = 1 << 17;
/// Bytes that a namespace's events may wait in.
const WAITING: usize = 4 << 20;

/// Client and server of a connection or exchange, with both ports.
type Ends = (Protocol, End, End);

/// What conntrack has said.
#[derive(Default)]
pub struct Translations {
    sockets: Vec<(String, Socket)>,
    known: Known,
    gaps: Vec<String>,
    /// Events that did not fit into their socket: so often.
    overruns: u64,
    buffer: Vec<u8>,
}

/// Each connection as its client sees it and as its server does.
#[derive(Debug, Default)]
struct Known {
    forth: HashMap<Ends, Ends>,
    back: HashMap<Ends, Ends>,
    order: VecDeque<(Ends, Ends)>,
}

impl Known {
    fn add(&mut self, original: Ends, reply: Ends) {
        let (protocol, from, to) = reply;
        // The reply's source is the server that the packets go to.
        let beyond = (protocol, to, from);
        if original == beyond {
            return;
        }
        if self.order.len() >= MOST
            && let Some((original, beyond)) = self.order.pop_front()
        {
            self.forth.remove(&original);
            self.back.remove(&beyond);
        }
        self.forth.insert(original, beyond);
        self.back.insert(beyond, original);
        self.order.push_back((original, beyond));
    }

    /// How a connection looks beyond all translations of this node; `None` when there are none.
    fn follow(steps: &HashMap<Ends, Ends>, ends: Ends) -> Option<Ends> {
        /// One in the workload's namespace, one in the node's, and as much again.
        const MOST_STEPS: usize = 4;
        let mut last = None;
        let mut next = ends;
        for _ in 0..MOST_STEPS {
            match steps.get(&next) {
                Some(step) if *step != ends => next = *step,
                _ => break,
            }
            last = Some(next);
        }
        last
    }
}

impl Translations {
    /// Listens in every namespace, and dumps what is translated there already. Where the kernel has no conntrack nothing is
    /// translated by it.
    #[must_use]
    pub fn open(namespaces: &[Namespace]) -> Self {
        let mut translations = Self::default();
        let can_enter = Rights::of_this_process().can_enter_namespaces();
        for namespace in namespaces {
            let opened = namespace.enter(|| {
                if !is_tracking() {
                    return Ok(None);
                }
                // In this order, so that nothing comes between.
                Ok(Some((listen()?, dump()?)))
            });
            match opened {
                Ok(Some((socket, dumped))) => {
                    dumped.into_iter().for_each(|(original, reply)| translations.known.add(original, reply));
                    translations.sockets.push((namespace.label(), socket));
                }
                Ok(None) => {}
                // A namespace that went meanwhile took its connections along.
                Err(cause) if cause.kind() == io::ErrorKind::NotFound => {}
                // That is told once for all of them, of their older sockets.
                Err(cause) if cause.kind() == io::ErrorKind::PermissionDenied && !can_enter => {}
                Err(cause) => translations.gaps.push(format!("{}: {cause}", namespace.label())),
            }
        }
        translations
    }

    /// Takes the events that have come.
    pub fn read(&mut self) {
        /// A datagram holds one event.
        const DATAGRAM: usize = 8 << 10;
        let Self { sockets, known, gaps, overruns, buffer } = self;
        buffer.reserve(DATAGRAM);
        for (label, socket) in sockets {
            loop {
                buffer.clear();
                match socket.recv(buffer, libc::MSG_DONTWAIT) {
                    Ok(length) => messages(&buffer[..length], |_, body| {
                        if let Some((original, reply)) = translated(body) {
                            known.add(original, reply);
                        }
                    }),
                    Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => break,
                    Err(cause) if cause.raw_os_error() == Some(libc::ENOBUFS) => *overruns += 1,
                    Err(cause) => {
                        let gap = format!("{label}: {cause}");
                        if !gaps.contains(&gap) {
                            gaps.push(gap);
                        }
                        break;
                    }
                }
            }
        }
    }

    /// Says how an event's connection looks on the other sides of this node's translations.
    pub fn apply(&self, event: &mut Event) {
        if self.known.order.is_empty() {
            return;
        }
        // Where a socket load-balancer sent it is where it goes on from.
        let remote =
            event.translated.map_or(event.remote, |face| End { address: face.server, port: face.port });
        let is_server = match event.kind {
            Kind::Accepted => true,
            Kind::Exchanged(datagrams) => datagrams.first == Way::Received,
            _ => false,
        };
        let beyond = self.of(event.kind.protocol(), (event.local, remote), is_server);
        event.translated = beyond.or(event.translated);
    }

    /// How a connection looks beyond all translations of this node: nearer to its client, if the socket is its server's,
    /// and nearer to its server otherwise.
    #[must_use]
    pub fn of(&self, protocol: Protocol, (local, remote): (End, End), is_server: bool) -> Option<Face> {
        let (_, client, server) = if is_server {
            Known::follow(&self.known.back, (protocol, remote, local))
        } else {
            Known::follow(&self.known.forth, (protocol, local, remote))
        }?;
        Some(Face { client: client.address, server: server.address, port: server.port })
    }

    /// Why a translation may not be known, one phrase each.
    #[must_use]
    pub fn gaps(&self) -> Vec<String> {
        let overrun = (self.overruns > 0).then(|| format!("events were lost, {} times", self.overruns));
        self.gaps.iter().cloned().chain(overrun).collect()
    }

    /// In how many namespaces somebody listens.
    #[must_use]
    pub fn namespaces(&self) -> usize {
        self.sockets.len()
    }
}

/// Whether the kernel has conntrack. Asking must not load it (`nfnetlink_bind` would): whoever audits changes nothing.
fn is_tracking() -> bool {
    std::path::Path::new("/proc/sys/net/netfilter/nf_conntrack_count").exists()
}

/// Joins the group of events, in the calling thread's namespace.
fn listen() -> io::Result<Socket> {
    let mut socket = Socket::new(NETLINK_NETFILTER)?;
    socket.bind_auto()?;
    filter(&socket)?;
    // Beyond the limit for everybody, where we may.
    if setsockopt(&socket, sockopt::RcvBufForce, &WAITING).is_err() {
        setsockopt(&socket, sockopt::RcvBuf, &WAITING)?;
    }
    socket.add_membership(GROUP_NEW)?;
    Ok(socket)
}

/// Lets only what is translated through (Documentation/networking/filter.rst; `SKF_AD_NLATTR` finds an attribute).
fn filter(socket: &Socket) -> io::Result<()> {
    const NLATTR: u32 = (libc::SKF_AD_OFF + libc::SKF_AD_NLATTR) as u32;
    /// Behind an attribute's header.
    const VALUE: u32 = 4;
    let instruction = |code: u32, jt, jf, k| libc::sock_filter { code: code as u16, jt, jf, k };
    let mut program = [
        instruction(libc::BPF_LD | libc::BPF_IMM, 0, 0, (HEADER + GENERIC) as u32),
        instruction(libc::BPF_LDX | libc::BPF_IMM, 0, 0, STATUS.into()),
        instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, NLATTR),
        // Without a status nobody knows: let it through.
        instruction(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 3, 0, 0),
        instruction(libc::BPF_MISC | libc::BPF_TAX, 0, 0, 0),
        instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_IND, 0, 0, VALUE),
        instruction(libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K, 0, 1, TRANSLATED),
        instruction(libc::BPF_RET | libc::BPF_K, 0, 0, u32::MAX),
        instruction(libc::BPF_RET | libc::BPF_K, 0, 0, 0),
    ];
    let program = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: the kernel reads the program and the instructions, which outlive the call.
    #[expect(unsafe_code, reason = "nix has no socket filters")]
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_FILTER,
            (&raw const program).cast(),
            size_of::<libc::sock_fprog>() as libc::socklen_t,
        )
    };
    nix::errno::Errno::result(result)?;
    Ok(())
}

/// What is translated now, in the calling thread's namespace.
fn dump() -> io::Result<Vec<(Ends, Ends)>> {
    /// A dump's datagram is at most 32 KiB (net/netlink/af_netlink.c, netlink_dump).
    const DATAGRAM: usize = 64 << 10;
    /// `NLMSG_ERROR` and `NLMSG_DONE` (linux/netlink.h).
    const ERROR: u16 = 2;
    const DONE: u16 = 3;
    let mut socket = Socket::new(NETLINK_NETFILTER)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    let mut request = Vec::with_capacity(HEADER + GENERIC);
    request.extend(((HEADER + GENERIC) as u32).to_ne_bytes());
    request.extend((CTNETLINK << 8 | GET).to_ne_bytes());
    request.extend((NLM_F_REQUEST | NLM_F_DUMP).to_ne_bytes());
    request.extend([0; 8 + GENERIC]);
    socket.send(&request, 0)?;
    let mut found = Vec::new();
    let mut buffer = Vec::with_capacity(DATAGRAM);
    let mut end = None;
    while end.is_none() {
        buffer.clear();
        let length = socket.recv(&mut buffer, 0)?;
        messages(&buffer[..length], |kind, body| match kind {
            DONE => end = Some(Ok(())),
            ERROR => {
                let errno =
                    body.get(..4).and_then(|bytes| bytes.try_into().ok()).map_or(0, i32::from_ne_bytes);
                end = Some(Err(io::Error::from_raw_os_error(-errno)));
            }
            _ => found.extend(translated(body)),
        });
    }
    end.unwrap_or(Ok(())).map(|()| found)
}

/// Gives the kind and the body of each message.
fn messages(mut bytes: &[u8], mut take: impl FnMut(u16, &[u8])) {
    while let Some((header, _)) = bytes.split_at_checked(HEADER) {
        let length = u32::from_ne_bytes([header[0], header[1], header[2], header[3]]) as usize;
        let kind = u16::from_ne_bytes([header[4], header[5]]);
        let Some(body) = bytes.get(HEADER..length) else { return };
        take(kind, body);
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
}

/// Both tuples of a connection that is translated.
fn translated(body: &[u8]) -> Option<(Ends, Ends)> {
    let (mut original, mut reply, mut status) = (None, None, TRANSLATED);
    for (kind, value) in attributes(body.get(GENERIC..)?) {
        match kind {
            ORIGINAL => original = tuple(value),
            REPLY => reply = tuple(value),
            STATUS => status = u32::from_be_bytes(value.try_into().ok()?),
            _ => {}
        }
    }
    if status & TRANSLATED == 0 { None } else { Some((original?, reply?)) }
}

/// `CTA_TUPLE_IP`, `CTA_TUPLE_PROTO` and what is in them.
fn tuple(bytes: &[u8]) -> Option<Ends> {
    const IP: u16 = 1;
    const PROTOCOL: u16 = 2;
    let (mut from, mut to, mut protocol, mut ports) = (None, None, None, [0; 2]);
    for (kind, value) in attributes(bytes) {
        for (inner, value) in attributes(value) {
            match (kind, inner) {
                (IP, 1 | 3) => from = address(value),
                (IP, 2 | 4) => to = address(value),
                (PROTOCOL, 1) => protocol = value.first().copied(),
                (PROTOCOL, 2 | 3) => {
                    ports[usize::from(inner - 2)] = u16::from_be_bytes(value.try_into().ok()?)
                }
                _ => {}
            }
        }
    }
    let protocol = match i32::from(protocol?) {
        libc::IPPROTO_TCP => Protocol::Tcp,
        libc::IPPROTO_UDP => Protocol::Udp,
        _ => return None,
    };
    let [from_port, to_port] = ports;
    Some((protocol, End { address: from?, port: from_port }, End { address: to?, port: to_port }))
}

/// Four bytes or sixteen, in network byte order.
fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
        _ => None,
    }
}

/// Kind and value of each attribute, as far as they are well-formed.
fn attributes(bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    /// `NLA_TYPE_MASK`: without the flags for nesting and byte order.
    const KIND: u16 = 0x3fff;
    /// `NLA_HDRLEN`.
    const VALUE: usize = 4;
    NlasIterator::new(bytes).map_while(Result::ok).map(|attribute: NlaBuffer<&[u8]>| {
        let (kind, end) = (attribute.kind() & KIND, usize::from(attribute.length()));
        (kind, attribute.into_inner().get(VALUE..end).unwrap_or_default())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(text: &str) -> End {
        let end: std::net::SocketAddr = text.parse().expect("an address and a port");
        End { address: end.ip(), port: end.port() }
    }

    fn tcp(client: &str, server: &str) -> Ends {
        (Protocol::Tcp, end(client), end(server))
    }

    fn face(client: &str, server: &str) -> Face {
        let server = end(server);
        Face { client: client.parse().expect("an address"), server: server.address, port: server.port }
    }

    #[test]
    fn a_connection_is_followed_through_two_translations_in_both_directions() {
        let mut known = Translations::default();
        // In the workload's namespace its address is translated, in the node's the service's.
        known.known.add(tcp("10.1.0.2:4000", "10.96.0.1:443"), tcp("10.96.0.1:443", "192.168.0.2:4000"));
        known.known.add(tcp("192.168.0.2:4000", "10.96.0.1:443"), tcp("10.2.0.9:6443", "192.168.0.2:5000"));
        let of = |ends: Ends, is_server| {
            let (protocol, client, server) = ends;
            known.of(protocol, if is_server { (server, client) } else { (client, server) }, is_server)
        };
        let after = of(tcp("10.1.0.2:4000", "10.96.0.1:443"), false);
        assert_eq!(after, Some(face("192.168.0.2", "10.2.0.9:6443")));
        let before = of(tcp("192.168.0.2:5000", "10.2.0.9:6443"), true);
        assert_eq!(before, Some(face("10.1.0.2", "10.96.0.1:443")));
        assert_eq!(of(tcp("10.1.0.2:4001", "10.96.0.1:443"), false), None);
        assert_eq!(of(tcp("192.168.0.2:5000", "10.2.0.9:6443"), false), None);
    }

    #[test]
    fn what_is_not_translated_is_not_remembered_and_the_oldest_goes_first() {
        let mut known = Known::default();
        known.add(tcp("10.1.0.2:4000", "10.2.0.9:443"), tcp("10.2.0.9:443", "10.1.0.2:4000"));
        assert!(known.order.is_empty());
        let original = |number: usize| {
            let client = End { address: IpAddr::from((number as u32).to_be_bytes()), port: 4000 };
            (Protocol::Tcp, client, end("10.96.0.1:443"))
        };
        for number in 0..=MOST {
            let (protocol, client, _) = original(number);
            known.add(original(number), (protocol, end("10.2.0.9:6443"), client));
        }
        assert_eq!((known.forth.len(), known.back.len()), (MOST, MOST));
        assert_eq!(Known::follow(&known.forth, original(0)), None);
        assert!(Known::follow(&known.forth, original(1)).is_some());
    }

    #[test]
    fn a_message_that_is_cut_off_anywhere_or_changed_says_nothing_wrong() {
        let attribute = |kind: u16, value: &[u8]| {
            let mut bytes = ((4 + value.len()) as u16).to_ne_bytes().to_vec();
            bytes.extend(kind.to_ne_bytes());
            bytes.extend(value);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
            bytes
        };
        const NESTED: u16 = 0x8000;
        let tuple = |kind, from: [u8; 4], to: [u8; 4], ports: [u16; 2]| {
            let ip = [attribute(1, &from), attribute(2, &to)].concat();
            let [first, second] = ports.map(u16::to_be_bytes);
            let protocol = [attribute(1, &[6]), attribute(2, &first), attribute(3, &second)].concat();
            attribute(kind | NESTED, &[attribute(1 | NESTED, &ip), attribute(2 | NESTED, &protocol)].concat())
        };
        let (client, service, backend) = ([10, 1, 0, 2], [10, 96, 0, 1], [10, 2, 0, 9]);
        let mut body = vec![2, 0, 0, 0];
        body.extend(tuple(ORIGINAL, client, service, [4000, 443]));
        body.extend(tuple(REPLY, backend, client, [6443, 4000]));
        body.extend(attribute(STATUS, &(TRANSLATED | 8).to_be_bytes()));
        let found = (tcp("10.1.0.2:4000", "10.96.0.1:443"), tcp("10.2.0.9:6443", "10.1.0.2:4000"));
        assert_eq!(translated(&body), Some(found));
        for length in 0..body.len() - 8 {
            assert_eq!(translated(&body[..length]), None, "{length}");
        }
        for index in 0..body.len() {
            let mut changed = body.clone();
            changed[index] ^= 0x5a;
            // No more than that it does not panic.
            let _ = translated(&changed);
        }
        /// `IPCTNL_MSG_CT_NEW`.
        const NEW: u16 = 0;
        let mut message = ((HEADER + body.len()) as u32).to_ne_bytes().to_vec();
        message.extend((CTNETLINK << 8 | NEW).to_ne_bytes());
        message.extend([0; 10]);
        message.extend(&body);
        let mut count = 0;
        messages(&[message.clone(), message.clone()].concat(), |kind, found| {
            assert_eq!((kind, found), (CTNETLINK << 8 | NEW, body.as_slice()));
            count += 1;
        });
        assert_eq!(count, 2);
        messages(&message[..message.len() - 1], |_, _| panic!("it is cut off"));
    }
}
