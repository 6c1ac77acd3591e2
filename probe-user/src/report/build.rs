//! A judgement → the model of its report.

use std::collections::BTreeMap;

use super::{
    model::{
        Cell, ClusterCoverage, Completeness, Count, Document, End, Evidence, Finding, FlowDetail, NearMiss,
        NodeCoverage, Report, Row, RowPlace, SCHEMA, Span, Summary,
    },
    words,
};
use crate::{
    flow::{Outcomes, Window},
    judge::{
        self, Case, CellResult, FindingKind, FlowVerdict, Judgement, RowResult, UndeclaredFlow, Verdict,
    },
    matching::{self, Field, Matcher, Placed, Rows},
    matrix::Expect,
};

/// Where the inputs came from.
pub struct Sources {
    /// The recordings, or the live window.
    pub recordings: Vec<Document>,
}

/// Builds the report.
#[must_use]
pub fn build(case: &Case<'_>, judgement: &Judgement<'_>, sources: Sources) -> Report {
    let rows = case.declared;
    let inventory = rows.inventory();
    let document = |name: Option<&str>, file: &str, digest: &str| Document {
        name: name.map(str::to_owned),
        file: file.to_owned(),
        sha256: digest.to_owned(),
    };
    let matrix = |matrix: &crate::matrix::Matrix| document(Some(&matrix.name), &matrix.file, &matrix.digest);
    Report {
        schema: SCHEMA.to_owned(),
        flowdrift: env!("CARGO_PKG_VERSION").to_owned(),
        summary: summary(judgement),
        matrix: rows.matrices().iter().map(matrix).collect(),
        inventory: document(None, &inventory.file, &inventory.digest),
        baseline: case.baseline.matrices().first().map(matrix).unwrap_or_else(|| document(None, "", "")),
        exceptions: case.exceptions.map(|list| document(None, &list.file, &list.digest)),
        recordings: sources.recordings,
        window: span(judgement.watches.start, judgement.watches.end),
        completeness: completeness(case, judgement),
        coverage: case.windows.iter().map(node_coverage).collect(),
        clusters: clusters(judgement),
        findings: judgement.findings.iter().map(|one| finding(case, judgement, one)).collect(),
        rows: judgement.rows.iter().map(|result| row(rows, result)).collect(),
        counts: counts(judgement),
    }
}

fn span(start: i64, end: i64) -> Span {
    Span { start: words::moment(start), end: words::moment(end), seconds: (end - start) as f64 / 1e9 }
}

fn summary(judgement: &Judgement<'_>) -> Summary {
    let (verdict, exit_code) = match (judgement.is_drift(), judgement.inconclusive.is_empty()) {
        (true, _) => ("drift", 1),
        (false, true) => ("conforms", 0),
        (false, false) => ("inconclusive", 3),
    };
    let cells = judgement.rows.iter().flat_map(|row| &row.cells).map(|cell| cell.verdict.word());
    Summary {
        verdict: verdict.to_owned(),
        exit_code,
        findings: tally(judgement.findings.iter().map(|finding| severity(finding.severity))),
        rows: tally(judgement.rows.iter().map(|row| row.verdict.word())),
        cells: tally(cells),
        inconclusive: judgement.inconclusive.clone(),
    }
}

fn tally<'a>(words: impl Iterator<Item = &'a str>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    words.for_each(|word| *counts.entry(word.to_owned()).or_default() += 1);
    counts
}

fn severity(severity: judge::Severity) -> &'static str {
    match severity {
        judge::Severity::High => "high",
        judge::Severity::Medium => "medium",
        judge::Severity::Low => "low",
    }
}

fn completeness(case: &Case<'_>, judgement: &Judgement<'_>) -> Completeness {
    let reasons: Vec<String> = judgement.watches.all_gaps().iter().map(ToString::to_string).collect();
    let mut lost: BTreeMap<String, u64> = BTreeMap::new();
    let mut blind: Vec<String> = Vec::new();
    for window in case.windows {
        for (reason, count) in &window.coverage.lost {
            *lost.entry(reason.clone()).or_default() += count;
        }
        blind.extend(
            window.coverage.blind.iter().filter(|one| !blind.contains(one)).cloned().collect::<Vec<_>>(),
        );
    }
    let events = case.windows.iter().map(|window| window.coverage.events).sum();
    Completeness { complete: reasons.is_empty(), reasons, events, lost, blind }
}

fn node_coverage(window: &Window) -> NodeCoverage {
    let coverage = &window.coverage;
    let attached = coverage.hooks.iter().filter(|hook| hook.absent.is_none());
    NodeCoverage {
        cluster: window.cluster.clone(),
        node: window.node.clone(),
        since: words::moment(window.start),
        until: words::moment(window.end),
        events: coverage.events,
        lost: coverage.lost.clone(),
        older_connections: coverage.snapshot.as_ref().map_or(0, |snapshot| snapshot.connections),
        canary: coverage.canary,
        hooks: attached.map(|hook| hook.name.clone()).collect(),
        limited_to: coverage.limited_to.clone(),
        gaps: coverage.gaps_beside(&[]),
    }
}

