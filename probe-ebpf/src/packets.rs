//! UDP where no tracepoint tells of calls (before 6.3): the packets that leave and reach sockets.
//!
//! The hooks see every packet of every socket, TCP's too, and pass those on at once. A packet that leaves comes by in
//! the call that sent it, so the note of that call is there (`notes.rs`); one that arrives does so in softirq. What
//! nobody reads counts as received all the same, and no call tells that it failed.

use core::ffi::c_void;

use aya_ebpf::{
    EbpfContext, bindings::__sk_buff, helpers::generated::bpf_get_socket_cookie, programs::SkBuffContext,
};

use crate::{
    exchange::{self, Call, Datagram, Peer},
    notes,
    offsets::OFFSET_PACKET_SOCK,
    scope,
    socket::{Access, Socket, Untyped},
    tuple::{self, Address},
    udp,
};

/// `IPPROTO_UDP`.
const UDP: u8 = 17;

/// A UDP packet's two ends.
struct Packet {
    source: [u64; 2],
    destination: [u64; 2],
    source_port: u16,
    destination_port: u16,
}

/// Counts a packet that leaves.
#[inline(always)]
pub(crate) fn left(context: &SkBuffContext) {
    let Some(packet) = Packet::read(context) else { return };
    let Some(socket) = socket_of(context) else { return };
    let noted = notes::take(context.as_ptr(), &socket);
    let (connected, goes_to) =
        (udp::connected_peer(&socket), Peer::new(packet.destination, packet.destination_port));
    // The packet may have been translated since; what the socket was told counts. A note of another call may have been
    // left behind: what goes to the connected peer was sent to it.
    let peer = if noted.peer.is_known() && connected != goes_to {
        noted.peer
    } else if connected.is_known() {
        connected
    } else {
        goes_to
    };
    if scope::watched(&socket) {
        count(context, &socket, &Datagram { peer, own: [0; 2], call: Call::SENT });
    }
}

/// Counts a packet that arrives.
#[inline(always)]
pub(crate) fn arrived(context: &SkBuffContext) {
    let Some(packet) = Packet::read(context) else { return };
    let Some(socket) = socket_of(context) else { return };
    if scope::watched(&socket) {
        let peer = Peer::new(packet.source, packet.source_port);
        count(context, &socket, &Datagram { peer, own: packet.destination, call: Call::ARRIVED });
    }
}

#[inline(always)]
fn count(context: &SkBuffContext, socket: &Socket<Untyped>, datagram: &Datagram) {
    // SAFETY: the helper takes the context itself.
    let cookie = unsafe { bpf_get_socket_cookie(context.as_ptr()) };
    exchange::count(socket, cookie, datagram);
}

/// The socket that the packet is from or for, if it is one of UDP.
#[inline(always)]
fn socket_of(context: &SkBuffContext) -> Option<Socket<Untyped>> {
    // SAFETY: the context is the kernel's `struct sk_buff`, of which the verifier shows no more than it must.
    let pointer: *const c_void = unsafe { Untyped::load(context.as_ptr(), OFFSET_PACKET_SOCK.required()) };
    let socket = Socket::<Untyped>::new(pointer);
    udp::is_udp(&socket).then_some(socket)
}

impl Packet {
    /// Reads the headers (RFC 791, 3.1; RFC 8200, 3; RFC 768). An IPv6 packet with extension headers is none.
    #[inline(always)]
    fn read(context: &SkBuffContext) -> Option<Self> {
        /// Headers without options.
        const V4: usize = 20;
        const V6: usize = 40;
        const PORTS: usize = size_of::<[u16; 2]>();
        let skb = context.skb.skb;
        let head = Head::of(skb, V4 + PORTS)?;
        let first: u8 = head.at(0);
        if first >> 4 == 4 {
            if head.at::<u8>(9) != UDP {
                return None;
            }
            let (source, destination) = (Address::v4(head.at(12)), Address::v4(head.at(16)));
            let length = usize::from(first & 0xf) * 4;
            // Nearly all have no options, and the verifier likes a constant.
            let ports = if length == V4 { head.at(V4) } else { context.load(length).ok()? };
            return Some(Self::new(source, destination, ports));
        }
        if head.at::<u8>(6) != UDP {
            return None;
        }
        let head = Head::of(skb, V6 + PORTS)?;
        Some(Self::new(Address::v6(head.at(8)), Address::v6(head.at(24)), head.at(V6)))
    }

    #[inline(always)]
    fn new(source: Address, destination: Address, [from, to]: [u16; 2]) -> Self {
        Self {
            source: source.words(),
            destination: destination.words(),
            source_port: tuple::port(from),
            destination_port: tuple::port(to),
        }
    }
}

/// The beginning of a packet, from its network header on.
#[derive(Clone, Copy)]
struct Head(usize);

impl Head {
    /// So many bytes, if the packet has them. One comparison for all of them, since the verifier learns nothing from one
    /// that the compiler has made of `data < end`.
    #[inline(always)]
    fn of(skb: *mut __sk_buff, length: usize) -> Option<Self> {
        // SAFETY: fields of the kernel's context.
        let (data, end) = unsafe { ((*skb).data as usize, (*skb).data_end as usize) };
        (data + length <= end).then_some(Self(data))
    }

    /// A value at a constant place within them.
    #[inline(always)]
    fn at<T: Copy>(self, offset: usize) -> T {
        // SAFETY: within the packet, as the verifier insists.
        unsafe { ((self.0 + offset) as *const T).read_unaligned() }
    }
}
