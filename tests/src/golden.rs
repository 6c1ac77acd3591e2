//! The golden trace: every kind of connection and exchange once more, always the same, so that one recording of it can stand
//! for all kernels.
//!
//! A client and a server, joined by a link with both families. [`play`] makes the traffic, [`told`] says what a recording
//! holds of it without what differs from run to run: times, process ids, names of namespaces.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    time::Duration,
};

use flowdrift::flow::{Direction, Flow, Window};
use serde_json::{Value, json};
use socket2::{Domain, Protocol, Socket, Type};

use crate::{
    dial,
    namespace::{TestNamespace, join},
};

const CLIENT: &str = "10.79.0.1";
const SERVER: &str = "10.79.0.2";
const CLIENT_V6: &str = "fd00:79::1";
const SERVER_V6: &str = "fd00:79::2";
/// Nobody has it.
const NOBODY: &str = "10.79.0.9";
/// The server drops what would answer there.
const SILENT: u16 = 4_444;
const PATIENCE: Duration = Duration::from_secs(30);

/// Where the trace is played.
pub struct World {
    client: TestNamespace,
    server: TestNamespace,
}

impl World {
    /// Makes it.
    #[must_use]
    pub fn new() -> Self {
        let [client, server] = ["client", "server"].map(TestNamespace::new);
        join("v0", (&client, &format!("{CLIENT}/24")), (&server, &format!("{SERVER}/24")));
        for (namespace, address) in [(&client, CLIENT_V6), (&server, SERVER_V6)] {
            namespace.ip(&["address", "add", &format!("{address}/64"), "dev", "v0", "nodad"]);
        }
        client.ip(&["route", "add", "prohibit", "192.0.2.0/24"]);
        client.ip(&["route", "add", "unreachable", "2001:db8::/64"]);
        let sport = SILENT.to_string();
        server.ip(&["rule", "add", "ipproto", "tcp", "sport", &sport, "blackhole"]);
        Self { client, server }
    }

    /// Arguments of a recorder that watches both ends.
    #[must_use]
    pub fn watched(&self) -> [String; 4] {
        let [client, server] = [&self.client, &self.server].map(|one| one.path().display().to_string());
        ["--netns".to_owned(), client, "--netns".to_owned(), server]
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

/// Sockets that stand until the recording ends.
pub struct Standing {
    _sockets: Vec<Socket>,
}

/// Makes the traffic.
///
/// # Panics
///
/// When something does not go as it always does.
#[must_use]
pub fn play(world: &World) -> Standing {
    let mut sockets = Vec::new();
    let mut stream = |name: &str, to: SocketAddr, count: usize| {
        let listener = world.listen(to.ip(), to.port());
        for _ in 0..count {
            sockets.push(world.client.run(|| dial::named(name, || dial::connect(to).expect("it listens"))));
            sockets.push(listener.accept().expect("one has come").0);
        }
        sockets.push(listener);
    };
    stream("billing", end(SERVER, 5_432), 12);
    stream("frontend", end(SERVER_V6, 443), 5);
    let mapped = address(SERVER);
    let mapped = dial::as_dialled(mapped, true);
    stream("legacy", SocketAddr::new(mapped, 8_080), 3);
    let failing = |name: &str, to: SocketAddr, count: usize| {
        for _ in 0..count {
            let result = world.client.run(|| dial::named(name, || dial::connect(to)));
            assert!(result.is_err(), "{to} refuses, or there is no way to it");
        }
    };
    failing("probe", end(SERVER, 81), 4);
    failing("probe", end(SERVER_V6, 81), 2);
    failing("escape", end("192.0.2.7", 443), 3);
    failing("escape", end("2001:db8::7", 443), 1);
    let silent = world.listen(address(SERVER), SILENT);
    let waiting: Vec<Socket> = (0..2)
        .map(|_| world.client.run(|| dial::named("stuck", || dial::begin(end(SERVER, SILENT)))))
        .collect();
    datagrams(world, &mut sockets);
    sockets.extend(waiting.into_iter().chain([silent]));
    // What waits for its first answer is merely pending; after the second SYN it is unanswered.
    std::thread::sleep(Duration::from_millis(1_500));
    Standing { _sockets: sockets }
}

fn datagrams(world: &World, sockets: &mut Vec<Socket>) {
    let mut exchange = |name: &str, to: SocketAddr, (clients, times): (usize, usize), is_connected: bool| {
        let server = world.datagram_socket(&world.server, to);
        for _ in 0..clients {
            let any = if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
            let client = world.datagram_socket(&world.client, SocketAddr::new(any, 0));
            if is_connected {
                client.connect(to).expect("there is a route");
            }
            for _ in 0..times {
                dial::named(name, || {
                    let sent = if is_connected { client.send(b"ask") } else { client.send_to(b"ask", to) };
                    sent.expect("there is a route");
                });
                let (_, peer) = server.recv_from(&mut [0; 8]).expect("it comes");
                server.send_to(b"answer", peer).expect("there is a way back");
                client.recv_from(&mut [0; 8]).expect("it comes back");
            }
            sockets.push(client.into());
        }
        sockets.push(server.into());
    };
    exchange("resolver", end(SERVER, 53), (6, 1), false);
    exchange("chrony", end(SERVER_V6, 123), (1, 4), true);
    exchange("quic", end(SERVER, 443), (2, 50), true);
    exchange("telemetry", end(SERVER_V6, 4_317), (20, 2), false);
    let lone = world.datagram_socket(&world.client, SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0));
    dial::named("syslog", || {
        for _ in 0..3 {
            lone.send_to(b"nobody hears", end(NOBODY, 514)).expect("there is a route");
        }
    });
    sockets.push(lone.into());
}

impl World {
    fn listen(&self, at: IpAddr, port: u16) -> Socket {
        self.server.run(|| {
            let at = SocketAddr::new(at, port);
            let listener =
                Socket::new(Domain::for_address(at), Type::STREAM, Some(Protocol::TCP)).expect("a socket");
            listener.bind(&at.into()).expect("the port is free");
            listener.listen(64).expect("it can listen");
            listener
        })
    }

    fn datagram_socket(&self, namespace: &TestNamespace, at: SocketAddr) -> UdpSocket {
        let socket = namespace.run(|| UdpSocket::bind(at).expect("the port is free"));
        socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
        socket
    }
}

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn end(text: &str, port: u16) -> SocketAddr {
    SocketAddr::new(address(text), port)
}

/// What a recording holds, flow by flow in a fixed order.
///
/// # Panics
///
/// When it holds something that is not plain data.
#[must_use]
pub fn told(window: &Window) -> Value {
    let mut flows: Vec<&Flow> = window.flows.iter().collect();
    flows.sort_by_key(|flow| {
        let key = &flow.key;
        (key.protocol, key.direction, key.local, key.remote, key.port)
    });
    let flow = |flow: &&Flow| {
        let key = &flow.key;
        // Packets do not tell who receives.
        let callers = flow.processes.iter().filter(|_| key.direction == Direction::Outbound);
        let processes = callers.map(|seen| json!({ "command": seen.command, "attempts": seen.attempts }));
        json!({
            "protocol": key.protocol,
            "direction": key.direction,
            "local": key.local,
            "remote": key.remote,
            "port": key.port,
            "translated": key.translated,
            "outcomes": flow.outcomes,
            "processes": processes.collect::<Vec<_>>(),
        })
    };
    flows.iter().map(flow).collect()
}
