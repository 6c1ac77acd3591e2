//! A first matrix from what was observed, for a team that has no document yet.
//!
//! Flows are folded as a person would write them: an end is an endpoint of the inventory, a role or a cluster, and a bare
//! address only where nothing names it. Every row is to be reviewed: what happened is not yet what was allowed.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{Placed, Rows, Tuple};
use crate::event::Protocol;
use crate::flow::{Direction, Flow, Window};
use crate::matrix::inventory::Inventory;
use crate::matrix::{EndpointName, Expect, Matrix, PortSpec, Ports, Row, ids};

/// More ports between two ends are written as ranges from the lowest to the highest of those that lie close.
const PORTS: usize = 8;
/// Ports at most so far apart are close.
const CLOSE: u16 = 64;
/// More nameless addresses that one end connects to on a port are anybody.
const ADDRESSES: usize = 16;

/// What is known of the flows between two ends.
#[derive(Clone, Debug, Default)]
struct Seen {
    ports: BTreeSet<(Protocol, u16)>,
    connections: u64,
    unsuccessful: u64,
    first: Option<i64>,
    last: Option<i64>,
    commands: BTreeSet<String>,
    is_uncertain: bool,
}

/// The matrix that the flows of some windows would need. What the baseline covers, and what stays within a cluster and
/// names no endpoint of it, is left out.
#[must_use]
pub fn draft(name: &str, windows: &[Window], inventory: &Inventory, baseline: &Rows) -> Matrix {
    let rows = Rows::new(&[], inventory);
    let mut draft = Draft::default();
    for (window, flow) in
        windows.iter().flat_map(|window| window.flows.iter().map(move |flow| (window, flow)))
    {
        let tuple = Tuple::of(window, flow);
        let mut covered = Vec::new();
        super::Matcher::matches(baseline, &tuple, &mut covered);
        let placement = rows.place(&tuple);
        let (from, to) = (called(&placement.client, inventory), called(&placement.server, inventory));
        let is_inner =
            placement.client.cluster.is_some() && placement.client.cluster == placement.server.cluster;
        let names_somebody =
            [&placement.client, &placement.server].into_iter().any(|end| end.endpoint().is_some());
        if !covered.is_empty() || (is_inner && !names_somebody) {
            continue;
        }
        draft.add((from, to), flow);
    }
    draft.matrix(name)
}

/// A matrix as it grows, flow by flow.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    pairs: Pairs,
}

impl Draft {
    /// Adds a flow from one end to another.
    pub fn add(&mut self, ends: (EndpointName, EndpointName), flow: &Flow) {
        self.pairs.entry(ends).or_default().add(flow);
    }

    /// The rows of all that was added, as a person would write them: many strangers are anybody, many ports are ranges.
    #[must_use]
    pub fn matrix(self, name: &str) -> Matrix {
        Self::rows(name, folded(self.pairs), PORTS)
    }

    /// The rows of all that was added, each address and port by itself: whoever approves one approves nothing else.
    #[must_use]
    pub fn list(self, name: &str) -> Matrix {
        Self::rows(name, self.pairs, usize::MAX)
    }

    fn rows(name: &str, pairs: Pairs, single: usize) -> Matrix {
        let mut rows: Vec<Row> =
            pairs.into_iter().map(|((from, to), seen)| row(from, to, &seen, single)).collect();
        ids::give(&mut rows);
        Matrix { name: name.to_owned(), file: String::new(), digest: String::new(), rows }
    }
}

/// The name that a person would write.
#[must_use]
pub fn called(placed: &Placed, inventory: &Inventory) -> EndpointName {
    let role = |cluster: &String| inventory.clusters.get(cluster).and_then(|entry| entry.role.clone());
    match (placed.endpoint(), &placed.cluster) {
        (Some(name), _) => name.clone(),
        (None, Some(cluster)) => EndpointName::new(&role(cluster).unwrap_or_else(|| cluster.clone())),
        (None, None) => EndpointName::new(&placed.address.to_string()),
    }
}

