//! Connections that stand: once per end, in the right direction, whoever took them and however.

use std::{net::TcpListener, os::fd::AsRawFd};

use flowdrift::flow::ProcessSeen;
use flowdrift_tests::{
    again, dial, everywhere,
    kernel::uring,
    over,
    site::{CLIENT, Expected, Site},
};
use nix::sys::socket::{MsgFlags, SockaddrStorage, sendto, setsockopt, sockopt};
use socket2::{Protocol, Socket};

everywhere!(
    accepted,
    connected_without_blocking,
    by_fast_open_with_data,
    by_fast_open_on_first_write,
    by_io_uring,
    a_server_inside_the_ephemeral_range,
    never_accepted,
    shared_by_two_listeners,
    by_mptcp,
);
over!(Loopback: self_connected);
again!(over_bridge (Bridge): accepted, connected_without_blocking, by_fast_open_with_data, never_accepted);

fn assert_caller(processes: &[ProcessSeen], attempts: u64) {
    let caller = ProcessSeen { command: CLIENT.into(), id: std::process::id(), attempts };
    assert_eq!(processes, [caller]);
}

fn accept_all(listener: &Socket, count: usize) {
    for _ in 0..count {
        listener.accept().expect("a connection waits");
    }
}

fn accepted(site: &Site) {
    let (listener, port) = site.listen();
    let recorder = site.record();
    let _sockets = site.dial(|| [(); 3].map(|()| dial::connect(site.to(port)).expect("it listens")));
    accept_all(&listener, 3);
    assert_caller(&site.check(recorder, port, &Expected::standing(3)), 3);
}

fn connected_without_blocking(site: &Site) {
    let (listener, port) = site.listen();
    let recorder = site.record();
    let socket = site.dial(|| dial::begin(site.to(port)));
    assert!(dial::outcome(&socket).is_none());
    accept_all(&listener, 1);
    assert_caller(&site.check(recorder, port, &Expected::standing(1)), 1);
}

fn self_connected(site: &Site) {
    const PORT: u16 = 4712;
    let recorder = site.record();
    let socket = site.dial(|| {
        let socket = dial::socket_for(site.from(PORT));
        socket.bind(&site.from(PORT).into()).expect("the port is free");
        socket.connect(&site.from(PORT).into()).expect("a socket may talk to itself");
        socket
    });
    assert_eq!(socket.peer_addr().expect("it stands").as_socket(), Some(site.from(PORT)));
    let mut expected = Expected::standing(1);
    expected.server.accepted = 0;
    assert_caller(&site.check(recorder, PORT, &expected), 1);
}

/// Both ends speak TCP Fast Open; the first connection only asks for a cookie.
fn with_fast_open(site: &Site, connect: impl Fn(u16) -> Socket + Sync) {
    for namespace in [site.client(), site.server()] {
        // For clients (1), servers (2), and every listener without its asking (0x400).
        namespace.run(|| dial::set("ipv4/tcp_fastopen", "1027"));
    }
    let (listener, port) = site.listen();
    let recorder = site.record();
    let _sockets = site.dial(|| [(); 3].map(|()| connect(port)));
    accept_all(&listener, 3);
    let used = site.client().run(|| counter("TCPFastOpenActive"));
    assert_eq!(used, 2, "the second and the third connection carry data in their SYN");
    assert_caller(&site.check(recorder, port, &Expected::standing(3)), 3);
}

/// A counter of `/proc/net/netstat`, which has a line of names and one of values for each group.
fn counter(name: &str) -> u64 {
    let table = std::fs::read_to_string("/proc/thread-self/net/netstat").expect("/proc is mounted");
    let lines: Vec<&str> = table.lines().collect();
    let value = lines.chunks(2).find_map(|group| {
        let place = group[0].split(' ').position(|word| word == name)?;
        group[1].split(' ').nth(place)
    });
    value.and_then(|value| value.parse().ok()).expect("the kernel counts it")
}

fn by_fast_open_with_data(site: &Site) {
    with_fast_open(site, |port| {
        let socket = dial::socket_for(site.to(port));
        let to = SockaddrStorage::from(site.to(port));
        let flags = MsgFlags::from_bits_retain(nix::libc::MSG_FASTOPEN);
        sendto(socket.as_raw_fd(), b"first bytes", &to, flags).expect("it listens");
        socket
    });
}

