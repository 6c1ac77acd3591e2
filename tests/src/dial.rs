//! Ways to connect, as applications do it.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use nix::{
    libc,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::resource::{Resource, getrlimit, setrlimit},
};
use socket2::{Domain, Socket, Type};

/// An address as a socket is told it: IPv4 as IPv4-mapped IPv6 where an IPv6 socket dials it.
#[must_use]
pub fn as_dialled(address: IpAddr, mapped: bool) -> IpAddr {
    match address {
        IpAddr::V4(address) if mapped => address.to_ipv6_mapped().into(),
        other => other,
    }
}

/// One of the sixteen million addresses of the loopback, each for another number (RFC 1122, 3.2.1.3), but not 127.0.x.x.
#[must_use]
pub fn loopback(number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(Ipv4Addr::new(127, 1, 0, 0).to_bits() + number % 0x00fe_0000)
}

/// The port that a socket has.
///
/// # Panics
///
/// When it is no bound IP socket.
#[must_use]
pub fn port_of(socket: &Socket) -> u16 {
    socket.local_addr().ok().and_then(|address| address.as_socket()).expect("a bound IP socket").port()
}

/// Runs `work` on a thread with a name.
///
/// # Panics
///
/// When `work` does.
pub fn named<T: Send>(name: &str, work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn_scoped(scope, work);
        thread
            .expect("a thread can be started")
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// A fresh socket for an address.
///
/// # Panics
///
/// When the kernel has none left.
#[must_use]
pub fn socket_for(to: SocketAddr) -> Socket {
    Socket::new(Domain::for_address(to), Type::STREAM, None).expect("a socket")
}

/// Connects and waits.
///
/// # Errors
///
/// The connection's own.
pub fn connect(to: SocketAddr) -> io::Result<Socket> {
    let socket = socket_for(to);
    socket.connect(&to.into())?;
    Ok(socket)
}

/// Begins to connect and does not wait.
///
/// # Panics
///
/// When it fails at once.
#[must_use]
pub fn begin(to: SocketAddr) -> Socket {
    let socket = socket_for(to);
    socket.set_nonblocking(true).expect("a fresh socket");
    match socket.connect(&to.into()) {
        Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => panic!("connect to {to}: {error}"),
        _ => socket,
    }
}

/// Waits until a socket that was begun is done; its error, if it failed.
///
/// # Panics
///
/// When it takes more than a minute: after half of one the next SYN comes as much later (RFC 6298, 5.5).
#[must_use]
pub fn outcome(socket: &Socket) -> Option<io::Error> {
    let mut polled = [PollFd::new(std::os::fd::AsFd::as_fd(socket), PollFlags::POLLOUT)];
    let ready = poll(&mut polled, PollTimeout::from(60_000u16)).expect("poll works");
    assert_eq!(ready, 1, "no outcome within a minute");
    socket.take_error().expect("a socket")
}

/// Closes by RST: no TIME_WAIT stays behind.
///
/// # Panics
///
/// When it is no TCP socket.
pub fn reset(socket: Socket) {
    socket.set_linger(Some(Duration::ZERO)).expect("a TCP socket");
}

/// Waits until something holds.
///
/// # Panics
///
/// When it does not within ten seconds.
pub fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(10), "waited for: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Allows as many open files as the hard limit does: some tests hold thousands of sockets.
///
/// # Panics
///
/// When the limit cannot be read.
pub fn allow_many_sockets() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).expect("the soft limit may rise to the hard one");
}

/// Sets a sysctl of the calling thread's network namespace, such as `ipv4/tcp_syn_retries`.
///
/// # Panics
///
/// When there is no such setting.
pub fn set(name: &str, value: &str) {
    std::fs::write(format!("/proc/sys/net/{name}"), value).unwrap_or_else(|error| panic!("{name}: {error}"));
}
