//! UDP: what the calls that send and receive tell.
//!
//! A UDP socket has no state machine that says who called whom. What stands for it is the first datagram between a
//! socket and a peer: whoever sent it is the client. `connect()` sends nothing, so it is no fact.
//!
//! | hook | tells |
//! |---|---|
//! | `cgroup/sendmsg4`, `sendmsg6` | whom a datagram is for, unless the socket is connected |
//! | `cgroup/recvmsg4`, `recvmsg6` | whom a datagram is from, if the caller asks |
//! | `tp_btf/sock_send_length`, `sock_recv_length` | how the call ended, and the socket |

use core::ffi::c_void;

use aya_ebpf::{
    EbpfContext, Global,
    bindings::bpf_sock_addr,
    helpers::generated::bpf_get_socket_cookie,
    programs::{BtfTracePointContext, SockAddrContext},
};

use crate::{
    dialled,
    exchange::{self, Call, Datagram, Peer},
    notes::{self, Noted},
    offsets::{
        OFFSET_SOCK_ADDR_SOCK, OFFSET_SOCK_FAMILY, OFFSET_SOCK_PROTOCOL, OFFSET_SOCK_REMOTE_PORT,
        OFFSET_SOCK_REMOTE_V4, OFFSET_SOCK_REMOTE_V6, OFFSET_SOCK_SHUTDOWN, OFFSET_SOCK_TYPE,
    },
    scope,
    socket::{Access, Socket, Untyped},
    tuple::{self, AF_INET6, Address},
};

/// `IPPROTO_UDP`.
const UDP: u16 = 17;
/// `SOCK_DGRAM` (linux/net.h): a raw socket may have the protocol of UDP, too.
const DATAGRAM: u16 = 2;

/// `MSG_PEEK` and `MSG_ERRQUEUE` (linux/socket.h): nothing is taken from the socket, or an error and no datagram.
const LOOKS_ONLY: i32 = 0x02 | 0x2000;

/// `RCV_SHUTDOWN` (include/net/sock.h).
const RECEIVE_SHUTDOWN: u8 = 1;

/// 1 where the kernel has no such tracepoints, or the user wants packets: then `packets.rs` counts.
#[unsafe(no_mangle)]
pub(crate) static UDP_BY_PACKETS: Global<u8> = Global::new(0);

/// The one that a socket is connected to.
#[inline(always)]
pub(crate) fn connected_peer(socket: &Socket<impl Access>) -> Peer {
    let port = tuple::port(socket.load::<u16>(&OFFSET_SOCK_REMOTE_PORT));
    let address = if socket.load::<u16>(&OFFSET_SOCK_FAMILY) == AF_INET6 {
        Address::v6(socket.load(&OFFSET_SOCK_REMOTE_V6)).words()
    } else {
        Address::v4(socket.load(&OFFSET_SOCK_REMOTE_V4)).words()
    };
    Peer::new(address, port)
}

/// Notes whom an application has named for an IPv4 datagram.
#[inline(always)]
pub(crate) fn named_v4(context: &SockAddrContext) {
    note(context, &peer_v4(context_of(context)), notes::leave_name);
}

/// Notes whom an application has named for an IPv6 datagram.
#[inline(always)]
pub(crate) fn named_v6(context: &SockAddrContext) {
    note(context, &peer_v6(context_of(context)), notes::leave_name);
}

/// Remembers whom a UDP socket's `connect()` names, where another program may choose somebody else.
#[inline(always)]
pub(crate) fn connecting(context: &SockAddrContext, peer: impl FnOnce(&bpf_sock_addr) -> Peer) {
    if dialled::may_differ() && is_of_udp(context) {
        // SAFETY: the helper takes the context itself.
        let cookie = unsafe { bpf_get_socket_cookie(context.as_ptr()) };
        dialled::remember(cookie, &peer(context_of(context)));
    }
}

/// Notes whom an IPv4 datagram is for.
#[inline(always)]
pub(crate) fn addressed_v4(context: &SockAddrContext) {
    addressed(context, &peer_v4(context_of(context)));
}

/// Notes whom an IPv6 datagram is for.
#[inline(always)]
pub(crate) fn addressed_v6(context: &SockAddrContext) {
    addressed(context, &peer_v6(context_of(context)));
}

/// Notes whom an IPv4 datagram is from.
#[inline(always)]
pub(crate) fn came_v4(context: &SockAddrContext) {
    note(context, &peer_v4(context_of(context)), notes::leave);
}

/// Notes whom an IPv6 datagram is from, or an IPv4 one that an IPv6 socket received.
#[inline(always)]
pub(crate) fn came_v6(context: &SockAddrContext) {
    note(context, &peer_v6(context_of(context)), notes::leave);
}

/// Lets `leave` note a peer, if the call names one: the kernel runs the hooks also for a connected socket's call that
/// has a control message and no peer (`udp_sendmsg`), with an address of zeros. A UDP-Lite call never comes past its end.
#[inline(always)]
fn note(context: &SockAddrContext, peer: &Peer, leave: impl FnOnce(&bpf_sock_addr, &Peer)) {
    if !is_of_udp(context) {
        return;
    }
    if peer.is_known() {
        leave(context_of(context), peer);
    } else {
        notes::forget(context_of(context));
    }
}

