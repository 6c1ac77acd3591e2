//! Text: the news on one screen, then what it rests on.

use std::fmt::Write;

use super::{
    Report, build,
    model::{Count, DeniedFlow, Document, Finding, NearMiss, NodeCoverage, Row, RowPlace, WouldDeny},
};
use crate::{escape, judge, matching::Rows, wording};

/// Lines that are collected; every word from outside is escaped as it comes in.
#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn line(&mut self, words: &str) {
        self.text.push_str(escape::text(words).trim_end());
        self.text.push('\n');
    }

    /// A line with a label in a column of its own.
    fn labelled(&mut self, label: &str, words: &str) {
        self.line(&format!("{label:<10}{words}"));
    }
}

/// The report as plain text with a final newline.
#[must_use]
pub fn text(report: &Report) -> String {
    let mut page = Page::default();
    head(&mut page, report);
    coverage(&mut page, report);
    sums(&mut page, report);
    findings(&mut page, report);
    would_deny(&mut page, report);
    not_proven(&mut page, report);
    left_out(&mut page, report);
    page.text
}

/// A finding about a flow that has just appeared, as [`text`] would say it, with a final newline; nothing of any other.
#[must_use]
pub fn undeclared(rows: &Rows, found: judge::Finding) -> String {
    let mut page = Page::default();
    if let Some(found) = build::undeclared(rows, found) {
        finding(&mut page, &found);
    }
    page.text
}

fn would_deny(page: &mut Page, report: &Report) {
    let Some(WouldDeny { allowed, not_governed, denied }) = &report.would_deny else { return };
    page.line("");
    let ends = wording::plural(denied.len() as u64, "flow end");
    page.line(&format!("THE POLICIES WOULD CUT {ends}; {allowed} allowed, {not_governed} governed by none"));
    for DeniedFlow { subject, direction, peer, address: _, port, standing, connections } in denied {
        let arrow = if direction == "egress" { "→" } else { "←" };
        let count = wording::plural(*connections, "connection");
        page.line(&format!("  {subject} {arrow} {peer} {port}, {standing}, {count}"));
    }
}

fn head(page: &mut Page, report: &Report) {
    let summary = &report.summary;
    let by_severity: Vec<String> = ["high", "medium", "low"]
        .iter()
        .filter_map(|severity| summary.findings.get(*severity).map(|count| format!("{count} {severity}")))
        .collect();
    let found = if by_severity.is_empty() { "no findings".to_owned() } else { by_severity.join(", ") };
    page.line(&format!("{}: {found}", summary.verdict.to_uppercase()));
    page.line("");
    for matrix in &report.matrix {
        let rows = report.rows.iter().filter(|row| row.place.file == matrix.file).count() as u64;
        page.labelled("matrix", &format!("{}, {}", document(matrix), wording::plural(rows, "row")));
    }
    page.labelled("inventory", &document(&report.inventory));
    page.labelled("baseline", &document(&report.baseline));
    if let Some(exceptions) = &report.exceptions {
        page.labelled("except", &document(exceptions));
    }
    let recordings: Vec<String> = report.recordings.iter().map(document).collect();
    page.labelled("evidence", &recordings.join(", "));
    let window = &report.window;
    page.labelled("window", &format!("{} to {} ({:.0} s)", window.start, window.end, window.seconds));
}

fn document(document: &Document) -> String {
    let digest = document.sha256.get(..12).unwrap_or(&document.sha256);
    let name = document.name.as_ref().map(|name| format!("{name} ")).unwrap_or_default();
    match digest {
        "" => format!("{name}{}", document.file),
        digest => format!("{name}{} (sha256 {digest})", document.file),
    }
}

fn coverage(page: &mut Page, report: &Report) {
    let clusters: Vec<String> = report
        .clusters
        .iter()
        .map(|cluster| format!("{} {}/{} nodes", cluster.cluster, cluster.recorded, cluster.roster))
        .collect();
    page.labelled("coverage", &clusters.join(", "));
    let completeness = &report.completeness;
    let lost: u64 = completeness.lost.values().sum();
    let older: u64 = report.coverage.iter().map(|node| node.older_connections).sum();
    page.labelled(
        "",
        &format!(
            "{}, {lost} lost; {} older than the audit",
            wording::plural(completeness.events, "fact"),
            wording::plural(older, "connection")
        ),
    );
    let without_process = report.coverage.iter().map(|node| node.folded + node.callers_lost).sum::<u64>();
    if without_process > 0 {
        let facts = wording::plural(without_process, "fact");
        page.labelled(
            "",
            &format!("{facts} came while the rings were full: of most the process is not known"),
        );
    }
    for node in report.coverage.iter().filter(|node| !node.lost_by_cgroup.is_empty()) {
        let NodeCoverage { cluster, node: name, lost_by_cgroup, .. } = node;
        let groups = lost_by_cgroup.iter().map(|(group, count)| format!("{group} {count}"));
        page.labelled("", &format!("lost on {cluster}/{name}: {}", groups.collect::<Vec<_>>().join(", ")));
    }
    for cluster in &report.clusters {
        for (node, namespaces) in &cluster.limited {
            let name = &cluster.cluster;
            let limit = namespaces.join(", ");
            page.labelled("", &format!("{name}/{node} limited to netns {limit}: stands for the whole node"));
        }
    }
    for reason in &completeness.reasons {
        page.labelled("", &format!("gap: {reason}"));
    }
}

