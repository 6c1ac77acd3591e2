//! Translated addresses: where a watched node translates, both sides of it are known.
//!
//! A pod, its node and a server stand in a row. The node translates the service's address to the server's, the pod's to its
//! own as it leaves, and a published port of its own to the pod's.

use std::{
    net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    time::Duration,
};

use flowdrift::{
    event::{Face, Protocol},
    flow::{Direction, Flow, Window},
};
use flowdrift_tests::{
    dial,
    namespace::{TestNamespace, join},
    needs,
    recorder::Recorder,
};

const SERVICE_PORT: u16 = 80;
const SERVER_PORT: u16 = 8_080;
const PUBLISHED_PORT: u16 = 8_081;
const POD_PORT: u16 = 81;
const PATIENCE: Duration = Duration::from_secs(20);

/// The addresses of one family.
struct Net {
    pod: &'static str,
    node_to_pod: &'static str,
    node: &'static str,
    server: &'static str,
    service: &'static str,
    length: u8,
    /// As nftables calls the family.
    table: &'static str,
}

const V4: Net = Net {
    pod: "10.88.0.2",
    node_to_pod: "10.88.0.1",
    node: "10.77.0.1",
    server: "10.77.0.2",
    service: "10.96.0.1",
    length: 24,
    table: "ip",
};
const V6: Net = Net {
    pod: "fd00:88::2",
    node_to_pod: "fd00:88::1",
    node: "fd00:77::1",
    server: "fd00:77::2",
    service: "fd00:96::1",
    length: 64,
    table: "ip6",
};

struct Lab {
    pod: TestNamespace,
    node: TestNamespace,
    server: TestNamespace,
    net: &'static Net,
}

impl Lab {
    fn new(net: &'static Net) -> Self {
        let [pod, node, server] = ["pod", "node", "server"].map(TestNamespace::new);
        let own = |address: &str| format!("{address}/{}", net.length);
        join("p0", (&pod, &own(net.pod)), (&node, &own(net.node_to_pod)));
        join("s0", (&node, &own(net.node)), (&server, &own(net.server)));
        let family = if net.table == "ip" { "-4" } else { "-6" };
        pod.ip(&[family, "route", "add", "default", "via", net.node_to_pod]);
        // What leaves the node itself for the service needs a route before it is translated.
        node.ip(&[family, "route", "add", "default", "via", net.server]);
        node.run(|| {
            dial::set("ipv4/ip_forward", "1");
            dial::set("ipv6/conf/all/forwarding", "1");
        });
        let lab = Self { pod, node, server, net };
        lab.translate();
        lab
    }

    fn translate(&self) {
        let Net { pod, node, server, service, table, .. } = self.net;
        let of = |address: &str, port: u16| SocketAddr::new(address.parse().expect("an address"), port);
        let (backend, inside) = (of(server, SERVER_PORT), of(pod, POD_PORT));
        let rules: String = ["tcp", "udp"]
            .map(|protocol| {
                format!(
                    "add rule {table} nat pre {table} daddr {service} {protocol} dport {SERVICE_PORT} dnat to {backend}\n\
                     add rule {table} nat out {table} daddr {service} {protocol} dport {SERVICE_PORT} dnat to {backend}\n\
                     add rule {table} nat pre {table} daddr {node} {protocol} dport {PUBLISHED_PORT} dnat to {inside}\n"
                )
            })
            .concat();
        let script = format!(
            "add table {table} nat\n\
             add chain {table} nat pre {{ type nat hook prerouting priority -100; }}\n\
             add chain {table} nat out {{ type nat hook output priority -100; }}\n\
             add chain {table} nat post {{ type nat hook postrouting priority 100; }}\n\
             {rules}add rule {table} nat post oifname \"s0\" {table} saddr {pod} masquerade\n"
        );
        self.node.nft(&script);
    }

    /// A recorder of the node, with its pod, and one of the server.
    fn record(&self) -> [Recorder; 2] {
        let [pod, node, server] =
            [&self.pod, &self.node, &self.server].map(|one| one.path().display().to_string());
        [Recorder::start(&["--netns", &node, "--netns", &pod]), Recorder::start(&["--netns", &server])]
    }

    /// One connection or exchange between two namespaces, which stands as long as what is given back.
    fn talk(&self, protocol: Protocol, client: &TestNamespace, to: SocketAddr, server: Server<'_>) -> Talk {
        let Server { namespace, port } = server;
        let any: IpAddr = if to.is_ipv4() { [0; 4].into() } else { [0u16; 8].into() };
        if protocol == Protocol::Tcp {
            let listener = namespace.run(|| TcpListener::bind((any, port)).expect("the port is free"));
            let client = client.run(|| TcpStream::connect_timeout(&to, PATIENCE).expect("it is translated"));
            let server = listener.accept().expect("it has come").0;
            return Talk::Stream(client, server, listener);
        }
        let server = namespace.run(|| UdpSocket::bind((any, port)).expect("the port is free"));
        let client = client.run(|| UdpSocket::bind((any, 0)).expect("there is a port"));
        let talk = Talk::Datagrams(client, server);
        talk.exchange(to);
        talk
    }
}

/// Where something listens.
#[derive(Clone, Copy)]
struct Server<'a> {
    namespace: &'a TestNamespace,
    port: u16,
}

enum Talk {
    Stream(
        #[expect(dead_code, reason = "it is held open")] TcpStream,
        #[expect(dead_code, reason = "likewise")] TcpStream,
        #[expect(dead_code, reason = "likewise")] TcpListener,
    ),
    Datagrams(UdpSocket, UdpSocket),
}