#[inline(always)]
fn is_of_udp(context: &SockAddrContext) -> bool {
    /// `IPPROTO_UDP`.
    const PROTOCOL: u32 = UDP as u32;
    context_of(context).protocol == PROTOCOL
}

#[inline(always)]
fn context_of(context: &SockAddrContext) -> &bpf_sock_addr {
    // SAFETY: the kernel's context outlives the handler.
    unsafe { &*context.sock_addr }
}

#[inline(always)]
pub(crate) fn peer_v4(context: &bpf_sock_addr) -> Peer {
    Peer::new(Address::v4(context.user_ip4).words(), tuple::port(context.user_port as u16))
}

#[inline(always)]
pub(crate) fn peer_v6(context: &bpf_sock_addr) -> Peer {
    let words = &raw const context.user_ip6;
    // SAFETY: the kernel's context; word by word, since it allows no wider load at a variable place.
    let address = Address::v6(unsafe { [(*words)[0], (*words)[1], (*words)[2], (*words)[3]] });
    Peer::new(address.words(), tuple::port(context.user_port as u16))
}

/// Where only packets show what was sent, a datagram that never becomes one is known from here.
#[inline(always)]
fn addressed(context: &SockAddrContext, peer: &Peer) {
    if dialled::may_differ() && peer.is_known() && is_of_udp(context) {
        chosen(context, peer);
    } else {
        note(context, peer, notes::leave);
    }
    if UDP_BY_PACKETS.load() != 0
        && peer.is_known()
        && is_of_udp(context)
        && let Some((socket, cookie)) = watched_socket(context)
    {
        exchange::count(&socket, cookie, &Datagram { peer: *peer, own: [0; 2], call: Call::BEGUN });
    }
}

/// Notes it, and tells whom the application had named. Apart, for the sake of the stack.
#[inline(never)]
fn chosen(context: &SockAddrContext, peer: &Peer) {
    if let Some(named) = notes::replace(context_of(context), peer)
        && let Some((socket, cookie)) = watched_socket(context)
    {
        dialled::tell(&socket, cookie, peer, &named);
    }
}

/// The socket of a call and its cookie, if it is watched.
#[inline(always)]
fn watched_socket(context: &SockAddrContext) -> Option<(Socket<Untyped>, u64)> {
    // SAFETY: the context is a `struct bpf_sock_addr_kern`, of which the verifier shows no more than it must.
    let pointer: *const c_void = unsafe { Untyped::load(context.as_ptr(), OFFSET_SOCK_ADDR_SOCK.required()) };
    let socket = Socket::<Untyped>::new(pointer);
    // SAFETY: the helper takes the context itself.
    scope::watched(&socket).then(|| (socket, unsafe { bpf_get_socket_cookie(context.as_ptr()) }))
}

/// Counts a call that sent, or failed to.
#[inline(always)]
pub(crate) fn sent(context: &BtfTracePointContext) -> i32 {
    let socket: Socket = Socket::new(context.arg(0));
    if is_udp(&socket) {
        // Also of a socket that nobody watches: a note that stays would be in another's way.
        let noted = notes::take(context.as_ptr(), &socket);
        if let Some(call) = Call::of(context.arg(1), Call::SENT) {
            count(&socket, noted, call);
        }
    }
    0
}

/// Counts a call that received, or was told that an earlier datagram had failed.
#[inline(always)]
pub(crate) fn received(context: &BtfTracePointContext) -> i32 {
    let socket: Socket = Socket::new(context.arg(0));
    if is_udp(&socket) {
        let noted = notes::take(context.as_ptr(), &socket);
        let length = context.arg::<i32>(1);
        let took_nothing = context.arg::<i32>(2) & LOOKS_ONLY != 0 || (length == 0 && is_shut_down(&socket));
        if !took_nothing && let Some(call) = Call::of(length, Call::RECEIVED) {
            count(&socket, noted, call);
        }
    }
    0
}

#[inline(always)]
pub(crate) fn is_udp(socket: &Socket<impl Access>) -> bool {
    socket.load::<u16>(&OFFSET_SOCK_PROTOCOL) == UDP && socket.load::<u16>(&OFFSET_SOCK_TYPE) == DATAGRAM
}

/// A socket that receives no more answers every call with nothing.
#[inline(always)]
fn is_shut_down(socket: &Socket) -> bool {
    socket.load_optional::<u8>(&OFFSET_SOCK_SHUTDOWN).unwrap_or(0) & RECEIVE_SHUTDOWN != 0
}

#[inline(always)]
fn count(socket: &Socket, noted: Noted, call: Call) {
    let is_noted = noted.peer.is_known();
    let peer = if is_noted { noted.peer } else { connected_peer(socket) };
    // A failed call that named nobody was wrong in itself.
    let says_something = peer.is_known() || noted.is_missed || !call.is_failed();
    if says_something && scope::watched(socket) {
        if dialled::may_differ() && !is_noted && peer.is_known() {
            // A copy, here as in `exchange.rs`: by itself this one stays in registers.
            dialled::of_connected(socket, socket.cookie(), &Peer { ..peer });
        }
        exchange::count(socket, socket.cookie(), &Datagram { peer, own: [0; 2], call });
    }
}
