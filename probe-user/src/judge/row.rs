//! Cells summed up per row.

use std::collections::BTreeSet;

use super::{
    Case,
    cell::CellResult,
    verdict::{Claim, Verdict},
};
use crate::{
    matching::{Matcher, Place, Rows},
    matrix::Expect,
};

/// A row and its cells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowResult {
    /// Index of the row.
    pub row: usize,
    /// The worst that is said of a cell.
    pub verdict: Verdict,
    /// Its cells, in their order.
    pub cells: Vec<CellResult>,
}

impl RowResult {
    /// Connections that stood, over all cells.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.cells.iter().map(|cell| cell.evidence.succeeded()).sum()
    }

    /// Time of the first and last fact over all cells, nanoseconds since the Unix epoch.
    #[must_use]
    pub fn seen(&self) -> Option<(i64, i64)> {
        let spans = || self.cells.iter().filter_map(|cell| cell.evidence.seen);
        Some((spans().map(|seen| seen.0).min()?, spans().map(|seen| seen.1).max()?))
    }
}

/// Groups the cells by row.
pub(super) fn sum_up(rows: &Rows, cells: Vec<CellResult>) -> Vec<RowResult> {
    let mut grouped: Vec<Vec<CellResult>> = vec![Vec::new(); rows.len()];
    for cell in cells {
        grouped[rows.cells()[cell.cell].row].push(cell);
    }
    let sum = |(row, mut cells): (usize, Vec<CellResult>)| {
        if !rows.row(row).each_port {
            excuse_other_ports(rows, &mut cells);
        }
        let worst = cells.iter().map(|cell| &cell.verdict).max_by_key(|verdict| verdict.weight()).cloned();
        let nothing =
            || Verdict::Unobservable { reason: "the row has no cell".to_owned(), acknowledged: None };
        RowResult { row, verdict: worst.unwrap_or_else(nothing), cells }
    };
    grouped.into_iter().enumerate().map(sum).collect()
}

/// A row that allows several ports asks for any of them: a silent port beside a talking one is not missing.
fn excuse_other_ports(rows: &Rows, cells: &mut [CellResult]) {
    let ends = |cell: &CellResult| {
        let cell = &rows.cells()[cell.cell];
        (cell.source.clone(), cell.destination.clone())
    };
    let talking: BTreeSet<(Place, Place)> =
        cells.iter().filter(|cell| cell.evidence.succeeded() > 0).map(ends).collect();
    for cell in cells {
        if matches!(cell.verdict, Verdict::Missing(_)) && talking.contains(&ends(cell)) {
            cell.verdict = Verdict::Unused(Claim::OtherPort);
        }
    }
}

/// Why nobody may say "conforms": required rows of which something is not known.
pub(super) fn inconclusive(case: &Case<'_>, rows: &[RowResult]) -> Vec<String> {
    let mut reasons = BTreeSet::new();
    for result in rows {
        let row = case.declared.row(result.row);
        if row.expect == Expect::Optional {
            continue;
        }
        for cell in &result.cells {
            let gap = match &cell.verdict {
                Verdict::Inconclusive(gaps) => gaps.first().map(ToString::to_string).unwrap_or_default(),
                Verdict::Unobservable { reason, acknowledged: None } => reason.clone(),
                Verdict::Shared(_) if case.strict => "shared with other rows (--strict)".to_owned(),
                _ => continue,
            };
            reasons.insert(format!("{}: {}: {gap}", row.id, cell.verdict.word()));
        }
    }
    reasons.into_iter().collect()
}
