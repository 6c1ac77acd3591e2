//! The lab's clients: one connection at a time, each with an end that the script foresees.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddrV4, TcpStream};
use std::os::fd::AsRawFd;
use std::thread;
use std::time::Duration;

use anyhow::{Result, anyhow, ensure};
use nix::errno::Errno;
use nix::sys::socket::{self, AddressFamily, SockFlag, SockType, SockaddrIn, sockopt};
use nix::sys::time::TimeVal;

use super::namespace;

/// A SYN that nobody answers is given up after so long.
const PATIENCE_SECONDS: i64 = 3;
const BETWEEN: Duration = Duration::from_millis(30);

/// How a connection attempt ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Connected, and the message came back.
    Answered,
    /// Connected, and closed without an answer.
    Silent,
    /// RST.
    Refused,
    /// ICMP, or no route.
    Unreachable,
    /// Nothing came back in time.
    Unanswered,
}

/// A process that connects, as the script describes it.
#[derive(Clone, Copy)]
pub(super) struct Call {
    pub(super) site: &'static str,
    pub(super) process: &'static str,
    /// The address that it speaks from, where the kernel's own choice would be another.
    pub(super) from: Option<Ipv4Addr>,
    pub(super) to: SocketAddrV4,
    pub(super) times: u32,
    pub(super) end: End,
}

impl fmt::Display for Call {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} in {} → {}", self.process, self.site, self.to)
    }
}

impl Call {
    /// Plays it in a thread of its own namespace.
    pub(super) fn start(self) -> Result<thread::JoinHandle<Result<Result<()>>>> {
        namespace::spawn(self.site, self.process, move || self.play())
    }

    fn play(self) -> Result<()> {
        for _ in 0..self.times {
            let end = attempt(self.from, self.to)?;
            ensure!(end == self.end, "the lab is not as laid out: {self} was {end:?}, not {:?}", self.end);
            thread::sleep(BETWEEN);
        }
        Ok(())
    }

    /// Connects, and leaves the connection open.
    pub(super) fn open(self) -> Result<TcpStream> {
        let connected = namespace::run(self.site, self.process, move || connect(self.from, self.to))?;
        let mut stream = connected.map_err(|error| anyhow!("{self}: {error}"))?;
        ensure!(converse(&mut stream)? == End::Answered, "{self}: no answer");
        Ok(stream)
    }
}

fn attempt(from: Option<Ipv4Addr>, to: SocketAddrV4) -> Result<End> {
    match connect(from, to) {
        Ok(mut stream) => {
            let end = converse(&mut stream)?;
            stream.shutdown(Shutdown::Both).ok();
            Ok(end)
        }
        Err(Errno::ECONNREFUSED) => Ok(End::Refused),
        Err(Errno::EHOSTUNREACH | Errno::ENETUNREACH | Errno::EACCES) => Ok(End::Unreachable),
        Err(Errno::EINPROGRESS | Errno::EAGAIN | Errno::ETIMEDOUT) => Ok(End::Unanswered),
        Err(error) => Err(error.into()),
    }
}

/// A blocking connect that the socket's send time-out bounds; std can do either, but not from a chosen address.
pub(super) fn connect(from: Option<Ipv4Addr>, to: SocketAddrV4) -> nix::Result<TcpStream> {
    let socket = socket::socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    let patience = TimeVal::new(PATIENCE_SECONDS, 0);
    socket::setsockopt(&socket, sockopt::SendTimeout, &patience)?;
    socket::setsockopt(&socket, sockopt::ReceiveTimeout, &patience)?;
    if let Some(from) = from {
        socket::bind(socket.as_raw_fd(), &SockaddrIn::from(SocketAddrV4::new(from, 0)))?;
    }
    socket::connect(socket.as_raw_fd(), &SockaddrIn::from(to))?;
    Ok(TcpStream::from(socket))
}

fn converse(stream: &mut TcpStream) -> io::Result<End> {
    let message = b"flowdrift lab\n";
    stream.write_all(message)?;
    let mut echo = [0; 64];
    let length = stream.read(&mut echo)?;
    Ok(if &echo[..length] == message { End::Answered } else { End::Silent })
}
