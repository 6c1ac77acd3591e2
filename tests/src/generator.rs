//! Connections at the machine's maximum, counted by the generator itself.

use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, SocketAddr, TcpListener},
    os::fd::{AsRawFd, OwnedFd},
    sync::{
        Arc,
        atomic::{AtomicU16, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use nix::{
    errno::Errno,
    libc,
    sys::socket::{
        AddressFamily, Shutdown, SockFlag, SockType, SockaddrStorage, connect, getpeername, setsockopt,
        shutdown, socket, sockopt,
    },
};

use crate::dial;

/// How a generated connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// By RST: no TIME_WAIT, so ports never run out.
    Reset,
    /// By FIN from the client first.
    Finish,
}

/// What a generator did, by its own count.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Generated {
    /// Calls of `connect()`.
    pub attempted: u64,
    /// Those that stood when the generator looked.
    pub connected: u64,
    /// Those that failed or were not yet through when the generator gave them up, by errno.
    pub failed: BTreeMap<i32, u64>,
    /// Connections that `accept()` returned.
    pub accepted: u64,
}

impl Generated {
    /// Adds what another client counted.
    pub fn add(&mut self, other: &Self) {
        let Self { attempted, connected, failed, accepted } = other;
        self.attempted += attempted;
        self.connected += connected;
        self.accepted += accepted;
        for (errno, count) in failed {
            *self.failed.entry(*errno).or_default() += count;
        }
    }
}

/// A listener that takes and closes everything.
pub struct Server {
    listener: Arc<TcpListener>,
    address: SocketAddr,
    /// Port of the client whose connection is the last; 0 until there is one.
    last: Arc<AtomicU16>,
    accepted: Arc<AtomicU64>,
    threads: Vec<JoinHandle<()>>,
}

impl Server {
    /// Listens on any port of a loopback address.
    ///
    /// As many acceptors as clients keep up with them. When the queue overflows the kernel drops SYNs, and whoever
    /// waits a second for the next does not run at the machine's maximum.
    ///
    /// # Errors
    ///
    /// When the address is not there.
    pub fn start(address: IpAddr, acceptors: u64) -> io::Result<Self> {
        let listener = TcpListener::bind((address, 0))?;
        // The standard library's backlog is too short for an open loop.
        nix::sys::socket::listen(&listener, nix::sys::socket::Backlog::new(4096)?)?;
        let mut server = Self {
            address: listener.local_addr()?,
            listener: Arc::new(listener),
            last: Arc::default(),
            accepted: Arc::default(),
            threads: Vec::new(),
        };
        for _ in 0..acceptors {
            server.threads.push(server.acceptor()?);
        }
        Ok(server)
    }

    fn acceptor(&self) -> io::Result<JoinHandle<()>> {
        let (listener, last) = (Arc::clone(&self.listener), Arc::clone(&self.last));
        let accepted = Arc::clone(&self.accepted);
        std::thread::Builder::new().name("fd-server".into()).spawn(move || {
            while let Ok((stream, client)) = listener.accept() {
                accepted.fetch_add(1, Ordering::Relaxed);
                drop(stream);
                if last.load(Ordering::Acquire) == client.port() {
                    // Whoever still waits in accept() gets an error.
                    let _ = shutdown(listener.as_raw_fd(), Shutdown::Both);
                }
            }
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops listening once whatever the kernel still holds was accepted. The connection that wakes the thread
    /// for it is counted at both ends like any other.
    ///
    /// # Panics
    ///
    /// When the server's thread has panicked, or does not listen any more.
    pub fn finish(mut self, generated: &mut Generated) {
        let mut before = None;
        while before != Some(self.accepted.load(Ordering::Relaxed)) {
            before = Some(self.accepted.load(Ordering::Relaxed));
            std::thread::sleep(Duration::from_millis(200));
        }
        // Bound first: the server knows the last one by its port, and takes whatever waits before it.
        let waking = dial::socket_for(self.address);
        let any = SocketAddr::new(self.address.ip(), 0);
        waking.bind(&any.into()).expect("there is a free port");
        self.last.store(dial::port_of(&waking), Ordering::Release);
        waking.connect(&self.address.into()).expect("the server still listens");
        for thread in self.threads.drain(..) {
            thread.join().expect("the server does not panic");
        }
        generated.attempted += 1;
        generated.connected += 1;
        generated.accepted += self.accepted.load(Ordering::Relaxed);
    }
}

fn client(server: SocketAddr, flags: SockFlag) -> io::Result<OwnedFd> {
    let family = if server.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    Ok(socket(family, SockType::Stream, flags, None)?)
}

fn close(socket: OwnedFd, ending: Ending) -> io::Result<()> {
    if ending == Ending::Reset {
        setsockopt(&socket, sockopt::Linger, &libc::linger { l_onoff: 1, l_linger: 0 })?;
    }
    Ok(())
}

/// Whom a client connects to.
#[derive(Clone, Copy, Debug)]
pub enum Target {
    /// One server.
    One(SocketAddr),
    /// A port, at so many addresses of the loopback in turn.
    Many(u16, u32),
}

impl Target {
    /// The address for one connection.
    fn of(self, number: u64) -> SocketAddr {
        match self {
            Self::One(server) => server,
            Self::Many(port, addresses) => {
                (dial::loopback((number % u64::from(addresses)) as u32), port).into()
            }
        }
    }
}

/// Connects one after the other, each as soon as the one before stands.
///
/// # Errors
///
/// When a socket cannot be made.
pub fn closed_loop(target: Target, count: u64, ending: Ending) -> io::Result<Generated> {
    let mut done = Generated::default();
    for number in 0..count {
        let server = target.of(number);
        let to = SockaddrStorage::from(server);
        let socket = client(server, SockFlag::SOCK_CLOEXEC)?;
        done.attempted += 1;
        match connect(socket.as_raw_fd(), &to) {
            Ok(()) => done.connected += 1,
            Err(errno) => *done.failed.entry(errno as i32).or_default() += 1,
        }
        close(socket, ending)?;
    }
    Ok(done)
}

/// Connects without ever waiting for an answer: whatever does not stand at once is given up.
///
/// # Errors
///
/// When a socket cannot be made.
pub fn open_loop(target: Target, count: u64) -> io::Result<Generated> {
    let mut done = Generated::default();
    for number in 0..count {
        let server = target.of(number);
        let to = SockaddrStorage::from(server);
        let socket = client(server, SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK)?;
        done.attempted += 1;
        match connect(socket.as_raw_fd(), &to) {
            Ok(()) => done.connected += 1,
            Err(Errno::EINPROGRESS) => match getpeername::<SockaddrStorage>(socket.as_raw_fd()) {
                Ok(_) => done.connected += 1,
                Err(_) => *done.failed.entry(Errno::EINPROGRESS as i32).or_default() += 1,
            },
            Err(errno) => *done.failed.entry(errno as i32).or_default() += 1,
        }
        close(socket, Ending::Reset)?;
    }
    Ok(done)
}
