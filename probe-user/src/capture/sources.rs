//! Which address of its own a namespace uses towards a peer.
//!
//! An unconnected UDP socket has no address of its own to show: the kernel chooses one for each datagram by its routes.
//! Connecting a UDP socket asks the routes the same question, sends nothing, and shows the answer (`man 2 getsockname`).
//! A socket that was opened in a namespace asks there without entering it again.

use std::{
    io,
    net::{IpAddr, SocketAddr, UdpSocket},
    os::fd::AsRawFd,
};

use hashbrown::{HashMap, hash_map::Entry};
use nix::{
    errno::Errno,
    libc,
    sys::socket::{AddressFamily, SockFlag, SockType, SockaddrStorage, connect, socket},
};

use super::namespaces::Namespace;

/// So many answers are remembered.
const MOST: usize = 1 << 16;

/// The sockets to ask, by the cookie of their namespace, and what was answered.
#[derive(Default)]
pub struct SourceAddresses {
    sockets: HashMap<u64, [Option<UdpSocket>; 2]>,
    known: HashMap<(u64, IpAddr), Option<IpAddr>>,
    /// What sockets have shown of namespaces that cannot be asked, by their cookie and whether it is IPv4.
    shown: HashMap<(u64, bool), IpAddr>,
}

impl SourceAddresses {
    /// Makes it possible to ask in a namespace.
    ///
    /// # Errors
    ///
    /// When it cannot be entered.
    pub fn open(&mut self, namespace: &Namespace, cookie: u64) -> io::Result<()> {
        if let Entry::Vacant(place) = self.sockets.entry(cookie) {
            let open = |family| unconnected(family).ok();
            place.insert(namespace.enter(|| Ok([AddressFamily::Inet, AddressFamily::Inet6].map(open)))?);
        }
        Ok(())
    }

    /// Learns an address that a socket in the namespace has. A pod has one, and one that has come since the rights were
    /// given up can be asked no more.
    pub fn learn(&mut self, cookie: u64, own: IpAddr) {
        let is_broadcast = matches!(own, IpAddr::V4(own) if own.is_broadcast());
        let is_own = !own.is_unspecified() && !own.is_loopback() && !own.is_multicast() && !is_broadcast;
        if is_own && !self.sockets.contains_key(&cookie) {
            self.shown.insert((cookie, own.is_ipv4()), own);
        }
    }

    /// The address that the namespace with this cookie uses towards `peer`; `None` when it has no route, or when it cannot
    /// be asked and no socket of it has shown one.
    pub fn towards(&mut self, cookie: u64, peer: IpAddr) -> Option<IpAddr> {
        if !self.sockets.contains_key(&cookie) {
            return self.shown.get(&(cookie, peer.is_ipv4())).copied();
        }
        if let Some(known) = self.known.get(&(cookie, peer)) {
            return *known;
        }
        let [v4, v6] = self.sockets.get(&cookie)?;
        let found = ask(if peer.is_ipv4() { v4 } else { v6 }.as_ref()?, peer).ok();
        if self.known.len() >= MOST {
            self.known.clear();
        }
        self.known.insert((cookie, peer), found);
        found
    }
}

fn unconnected(family: AddressFamily) -> io::Result<UdpSocket> {
    let socket = UdpSocket::from(socket(family, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?);
    // Otherwise a broadcast address could not be asked for.
    socket.set_broadcast(true)?;
    Ok(socket)
}

fn ask(socket: &UdpSocket, peer: IpAddr) -> io::Result<IpAddr> {
    /// Any: nothing is sent there (discard, RFC 863).
    const PORT: u16 = 9;
    let connected = connect(socket.as_raw_fd(), &SockaddrStorage::from(SocketAddr::new(peer, PORT)));
    let address = connected.map_err(io::Error::from).and_then(|()| socket.local_addr());
    // The port is free again at once, and the next question is not bound to this one's answer.
    disconnect(socket)?;
    let address = address?.ip().to_canonical();
    if address.is_unspecified() { Err(io::ErrorKind::AddrNotAvailable.into()) } else { Ok(address) }
}

/// `AF_UNSPEC` dissolves the association (`man 2 connect`).
fn disconnect(socket: &UdpSocket) -> io::Result<()> {
    let nobody = libc::sockaddr { sa_family: libc::AF_UNSPEC as libc::sa_family_t, sa_data: [0; 14] };
    let length = size_of::<libc::sockaddr>() as libc::socklen_t;
    // SAFETY: the kernel reads `length` bytes of `nobody`, which outlives the call.
    #[expect(unsafe_code, reason = "nix has no address of AF_UNSPEC")]
    let result = unsafe { libc::connect(socket.as_raw_fd(), &raw const nobody, length) };
    Errno::result(result)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::namespaces;

    #[test]
    fn one_socket_answers_for_many_peers_and_keeps_no_port() {
        let mut sources = SourceAddresses::default();
        let own = namespaces::own().expect("/proc is mounted");
        sources.open(&own, 1).expect("the own namespace can be entered");
        for last in [1, 2, 9] {
            let peer = IpAddr::from([127, 0, 0, last]);
            assert_eq!(sources.towards(1, peer), Some(IpAddr::from([127, 0, 0, 1])), "{peer}");
        }
        let v4 = sources.sockets[&1][0].as_ref().expect("IPv4 is there");
        assert_eq!(v4.local_addr().expect("it is open").port(), 0);
        let (peer, own) = (IpAddr::from([10, 0, 0, 9]), IpAddr::from([10, 0, 0, 1]));
        assert_eq!(sources.towards(2, peer), None, "a namespace that is not open");
        sources.learn(2, own);
        assert_eq!(sources.towards(2, peer), Some(own));
        assert_eq!(sources.towards(2, IpAddr::from([0u16, 0, 0, 0, 0, 0, 0, 1])), None);
    }
}
