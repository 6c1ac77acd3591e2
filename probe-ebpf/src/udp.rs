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

use aya_ebpf::programs::{BtfTracePointContext, SockAddrContext};

use crate::{
    exchange::{self, Call},
    notes,
    offsets::{
        OFFSET_SOCK_FAMILY, OFFSET_SOCK_PROTOCOL, OFFSET_SOCK_REMOTE_PORT, OFFSET_SOCK_REMOTE_V4,
        OFFSET_SOCK_REMOTE_V6, OFFSET_SOCK_SHUTDOWN, OFFSET_SOCK_TYPE,
    },
    scope,
    socket::Socket,
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

/// The other end of a datagram. Without a port nobody knows it.
#[derive(Clone, Copy)]
pub(crate) struct Peer {
    /// As [`Address::words`] gives it.
    pub(crate) address: [u64; 2],
    /// In host byte order.
    pub(crate) port: u64,
}

impl Peer {
    /// The one that a socket is connected to.
    #[inline(always)]
    fn of(socket: &Socket) -> Self {
        let port = u64::from(tuple::port(socket.load::<u16>(&OFFSET_SOCK_REMOTE_PORT)));
        let address = if socket.load::<u16>(&OFFSET_SOCK_FAMILY) == AF_INET6 {
            Address::v6(socket.load(&OFFSET_SOCK_REMOTE_V6)).words()
        } else {
            Address::v4(socket.load(&OFFSET_SOCK_REMOTE_V4)).words()
        };
        Self { address, port }
    }

    #[inline(always)]
    pub(crate) fn is_known(&self) -> bool {
        self.port != 0
    }
}

/// Notes the peer of an IPv4 datagram.
#[inline(always)]
pub(crate) fn addressed_v4(context: &SockAddrContext) {
    // SAFETY: the kernel's context, read at constant offsets.
    let (context, address) = unsafe { (&*context.sock_addr, (*context.sock_addr).user_ip4) };
    let port = u64::from(tuple::port(context.user_port as u16));
    notes::leave(context, &Peer { address: Address::v4(address).words(), port });
}

/// Notes the peer of an IPv6 datagram, or of an IPv4 one that an IPv6 socket received.
#[inline(always)]
pub(crate) fn addressed_v6(context: &SockAddrContext) {
    // SAFETY: as above; word by word, since the context allows no wider load at a variable place.
    let context = unsafe { &*context.sock_addr };
    let words = &raw const context.user_ip6;
    // SAFETY: likewise.
    let address = Address::v6(unsafe { [(*words)[0], (*words)[1], (*words)[2], (*words)[3]] });
    let port = u64::from(tuple::port(context.user_port as u16));
    notes::leave(context, &Peer { address: address.words(), port });
}

/// Counts a call that sent, or failed to.
#[inline(always)]
pub(crate) fn sent(context: &BtfTracePointContext) -> i32 {
    let socket = Socket::new(context.arg(0));
    if is_of_interest(&socket) {
        let noted = notes::take(&socket);
        if let Some(call) = Call::of(context.arg(1), Call::Sent) {
            count(&socket, noted, call);
        }
    }
    0
}

/// Counts a call that received, or was told that an earlier datagram had failed.
#[inline(always)]
pub(crate) fn received(context: &BtfTracePointContext) -> i32 {
    let socket = Socket::new(context.arg(0));
    if is_of_interest(&socket) {
        let noted = notes::take(&socket);
        let length = context.arg::<i32>(1);
        let took_nothing = context.arg::<i32>(2) & LOOKS_ONLY != 0 || (length == 0 && is_shut_down(&socket));
        if !took_nothing && let Some(call) = Call::of(length, Call::Received) {
            count(&socket, noted, call);
        }
    }
    0
}

#[inline(always)]
fn is_of_interest(socket: &Socket) -> bool {
    socket.load::<u16>(&OFFSET_SOCK_PROTOCOL) == UDP
        && socket.load::<u16>(&OFFSET_SOCK_TYPE) == DATAGRAM
        && scope::watched(socket)
}

/// A socket that receives no more answers every call with nothing.
#[inline(always)]
fn is_shut_down(socket: &Socket) -> bool {
    socket.load_optional::<u8>(&OFFSET_SOCK_SHUTDOWN).unwrap_or(0) & RECEIVE_SHUTDOWN != 0
}

#[inline(always)]
fn count(socket: &Socket, noted: Option<Peer>, call: Call) {
    let peer = match noted {
        Some(peer) => peer,
        None => Peer::of(socket),
    };
    // A failed call that named nobody was wrong in itself.
    if peer.is_known() || !call.is_failed() {
        exchange::count(socket, &peer, call);
    }
}
