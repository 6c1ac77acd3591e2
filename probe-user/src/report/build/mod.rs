//! A judgement → the model of its report.

mod finding;

pub(super) use finding::undeclared;

use std::collections::BTreeMap;

use super::{
    model::{
        Cell, ClusterCoverage, Completeness, Count, Document, Evidence, NodeCoverage, Report, Row, RowPlace,
        SCHEMA, Span, Summary,
    },
    words,
};
use crate::{
    flow::Window,
    judge::{self, Case, CellResult, FlowVerdict, Judgement, Observation, RowResult},
    matching::{Matcher, Rows},
    matrix::Expect,
    wording,
};

/// Where the inputs came from.
pub struct Sources {
    /// The recordings, or the live window.
    pub recordings: Vec<Document>,
}

/// Builds the report.
#[must_use]
pub fn build(case: &Case<'_>, mut judgement: Judgement<'_>, sources: Sources) -> Report {
    // They may be many: each gives its room to what is said of it.
    let findings = std::mem::take(&mut judgement.findings);
    let summary = summary(&judgement, &findings);
    let (counts, baseline_rows) = (counts(&judgement), baseline_rows(case.baseline.rows(), &judgement));
    (judgement.observations, judgement.flows) = (Vec::new(), Vec::new());
    let judgement = &judgement;
    let rows = case.rows();
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
        summary,
        matrix: rows.matrices().iter().map(matrix).collect(),
        inventory: document(None, &inventory.file, &inventory.digest),
        baseline: case
            .baseline
            .rows()
            .matrices()
            .first()
            .map(matrix)
            .unwrap_or_else(|| document(None, "", "")),
        exceptions: case.exceptions.map(|list| document(None, &list.file, &list.digest)),
        recordings: sources.recordings,
        window: span(judgement.watches.start, judgement.watches.end),
        completeness: completeness(case, judgement),
        coverage: case.windows.iter().map(node_coverage).collect(),
        clusters: clusters(judgement),
        findings: findings.into_iter().map(|one| finding::finding(case, judgement, one)).collect(),
        rows: judgement.rows.iter().map(|result| row(rows, result)).collect(),
        counts,
        baseline_rows,
        would_deny: None,
    }
}

fn span(start: i64, end: i64) -> Span {
    Span { start: wording::moment(start), end: wording::moment(end), seconds: (end - start) as f64 / 1e9 }
}

fn summary(judgement: &Judgement<'_>, findings: &[judge::Finding]) -> Summary {
    let is_drift = findings.iter().any(|finding| finding.kind.is_drift());
    let (verdict, exit_code) = match (is_drift, judgement.inconclusive.is_empty()) {
        (true, _) => ("drift", 1),
        (false, true) => ("conforms", 0),
        (false, false) => ("inconclusive", 3),
    };
    let cells = judgement.rows.iter().flat_map(|row| &row.cells).map(|cell| cell.verdict.word());
    Summary {
        verdict: verdict.to_owned(),
        exit_code,
        findings: tally(findings.iter().map(|finding| severity(finding.severity))),
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
        since: wording::moment(window.start),
        until: wording::moment(window.end),
        events: coverage.events,
        lost: coverage.lost.clone(),
        lost_by_cgroup: coverage.lost_by_cgroup.clone(),
        folded: coverage.folded,
        callers_lost: coverage.callers_lost,
        older_connections: coverage.snapshot.as_ref().map_or(0, |snapshot| snapshot.connections),
        canary: coverage.canary,
        hooks: attached.map(|hook| hook.name.clone()).collect(),
        limited_to: coverage.limited_to.clone(),
        gaps: coverage.gaps().into_iter().map(|gap| gap.words).collect(),
    }
}

fn clusters(judgement: &Judgement<'_>) -> Vec<ClusterCoverage> {
    let coverage = |(name, watch): (&String, &judge::ClusterWatch)| ClusterCoverage {
        cluster: name.clone(),
        recorded: watch.recorded,
        roster: watch.roster,
        limited: watch
            .limits
            .iter()
            .map(|(node, namespaces)| (node.clone(), namespaces.iter().cloned().collect()))
            .collect(),
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
        add(counts.entry(kind.to_owned()).or_default(), observation);
    }
    counts
}

fn baseline_rows(baseline: &Rows, judgement: &Judgement<'_>) -> BTreeMap<String, Count> {
    let mut counts = BTreeMap::new();
    for (observation, verdict) in judgement.observations.iter().zip(&judgement.flows) {
        if let FlowVerdict::Baseline(row) = verdict {
            add(counts.entry(baseline.row(*row).id.clone()).or_default(), observation);
        }
    }
    counts
}

fn add(count: &mut Count, observation: &Observation<'_>) {
    count.flows += 1;
    count.connections += observation.succeeded();
    count.failed += observation.client_outcomes().unsuccessful();
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
    (seen.map(|seen| wording::moment(seen.0)), seen.map(|seen| wording::moment(seen.1)))
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
        both_ends: seen.both_ends,
        behind_proxy: seen.hidden,
        legs: seen.legs.iter().map(|leg| words::leg(*leg).to_owned()).collect(),
        translations: words::translations(&seen.translations),
        processes: seen.processes.iter().cloned().collect(),
        nodes: seen.nodes.keys().map(|(cluster, node)| format!("{cluster}/{node}")).collect(),
        first_seen,
        last_seen,
    }
}
