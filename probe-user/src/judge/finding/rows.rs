//! Cells that are missing, fail or degrade.

use std::collections::{BTreeMap, BTreeSet};

use super::{CellRef, Finding, FindingKind, Severity};
use crate::{
    flow::Outcomes,
    judge::{cell::CellResult, row::RowResult, verdict::Verdict},
    matching::{Matcher, Rows},
    matrix::Expect,
};

/// What the rows give.
pub(in crate::judge) fn of_rows(rows: &Rows, results: &[RowResult]) -> Vec<Finding> {
    let (mut findings, mut told) = (Vec::new(), BTreeSet::new());
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
            if is_repeated(rows, result, index) || !told.insert(shared_failure(cell)) {
                continue;
            }
            let severity = group_severity(rows, cell).min(severity);
            let declared = &rows.cells()[cell.cell];
            let (source, destination) = (declared.source.to_string(), declared.destination.to_string());
            let identity = [row.id.as_str(), &source, &destination, &declared.port.to_string()];
            findings.push(Finding::new(kind, severity, &identity));
        }
    }
    findings
}

/// What two cells tell alike when one failure is all that they tell: the cells that share it, its causes, and
/// how often. A cell that shares nothing tells its own.
type Failure = (BTreeSet<usize>, BTreeMap<u16, u64>, [u64; 3]);

fn shared_failure(cell: &CellResult) -> Failure {
    let Outcomes { failed, unanswered, unrouted, unreplied, .. } = &cell.evidence.client;
    let own = || BTreeSet::from([cell.cell]);
    let is_missing = matches!(cell.verdict, Verdict::Missing(_));
    let among =
        if is_missing || cell.evidence.among.is_empty() { own() } else { cell.evidence.among.clone() };
    (among, failed.clone(), [*unanswered, *unrouted, *unreplied])
}

/// As much as the weightiest of the rows that share a failure.
fn group_severity(rows: &Rows, cell: &CellResult) -> Severity {
    let is_expected = |row: &usize| rows.row(*row).expect != Expect::Optional;
    if cell.evidence.group.iter().any(is_expected) { Severity::High } else { Severity::Medium }
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
