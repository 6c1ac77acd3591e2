//! Addresses and ports as the wire record wants them. The only code, with `words.rs`, that knows about byte order.

use probe_common::family;

use crate::{
    exchange::Peer,
    offsets::{
        OFFSET_SOCK_FAMILY, OFFSET_SOCK_LOCAL_PORT, OFFSET_SOCK_LOCAL_V4, OFFSET_SOCK_LOCAL_V6,
        OFFSET_SOCK_REMOTE_PORT, OFFSET_SOCK_REMOTE_V4, OFFSET_SOCK_REMOTE_V6,
    },
    socket::{Access, Socket},
    words::{halves, whole},
};

/// `AF_INET6` (linux/socket.h).
pub(crate) const AF_INET6: u16 = 10;

/// Bytes 8 to 11 of an IPv4-mapped address, `00 00 ff ff`, as a load in host order shows them.
const MAPPED: u32 = u32::from_ne_bytes([0, 0, 0xff, 0xff]);

/// An address in network byte order; IPv4 as IPv4-mapped IPv6. By its two words in a record.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Address([u64; 2]);

impl Address {
    /// From an IPv4 address in network byte order.
    #[inline(always)]
    pub(crate) const fn v4(address: u32) -> Self {
        Self([0, whole([MAPPED, address])])
    }

    /// From four words in network byte order.
    #[inline(always)]
    pub(crate) const fn v6([first, second, third, fourth]: [u32; 4]) -> Self {
        Self([whole([first, second]), whole([third, fourth])])
    }

    /// Whether an IPv6 socket would speak IPv4 to it.
    #[inline(always)]
    pub(crate) const fn is_mapped(&self) -> bool {
        let Self([first, second]) = *self;
        first == 0 && halves(second)[0] == MAPPED
    }

    /// From its two words in a record.
    #[inline(always)]
    pub(crate) const fn of_words(words: [u64; 2]) -> Self {
        Self(words)
    }

    /// The two words of it in a record.
    #[inline(always)]
    pub(crate) const fn words(self) -> [u64; 2] {
        self.0
    }
}

/// Both ends of a socket, ports in host byte order.
#[derive(Clone, Copy)]
pub(crate) struct Tuple {
    pub(crate) local: Address,
    pub(crate) remote: Address,
    pub(crate) local_port: u16,
    pub(crate) remote_port: u16,
    pub(crate) family: u8,
}

impl Tuple {
    /// Gives both ends of a TCP socket to `take`: in each branch by itself, since what comes from several would need
    /// room on the stack.
    #[inline(always)]
    pub(crate) fn read(socket: &Socket<impl Access>, take: impl FnOnce(&Self)) {
        let local_port = socket.load::<u16>(&OFFSET_SOCK_LOCAL_PORT);
        let remote_port = port(socket.load::<u16>(&OFFSET_SOCK_REMOTE_PORT));
        let v4 = |family| Self {
            local: Address::v4(socket.load(&OFFSET_SOCK_LOCAL_V4)),
            remote: Address::v4(socket.load(&OFFSET_SOCK_REMOTE_V4)),
            local_port,
            remote_port,
            family,
        };
        if socket.load::<u16>(&OFFSET_SOCK_FAMILY) != AF_INET6 {
            return take(&v4(family::V4));
        }
        let remote = Address::v6(socket.load(&OFFSET_SOCK_REMOTE_V6));
        if remote.is_mapped() {
            // The socket's IPv6 view of its own address lags behind while it connects
            // (tcp_v6_connect hands over to tcp_v4_connect): the IPv4 fields are the ones in use.
            return take(&v4(family::V4_MAPPED));
        }
        let local = Address::v6(socket.load(&OFFSET_SOCK_LOCAL_V6));
        take(&Self { local, remote, local_port, remote_port, family: family::V6 });
    }

    /// Gives a UDP socket's end, `own` unless it is zeros, and a peer's to `take`, likewise.
    #[inline(always)]
    pub(crate) fn with(socket: &Socket<impl Access>, own: [u64; 2], peer: &Peer, take: impl FnOnce(&Self)) {
        let remote = Address::of_words(peer.address);
        let (local_port, remote_port) = (socket.load::<u16>(&OFFSET_SOCK_LOCAL_PORT), peer.port as u16);
        let is_v6 = socket.load::<u16>(&OFFSET_SOCK_FAMILY) == AF_INET6 && !remote.is_mapped();
        let family = if is_v6 { family::V6 } else { family::V4 };
        if own != [0; 2] {
            return take(&Self { local: Address::of_words(own), remote, local_port, remote_port, family });
        }
        if is_v6 {
            let local = Address::v6(socket.load(&OFFSET_SOCK_LOCAL_V6));
            return take(&Self { local, remote, local_port, remote_port, family });
        }
        let local = Address::v4(socket.load(&OFFSET_SOCK_LOCAL_V4));
        take(&Self { local, remote, local_port, remote_port, family });
    }

    /// Whether the socket talks to itself: then it is its own client, whatever its states.
    #[inline(always)]
    pub(crate) fn is_self_connected(&self) -> bool {
        self.local_port == self.remote_port && self.local == self.remote
    }
}

/// A port from network to host byte order.
#[inline(always)]
pub(crate) const fn port(network: u16) -> u16 {
    u16::from_be(network)
}
