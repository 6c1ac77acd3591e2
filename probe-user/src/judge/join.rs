//! The two ends of one connection, where addresses allow to say that they are.

use std::net::IpAddr;

use crate::{
    event::{Face, Protocol},
    flow::{Direction, Flow, Outcomes, Window, Workload},
    matching::Tuple,
    matrix::inventory::Inventory,
};

/// One end of a connection, as its node reported it.
#[derive(Clone, Copy, Debug)]
pub struct ObservedEnd<'a> {
    /// The node's window.
    pub window: &'a Window,
    /// The flow.
    pub flow: &'a Flow,
}

impl<'a> ObservedEnd<'a> {
    /// What the matcher takes.
    #[must_use]
    pub fn tuple(&self) -> Tuple<'a> {
        Tuple::of(self.window, self.flow)
    }
}

impl<'a> ObservedEnd<'a> {
    /// The same beyond its node's translations: as it goes on, or as it came, with its own address and with the one that
    /// the client was told. Nothing where the node translates nothing.
    pub(super) fn beyond(&self) -> impl Iterator<Item = Tuple<'a>> + use<'a> {
        let own = self.tuple();
        let tuples = self.flow.key.translated.map(|Face { client, server, port }| match own.direction {
            Direction::Inbound => {
                [Tuple { remote: client, ..own }, Tuple { remote: client, local: server, port, ..own }]
            }
            Direction::Outbound | Direction::Unknown => [Tuple { remote: server, port, ..own }; 2],
        });
        tuples.into_iter().flatten()
    }

    /// As its node saw it, and beyond the translations.
    pub(super) fn tuples(&self) -> impl Iterator<Item = Tuple<'a>> + use<'a> {
        std::iter::once(self.tuple()).chain(self.beyond())
    }

    /// With the client as it was before it was translated here.
    pub(super) fn as_its_client_came(&self) -> Tuple<'a> {
        let own = self.tuple();
        match (self.flow.key.translated, own.direction) {
            (Some(face), Direction::Inbound) => Tuple { remote: face.client, ..own },
            _ => own,
        }
    }

    /// The server's address and port here, and on the other side where they differ there.
    pub(super) fn translation(&self) -> Option<[(IpAddr, u16); 2]> {
        let key = &self.flow.key;
        let face = key.translated?;
        let server = if key.direction == Direction::Inbound { key.local } else { key.remote };
        let (here, there) = ((server, key.port), (face.server, face.port));
        // In the order of the packets.
        let pair = if key.direction == Direction::Inbound { [there, here] } else { [here, there] };
        (here != there).then_some(pair)
    }
}

/// One workload's connections to one address and server port, with those of the listening end that are theirs;
/// or what a listener took and no recorded workload made.
#[derive(Clone, Debug, Default)]
pub struct Observation<'a> {
    /// The connecting end: one workload, in one window or more.
    pub clients: Vec<ObservedEnd<'a>>,
    /// The listening end, where it took any of these connections.
    pub servers: Vec<ObservedEnd<'a>>,
    /// How many of these connections the listening end took.
    accepted: u64,
}

impl<'a> Observation<'a> {
    /// Both ends.
    pub fn ends(&self) -> impl Iterator<Item = &ObservedEnd<'a>> {
        self.clients.iter().chain(&self.servers)
    }

    /// What the connecting end saw, together.
    #[must_use]
    pub fn client_outcomes(&self) -> Outcomes {
        sum(&self.clients)
    }

    /// What the listening end saw of it.
    #[must_use]
    pub fn server_outcomes(&self) -> Outcomes {
        Outcomes { accepted: self.accepted, ..Outcomes::default() }
    }

    /// Whether the same connections were seen at both ends.
    #[must_use]
    pub fn both_ends(&self) -> bool {
        self.accepted > 0 && self.client_outcomes().passed() > 0
    }

    /// Connections that stood, each counted once though both ends saw it.
    #[must_use]
    pub fn succeeded(&self) -> u64 {
        self.client_outcomes().succeeded().max(self.server_outcomes().succeeded())
    }

    /// The same with datagrams that nobody answered.
    #[must_use]
    pub fn passed(&self) -> u64 {
        self.client_outcomes().passed().max(self.server_outcomes().passed())
    }

    /// Whether it is nothing but UDP sockets that are connected and were silent.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        let client = self.client_outcomes();
        client.silent > 0 && client.pending == 0 && self.passed() + client.unsuccessful() == 0
    }

    /// Wall-clock time of the first and last fact, nanoseconds since the Unix epoch.
    #[must_use]
    pub fn seen(&self) -> (i64, i64) {
        let first = self.ends().map(|end| end.flow.first_seen).min().unwrap_or(0);
        let last = self.ends().map(|end| end.flow.last_seen).max().unwrap_or(0);
        (first, last)
    }
}