fn clusters(judgement: &Judgement<'_>) -> Vec<ClusterCoverage> {
    let coverage = |(name, watch): (&String, &judge::ClusterWatch)| ClusterCoverage {
        cluster: name.clone(),
        recorded: watch.recorded,
        roster: watch.roster,
    };
    judgement.watches.clusters.iter().map(coverage).collect()
}

fn counts(judgement: &Judgement<'_>) -> BTreeMap<String, Count> {
    let kinds = ["declared", "declared_behind_a_proxy", "baseline", "exempt", "undeclared", "out_of_scope"];
    let mut counts: BTreeMap<String, Count> = kinds.map(|kind| (kind.to_owned(), Count::default())).into();
    for (observation, verdict) in judgement.observations.iter().zip(&judgement.flows) {
        let kind = match verdict {
            FlowVerdict::Declared { source_hidden: false, .. } => "declared",
            FlowVerdict::Declared { source_hidden: true, .. } => "declared_behind_a_proxy",
            FlowVerdict::Baseline(_) => "baseline",
            FlowVerdict::Exempt { .. } => "exempt",
            FlowVerdict::Undeclared => "undeclared",
            FlowVerdict::OutOfScope => "out_of_scope",
        };
        let count = counts.entry(kind.to_owned()).or_default();
        count.flows += 1;
        count.connections += observation.succeeded();
        count.failed += observation.client_outcomes().unsuccessful();
    }
    counts
}

fn place(rows: &Rows, row: usize) -> RowPlace {
    let declared = rows.row(row);
    RowPlace {
        id: declared.id.clone(),
        file: rows.matrix(row).file.clone(),
        line: declared.line,
        document: declared.source.as_ref().map(|source| format!("{}:{}", source.file, source.line)),
    }
}

fn row(rows: &Rows, result: &RowResult) -> Row {
    let declared = rows.row(result.row);
    let worst = result.cells.iter().find(|cell| cell.verdict == result.verdict);
    let (first_seen, last_seen) = moments(result.seen());
    Row {
        place: place(rows, result.row),
        component: declared.component.clone(),
        expect: expectation(declared.expect).to_owned(),
        verdict: result.verdict.word().to_owned(),
        reason: worst.map(|cell| words::reason(rows, &cell.verdict, &cell.evidence)).unwrap_or_default(),
        connections: result.connections(),
        first_seen,
        last_seen,
        cells: result.cells.iter().map(|one| cell(rows, one)).collect(),
    }
}

fn expectation(expect: Expect) -> &'static str {
    match expect {
        Expect::Required => "required",
        Expect::Optional => "optional",
        Expect::OnDeploy => "on-deploy",
        Expect::Periodic(_) => "periodic",
    }
}

fn moments(seen: Option<(i64, i64)>) -> (Option<String>, Option<String>) {
    (seen.map(|seen| words::moment(seen.0)), seen.map(|seen| words::moment(seen.1)))
}

fn cell(rows: &Rows, result: &CellResult) -> Cell {
    let declared = &rows.cells()[result.cell];
    Cell {
        source: declared.source.to_string(),
        destination: declared.destination.to_string(),
        port: declared.port.to_string(),
        verdict: result.verdict.word().to_owned(),
        reason: words::reason(rows, &result.verdict, &result.evidence),
        evidence: cell_evidence(&result.evidence),
    }
}

fn cell_evidence(seen: &judge::Evidence) -> Evidence {
    let (first_seen, last_seen) = moments(seen.seen);
    Evidence {
        connections: seen.succeeded(),
        connected: seen.client.succeeded(),
        accepted: seen.server.succeeded(),
        failures: words::failures(&seen.client),
        both_ends: seen.both_ends(),
        behind_proxy: seen.hidden,
        legs: seen.legs.iter().map(|leg| words::leg(*leg).to_owned()).collect(),
        processes: seen.processes.iter().cloned().collect(),
        nodes: seen.nodes.keys().map(|(cluster, node)| format!("{cluster}/{node}")).collect(),
        first_seen,
        last_seen,
    }
}

fn finding(case: &Case<'_>, judgement: &Judgement<'_>, found: &judge::Finding) -> Finding {
    let mut finding = Finding {
        id: found.id.clone(),
        kind: found.kind.word().to_owned(),
        severity: severity(found.severity).to_owned(),
        drift: found.kind.is_drift(),
        message: String::new(),
        remarks: Vec::new(),
        row: None,
        source: None,
        destination: None,
        port: None,
        cluster: None,
        flow: None,
        near_miss: None,
        evidence: None,
    };
    match &found.kind {
        FindingKind::Missing(at) | FindingKind::Failing(at) | FindingKind::Degraded(at) => {
            of_cell(case.declared, &judgement.rows[at.row].cells[at.cell], &mut finding);
        }
        FindingKind::Undeclared(flow) => of_flow(case.declared, flow, &mut finding),
        FindingKind::ExpiredException(index) | FindingKind::UnusedException(index) => {
            of_exception(case, *index, &mut finding);
        }
        FindingKind::Overbroad { row, connections } => {
            finding.row = Some(place(case.declared, *row));
            let count = words::plural(*connections, "connection");
            let id = &case.declared.row(*row).id;
            finding.message = format!("{id} is so wide that it alone excuses {count}");
        }
    }
    finding
}

