//! The TCP and UDP sockets of one network namespace, as sock_diag lists them (`man 7 sock_diag`).

use std::{collections::HashSet, io, net::IpAddr};

use netlink_packet_core::{
    NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload, Nla as _,
};
use netlink_packet_sock_diag::{
    SockDiagMessage,
    constants::{AF_INET, AF_INET6, IPPROTO_TCP, IPPROTO_UDP, TCP_ESTABLISHED, TCP_LISTEN, TCP_SYN_SENT},
    inet::{ExtensionFlags, InetRequest, InetResponse, SocketId, StateFlags, nlas::Nla},
};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_SOCK_DIAG};

use crate::event::End;

/// `INET_DIAG_CGROUP_ID` (include/uapi/linux/inet_diag.h, Linux 5.8); the kernel sends it unasked.
const INET_DIAG_CGROUP_ID: u16 = 21;

/// How far a socket has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The connection stands, or is being closed.
    Established,
    /// `connect()` waits for an answer.
    SynSent,
    /// A UDP socket, connected if it has a remote end.
    Datagram,
}

/// A socket that sock_diag shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedSocket {
    /// How far it has come.
    pub state: State,
    /// The cookie that the hooks report too.
    pub socket: u64,
    /// Its inode, by which descriptors of processes name it.
    pub inode: u32,
    /// cgroup-v2 id, where the kernel says it.
    pub cgroup: Option<u64>,
    /// The socket's own end.
    pub local: End,
    /// Its peer; without address and port where a UDP socket has none.
    pub remote: End,
}

/// The sockets of a namespace at one moment.
#[derive(Debug, Default)]
pub struct Listing {
    /// Connections and attempts, and all UDP sockets.
    pub sockets: Vec<ListedSocket>,
    listeners: HashSet<End>,
    /// UDP sockets that are not connected: anybody may send to them.
    open: HashSet<End>,
}

impl Listing {
    /// Whether something listens where a socket's own end is: then a connection there was accepted.
    #[must_use]
    pub fn is_listening(&self, socket: &ListedSocket) -> bool {
        let listeners = if socket.state == State::Datagram { &self.open } else { &self.listeners };
        let end = socket.local;
        let any_v4 = IpAddr::from([0; 4]);
        let any_v6 = IpAddr::from([0u16; 8]);
        [end.address, any_v4, any_v6]
            .iter()
            .any(|address| listeners.contains(&End { address: *address, ..end }))
    }

    /// Lists the namespace in which the inquiry was opened.
    ///
    /// # Errors
    ///
    /// When sock_diag answers with an error.
    pub fn of(inquiry: &Inquiry) -> io::Result<Self> {
        let mut listing = Self::default();
        for family in [AF_INET, AF_INET6] {
            inquiry.dump((family, IPPROTO_TCP), |response| listing.take(response))?;
            inquiry.dump((family, IPPROTO_UDP), |response| listing.take_datagram(response))?;
        }
        Ok(listing)
    }

    /// A UDP socket shows the states of TCP: connected is ESTABLISHED.
    fn take_datagram(&mut self, response: &InetResponse) {
        let mut socket = listed(response, State::Datagram);
        if response.header.state != TCP_ESTABLISHED {
            socket.remote.port = 0;
            self.open.insert(socket.local);
        }
        self.sockets.push(socket);
    }

    fn take(&mut self, response: &InetResponse) {
        let state = match response.header.state {
            TCP_LISTEN => {
                // A wildcard stays as it is: `::` accepts IPv4 too, and canonical form would not change it.
                self.listeners.insert(listed(response, State::Established).local);
                return;
            }
            TCP_SYN_SENT => State::SynSent,
            _ => State::Established,
        };
        self.sockets.push(listed(response, state));
    }
}

fn listed(response: &InetResponse, state: State) -> ListedSocket {
    let id = &response.header.socket_id;
    ListedSocket {
        state,
        socket: u64::from_ne_bytes(id.cookie),
        inode: response.header.inode,
        cgroup: cgroup(response),
        local: End { address: id.source_address.to_canonical(), port: id.source_port },
        remote: End { address: id.destination_address.to_canonical(), port: id.destination_port },
    }
}

