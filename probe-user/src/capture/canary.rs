//! A known loopback connection: a probe that does not see it is deaf.

use std::{
    io,
    net::{SocketAddr, TcpListener, TcpStream},
    time::Duration,
};

use super::namespaces::Namespace;
use crate::event::{End, Event};

/// A connection of our own, told apart by its two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Canary {
    client: SocketAddr,
    server: SocketAddr,
}

impl Canary {
    /// Connects to a listener of our own on 127.0.0.1 in the namespace, and closes both.
    ///
    /// # Errors
    ///
    /// When the namespace has no loopback, or cannot be entered.
    pub fn sing(namespace: &Namespace) -> io::Result<Self> {
        namespace.enter(|| {
            const PATIENCE: Duration = Duration::from_secs(2);
            let listener = TcpListener::bind(("127.0.0.1", 0))?;
            let server = listener.local_addr()?;
            let stream = TcpStream::connect_timeout(&server, PATIENCE)?;
            let client = stream.local_addr()?;
            listener.accept()?;
            Ok(Self { client, server })
        })
    }

    /// Whether the event is about this connection, either end.
    #[must_use]
    pub fn is(&self, event: &Event) -> bool {
        let end = |address: SocketAddr| End { address: address.ip(), port: address.port() };
        let (client, server) = (end(self.client), end(self.server));
        // The attempt has no port of its own yet.
        let from_client = event.remote == server && (event.local == client || event.local.port == 0);
        from_client || (event.local == server && event.remote == client)
    }
}
