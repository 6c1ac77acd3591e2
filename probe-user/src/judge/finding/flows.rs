//! Flows that no row allows: one finding for a workload, a peer and a port.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use super::{Finding, FindingKind, Severity};
use crate::{
    event::Protocol,
    flow::{Direction, Outcomes},
    judge::{Observation, ObservedEnd, verdict::FlowVerdict},
    matching::{NearMiss, Placed, Placement, Reader, Rows},
    workload,
};

/// Flows of one workload to one peer that no row allows.
#[derive(Clone, Debug, PartialEq)]
pub struct UndeclaredFlow {
    /// Where both ends are.
    pub placement: Placement,
    /// Where the server is behind a translation, if a watched node translates it.
    pub behind: Option<Placed>,
    /// Stable name of the connecting workload, where its end was seen.
    pub workload: Option<String>,
    /// The server's port.
    pub port: u16,
    /// The transport.
    pub protocol: Protocol,
    /// How the connecting end fared.
    pub client: Outcomes,
    /// What the listening end took.
    pub server: Outcomes,
    /// Connections that stood.
    pub connections: u64,
    /// Servers' addresses and ports as their clients know them, and as they are behind a translation on a watched node.
    pub translations: BTreeSet<[(IpAddr, u16); 2]>,
    /// Whether the same connections were seen at both ends.
    pub both_ends: bool,
    /// Names of the processes that connected, sorted.
    pub processes: Vec<String>,
    /// Connections whose process is not known, because they were folded while the rings to user space were full.
    pub folded: u64,
    /// Nodes that reported it, `cluster/node`, sorted.
    pub nodes: Vec<String>,
    /// Wall-clock time of the first and last fact, nanoseconds since the Unix epoch.
    pub seen: (i64, i64),
    /// Every connection is older than the audit and no listener says which end connected.
    pub direction_unknown: bool,
    /// The row that it almost fits.
    pub near_miss: Option<NearMiss>,
}

impl UndeclaredFlow {
    /// Whether it is made of datagrams.
    #[must_use]
    pub fn is_udp(&self) -> bool {
        self.protocol == Protocol::Udp
    }
}

/// Source, workload, peer and port.
type Identity = [String; 4];

/// Boxed: they are many, and large.
type Grouped = BTreeMap<Identity, Box<UndeclaredFlow>>;