impl Seen {
    fn add(&mut self, flow: &Flow) {
        self.ports.insert((flow.key.protocol, flow.key.port));
        self.connections = self.connections.saturating_add(flow.outcomes.succeeded());
        self.unsuccessful = self.unsuccessful.saturating_add(flow.outcomes.unsuccessful());
        self.first = Some(self.first.map_or(flow.first_seen, |first| first.min(flow.first_seen)));
        self.last = Some(self.last.map_or(flow.last_seen, |last| last.max(flow.last_seen)));
        self.commands.extend(flow.processes.iter().map(|process| process.command.clone()));
        self.is_uncertain |= flow.key.direction == Direction::Unknown;
    }

    fn merge(&mut self, other: Self) {
        self.ports.extend(other.ports);
        self.connections = self.connections.saturating_add(other.connections);
        self.unsuccessful = self.unsuccessful.saturating_add(other.unsuccessful);
        self.first = self.first.into_iter().chain(other.first).min();
        self.last = self.last.into_iter().chain(other.last).max();
        self.commands.extend(other.commands);
        self.is_uncertain |= other.is_uncertain;
    }
}

type Pairs = BTreeMap<(EndpointName, EndpointName), Seen>;

/// Many nameless destinations of one source are anybody; nobody would write them down.
fn folded(pairs: Pairs) -> Pairs {
    let is_address = |name: &EndpointName| name.as_str().parse::<std::net::IpAddr>().is_ok();
    let mut strangers: BTreeMap<EndpointName, usize> = BTreeMap::new();
    for (from, _) in pairs.keys().filter(|(_, to)| is_address(to)) {
        *strangers.entry(from.clone()).or_insert(0) += 1;
    }
    let mut folded = Pairs::new();
    for ((from, to), seen) in pairs {
        let is_many = is_address(&to) && strangers.get(&from).is_some_and(|count| *count > ADDRESSES);
        let to = if is_many { EndpointName::new("any") } else { to };
        folded.entry((from, to)).or_default().merge(seen);
    }
    folded
}

/// Up to so many `single` ports are written one by one.
fn row(from: EndpointName, to: EndpointName, seen: &Seen, single: usize) -> Row {
    let mut doubts = vec!["observed and not yet declared by anybody".to_owned()];
    if seen.connections == 0 {
        doubts.push("no attempt succeeded".to_owned());
    }
    if seen.is_uncertain {
        doubts.push(
            "some connections were older than the recording, and nothing tells who made them".to_owned(),
        );
    }
    let (from, to) = (vec![from], vec![to]);
    Row {
        id: ids::between(&from, &to),
        component: None,
        components: Vec::new(),
        from,
        to,
        ports: ports(&seen.ports, single),
        each_port: false,
        app: None,
        expect: Expect::Optional,
        purpose: None,
        source: None,
        review: true,
        doubts,
        notes: Some(notes(seen)),
        line: 0,
    }
}

fn notes(seen: &Seen) -> String {
    let time = |nanoseconds: Option<i64>| {
        let time = nanoseconds.and_then(|time| Timestamp::from_nanosecond(time.into()).ok());
        time.map_or_else(|| "unknown".to_owned(), |time| format!("{time:.0}"))
    };
    let mut notes =
        format!("{} connections, first {}, last {}", seen.connections, time(seen.first), time(seen.last));
    if seen.unsuccessful > 0 {
        notes += &format!("; {} attempts without success", seen.unsuccessful);
    }
    if !seen.commands.is_empty() {
        notes += &format!("; by {}", seen.commands.iter().cloned().collect::<Vec<_>>().join(", "));
    }
    notes
}

