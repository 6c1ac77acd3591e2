//! A known loopback connection, and a known datagram: a probe that does not see them is deaf.

use std::{
    io,
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    sync::mpsc,
    time::Duration,
};

use super::namespaces::{Namespace, socket_cookie};
use crate::event::{End, Event, Kind, Way};

/// How long anything on a loopback may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// A place in a namespace from which known connections are made, also when there is no right left to enter it: a thread
/// that stays there, without any right of its own.
pub struct Perch {
    label: String,
    songs: mpsc::SyncSender<Song>,
}

/// What to do there, and where the answer goes.
type Song = (bool, mpsc::SyncSender<io::Result<(Canary, Option<DatagramCanary>)>>);

impl Perch {
    /// Takes a place in the namespace.
    ///
    /// # Errors
    ///
    /// When it cannot be entered.
    pub fn take(namespace: &Namespace) -> io::Result<Self> {
        let (songs, asked) = mpsc::sync_channel::<Song>(0);
        namespace.stay(move || {
            // It ends with the sender.
            while let Ok((with_datagram, answer)) = asked.recv() {
                let sung = Canary::sing().map(|canary| {
                    // Without one the probe counts as deaf to datagrams.
                    (canary, with_datagram.then(|| DatagramCanary::sing().ok()).flatten())
                });
                let _ = answer.send(sung);
            }
        })?;
        Ok(Self { label: namespace.label(), songs })
    }

    /// Name of the namespace for people.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Makes a known connection there, and sends a known datagram if asked to.
    ///
    /// # Errors
    ///
    /// When the namespace has no loopback that is up.
    pub fn sing(&self, with_datagram: bool) -> io::Result<(Canary, Option<DatagramCanary>)> {
        let (sender, answer) = mpsc::sync_channel(1);
        let gone = || io::Error::other("the thread in the namespace has gone");
        self.songs.send((with_datagram, sender)).map_err(|_| gone())?;
        answer.recv().map_err(|_| gone())?
    }
}

/// A connection of our own, told apart by its two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Canary {
    client: (u64, SocketAddr),
    server: (u64, SocketAddr),
}

impl Canary {
    /// Connects to a listener of our own on 127.0.0.1, and closes both.
    fn sing() -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let server = listener.local_addr()?;
        let client = TcpStream::connect_timeout(&server, PATIENCE)?;
        let (accepted, address) = listener.accept()?;
        Ok(Self { client: (socket_cookie(&client)?, address), server: (socket_cookie(&accepted)?, server) })
    }

    /// The cookies of both ends: what is being closed is still among the sockets for a while.
    #[must_use]
    pub fn sockets(&self) -> [u64; 2] {
        [self.client.0, self.server.0]
    }

    /// Whether the event is about this connection, either end.
    #[must_use]
    pub fn is(&self, event: &Event) -> bool {
        let (client, server) = (end(self.client.1), end(self.server.1));
        // The attempt has no port of its own yet.
        let from_client = event.remote == server && (event.local == client || event.local.port == 0);
        let is_between = from_client || (event.local == server && event.remote == client);
        is_between && !matches!(event.kind, Kind::Exchanged(_))
    }
}

/// A datagram of our own between two sockets that are told apart by their cookies: an exchange is heard of again when the
/// window closes, and by then others may have the ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DatagramCanary {
    client: (u64, SocketAddr),
    server: (u64, SocketAddr),
}

impl DatagramCanary {
    /// Sends from one unconnected socket on 127.0.0.1 to another, and closes both.
    fn sing() -> io::Result<Self> {
        let [client, server] = [UdpSocket::bind(("127.0.0.1", 0))?, UdpSocket::bind(("127.0.0.1", 0))?];
        server.set_read_timeout(Some(PATIENCE))?;
        client.send_to(b"flowdrift", server.local_addr()?)?;
        server.recv_from(&mut [0; 16])?;
        let id = |socket: &UdpSocket| Ok::<_, io::Error>((socket_cookie(socket)?, socket.local_addr()?));
        Ok(Self { client: id(&client)?, server: id(&server)? })
    }

    /// The cookies of both sockets.
    #[must_use]
    pub fn sockets(&self) -> [u64; 2] {
        [self.client.0, self.server.0]
    }

    /// Which of its ends the event shows, as it must be shown.
    #[must_use]
    pub fn shown(&self, event: &Event) -> Option<Way> {
        let Kind::Exchanged(datagrams) = event.kind else { return None };
        let (socket, peer) = match datagrams.first {
            Way::Sent => (self.client.0, self.server.1),
            Way::Received => (self.server.0, self.client.1),
        };
        (event.socket == socket && event.remote == end(peer)).then_some(datagrams.first)
    }
}

fn end(address: SocketAddr) -> End {
    End { address: address.ip(), port: address.port() }
}