fn sums(page: &mut Page, report: &Report) {
    let sum = |counts: &std::collections::BTreeMap<String, usize>| {
        counts.iter().map(|(word, count)| format!("{count} {word}")).collect::<Vec<_>>().join(", ")
    };
    page.labelled("rows", &sum(&report.summary.rows));
    page.labelled("cells", &sum(&report.summary.cells));
    let flows: Vec<String> = report
        .counts
        .iter()
        .map(|(word, count)| format!("{} {}", count.flows, word.replace('_', " ")))
        .collect();
    page.labelled("flows", &flows.join(", "));
}

fn findings(page: &mut Page, report: &Report) {
    if report.findings.is_empty() {
        return;
    }
    page.line("");
    page.line("FINDINGS");
    report.findings.iter().for_each(|one| finding(page, one));
}

fn finding(page: &mut Page, finding: &Finding) {
    let Finding { id, kind, severity, message, .. } = finding;
    page.line(&format!("{severity:<7}{kind:<10} {message}  [{id}]"));
    let indent = " ".repeat(18);
    if let Some(row) = &finding.row {
        page.line(&format!("{indent}row {}", place(row)));
    }
    if let Some(evidence) = &finding.evidence {
        let mut words = String::new();
        if !evidence.processes.is_empty() {
            let _ = write!(words, "by {} ", evidence.processes.join(", "));
        }
        if !evidence.nodes.is_empty() {
            let _ = write!(words, "on {} ", evidence.nodes.join(", "));
        }
        if let (Some(first), Some(last)) = (&evidence.first_seen, &evidence.last_seen) {
            let _ = write!(words, "from {first} to {last}");
        }
        if !words.is_empty() {
            page.line(&format!("{indent}{words}"));
        }
    }
    if let Some(near) = &finding.near_miss {
        page.line(&format!("{indent}{}", near_miss(near)));
    }
    finding.remarks.iter().for_each(|remark| page.line(&format!("{indent}{remark}")));
}

fn near_miss(near: &NearMiss) -> String {
    let NearMiss { row, differs, declared, found } = near;
    format!("nearest row {}: its {differs} is {declared}, here {found}", place(row))
}

fn place(row: &RowPlace) -> String {
    let document = row.document.as_ref().map(|document| format!(", from {document}")).unwrap_or_default();
    format!("{} ({}:{}{document})", row.id, row.file, row.line)
}

fn not_proven(page: &mut Page, report: &Report) {
    let groups = groups(report);
    if groups.is_empty() {
        return;
    }
    page.line("");
    page.line("NOT PROVEN");
    for Group { kind, reason, rows } in groups {
        page.line(&format!("{kind:<13}{reason}"));
        for (row, cells) in rows {
            let required = if row.expect == "optional" { "" } else { " (required)" };
            page.line(&format!("{:<13}  {}{required}: {}", "", row.place.id, cells.join(", ")));
        }
    }
}

/// Cells of one kind with the same reason, by row.
struct Group<'a> {
    kind: &'static str,
    reason: &'a str,
    rows: Vec<(&'a Row, Vec<String>)>,
}

fn groups(report: &Report) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for kind in ["shared", "inconclusive", "unobservable", "unused"] {
        for row in &report.rows {
            for cell in row.cells.iter().filter(|cell| cell.verdict == kind) {
                let known = groups.iter().position(|group| group.kind == kind && group.reason == cell.reason);
                let place = known.unwrap_or_else(|| {
                    groups.push(Group { kind, reason: &cell.reason, rows: Vec::new() });
                    groups.len() - 1
                });
                let words = format!("{} → {} {}", cell.source, cell.destination, cell.port);
                let rows = &mut groups[place].rows;
                match rows.last_mut().filter(|(last, _)| last.place == row.place) {
                    Some((_, cells)) => cells.push(words),
                    None => rows.push((row, vec![words])),
                }
            }
        }
    }
    groups
}

fn left_out(page: &mut Page, report: &Report) {
    let mut lines = Vec::new();
    for (kind, words) in [
        ("baseline", "covered by the baseline"),
        ("exempt", "covered by an exception"),
        ("declared_behind_a_proxy", "declared, but a proxy, NAT or unknown workload hides the source"),
        ("out_of_scope", "traffic that the matrix does not speak of"),
    ] {
        let Some(count) = report.counts.get(kind).filter(|count| count.flows > 0) else { continue };
        lines.push(format!("{}: {words}", counted(count)));
        if kind == "baseline" {
            let rows = report.baseline_rows.iter();
            lines.extend(rows.map(|(row, count)| format!("  {}: {row}", counted(count))));
        }
    }
    lines.extend(report.completeness.blind.iter().map(|blind| format!("not visible: {blind}")));
    if lines.is_empty() {
        return;
    }
    page.line("");
    page.line("LEFT OUT");
    lines.iter().for_each(|line| page.line(line));
}

fn counted(count: &Count) -> String {
    let failed = if count.failed > 0 { format!(", {} failed", count.failed) } else { String::new() };
    let (flows, connections) =
        (wording::plural(count.flows, "flow"), wording::plural(count.connections, "connection"));
    format!("{flows}, {connections}{failed}")
}
