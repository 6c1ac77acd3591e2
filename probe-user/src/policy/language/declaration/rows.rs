//! From rules to rows: one for each source and destination, and a second one for what nobody declared between them.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    legend::{End, Ends},
    names::{Called, Names},
};
use crate::{
    event::Protocol,
    matrix::{EndpointName, Expect, Matrix, PortSpec, Ports, Row, ids},
    policy::{
        explain,
        gather::SubjectPolicy,
        passage::Standing,
        rule::{Evidence, PortRange, Rule},
    },
};

/// Source, destination, and whether somebody must still declare it.
type Key = (EndpointName, EndpointName, bool);

/// A cluster's rows as they grow, rule by rule.
pub(super) struct Draft<'a> {
    names: Names<'a>,
    rows: BTreeMap<Key, Told<'a>>,
}

/// What the rules tell of a row.
#[derive(Default)]
struct Told<'a> {
    ends: Ends<'a>,
    /// The servers' own.
    ports: BTreeSet<PortRange>,
    /// What clients ask for where that is another one.
    dialled: BTreeSet<PortRange>,
    /// By the client's rules and by the server's: both tell of the same connections.
    sides: [Evidence; 2],
    remarks: BTreeSet<String>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(names: Names<'a>) -> Self {
        Self { names, rows: BTreeMap::new() }
    }

    pub(super) fn add(&mut self, policy: &'a SubjectPolicy) {
        for rule in policy.ingress.iter().flatten() {
            self.add_rule(policy, rule, false);
        }
        for rule in policy.egress.iter().flatten().chain(&policy.own_nodes) {
            self.add_rule(policy, rule, true);
        }
    }

    fn add_rule(&mut self, policy: &'a SubjectPolicy, rule: &'a Rule, is_egress: bool) {
        let is_declared = is_declared(&rule.evidence);
        for other in self.names.peers(&rule.flow.peer, is_egress, is_declared) {
            let own = self.names.subject(&policy.subject);
            let ends = [End::of_subject(&policy.subject), End::of_peer(&rule.flow.peer)];
            let ((from, to), ends) =
                if is_egress { ((own, other), ends) } else { ((other, own), [ends[1], ends[0]]) };
            let told = self.add_between((from, to), rule, is_egress);
            told.ends.iter_mut().zip(ends).for_each(|(known, end)| known.extend([end]));
        }
    }

    fn add_between(
        &mut self,
        (from, to): (Called, Called),
        Rule { flow, evidence }: &Rule,
        is_egress: bool,
    ) -> &mut Told<'a> {
        let remark = |end: &str, called: &Called| {
            called.remark.as_ref().map(|remark| format!("{end} {}, {remark}", called.name))
        };
        let remarks = [remark("from", &from), remark("to", &to)];
        let dialled = evidence.dialled.iter().map(|(_, port)| single(flow.ports.protocol, *port));
        let dialled: Vec<PortRange> = dialled.collect();
        let told = self.rows.entry((from.name, to.name, !is_declared(evidence))).or_default();
        told.dialled.extend(dialled);
        told.ports.insert(flow.ports);
        told.sides[usize::from(is_egress)].add(evidence.clone());
        told.remarks.extend(remarks.into_iter().flatten());
        told
    }

    pub(super) fn matrix(self, cluster: &str) -> (Matrix, Vec<Ends<'a>>) {
        let Self { names, rows } = self;
        let with_ends = |(key, mut told): (Key, Told<'a>)| {
            let ends = std::mem::take(&mut told.ends);
            (told.row(&names, key), ends)
        };
        let (mut rows, ends): (Vec<Row>, Vec<Ends<'a>>) = rows.into_iter().map(with_ends).unzip();
        ids::give(&mut rows);
        let name = cluster.to_owned();
        (Matrix { name, file: String::new(), digest: String::new(), rows }, ends)
    }
}

/// An exception ends one day: what only it covers is declared by nobody.
fn is_declared(evidence: &Evidence) -> bool {
    evidence.standings.iter().all(|standing| matches!(standing, Standing::Declared | Standing::Baseline))
}

impl Told<'_> {
    fn row(self, names: &Names<'_>, (from, to, is_undeclared): Key) -> Row {
        let (evidence, ports) = (self.evidence(), self.ports(names, &to));
        let (from, to) = (vec![from], vec![to]);
        let doubt = is_undeclared.then(|| "observed and not yet declared by anybody".to_owned());
        let notes = [explain::evidence(&evidence)].into_iter().chain(self.remarks);
        Row {
            id: ids::between(&from, &to),
            component: None,
            components: Vec::new(),
            from,
            to,
            ports: merged(&ports).map(spec).collect(),
            each_port: false,
            app: evidence.app().map(str::to_owned),
            expect: Expect::Optional,
            purpose: None,
            source: None,
            review: is_undeclared,
            doubts: doubt.into_iter().collect(),
            notes: Some(notes.collect::<Vec<_>>().join("; ")),
            line: 0,
        }
    }

    /// As a row has them: what clients ask for, and a server's own port where the inventory does not say that the other leads
    /// to it.
    fn ports(&self, names: &Names<'_>, to: &EndpointName) -> BTreeSet<PortRange> {
        let is_said = |own: &PortRange| {
            let mut of_it = self.dialled.iter().filter(|asked| asked.protocol == own.protocol);
            own.first == own.last && of_it.any(|asked| names.is_led_to(to, own.first, asked.first))
        };
        let own = self.ports.iter().filter(|own| !is_said(own));
        own.chain(&self.dialled).copied().collect()
    }

    /// Of both sides; who saw more of the connections counts them, and the addresses are those of the client's other end.
    fn evidence(&self) -> Evidence {
        let [mut server, client] = self.sides.clone();
        let connections = server.connections.max(client.connections);
        if client.connections > 0 {
            server.addresses.clear();
        }
        let mut both = client;
        both.add(server);
        Evidence { connections, ..both }
    }
}

fn single(protocol: Protocol, port: u16) -> PortRange {
    PortRange { protocol, first: port, last: port }
}

/// Ranges that overlap or follow each other are one.
fn merged(ports: &BTreeSet<PortRange>) -> impl Iterator<Item = PortRange> {
    let mut merged: Vec<PortRange> = Vec::new();
    for range in ports {
        match merged.last_mut() {
            Some(last)
                if last.protocol == range.protocol && u32::from(range.first) <= u32::from(last.last) + 1 =>
            {
                last.last = last.last.max(range.last);
            }
            _ => merged.push(*range),
        }
    }
    merged.into_iter()
}

/// Port 0 is no port: a range that begins there begins at the first one.
fn spec(PortRange { protocol, first, last }: PortRange) -> PortSpec {
    let ports = match (protocol, first, last) {
        (Protocol::Icmp, ..) => Ports::None,
        (_, 0, u16::MAX) => Ports::Any,
        (..) => Ports::Range { first: first.max(1), last: last.max(1) },
    };
    PortSpec { ports, protocol: Some(protocol) }
}
