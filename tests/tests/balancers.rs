//! Socket load-balancers: a service that one puts a backend in place of is known by both.

use std::{
    net::{IpAddr, SocketAddr, UdpSocket},
    time::Duration,
};

use flowdrift::{
    event::Face,
    flow::{Direction, Flow, Outcomes, Window},
};
use flowdrift_tests::{
    dial, kernel::balancer::Balancer, namespace::TestNamespace, needs, recorder::Recorder, site::CLIENT,
};
use nix::libc;
use socket2::{Domain, Socket, Type};

const PATIENCE: Duration = Duration::from_secs(20);
const SERVICE_PORT: u16 = 80;

/// A pod that dials a service of which it has the backend itself.
struct Pod {
    namespace: TestNamespace,
    service: SocketAddr,
    backend: SocketAddr,
}

/// Documentation's addresses (RFC 5737, RFC 3849): no route leads there.
#[derive(Clone, Copy)]
enum Family {
    V4,
    V6,
}

impl Family {
    /// A service and its backend.
    fn ends(self) -> (IpAddr, IpAddr) {
        match self {
            Self::V4 => ([192, 0, 2, 7].into(), [127, 0, 0, 1].into()),
            Self::V6 => ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 7].into(), [0, 0, 0, 0, 0, 0, 0, 1].into()),
        }
    }
}

impl Pod {
    fn new(family: Family, protocol: Type, port: u16) -> (Self, Socket) {
        let (service, backend) = family.ends();
        let namespace = TestNamespace::new("pod");
        let server = namespace.run(|| {
            let at = SocketAddr::new(backend, 0);
            let server = Socket::new(Domain::for_address(at), protocol, None).expect("a socket");
            server.bind(&at.into()).expect("there is a port");
            server
        });
        let backend = SocketAddr::new(backend, dial::port_of(&server));
        (Self { namespace, service: SocketAddr::new(service, port), backend }, server)
    }

    fn record(&self) -> Recorder {
        Recorder::of_namespace(&self.namespace.path())
    }

    /// The one flow from the client; where the kernel lets nobody run first, the window must say so.
    fn flow(&self, window: &Window) -> Flow {
        let gaps: Vec<String> = window.coverage.gaps().iter().map(|gap| gap.words.clone()).collect();
        let outbound = |flow: &&Flow| flow.key.direction == Direction::Outbound;
        let found: Vec<&Flow> = window.flows.iter().filter(outbound).collect();
        let [one] = found.as_slice() else { panic!("{:#?}", window.flows) };
        let beyond = Face { client: one.key.local, server: self.backend.ip(), port: self.backend.port() };
        if needs::first_place() {
            assert_eq!(gaps, Vec::<String>::new());
            assert_eq!(
                (one.key.remote, one.key.port),
                (self.service.ip(), self.service.port()),
                "as it was dialled"
            );
            assert_eq!(one.key.translated, Some(beyond), "as it goes on");
        } else {
            assert!(
                gaps.iter().any(|gap| gap.contains("services may be known by their backends only")),
                "{gaps:?}"
            );
        }
        (*one).clone()
    }
}

fn tcp(family: Family) {
    let (pod, listener) = Pod::new(family, Type::STREAM, SERVICE_PORT);
    listener.listen(1).expect("it can listen");
    let _balancer = Balancer::new(pod.service, pod.backend);
    let recorder = pod.record();
    let _client =
        pod.namespace.run(|| dial::named(CLIENT, || dial::connect(pod.service).expect("it listens")));
    let _server = listener.accept().expect("it has come");
    let window = recorder.finish();
    let flow = pod.flow(&window);
    assert_eq!(flow.outcomes, Outcomes { connected: 1, ..Outcomes::default() });
    assert_eq!(flow.processes[0].command, CLIENT);
}