impl Talk {
    /// A datagram there and back.
    fn exchange(&self, to: SocketAddr) {
        let Self::Datagrams(client, server) = self else { return };
        for socket in [client, server] {
            socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
        }
        client.send_to(b"ask", to).expect("there is a route");
        let (_, peer) = server.recv_from(&mut [0; 8]).expect("it comes");
        server.send_to(b"answer", peer).expect("there is a way back");
        client.recv_from(&mut [0; 8]).expect("it comes back");
    }
}

fn face(client: &str, server: &str, port: u16) -> Option<Face> {
    let [client, server] = [client, server].map(|address| address.parse().expect("an address"));
    Some(Face { client, server, port })
}

/// The one flow of a direction in a window, but for those of other ports.
fn flow(window: &Window, direction: Direction, port: u16) -> &Flow {
    assert_eq!(window.coverage.gaps(), Vec::new());
    let wanted = |flow: &&Flow| flow.key.direction == direction && flow.key.port == port;
    let found: Vec<&Flow> = window.flows.iter().filter(wanted).collect();
    let [one] = found.as_slice() else { panic!("{direction:?} {port}: {:#?}", window.flows) };
    one
}

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// The pod dials the service: its address and the service's are both translated.
fn service_from_a_pod(net: &'static Net, protocol: Protocol) {
    let lab = Lab::new(net);
    let [of_node, of_server] = lab.record();
    let to = SocketAddr::new(address(net.service), SERVICE_PORT);
    let _talk = lab.talk(protocol, &lab.pod, to, Server { namespace: &lab.server, port: SERVER_PORT });
    let [of_node, of_server] = [of_node, of_server].map(Recorder::finish);
    let client = &flow(&of_node, Direction::Outbound, SERVICE_PORT).key;
    assert_eq!((client.local, client.remote), (address(net.pod), address(net.service)));
    assert_eq!(client.translated, face(net.node, net.server, SERVER_PORT), "as it goes on");
    let server = &flow(&of_server, Direction::Inbound, SERVER_PORT).key;
    assert_eq!((server.local, server.remote), (address(net.server), address(net.node)));
    assert_eq!(server.translated, None, "nothing is translated there");
}

/// The node itself dials the service.
fn service_from_the_node(net: &'static Net, protocol: Protocol) {
    let lab = Lab::new(net);
    let [of_node, of_server] = lab.record();
    let to = SocketAddr::new(address(net.service), SERVICE_PORT);
    let _talk = lab.talk(protocol, &lab.node, to, Server { namespace: &lab.server, port: SERVER_PORT });
    let [of_node, of_server] = [of_node, of_server].map(Recorder::finish);
    let client = &flow(&of_node, Direction::Outbound, SERVICE_PORT).key;
    assert_eq!((client.local, client.remote), (address(net.node), address(net.service)));
    assert_eq!(client.translated, face(net.node, net.server, SERVER_PORT));
    let server = &flow(&of_server, Direction::Inbound, SERVER_PORT).key;
    assert_eq!((server.local, server.remote), (address(net.server), address(net.node)));
}

/// The server dials a port that the node publishes for its pod.
fn published_port(net: &'static Net, protocol: Protocol) {
    let lab = Lab::new(net);
    let [of_node, of_server] = lab.record();
    let to = SocketAddr::new(address(net.node), PUBLISHED_PORT);
    let _talk = lab.talk(protocol, &lab.server, to, Server { namespace: &lab.pod, port: POD_PORT });
    let [of_node, of_server] = [of_node, of_server].map(Recorder::finish);
    let client = &flow(&of_server, Direction::Outbound, PUBLISHED_PORT).key;
    assert_eq!((client.local, client.remote), (address(net.server), address(net.node)));
    assert_eq!(client.translated, None, "nobody translates there");
    let server = &flow(&of_node, Direction::Inbound, POD_PORT).key;
    assert_eq!((server.local, server.remote), (address(net.pod), address(net.server)));
    assert_eq!(server.translated, face(net.server, net.node, PUBLISHED_PORT), "as it came");
}

/// What stands before anybody looks is in conntrack's table.
fn older_than_the_recorder(net: &'static Net, protocol: Protocol) {
    let lab = Lab::new(net);
    let to = SocketAddr::new(address(net.service), SERVICE_PORT);
    let talk = lab.talk(protocol, &lab.pod, to, Server { namespace: &lab.server, port: SERVER_PORT });
    let [of_node, of_server] = lab.record();
    talk.exchange(to);
    let [of_node, _] = [of_node, of_server].map(Recorder::finish);
    let wanted = |flow: &&Flow| flow.key.remote == address(net.service);
    let found: Vec<&Flow> = of_node.flows.iter().filter(wanted).collect();
    let [one] = found.as_slice() else { panic!("{:#?}", of_node.flows) };
    assert_eq!(one.key.translated, face(net.node, net.server, SERVER_PORT), "{one:#?}");
}

macro_rules! cases {
    ($($rule:ident),* $(,)?) => { $(
        mod $rule {
            cases!(@one $rule tcp_v4 V4 Tcp);
            cases!(@one $rule tcp_v6 V6 Tcp);
            cases!(@one $rule udp_v4 V4 Udp);
            cases!(@one $rule udp_v6 V6 Udp);
        }
    )* };
    (@one $rule:ident $test:ident $net:ident $protocol:ident) => {
        #[test]
        fn $test() {
            let test = concat!(stringify!($rule), "::", stringify!($test));
            if super::needs::root(test) && super::needs::tool(test, "nft") {
                super::$rule(&super::$net, super::Protocol::$protocol);
            }
        }
    };
}

cases! { service_from_a_pod, service_from_the_node, published_port, older_than_the_recorder }
