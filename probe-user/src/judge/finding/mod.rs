//! Verdicts that somebody must act on.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use super::{
    Case,
    join::Observation,
    row::RowResult,
    verdict::{FlowVerdict, Verdict},
    watch::Watches,
};
use crate::{
    event::Protocol,
    flow::{Direction, Outcomes},
    matching::{Matcher, NearMiss, Placement, Rows, Width},
    matrix::Expect,
    workload,
};

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Act now.
    High,
    /// Act.
    Medium,
    /// Know it.
    Low,
}

/// What was found. Indices are those of the judgement's rows, cells within their row, and exceptions.
#[derive(Clone, Debug, PartialEq)]
pub enum FindingKind {
    /// A cell that is missing.
    Missing(CellRef),
    /// A cell of which only attempts were seen.
    Failing(CellRef),
    /// A cell of which some attempts fail.
    Degraded(CellRef),
    /// A flow that no row allows.
    Undeclared(Box<UndeclaredFlow>),
    /// An exception that had expired when it was used.
    ExpiredException(usize),
    /// An exception that covered nothing.
    UnusedException(usize),
    /// A row so wide that it excuses what nobody else declares.
    Overbroad {
        /// The row.
        row: usize,
        /// Connections that it alone let through.
        connections: u64,
    },
}

/// A cell by its place in the rows' results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CellRef {
    /// Index of the row.
    pub row: usize,
    /// Index of the cell within the row's result.
    pub cell: usize,
}

impl FindingKind {
    /// Whether declaration and reality disagree by it.
    #[must_use]
    pub fn is_drift(&self) -> bool {
        !matches!(self, Self::UnusedException(_) | Self::Overbroad { .. })
    }

    /// The word of the reports.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Missing(_) => "missing",
            Self::Failing(_) => "failing",
            Self::Degraded(_) => "degraded",
            Self::Undeclared(_) => "undeclared",
            Self::ExpiredException(_) => "expired-exception",
            Self::UnusedException(_) => "unused-exception",
            Self::Overbroad { .. } => "overbroad",
        }
    }
}

/// Flows of one workload to one peer that no row allows.
#[derive(Clone, Debug, PartialEq)]
pub struct UndeclaredFlow {
    /// Where both ends are.
    pub placement: Placement,
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
    /// Names of the processes that connected.
    pub processes: BTreeSet<String>,
    /// Nodes that reported it, `cluster/node`.
    pub nodes: BTreeSet<String>,
    /// Wall-clock time of the first and last fact, nanoseconds since the Unix epoch.
    pub seen: (i64, i64),
    /// Every connection is older than the audit and no listener says which end connected.
    pub direction_unknown: bool,
    /// The row that it almost fits.
    pub near_miss: Option<NearMiss>,
}

/// Something to act on.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The same tomorrow: made of kind, row, cluster, workload, peer and port.
    pub id: String,
    /// What was found.
    pub kind: FindingKind,
    /// How much it matters.
    pub severity: Severity,
}

impl Finding {
    fn new(kind: FindingKind, severity: Severity, identity: &[&str]) -> Self {
        let mut hash = Sha256::new();
        hash.update(kind.word());
        for part in identity {
            // A separator that no part can hold.
            hash.update([0]);
            hash.update(part);
        }
        let id = hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        Self { id, kind, severity }
    }
}

/// Most severe first, then by id.
pub(super) fn sort(findings: &mut [Finding]) {
    findings.sort_by(|left, right| (left.severity, &left.id).cmp(&(right.severity, &right.id)));
}

/// What the rows give.
pub(super) fn of_rows(rows: &Rows, results: &[RowResult]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for result in results {
        let row = rows.row(result.row);
        let severity = if row.expect == Expect::Optional { Severity::Medium } else { Severity::High };
        for (index, cell) in result.cells.iter().enumerate() {
            let place = CellRef { row: result.row, cell: index };
            let kind = match cell.verdict {
                Verdict::Missing(_) => FindingKind::Missing(place),
                Verdict::Failing(_) => FindingKind::Failing(place),
                Verdict::Degraded => FindingKind::Degraded(place),
                _ => continue,
            };
            if is_repeated(rows, result, index) {
                continue;
            }
            let declared = &rows.cells()[cell.cell];
            let (source, destination) = (declared.source.to_string(), declared.destination.to_string());
            let identity = [row.id.as_str(), &source, &destination, &declared.port.to_string()];
            findings.push(Finding::new(kind, severity, &identity));
        }
    }
    findings
}

/// A row that asks for any of its ports is missing once between two ends, not once a port.
fn is_repeated(rows: &Rows, result: &RowResult, index: usize) -> bool {
    let cell = &result.cells[index];
    let ends = |cell: usize| (&rows.cells()[cell].source, &rows.cells()[cell].destination);
    let earlier = result.cells[..index].iter();
    matches!(cell.verdict, Verdict::Missing(_))
        && !rows.row(result.row).each_port
        && earlier
            .into_iter()
            .any(|other| matches!(other.verdict, Verdict::Missing(_)) && ends(other.cell) == ends(cell.cell))
}

