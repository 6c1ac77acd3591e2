//! Verdicts that somebody must act on.

mod flows;
mod rows;

use sha2::{Digest, Sha256};

use super::{Case, cell::CellResult, row::RowResult, verdict::FlowVerdict, watch::Watches};
use crate::matching::Rows;
pub use flows::UndeclaredFlow;
pub(in crate::judge) use flows::of_flows;
pub(in crate::judge) use rows::of_rows;

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
pub(super) fn of_overbroad_rows(rows: &Rows, results: &[RowResult]) -> Vec<Finding> {
    let finding = |result: &RowResult| {
        let wide = |cell: &&CellResult| rows.is_wide(cell.cell);
        let proven = |cell: &CellResult| cell.evidence.proven.count();
        let connections: u64 = result.cells.iter().filter(wide).map(proven).sum();
        let row = &rows.row(result.row).id;
        let kind = FindingKind::Overbroad { row: result.row, connections };
        (connections > 0).then(|| Finding::new(kind, Severity::Low, &[row]))
    };
    results.iter().filter_map(finding).collect()
}