fn sum(ends: &[ObservedEnd<'_>]) -> Outcomes {
    let mut sum = Outcomes::default();
    ends.iter().for_each(|end| sum.add(&end.flow.outcomes));
    sum
}

/// Where an address means one host: everywhere, in one cluster, or on one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Space<'a> {
    Everywhere,
    Cluster(&'a str),
    Node(&'a str, &'a str, Option<&'a str>),
}

type Key<'a> = ((Space<'a>, IpAddr), (Space<'a>, IpAddr), u16, Protocol);

/// An end that connected. By cluster, node and workload: several may share an address, and each answers for itself.
struct Client<'a> {
    key: Key<'a>,
    workload: (&'a str, &'a str, &'a Workload),
    end: ObservedEnd<'a>,
}

/// An end that listened.
struct Server<'a> {
    key: Key<'a>,
    end: ObservedEnd<'a>,
}

/// Joins what is one.
pub(super) fn observations<'a>(windows: &'a [Window], inventory: &'a Inventory) -> Vec<Observation<'a>> {
    let ends = || {
        windows.iter().flat_map(|window| window.flows.iter().map(move |flow| ObservedEnd { window, flow }))
    };
    let is_server = |end: &ObservedEnd<'_>| end.flow.key.direction == Direction::Inbound;
    let client = |end: ObservedEnd<'a>| Client {
        // As it goes on from this node: so it arrives, unless another translates it again.
        key: key(end, end.flow.key.translated, inventory),
        workload: (&end.window.cluster, &end.window.node, &end.flow.key.workload),
        end,
    };
    let mut clients: Vec<Client<'_>> = ends().filter(|end| !is_server(end)).map(client).collect();
    clients.sort_by(|left, right| (&left.key, left.workload).cmp(&(&right.key, right.workload)));
    let has_client = |key: &Key<'_>| clients.binary_search_by(|client| client.key.cmp(key)).is_ok();
    let server = |end: ObservedEnd<'a>| {
        let own = key(end, None, inventory);
        // As it came to this node, which may have translated it as well.
        let came = end.flow.key.translated.map(|face| key(end, Some(face), inventory));
        let key = came.filter(|came| !has_client(&own) && has_client(came)).unwrap_or(own);
        Server { key, end }
    };
    let mut servers: Vec<Server<'_>> = ends().filter(is_server).map(server).collect();
    servers.sort_by(|left, right| left.key.cmp(&right.key));
    let (mut clients, mut servers) = (clients.as_slice(), servers.as_slice());
    let mut observations = Vec::new();
    let firsts = |clients: &[Client<'a>], servers: &[Server<'a>]| {
        let keys = [clients.first().map(|client| client.key), servers.first().map(|server| server.key)];
        keys.into_iter().flatten().min()
    };
    while let Some(key) = firsts(clients, servers) {
        let of_clients = clients.partition_point(|client| client.key == key);
        let of_servers = servers.partition_point(|server| server.key == key);
        observe(&clients[..of_clients], &servers[..of_servers], &mut observations);
        (clients, servers) = (&clients[of_clients..], &servers[of_servers..]);
    }
    observations
}

/// Of both ends between two addresses: one observation for each workload, in their order, each with as many of the
/// listener's connections as it made and as are left; what is left of them at last is nobody's that was recorded.
fn observe<'a>(clients: &[Client<'a>], servers: &[Server<'a>], observations: &mut Vec<Observation<'a>>) {
    let ends = || servers.iter().map(|server| server.end).collect::<Vec<_>>();
    let mut left = sum(&ends()).succeeded();
    for clients in clients.chunk_by(|one, other| one.workload == other.workload) {
        let clients: Vec<ObservedEnd<'_>> = clients.iter().map(|client| client.end).collect();
        // What a listener took of datagrams that it did not answer, it took all the same.
        let accepted = left.min(sum(&clients).passed());
        left -= accepted;
        let servers = if accepted > 0 { ends() } else { Vec::new() };
        observations.push(Observation { clients, servers, accepted });
    }
    if left > 0 {
        observations.push(Observation { clients: Vec::new(), servers: ends(), accepted: left });
    }
}

/// Who connects to whom: as the end's socket shows it, or on the other side of a translation.
fn key<'a>(end: ObservedEnd<'a>, face: Option<Face>, inventory: &'a Inventory) -> Key<'a> {
    let key = &end.flow.key;
    let place = |address| (space(end, address, inventory), address);
    let (client, server) = match key.direction {
        Direction::Inbound => (key.remote, key.local),
        Direction::Outbound | Direction::Unknown => (key.local, key.remote),
    };
    let Face { client, server, port } = face.unwrap_or(Face { client, server, port: key.port });
    (place(client), place(server), port, key.protocol)
}

/// Invariant 6: what the reporting cluster's own blocks hold means nothing elsewhere.
fn space<'a>(end: ObservedEnd<'a>, address: IpAddr, inventory: &Inventory) -> Space<'a> {
    let ObservedEnd { window, flow } = end;
    let is_link_local = match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    if address.is_loopback() || is_link_local || address.is_unspecified() {
        return Space::Node(&window.cluster, &window.node, flow.key.workload.netns.as_deref());
    }
    let private = inventory.clusters.get(&window.cluster).is_some_and(|cluster| {
        let mut blocks = cluster.pods.iter().chain(&cluster.services);
        !cluster.routable && blocks.any(|block| block.contains(&address))
    });
    if private { Space::Cluster(&window.cluster) } else { Space::Everywhere }
}
