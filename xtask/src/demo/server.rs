//! The lab's listeners: services that answer, and proxies that open a second connection.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddrV4, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::socket::{setsockopt, sockopt};
use nix::sys::time::TimeVal;

use super::client;
use super::datagram::Service;
use super::namespace;

/// How long a listener waits before it looks whether the lab is over.
const TICK: Duration = Duration::from_millis(100);
const UNTIL_BOUND: Duration = Duration::from_secs(5);
/// No connection of the lab lives longer, not even the session that outlasts the recordings.
const LIFETIME: Duration = Duration::from_secs(180);

/// What a listener does.
#[derive(Clone, Copy)]
pub(super) enum Role {
    /// Answers each message.
    Answer,
    /// Opens a connection of its own, from one address to another, and copies both ways.
    Proxy { from: Ipv4Addr, to: SocketAddrV4 },
    /// Answers each datagram.
    Datagrams(Service),
}

/// One listener, as the script describes it.
#[derive(Clone, Copy)]
pub(super) struct Server {
    pub(super) site: &'static str,
    pub(super) process: &'static str,
    pub(super) listen: SocketAddrV4,
    pub(super) role: Role,
}

/// Every listener of the lab; dropping it ends them.
pub(super) struct Servers {
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Result<Result<()>>>>,
}

impl Servers {
    /// Starts them all and returns once each is bound, so that no client meets a port that is not there yet.
    pub(super) fn start(servers: &[Server]) -> Result<Self> {
        let mut started = Self { over: Arc::default(), threads: Vec::new() };
        let (bound, bounds) = mpsc::channel();
        for &server in servers {
            let (over, bound) = (started.over.clone(), bound.clone());
            let serve = move || serve(&server, &bound, &over);
            started.threads.push(namespace::spawn(server.site, server.process, serve)?);
        }
        let every_one = servers.iter().all(|_| bounds.recv_timeout(UNTIL_BOUND).is_ok());
        if every_one { Ok(started) } else { Err(started.first_failure()) }
    }

    fn first_failure(mut self) -> anyhow::Error {
        self.over.store(true, Ordering::Relaxed);
        let ends = self.threads.drain(..).map(|thread| namespace::join(thread).and_then(|end| end));
        let failures: Vec<_> = ends.filter_map(Result::err).collect();
        failures.into_iter().next().unwrap_or_else(|| anyhow::anyhow!("a listener did not start"))
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            if let Err(error) = namespace::join(thread).and_then(|end| end) {
                eprintln!("a listener of the lab failed: {error:#}");
            }
        }
    }
}

fn serve(server: &Server, bound: &Sender<()>, over: &AtomicBool) -> Result<()> {
    match server.role {
        Role::Datagrams(service) => answer_datagrams(server, service, (bound, over)),
        Role::Answer | Role::Proxy { .. } => accept(server, bound, over),
    }
    .with_context(|| format!("{} in {} on {}", server.process, server.site, server.listen))
}

/// An accept that waits for a tick at most: the listener's receive time-out bounds it.
fn accept(server: &Server, bound: &Sender<()>, over: &AtomicBool) -> Result<()> {
    let listener = TcpListener::bind(server.listen)?;
    setsockopt(&listener.as_fd(), sockopt::ReceiveTimeout, &TimeVal::new(0, 100_000))?;
    bound.send(()).ok();
    while !over.load(Ordering::Relaxed) {
        match listener.accept() {
            Ok((stream, _)) => handle(stream, server.role)?,
            Err(error) if is_pause(&error) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// A thread for each connection inherits the listener's namespace and name.
fn handle(stream: TcpStream, role: Role) -> Result<()> {
    stream.set_read_timeout(Some(LIFETIME))?;
    thread::Builder::new().spawn(move || match role {
        Role::Proxy { from, to } => relay(&stream, from, to),
        Role::Answer | Role::Datagrams(_) => answer(stream),
    })?;
    Ok(())
}

/// Until the client closes. A client that goes away half-way is no fault of the lab.
fn answer(mut stream: TcpStream) {
    let mut message = [0; 512];
    while let Ok(length @ 1..) = stream.read(&mut message) {
        if stream.write_all(&message[..length]).is_err() {
            return;
        }
    }
}

/// Where the way on fails, dropping the stream tells the client.
fn relay(downstream: &TcpStream, from: Ipv4Addr, to: SocketAddrV4) {
    let Ok(upstream) = client::connect(Some(from), to) else { return };
    thread::scope(|both| {
        both.spawn(|| copy(downstream, &upstream));
        copy(&upstream, downstream);
    });
}

fn copy(mut from: &TcpStream, mut to: &TcpStream) {
    io::copy(&mut from, &mut to).ok();
    to.shutdown(Shutdown::Write).ok();
}

fn answer_datagrams(server: &Server, service: Service, life: (&Sender<()>, &AtomicBool)) -> Result<()> {
    let (bound, over) = life;
    let socket = UdpSocket::bind(server.listen)?;
    socket.set_read_timeout(Some(TICK))?;
    bound.send(()).ok();
    let mut question = [0; 512];
    while !over.load(Ordering::Relaxed) {
        match socket.recv_from(&mut question) {
            Ok((length, peer)) => drop(socket.send_to(&service.answer(&question[..length]), peer)?),
            Err(error) if is_pause(&error) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn is_pause(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}