/// What the undeclared flows give: one finding for a workload, a peer and a port, however many nodes saw it.
pub(in crate::judge) fn of_flows(
    rows: &Rows,
    reader: &mut Reader,
    observations: &[Observation<'_>],
    verdicts: &[FlowVerdict],
) -> Vec<Finding> {
    let mut grouped: Grouped = BTreeMap::new();
    for (observation, verdict) in observations.iter().zip(verdicts) {
        if *verdict != FlowVerdict::Undeclared {
            continue;
        }
        let Some(flow) = undeclared(rows, reader, observation) else { continue };
        let key = identity(&flow);
        match grouped.get_mut(&key) {
            Some(known) => merge(known, flow),
            None => {
                grouped.insert(key, Box::new(flow));
            }
        }
    }
    let grouped = adopt_arrivals(grouped);
    let finding = |(key, flow): (Identity, Box<UndeclaredFlow>)| {
        let severity = severity(&flow);
        let parts: Vec<&str> = key.iter().map(String::as_str).collect();
        Finding::new(FindingKind::Undeclared(flow), severity, &parts)
    };
    grouped.into_iter().map(finding).collect()
}

/// Arrivals that no recorded workload made go to the one that made others like them, if it is only one.
fn adopt_arrivals(mut grouped: Grouped) -> Grouped {
    let is_orphan = |flow: &UndeclaredFlow| flow.client == Outcomes::default();
    let mut alike: BTreeMap<[&str; 3], Vec<&Identity>> = BTreeMap::new();
    for key @ [source, _, peer, port] in grouped.keys() {
        alike.entry([source, peer, port]).or_default().push(key);
    }
    let adopted = alike.into_values().filter_map(|keys| match keys[..] {
        [one, other] if is_orphan(&grouped[one]) => Some([one.clone(), other.clone()]),
        [other, one] if is_orphan(&grouped[one]) => Some([one.clone(), other.clone()]),
        _ => None,
    });
    for [orphan, maker] in adopted.collect::<Vec<_>>() {
        if let Some(flow) = grouped.remove(&orphan)
            && let Some(known) = grouped.get_mut(&maker)
        {
            merge(known, *flow);
        }
    }
    grouped
}

fn undeclared(rows: &Rows, reader: &mut Reader, observation: &Observation<'_>) -> Option<UndeclaredFlow> {
    let end = observation.ends().next()?;
    let tuple = end.as_its_client_came();
    let clients = || observation.clients.iter();
    let names = |end: &ObservedEnd<'_>| format!("{}/{}", end.window.cluster, end.window.node);
    let processes = clients().flat_map(|end| &end.flow.processes).map(|process| process.command.clone());
    Some(UndeclaredFlow {
        placement: rows.place(&tuple),
        behind: observation.clients.iter().find_map(|end| Some(rows.place(&end.beyond().next()?).server)),
        workload: clients()
            .find_map(|end| end.flow.key.workload.cgroup.as_deref())
            .map(workload::stable_name),
        port: tuple.port,
        protocol: tuple.protocol,
        client: observation.client_outcomes(),
        server: observation.server_outcomes(),
        connections: observation.succeeded(),
        translations: observation.ends().filter_map(ObservedEnd::translation).collect(),
        both_ends: observation.both_ends(),
        processes: sorted(processes),
        folded: clients().map(|end| end.flow.folded).sum(),
        nodes: sorted(observation.ends().map(names)),
        seen: observation.seen(),
        direction_unknown: observation.ends().all(|end| end.flow.key.direction == Direction::Unknown),
        near_miss: reader.nearest(&tuple),
    })
}

/// Never a process id, cookie, container id or time. A client outside of every cluster counts by its block.
fn identity(flow: &UndeclaredFlow) -> Identity {
    let Placement { client, server } = &flow.placement;
    let source = client.cluster.clone().unwrap_or_else(|| client.label());
    let workload = flow.workload.clone().unwrap_or_default();
    let peer = match (&server.cluster, server.names.first()) {
        (_, Some(name)) => name.to_string(),
        (Some(cluster), None) => cluster.clone(),
        (None, None) => server.address.to_string(),
    };
    [source, workload, peer, format!("{}/{}", flow.port, flow.protocol)]
}

fn merge(known: &mut UndeclaredFlow, other: UndeclaredFlow) {
    known.client.add(&other.client);
    known.server.add(&other.server);
    // One end alone saw some of them, and the other end some: they may be the same.
    known.connections = known.client.succeeded().max(known.server.succeeded());
    known.both_ends |= other.both_ends;
    known.translations.extend(other.translations);
    known.processes = sorted(known.processes.drain(..).chain(other.processes));
    known.folded = known.folded.saturating_add(other.folded);
    known.nodes = sorted(known.nodes.drain(..).chain(other.nodes));
    known.direction_unknown &= other.direction_unknown;
    known.seen = (known.seen.0.min(other.seen.0), known.seen.1.max(other.seen.1));
}

/// Each once. Most flows have one: a set of its own would be ten times as large.
fn sorted(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut names: Vec<String> = names.collect();
    names.sort_unstable();
    names.dedup();
    names.shrink_to_fit();
    names
}

/// Whether no router passes it on: broadcast, and multicast of the link (RFC 919, 7; RFC 5771, 4; RFC 4291, 2.7).
fn stays_on_link(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_broadcast() || matches!(address.octets(), [224, 0, 0, _]),
        IpAddr::V6(address) => matches!(address.octets(), [0xff, flags, ..] if flags & 0xf <= 2),
    }
}

fn severity(flow: &UndeclaredFlow) -> Severity {
    let Placement { client, server } = &flow.placement;
    let server = flow.behind.as_ref().unwrap_or(server);
    let inside =
        (client.cluster.is_some() && client.cluster == server.cluster) || stays_on_link(server.address);
    match (flow.connections > 0 || flow.client.unreplied > 0, inside) {
        (false, _) => Severity::Low,
        (true, true) => Severity::Medium,
        // Nobody can say that it came from outside.
        (true, false) if client.address.is_unspecified() => Severity::Medium,
        (true, false) => Severity::High,
    }
}
