//! A client, a server and what lies between them: the table over which a rule is tested.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
    },
    time::Duration,
};

use flowdrift::{
    capture::btf::KernelTypes,
    flow::{Direction, Flow, Outcomes, ProcessSeen, Window},
};
use socket2::{Domain, Protocol, Socket, Type};

use crate::{
    dial,
    namespace::{TestNamespace, bridge, join},
    recorder::Recorder,
    unseen,
};

/// The name of the thread that connects; at most 15 bytes, as the kernel keeps them.
pub const CLIENT: &str = "fdt-client";

/// How long a datagram may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// What lies between client and server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// Both are in one namespace.
    Loopback,
    /// Each has its own, joined by a veth pair.
    Veth,
    /// Each has its own, and a bridge stands between them.
    Bridge,
}

/// What the client's and the server's sockets speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4 sockets.
    V4,
    /// IPv6 sockets.
    V6,
    /// IPv6 sockets with IPv4-mapped addresses.
    Mapped,
}

/// A client's namespace and a server's, with the recorder's view of both.
pub struct Site {
    client: TestNamespace,
    far: Option<TestNamespace>,
    /// Where the bridge is, held for its sake.
    _between: Option<TestNamespace>,
    family: Family,
    client_address: IpAddr,
    server_address: IpAddr,
    udp_by_packets: bool,
}

/// What a recording must hold of a site, and nothing else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// Outcomes of the client's end.
    pub client: Outcomes,
    /// Outcomes of the server's end.
    pub server: Outcomes,
}

impl Expected {
    /// Connections that stand at both ends.
    #[must_use]
    pub fn standing(count: u64) -> Self {
        Self {
            client: Outcomes { connected: count, ..Outcomes::default() },
            server: Outcomes { accepted: count, ..Outcomes::default() },
        }
    }

    /// One attempt that failed with `error`.
    #[must_use]
    pub fn failed(error: u16) -> Self {
        Self::client(Outcomes { failed: [(error, 1)].into(), ..Outcomes::default() })
    }

    /// Only the client knows of it.
    #[must_use]
    pub fn client(client: Outcomes) -> Self {
        Self { client, server: Outcomes::default() }
    }
}

impl Site {
    /// Makes it.
    #[must_use]
    pub fn new(link: Link, family: Family) -> Self {
        let client = TestNamespace::new("client");
        let [near, remote]: [IpAddr; 2] = match (link, family) {
            (Link::Loopback, Family::V6) => [Ipv6Addr::LOCALHOST.into(); 2],
            (Link::Loopback, _) => [Ipv4Addr::LOCALHOST.into(); 2],
            (_, Family::V6) => ["fd00:7::1", "fd00:7::2"].map(|text| text.parse().expect("IPv6")),
            _ => [[10, 77, 0, 1], [10, 77, 0, 2]].map(IpAddr::from),
        };
        let length = if family == Family::V6 { 64 } else { 24 };
        let [own, other] = [near, remote].map(|address| format!("{address}/{length}"));
        let far = (link != Link::Loopback).then(|| TestNamespace::new("server"));
        let between = match (&far, link) {
            (Some(far), Link::Bridge) => Some(bridge("v0", (&client, &own), (far, &other))),
            (Some(far), _) => {
                join("v0", (&client, &own), (far, &other));
                None
            }
            _ => None,
        };
        Self {
            client,
            far,
            _between: between,
            family,
            client_address: near,
            server_address: remote,
            udp_by_packets: false,
        }
    }

    /// The same, whose recorder shows UDP by packets.
    #[must_use]
    pub fn by_packets(self) -> Self {
        Self { udp_by_packets: true, ..self }
    }

    /// Whether UDP is shown by calls here, and not by packets.
    ///
    /// # Panics
    ///
    /// When the kernel has no BTF.
    #[must_use]
    pub fn shows_calls(&self) -> bool {
        let types = KernelTypes::of_running_kernel().expect("the kernel has BTF");
        !self.udp_by_packets && types.has_tracepoint("sock_send_length")
    }

    /// The client's namespace.
    #[must_use]
    pub fn client(&self) -> &TestNamespace {
        &self.client
    }

    /// The server's namespace.
    #[must_use]
    pub fn server(&self) -> &TestNamespace {
        self.far.as_ref().unwrap_or(&self.client)
    }

    /// The server's port as the client dials it.
    #[must_use]
    pub fn to(&self, port: u16) -> SocketAddr {
        (dial::as_dialled(self.server_address, self.family == Family::Mapped), port).into()
    }

    /// The client's own address as it would bind it.
    #[must_use]
    pub fn from(&self, port: u16) -> SocketAddr {
        (dial::as_dialled(self.client_address, self.family == Family::Mapped), port).into()
    }