fn cgroup(response: &InetResponse) -> Option<u64> {
    response.nlas.iter().find_map(|attribute| match attribute {
        Nla::Other(other) if other.kind() == INET_DIAG_CGROUP_ID => {
            let mut bytes = vec![0; other.value_len()];
            other.emit_value(&mut bytes);
            bytes.get(..8)?.try_into().ok().map(u64::from_ne_bytes)
        }
        _ => None,
    })
}

/// Every state in which a connection stands or is asked for; TIME_WAIT is over, SYN_RECV not yet begun. All of UDP.
fn wanted(protocol: u8) -> StateFlags {
    if protocol == IPPROTO_UDP {
        return StateFlags::all();
    }
    StateFlags::ESTABLISHED
        | StateFlags::SYN_SENT
        | StateFlags::FIN_WAIT1
        | StateFlags::FIN_WAIT2
        | StateFlags::CLOSE_WAIT
        | StateFlags::LAST_ACK
        | StateFlags::CLOSING
        | StateFlags::LISTEN
}

fn request((family, protocol): (u8, u8)) -> Vec<u8> {
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | NLM_F_DUMP;
    let socket_id = if family == AF_INET { SocketId::new_v4() } else { SocketId::new_v6() };
    let request = InetRequest {
        family,
        protocol,
        extensions: ExtensionFlags::empty(),
        states: wanted(protocol),
        socket_id,
    };
    let mut message = NetlinkMessage::new(header, SockDiagMessage::InetRequest(request).into());
    message.finalize();
    let mut bytes = vec![0; message.header.length as usize];
    message.serialize(&mut bytes);
    bytes
}

/// A way to ask sock_diag in one namespace, wherever the asking thread is and whatever rights it has by then.
pub struct Inquiry(Socket);

impl Inquiry {
    /// Opens it in the namespace that the calling thread is in.
    ///
    /// # Errors
    ///
    /// When the kernel has no sock_diag.
    pub fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_SOCK_DIAG)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        Ok(Self(socket))
    }

    fn dump(&self, what: (u8, u8), mut take: impl FnMut(&InetResponse)) -> io::Result<()> {
        /// A dump's datagram is at most 32 KiB (net/netlink/af_netlink.c, netlink_dump).
        const DATAGRAM: usize = 64 << 10;
        self.0.send(&request(what), 0)?;
        let mut buffer = Vec::with_capacity(DATAGRAM);
        loop {
            buffer.clear();
            let length = self.0.recv(&mut buffer, 0)?;
            if read_datagram(&buffer[..length], &mut take)? {
                return Ok(());
            }
        }
    }
}

/// Not by its kind: `ENOENT` here means that the kernel has no tcp_diag or udp_diag, and must not look like a missing file.
fn refused(errno: i32) -> io::Error {
    io::Error::other(format!("sock_diag: {}", io::Error::from_raw_os_error(errno)))
}

/// Whether the dump is done.
fn read_datagram(mut bytes: &[u8], take: &mut impl FnMut(&InetResponse)) -> io::Result<bool> {
    while !bytes.is_empty() {
        let message = NetlinkMessage::<SockDiagMessage>::deserialize(bytes).map_err(io::Error::other)?;
        match message.payload {
            NetlinkPayload::InnerMessage(SockDiagMessage::InetResponse(response)) => take(&response),
            // A dump that fails half-way says so at its end (net/netlink/af_netlink.c, netlink_dump_done).
            NetlinkPayload::Done(done) if done.code < 0 => return Err(refused(-done.code)),
            NetlinkPayload::Done(_) => return Ok(true),
            NetlinkPayload::Error(error) => return Err(refused(-error.raw_code())),
            _ => {}
        }
        let aligned = (message.header.length as usize).next_multiple_of(4).min(bytes.len());
        bytes = &bytes[aligned.max(1)..];
    }
    Ok(false)
}
