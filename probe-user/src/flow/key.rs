//! The key over which connections are folded into a flow.

use std::{net::IpAddr, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::event::{Face, Protocol};

/// Which end of the connection this socket was, told by its state machine and never by port numbers; for UDP, which has
/// none, by who sent the first datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// This node called `connect()`, or sent first: `port` is the remote end's.
    Outbound,
    /// This node listened, or received first: `port` is the local end's.
    Inbound,
    /// Older than the audit, and no listener says which: `port` is the remote end's.
    Unknown,
}

/// Who owns the socket, as the node's kernel can say it. Many flows of one owner share his names.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Workload {
    /// Path of the socket's cgroup below the cgroup-v2 root, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cgroup: Option<Arc<str>>,
    /// Name of the network namespace (a bind mount's name), or its cookie where it has none; `None` for the
    /// node's own namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub netns: Option<Arc<str>>,
}

/// Who talked to whom. The ephemeral port is folded away.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FlowKey {
    /// The socket's owner.
    pub workload: Workload,
    /// Which end it was.
    pub direction: Direction,
    /// The socket's own address.
    pub local: IpAddr,
    /// The peer's address.
    pub remote: IpAddr,
    /// The server's port, host byte order (see [`Direction`]).
    pub port: u16,
    /// The transport.
    pub protocol: Protocol,
    /// How the connection looks beyond the node's translations, where it has any: nearer to its client, if this end is its
    /// server's, and nearer to its server otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub translated: Option<Face>,
}