    /// Listens at the server, at any port if `port` is 0.
    ///
    /// # Panics
    ///
    /// When the port is taken.
    #[must_use]
    pub fn listen_at(&self, port: u16) -> Socket {
        self.server().run(|| listen(self.family, self.server_address, port, None, false))
    }

    /// Likewise, a port that several listeners share (`SO_REUSEPORT`).
    #[must_use]
    pub fn listen_reusing_port(&self, port: u16) -> Socket {
        self.server().run(|| listen(self.family, self.server_address, port, None, true))
    }

    /// Listens at any port; the port too.
    #[must_use]
    pub fn listen(&self) -> (Socket, u16) {
        let listener = self.listen_at(0);
        let port = dial::port_of(&listener);
        (listener, port)
    }

    /// A listener that asks for another protocol of the kernel, such as MPTCP.
    #[must_use]
    pub fn listen_with(&self, protocol: Protocol) -> (Socket, u16) {
        let listener =
            self.server().run(|| listen(self.family, self.server_address, 0, Some(protocol), false));
        let port = dial::port_of(&listener);
        (listener, port)
    }

    /// A UDP socket of the server, bound to a port that it chose, as servers do; the port too.
    ///
    /// # Panics
    ///
    /// When the kernel has none left.
    #[must_use]
    pub fn serve(&self) -> (Socket, u16) {
        // Below the range from which the kernel chooses (`net.ipv4.ip_local_port_range`), and each only once: a process that
        // is being started holds a socket for a moment after it was closed.
        static NEXT: AtomicU16 = AtomicU16::new(10_000);
        let port = NEXT.fetch_add(1, Ordering::Relaxed);
        let socket =
            self.server().run(|| bound(self.family, self.server_address, port, Type::DGRAM, None, false));
        socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
        (socket, port)
    }

    /// A UDP socket of the client, unbound and unconnected.
    ///
    /// # Panics
    ///
    /// When the kernel has none left.
    #[must_use]
    pub fn datagram_socket(&self) -> Socket {
        let socket = self.client.run(|| Socket::new(domain(self.family), Type::DGRAM, None));
        let socket = socket.expect("a socket");
        socket.set_read_timeout(Some(PATIENCE)).expect("a fresh socket");
        socket
    }

    /// A listener that never answers: the route of its answers is a black hole. The client's SYN is lost.
    ///
    /// # Panics
    ///
    /// When `ip` fails.
    #[must_use]
    pub fn listen_in_silence(&self) -> (Socket, u16) {
        let (listener, port) = self.listen();
        self.rule(self.server(), "add", &["sport", &port.to_string(), "blackhole"]);
        (listener, port)
    }

    /// Lets the answers through again.
    pub fn end_silence(&self, port: u16) {
        self.rule(self.server(), "delete", &["sport", &port.to_string(), "blackhole"]);
    }

    /// Leaves the client without a route to a port of the server.
    ///
    /// # Panics
    ///
    /// When `ip` fails.
    pub fn prohibit(&self, port: u16) {
        self.rule(&self.client, "add", &["dport", &port.to_string(), "prohibit"]);
    }

    /// Gives it the route again.
    pub fn permit(&self, port: u16) {
        self.rule(&self.client, "delete", &["dport", &port.to_string(), "prohibit"]);
    }

    /// Leaves the client without a route for datagrams to a port of the server.
    ///
    /// # Panics
    ///
    /// When `ip` fails.
    pub fn prohibit_datagrams(&self, port: u16) {
        self.rule_of("udp", &self.client, "add", &["dport", &port.to_string(), "prohibit"]);
    }

    /// Adds or deletes a rule for TCP that comes before all other routing.
    fn rule(&self, namespace: &TestNamespace, change: &str, rule: &[&str]) {
        self.rule_of("tcp", namespace, change, rule);
    }

    fn rule_of(&self, protocol: &str, namespace: &TestNamespace, change: &str, rule: &[&str]) {
        let family = if self.family == Family::V6 { "-6" } else { "-4" };
        // The rule for local addresses is the first by default, and there is no place before it.
        if !namespace.ip(&[family, "rule", "show", "pref", "0"]).is_empty() {
            namespace.ip(&[family, "rule", "add", "pref", "100", "lookup", "local"]);
            namespace.ip(&[family, "rule", "delete", "pref", "0"]);
        }
        namespace.ip(&[&[family, "rule", change, "pref", "10", "ipproto", protocol], rule].concat());
    }