fn ports(seen: &BTreeSet<(Protocol, u16)>, single: usize) -> Vec<PortSpec> {
    let mut ranges: Vec<(Protocol, u16, u16)> = Vec::new();
    for (protocol, port) in seen {
        match ranges.last_mut() {
            Some((same, _, last)) if same == protocol && seen.len() > single && *port - *last <= CLOSE => {
                *last = *port
            }
            _ => ranges.push((*protocol, *port, *port)),
        }
    }
    let spec = |(protocol, first, last)| match protocol {
        Protocol::Icmp => PortSpec { ports: Ports::None, protocol: Some(protocol) },
        protocol => PortSpec { ports: Ports::Range { first, last }, protocol: Some(protocol) },
    };
    ranges.into_iter().map(spec).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{Coverage, FlowKey, Outcomes, Workload};
    use crate::matrix::read_inventory;

    const INVENTORY: &str = "apiVersion: flowdrift/v1\nkind: Inventory\nclusters:\n  run-eu: {role: run, nodes: {n1: 10.0.0.1}, pods: [192.168.0.0/16]}\n\
                             endpoints:\n  git: {cidrs: [192.0.2.7]}\n  db: {cluster: run-eu, cidrs: [192.168.0.40], ports: {5432: [5432]}}\n";

    fn flow(local: &str, remote: &str, port: u16, connected: u64) -> Flow {
        let address = |text: &str| text.parse().expect("an address");
        let key = FlowKey {
            translated: None,
            workload: Workload::default(),
            direction: Direction::Outbound,
            local: address(local),
            remote: address(remote),
            port,
            protocol: Protocol::Tcp,
        };
        let outcomes = Outcomes { connected, unanswered: u64::from(connected == 0), ..Outcomes::default() };
        Flow {
            key,
            outcomes,
            first_seen: 1_000_000_000,
            last_seen: 2_000_000_000,
            processes: Vec::new(),
            folded: 0,
        }
    }

    fn drafted(flows: Vec<Flow>) -> Vec<String> {
        let inventory = read_inventory(INVENTORY, "i").expect("an inventory");
        let window = Window {
            cluster: "run-eu".to_owned(),
            node: "n1".to_owned(),
            start: 0,
            end: 3_000_000_000,
            coverage: Coverage::default(),
            flows,
        };
        let matrix = draft("m", &[window], &inventory, &Rows::new(&[], &inventory));
        let ports = |row: &Row| row.ports.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        matrix
            .rows
            .iter()
            .map(|row| {
                format!(
                    "{} {} {} | {}",
                    row.from[0],
                    row.to[0],
                    ports(row),
                    row.notes.clone().unwrap_or_default()
                )
            })
            .collect()
    }

    #[test]
    fn ends_have_the_names_that_a_person_would_write() {
        assert_eq!(
            drafted(vec![
                flow("192.168.0.9", "192.0.2.7", 443, 3),
                flow("10.0.0.1", "192.0.2.7", 22, 1),
                flow("192.168.0.9", "192.168.0.40", 5432, 2),
                flow("192.168.0.9", "192.168.0.41", 8080, 2),
                flow("192.168.0.9", "198.51.100.4", 25, 0),
            ]),
            [
                "run 198.51.100.4 25/tcp | 0 connections, first 1970-01-01T00:00:01Z, last 1970-01-01T00:00:02Z; 1 attempts without success",
                "run db 5432/tcp | 2 connections, first 1970-01-01T00:00:01Z, last 1970-01-01T00:00:02Z",
                "run git 22/tcp 443/tcp | 4 connections, first 1970-01-01T00:00:01Z, last 1970-01-01T00:00:02Z",
            ]
        );
    }

    #[test]
    fn many_strangers_are_anybody_and_many_ports_are_ranges() {
        let strangers =
            (1..=20).map(|last| flow("192.168.0.9", &format!("198.51.100.{last}"), 443, 1)).collect();
        assert_eq!(
            drafted(strangers)
                .iter()
                .map(|row| row.split(" |").next().unwrap_or_default().to_owned())
                .collect::<Vec<_>>(),
            ["run any 443/tcp"]
        );
        let ports = (0..20)
            .map(|step| flow("192.168.0.9", "192.0.2.7", 30_000 + step * 10, 1))
            .chain([flow("192.168.0.9", "192.0.2.7", 443, 1)])
            .collect();
        assert!(drafted(ports)[0].starts_with("run git 443/tcp 30000-30190/tcp |"));
    }
}