fn by_fast_open_on_first_write(site: &Site) {
    with_fast_open(site, |port| {
        let socket = dial::socket_for(site.to(port));
        setsockopt(&socket, sockopt::TcpFastOpenConnect, &true).expect("a fresh socket");
        socket.connect(&site.to(port).into()).expect("it listens");
        socket.send(b"first bytes").expect("it listens");
        socket
    });
}

fn by_io_uring(site: &Site) {
    let (listener, port) = site.listen();
    let recorder = site.record();
    let socket = site.dial(|| {
        let socket = dial::socket_for(site.to(port));
        uring::connect(&socket, &site.to(port).into()).expect("io_uring is there, and it listens");
        socket
    });
    accept_all(&listener, 1);
    assert!(socket.peer_addr().is_ok());
    assert_caller(&site.check(recorder, port, &Expected::standing(1)), 1);
}

fn a_server_inside_the_ephemeral_range(site: &Site) {
    const SERVER: u16 = 45_000;
    const CLIENT_PORT: u16 = 1_111;
    let listener = site.listen_at(SERVER);
    let recorder = site.record();
    let _socket = site.dial(|| {
        let socket = dial::socket_for(site.to(SERVER));
        socket.bind(&site.from(CLIENT_PORT).into()).expect("the port is free");
        socket.connect(&site.to(SERVER).into()).expect("it listens");
        socket
    });
    accept_all(&listener, 1);
    assert_caller(&site.check(recorder, SERVER, &Expected::standing(1)), 1);
}

/// The kernel takes a connection for its listener whether or not the application ever asks for it.
fn never_accepted(site: &Site) {
    let (listener, port) = site.listen();
    let recorder = site.record();
    let _socket = site.dial(|| dial::connect(site.to(port)).expect("it listens"));
    assert_caller(&site.check(recorder, port, &Expected::standing(1)), 1);
    drop(listener);
}

fn shared_by_two_listeners(site: &Site) {
    const CONNECTIONS: usize = 200;
    let first = site.listen_reusing_port(0);
    let port = dial::port_of(&first);
    let second = site.listen_reusing_port(port);
    let recorder = site.record();
    site.dial(|| {
        (0..CONNECTIONS).for_each(|_| dial::reset(dial::connect(site.to(port)).expect("it listens")))
    });
    let listeners = [first, second].map(|listener| {
        listener.set_nonblocking(true).expect("a listener");
        TcpListener::from(listener)
    });
    let mut taken = [0, 0];
    // The last packet of a handshake may still be on its way.
    dial::wait_for("every connection waits to be accepted", || {
        for (taken, listener) in taken.iter_mut().zip(&listeners) {
            *taken += std::iter::from_fn(|| listener.accept().ok()).count();
        }
        taken.iter().sum::<usize>() == CONNECTIONS
    });
    assert!(taken.iter().all(|count| *count > 0), "both took some: {taken:?}");
    assert_caller(&site.check(recorder, port, &Expected::standing(200)), 200);
}

/// An MPTCP connection is an MPTCP socket and a TCP subflow at each end: one fact each.
fn by_mptcp(site: &Site) {
    if !flowdrift_tests::needs::feature("by_mptcp", "MPTCP", "/proc/sys/net/mptcp/enabled") {
        return;
    }
    let (listener, port) = site.listen_with(Protocol::MPTCP);
    let recorder = site.record();
    let socket = site.dial(|| {
        let domain = socket2::Domain::for_address(site.to(port));
        let socket = Socket::new(domain, socket2::Type::STREAM, Some(Protocol::MPTCP)).expect("MPTCP is on");
        socket.connect(&site.to(port).into()).expect("it listens");
        socket
    });
    accept_all(&listener, 1);
    assert_eq!(
        site.client().run(|| counter("MPCapableSYNACKRX")),
        1,
        "it is MPTCP, and did not fall back to TCP"
    );
    assert_caller(&site.check(recorder, port, &Expected::standing(1)), 1);
    drop(socket);
}
