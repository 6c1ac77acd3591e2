//! What one flow offers to be matched.

use std::net::IpAddr;

use super::names::Names;
use crate::event::Protocol;
use crate::flow::{Direction, Flow, Window};

/// One flow as its reporter saw it.
#[derive(Clone, Copy, Debug)]
pub struct Tuple<'a> {
    /// Cluster of the recording, a name of the inventory.
    pub cluster: &'a str,
    /// Node of the recording.
    pub node: &'a str,
    /// Path of the socket's cgroup below the cgroup-v2 root, where known.
    pub cgroup: Option<&'a str>,
    /// Which end the reporter was.
    pub direction: Direction,
    /// The socket's own address.
    pub local: IpAddr,
    /// The peer's address.
    pub remote: IpAddr,
    /// The server's port, host byte order.
    pub port: u16,
    /// The transport.
    pub protocol: Protocol,
    /// Endpoints that its addresses were seen to be, where a witness told.
    pub names: Option<&'a Names>,
}

impl<'a> Tuple<'a> {
    /// That of a window's flow.
    #[must_use]
    pub fn of(window: &'a Window, flow: &'a Flow) -> Self {
        let key = &flow.key;
        Self {
            cluster: &window.cluster,
            node: &window.node,
            cgroup: key.workload.cgroup.as_deref(),
            direction: key.direction,
            local: key.local,
            remote: key.remote,
            port: key.port,
            protocol: key.protocol,
            names: None,
        }
    }
}

impl<'a> Tuple<'a> {
    /// The same, with these names.
    pub(super) fn with(self, names: &'a Names) -> Self {
        Self { names: Some(names), ..self }
    }
}

/// One end of a tuple.
#[derive(Clone, Copy, Debug)]
pub(super) struct Side {
    pub(super) address: IpAddr,
    /// Whether it is the reporter's own end.
    pub(super) local: bool,
    /// Whether it connected; otherwise it listened.
    pub(super) client: bool,
}

impl Tuple<'_> {
    /// The end that connected.
    ///
    /// A flow of unknown direction is read as outbound and not reversed: its port is the remote end's, so the
    /// reverse has no declared port to be held against.
    pub(super) fn client(&self) -> Side {
        self.side(self.direction != Direction::Inbound, true)
    }

    /// The end that listened; see [`Tuple::client`] for an unknown direction.
    pub(super) fn server(&self) -> Side {
        self.side(self.direction == Direction::Inbound, false)
    }

    fn side(&self, local: bool, client: bool) -> Side {
        Side { address: if local { self.local } else { self.remote }, local, client }
    }

    /// Whether it never left its node. Of a datagram neither address may be known.
    pub(super) fn is_loopback(&self) -> bool {
        (self.local == self.remote && !self.remote.is_unspecified()) || self.on_loopback_address()
    }

    /// Whether an end has an address that means itself only.
    pub(super) fn on_loopback_address(&self) -> bool {
        self.local.is_loopback() || self.remote.is_loopback()
    }
}
