//! What matchers are asked.

use std::net::IpAddr;

use flowdrift::event::Protocol;

/// The tuple of a packet from a client to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// The client's address.
    pub client: IpAddr,
    /// The server's address.
    pub server: IpAddr,
    /// The server's port, host byte order.
    pub port: u16,
    /// The transport.
    pub protocol: Protocol,
}