/// Nobody listens at the backend.
fn tcp_refused(family: Family) {
    let (pod, _bound) = Pod::new(family, Type::STREAM, SERVICE_PORT + 1);
    let _balancer = Balancer::new(pod.service, pod.backend);
    let recorder = pod.record();
    let error = pod.namespace.run(|| dial::connect(pod.service)).err().and_then(|error| error.raw_os_error());
    assert_eq!(error, Some(libc::ECONNREFUSED));
    let flow = pod.flow(&recorder.finish());
    let refused = [(libc::ECONNREFUSED as u16, 1)].into();
    assert_eq!(flow.outcomes, Outcomes { failed: refused, ..Outcomes::default() });
}

/// More attempts than there are slots: some leave theirs before their outcome.
fn tcp_crowd(family: Family) {
    let (pod, listener) = Pod::new(family, Type::STREAM, SERVICE_PORT + 2);
    let crowd = 2 * probe_common::ATTEMPTS - 24;
    listener.listen(crowd as i32).expect("it can listen");
    let _balancer = Balancer::new(pod.service, pod.backend);
    let recorder = pod.record();
    dial::allow_many_sockets();
    let _clients: Vec<Socket> = pod.namespace.run(|| (0..crowd).map(|_| dial::begin(pod.service)).collect());
    let _servers: Vec<_> = (0..crowd).map(|_| listener.accept().expect("it comes")).collect();
    let flow = pod.flow(&recorder.finish());
    assert_eq!(flow.outcomes, Outcomes { connected: crowd as u64, ..Outcomes::default() });
}

fn udp_client(pod: &Pod) -> UdpSocket {
    let any: IpAddr = if pod.service.is_ipv4() { [0; 4].into() } else { [0u16; 8].into() };
    let client = pod.namespace.run(|| UdpSocket::bind((any, 0)).expect("there is a port"));
    client.set_read_timeout(Some(PATIENCE)).expect("a socket");
    client
}

fn exchanged(times: u64) -> Outcomes {
    Outcomes { connected: 1, datagrams_sent: times, datagrams_received: times, ..Outcomes::default() }
}

const TIMES: u64 = 3;

/// Each datagram names the service.
fn udp(family: Family) {
    let (pod, server) = Pod::new(family, Type::DGRAM, SERVICE_PORT + 3);
    let _balancer = Balancer::new(pod.service, pod.backend);
    let recorder = pod.record();
    let (client, server) = (udp_client(&pod), UdpSocket::from(server));
    for _ in 0..TIMES {
        client.send_to(b"ask", pod.service).expect("it is translated");
        let (_, peer) = server.recv_from(&mut [0; 8]).expect("it comes");
        server.send_to(b"answer", peer).expect("there is a way back");
        let (_, from) = client.recv_from(&mut [0; 8]).expect("it comes back");
        assert_eq!(from, pod.service, "as if the service had answered");
    }
    assert_eq!(pod.flow(&recorder.finish()).outcomes, exchanged(TIMES));
}

/// The first datagram goes nowhere, and what was noted of it is no name of the second.
fn udp_after_a_failure(family: Family) {
    let (pod, server) = Pod::new(family, Type::DGRAM, SERVICE_PORT + 7);
    let _balancer = Balancer::new(pod.service, pod.backend);
    let recorder = pod.record();
    let (client, server) = (udp_client(&pod), UdpSocket::from(server));
    let nowhere: IpAddr = match family {
        Family::V4 => [198, 51, 100, 9].into(),
        Family::V6 => [0x2001, 0xdb8, 1, 0, 0, 0, 0, 9].into(),
    };
    client.send_to(b"lost", (nowhere, SERVICE_PORT)).expect_err("there is no route");
    client.send_to(b"ask", pod.backend).expect("it is there");
    server.recv_from(&mut [0; 8]).expect("it comes");
    let window = recorder.finish();
    let to_backend =
        |flow: &&Flow| flow.key.direction == Direction::Outbound && flow.key.port == pod.backend.port();
    let flow = window.flows.iter().find(to_backend).unwrap_or_else(|| panic!("{:#?}", window.flows));
    assert_eq!((flow.key.remote, flow.key.translated), (pod.backend.ip(), None));
    let translated = |flow: &&Flow| flow.key.translated.is_some();
    assert_eq!(window.flows.iter().find(translated), None);
}