/// What the undeclared flows give: one finding for a workload, a peer and a port, however many nodes saw it.
pub(super) fn of_flows(
    case: &Case<'_>,
    observations: &[Observation<'_>],
    verdicts: &[FlowVerdict],
) -> Vec<Finding> {
    let mut grouped: BTreeMap<[String; 4], UndeclaredFlow> = BTreeMap::new();
    for (observation, verdict) in observations.iter().zip(verdicts) {
        if *verdict != FlowVerdict::Undeclared {
            continue;
        }
        let Some(flow) = undeclared(case, observation) else { continue };
        let key = identity(&flow);
        match grouped.get_mut(&key) {
            Some(known) => merge(known, flow),
            None => {
                grouped.insert(key, flow);
            }
        }
    }
    let finding = |(key, flow): ([String; 4], UndeclaredFlow)| {
        let severity = severity(&flow);
        let parts: Vec<&str> = key.iter().map(String::as_str).collect();
        Finding::new(FindingKind::Undeclared(Box::new(flow)), severity, &parts)
    };
    grouped.into_iter().map(finding).collect()
}

fn undeclared(case: &Case<'_>, observation: &Observation<'_>) -> Option<UndeclaredFlow> {
    let end = observation.ends().next()?;
    let tuple = end.tuple();
    let clients = || observation.clients.iter();
    let names = |end: &super::ObservedEnd<'_>| format!("{}/{}", end.window.cluster, end.window.node);
    let processes = clients().flat_map(|end| &end.flow.processes).map(|process| process.command.clone());
    Some(UndeclaredFlow {
        placement: case.declared.place(&tuple),
        workload: clients()
            .find_map(|end| end.flow.key.workload.cgroup.as_deref())
            .map(workload::stable_name),
        port: tuple.port,
        protocol: tuple.protocol,
        client: observation.client_outcomes(),
        server: observation.server_outcomes(),
        connections: observation.succeeded(),
        processes: processes.collect(),
        nodes: observation.ends().map(names).collect(),
        seen: observation.seen(),
        direction_unknown: observation.ends().all(|end| end.flow.key.direction == Direction::Unknown),
        near_miss: case.declared.nearest(&tuple),
    })
}

/// Never a process id, cookie, container id or time. A client outside of every cluster counts by its block.
fn identity(flow: &UndeclaredFlow) -> [String; 4] {
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
    known.connections += other.connections;
    known.processes.extend(other.processes);
    known.nodes.extend(other.nodes);
    known.direction_unknown &= other.direction_unknown;
    known.seen = (known.seen.0.min(other.seen.0), known.seen.1.max(other.seen.1));
}

fn severity(flow: &UndeclaredFlow) -> Severity {
    let Placement { client, server } = &flow.placement;
    let inside = client.cluster.is_some() && client.cluster == server.cluster;
    match (flow.connections > 0, inside) {
        (false, _) => Severity::Low,
        (true, true) => Severity::Medium,
        (true, false) => Severity::High,
    }
}

/// Exceptions that had expired when they were used, and those that covered nothing.
pub(super) fn of_exceptions(case: &Case<'_>, watches: &Watches, verdicts: &[FlowVerdict]) -> Vec<Finding> {
    let Some(exceptions) = case.exceptions else { return Vec::new() };
    let used = |index: usize, when_expired: bool| {
        verdicts.iter().any(|verdict| {
            matches!(verdict, FlowVerdict::Exempt { exception, expired } if *exception == index && (*expired || !when_expired))
        })
    };
    let finding = |(index, exception): (usize, &crate::matrix::Exception)| {
        let kind = match () {
            () if used(index, true) => FindingKind::ExpiredException(index),
            () if !used(index, false) && !exception.expired(watches.end) => {
                FindingKind::UnusedException(index)
            }
            () => return None,
        };
        Some(Finding::new(kind, Severity::Medium, &[&exception.id]))
    };
    exceptions.exceptions.iter().enumerate().filter_map(finding).collect()
}

/// Rows that take anybody, or a great part of the Internet, and that were the only excuse of what was seen.
pub(super) fn of_overbroad_rows(case: &Case<'_>, results: &[RowResult]) -> Vec<Finding> {
    let finding = |result: &RowResult| {
        let wide = |cell: &&super::CellResult| is_wide(&case.declared.width(cell.cell));
        let connections: u64 = result.cells.iter().filter(wide).map(|cell| cell.evidence.proven).sum();
        let row = &case.declared.row(result.row).id;
        let kind = FindingKind::Overbroad { row: result.row, connections };
        (connections > 0).then(|| Finding::new(kind, Severity::Low, &[row]))
    };
    results.iter().filter_map(finding).collect()
}

/// A /8 of IPv4, or as much of IPv6, is no description of a peer.
fn is_wide(width: &Width) -> bool {
    const WIDE: u128 = 1 << 24;
    width.destination >= WIDE && width.destination != width.source
}