fn of_cell(rows: &Rows, result: &CellResult, finding: &mut Finding) {
    let declared = &rows.cells()[result.cell];
    let (source, destination) = (declared.source.to_string(), declared.destination.to_string());
    let port = declared.port.to_string();
    let is_summed = matches!(result.verdict, Verdict::Missing(_)) && !rows.row(declared.row).each_port;
    let ports = if is_summed { row_ports(rows, declared.row) } else { port.clone() };
    let said = words::reason(rows, &result.verdict, &result.evidence);
    let (said, remark) =
        said.split_once("; ").map_or((said.as_str(), None), |(said, rest)| (said, Some(rest)));
    finding.message = format!("{source} → {destination} {ports}: {said}");
    finding.remarks.extend(remark.map(str::to_owned));
    finding.cluster = declared.source.cluster().map(str::to_owned);
    finding.row = Some(place(rows, declared.row));
    finding.evidence = Some(cell_evidence(&result.evidence));
    (finding.source, finding.destination, finding.port) = (Some(source), Some(destination), Some(port));
}

fn row_ports(rows: &Rows, row: usize) -> String {
    rows.row(row).ports.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ")
}

fn of_flow(rows: &Rows, flow: &UndeclaredFlow, finding: &mut Finding) {
    let (client, server) = (end(&flow.placement.client), end(&flow.placement.server));
    let port = format!("{}/{}", flow.port, flow.protocol);
    finding.message = format!("{} → {} {port}: {}", client.label, server.label, flow_words(flow));
    let missing_end = match (flow.client == Outcomes::default(), flow.server == Outcomes::default()) {
        (true, _) => Some("seen at the listening end only: process unknown"),
        (_, true) => Some("seen at the connecting end only"),
        _ => None,
    };
    finding.remarks.extend(missing_end.map(str::to_owned));
    if flow.direction_unknown {
        finding.remarks.push("older than the audit: which end connected is not known".to_owned());
    }
    finding.cluster = client.cluster.clone();
    finding.source = Some(client.label.clone());
    finding.destination = Some(server.label.clone());
    finding.port = Some(port.clone());
    finding.flow = Some(FlowDetail { client, server, port, workload: flow.workload.clone() });
    finding.near_miss = flow.near_miss.as_ref().map(|near| near_miss(rows, near));
    finding.evidence = Some(flow_evidence(flow));
}

fn flow_words(flow: &UndeclaredFlow) -> String {
    match (flow.connections, flow.client.unsuccessful()) {
        (0, _) => format!("blocked: {}", words::failure_list(&flow.client)),
        (stood, 0) => words::plural(stood, "connection"),
        (stood, _) => {
            format!("{}, {}", words::plural(stood, "connection"), words::failure_list(&flow.client))
        }
    }
}

fn flow_evidence(flow: &UndeclaredFlow) -> Evidence {
    let (connected, accepted) = (flow.client.succeeded(), flow.server.succeeded());
    let (first_seen, last_seen) = moments(Some(flow.seen));
    Evidence {
        connections: flow.connections,
        connected,
        accepted,
        failures: words::failures(&flow.client),
        both_ends: connected > 0 && accepted > 0,
        behind_proxy: 0,
        legs: Vec::new(),
        processes: flow.processes.iter().cloned().collect(),
        nodes: flow.nodes.iter().cloned().collect(),
        first_seen,
        last_seen,
    }
}

fn end(placed: &Placed) -> End {
    End {
        address: placed.address.to_string(),
        label: placed.label(),
        cluster: placed.cluster.clone(),
        node: placed.node.clone(),
    }
}

fn near_miss(rows: &Rows, near: &matching::NearMiss) -> NearMiss {
    let differs = match near.differs {
        Field::Port => "port",
        Field::Source => "source",
        Field::Destination => "destination",
        Field::Protocol => "protocol",
    };
    NearMiss {
        row: place(rows, rows.cells()[near.cell].row),
        differs: differs.to_owned(),
        declared: near.declared.clone(),
        found: near.found.clone(),
    }
}

fn of_exception(case: &Case<'_>, index: usize, finding: &mut Finding) {
    let Some(exceptions) = case.exceptions else { return };
    let exception = &exceptions.exceptions[index];
    let state = if finding.drift { "expired on" } else { "covers nothing that was seen; it expires on" };
    finding.message = format!(
        "exception {} of {} {state} {}: {}",
        exception.id, exception.owner, exception.expires, exception.reason
    );
    finding.row = Some(RowPlace {
        id: exception.id.clone(),
        file: exceptions.file.clone(),
        line: exception.line,
        document: None,
    });
}