/// `connect()` names the service, the datagrams nobody.
fn udp_connected(family: Family) {
    let (pod, server) = Pod::new(family, Type::DGRAM, SERVICE_PORT + 4);
    let _balancer = Balancer::new(pod.service, pod.backend);
    let recorder = pod.record();
    let (client, server) = (udp_client(&pod), UdpSocket::from(server));
    client.connect(pod.service).expect("it is translated");
    for _ in 0..TIMES {
        client.send(b"ask").expect("there is a route");
        let (_, peer) = server.recv_from(&mut [0; 8]).expect("it comes");
        server.send_to(b"answer", peer).expect("there is a way back");
        client.recv(&mut [0; 8]).expect("it comes back");
    }
    assert_eq!(pod.flow(&recorder.finish()).outcomes, exchanged(TIMES));
}

/// A pod that comes when nobody may enter its namespace any more: only its own sockets show its address, and a service's is
/// none of them.
fn udp_of_a_new_pod(family: Family) {
    let (service, backend) = family.ends();
    // The recorder sees the whole machine, and both families' tests at once.
    let backend_port = if service.is_ipv4() { 18_053 } else { 18_054 };
    let to = SocketAddr::new(service, SERVICE_PORT + 6);
    let _balancer = Balancer::new(to, SocketAddr::new(backend, backend_port));
    let recorder = Recorder::start(&[]);
    let namespace = TestNamespace::new("pod");
    let any: IpAddr = if to.is_ipv4() { [0; 4].into() } else { [0u16; 8].into() };
    let server = namespace.run(|| UdpSocket::bind((backend, backend_port)).expect("the port is free"));
    let client = namespace.run(|| UdpSocket::bind((any, 0)).expect("there is a port"));
    client.send_to(b"ask", to).expect("it is translated");
    server.recv_from(&mut [0; 8]).expect("it comes");
    let window = recorder.finish();
    let of_backend = |flow: &&Flow| {
        flow.key.translated.is_some_and(|face| face.port == backend_port) || flow.key.port == backend_port
    };
    let outbound = |flow: &&Flow| of_backend(flow) && flow.key.direction == Direction::Outbound;
    let found: Vec<&Flow> = window.flows.iter().filter(outbound).collect();
    let [flow] = found.as_slice() else { panic!("{:#?}", window.flows) };
    assert_ne!(flow.key.local, service, "{flow:#?}");
    if needs::first_place() {
        assert_eq!(flow.key.remote, service);
    }
}

/// What the balancer lets go where it was to go has one address only.
fn another_address(family: Family) {
    let (pod, listener) = Pod::new(family, Type::STREAM, SERVICE_PORT + 5);
    listener.listen(1).expect("it can listen");
    let _balancer = Balancer::new(pod.service, pod.backend);
    let recorder = pod.record();
    let _client = pod.namespace.run(|| dial::connect(pod.backend).expect("it listens"));
    let window = recorder.finish();
    let outbound = |flow: &&Flow| flow.key.direction == Direction::Outbound;
    let flow = window.flows.iter().find(outbound).expect("one is seen");
    assert_eq!(
        (flow.key.remote, flow.key.port, flow.key.translated),
        (pod.backend.ip(), pod.backend.port(), None)
    );
}

macro_rules! cases {
    ($($rule:ident),* $(,)?) => { $(
        mod $rule {
            #[test]
            fn v4() {
                if super::needs::root(concat!(stringify!($rule), "::v4")) {
                    super::$rule(super::Family::V4);
                }
            }

            #[test]
            fn v6() {
                if super::needs::root(concat!(stringify!($rule), "::v6")) {
                    super::$rule(super::Family::V6);
                }
            }
        }
    )* };
}

cases! { tcp, tcp_refused, tcp_crowd, udp, udp_after_a_failure, udp_connected, udp_of_a_new_pod, another_address }