    /// Runs `work` as the client: in its namespace, on a thread that is named [`CLIENT`].
    ///
    /// # Panics
    ///
    /// When `work` does.
    pub fn dial<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.client.run(|| dial::named(CLIENT, work))
    }

    /// A recorder of this site alone.
    #[must_use]
    pub fn record(&self) -> Recorder {
        self.record_with(&[])
    }

    /// The same with further arguments.
    #[must_use]
    pub fn record_with(&self, further: &[&str]) -> Recorder {
        let paths: Vec<String> = [Some(&self.client), self.far.as_ref()]
            .into_iter()
            .flatten()
            .map(|one| one.path().display().to_string())
            .collect();
        let mut arguments: Vec<&str> = paths.iter().flat_map(|path| ["--netns", path]).collect();
        arguments.extend(self.udp_by_packets.then_some("--udp-by-packets"));
        arguments.extend(further);
        Recorder::start(&arguments)
    }

    /// Ends the recording and holds it against what must be in it; the processes of the client's flows.
    ///
    /// # Panics
    ///
    /// When it holds anything else.
    pub fn check(&self, recorder: Recorder, port: u16, expected: &Expected) -> Vec<ProcessSeen> {
        let window = recorder.finish();
        unseen::must_not_be(port);
        assert_eq!(window.coverage.lost_total(), 0, "{window:#?}");
        assert_eq!(window.coverage.gaps(), Vec::new());
        self.check_window(&window, port, expected)
    }

    /// Like [`Self::check`], for a window that is closed already.
    ///
    /// # Panics
    ///
    /// As [`Self::check`].
    pub fn check_window(&self, window: &Window, port: u16, expected: &Expected) -> Vec<ProcessSeen> {
        let mut seen = Expected::default();
        let mut processes = Vec::new();
        for flow in &window.flows {
            assert_eq!(flow.key.port, port, "a flow that nobody made: {flow:?}");
            match flow.key.direction {
                Direction::Inbound => {
                    self.check_server_end(flow);
                    seen.server.add(&flow.outcomes);
                }
                Direction::Outbound | Direction::Unknown => {
                    self.check_client_end(flow);
                    seen.client.add(&flow.outcomes);
                    processes.extend(flow.processes.iter().cloned());
                }
            }
        }
        assert_eq!(&seen, expected, "{:#?}", window.flows);
        processes
    }

    fn check_client_end(&self, flow: &Flow) {
        assert_eq!(flow.key.remote, self.server_address, "{flow:?}");
        // An attempt that never got a route or a port may have no address of its own.
        if !flow.key.local.is_unspecified() {
            assert_eq!(flow.key.local, self.client_address, "{flow:?}");
        } else {
            assert_eq!(flow.outcomes.succeeded(), 0, "{flow:?}");
        }
        assert_eq!(flow.key.workload.netns, self.name_of(&self.client), "{flow:?}");
    }

    fn check_server_end(&self, flow: &Flow) {
        assert_eq!((flow.key.local, flow.key.remote), (self.server_address, self.client_address), "{flow:?}");
        assert_eq!(flow.key.workload.netns, self.name_of(self.server()), "{flow:?}");
    }

    /// A single watched namespace counts as the node's own.
    fn name_of(&self, namespace: &TestNamespace) -> Option<Arc<str>> {
        self.far.as_ref().map(|_| namespace.name().into())
    }

    /// Bind mounts of both namespaces, for the recorder's arguments.
    #[must_use]
    pub fn paths(&self) -> [PathBuf; 2] {
        [self.client.path(), self.server().path()]
    }
}

fn domain(family: Family) -> Domain {
    if family == Family::V4 { Domain::IPV4 } else { Domain::IPV6 }
}

fn listen(family: Family, address: IpAddr, port: u16, protocol: Option<Protocol>, shared: bool) -> Socket {
    let socket = bound(family, address, port, Type::STREAM, protocol, shared);
    socket.listen(1024).expect("a bound socket");
    socket
}

fn bound(
    family: Family,
    address: IpAddr,
    port: u16,
    kind: Type,
    protocol: Option<Protocol>,
    shared: bool,
) -> Socket {
    // A wildcard socket that takes both, as most servers have.
    let address = if family == Family::Mapped { Ipv6Addr::UNSPECIFIED.into() } else { address };
    let socket = Socket::new(domain(family), kind, protocol).expect("a socket");
    if family == Family::Mapped {
        socket.set_only_v6(false).expect("a fresh socket");
    }
    // Of UDP two sockets would then have one port.
    socket.set_reuse_address(kind == Type::STREAM).expect("a fresh socket");
    socket.set_reuse_port(shared).expect("a fresh socket");
    socket.bind(&SocketAddr::from((address, port)).into()).expect("the port is free");
    socket
}
