//! Cells summed up per row.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Case,
    cell::CellResult,
    verdict::{Claim, Gap, Verdict},
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
    /// Connections that stood, over all cells; those that several cells share are counted once.
    #[must_use]
    pub fn connections(&self) -> u64 {
        let mut shared: BTreeMap<&BTreeSet<usize>, u64> = BTreeMap::new();
        let mut own = 0;
        for CellResult { evidence, .. } in &self.cells {
            let of_group = shared.entry(&evidence.among).or_default();
            *of_group = evidence.shared.count().max(*of_group);
            own += evidence.succeeded().saturating_sub(evidence.shared.count());
        }
        own + shared.values().sum::<u64>()
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
    let mut counts = vec![0; rows.len()];
    cells.iter().for_each(|cell| counts[rows.cells()[cell.cell].row] += 1);
    // Most rows have one cell, and it is not small.
    let mut grouped: Vec<Vec<CellResult>> = counts.into_iter().map(Vec::with_capacity).collect();
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

/// A row that allows several ports asks for any of them: beside a port that talks, another may be silent or out
/// of sight; beside one that was tried, it is not missing, for its failure is told already; and beside one that
/// nobody could see, it is not known to be.
fn excuse_other_ports(rows: &Rows, cells: &mut [CellResult]) {
    let ends = |cell: &CellResult| {
        let cell = &rows.cells()[cell.cell];
        (cell.source.clone(), cell.destination.clone())
    };
    let of = |is: fn(&CellResult) -> bool, cells: &[CellResult]| -> BTreeSet<(Place, Place)> {
        cells.iter().filter(|cell| is(cell)).map(ends).collect()
    };
    let is_unknown =
        |cell: &CellResult| matches!(cell.verdict, Verdict::Inconclusive(_) | Verdict::Unobservable { .. });
    let talking = of(|cell| cell.evidence.succeeded() > 0, cells);
    let tried =
        of(|cell| cell.evidence.failed() + cell.evidence.ceded + cell.evidence.ceded_failed > 0, cells);
    let unknown = of(is_unknown, cells);
    for cell in cells {
        let (ends, is_missing) = (ends(cell), matches!(cell.verdict, Verdict::Missing(_)));
        if (is_missing || is_unknown(cell)) && talking.contains(&ends) {
            cell.verdict = Verdict::Unused(Claim::OtherPort);
        } else if is_missing && tried.contains(&ends) {
            cell.verdict = Verdict::Unused(Claim::OtherPortTried);
        } else if is_missing && unknown.contains(&ends) {
            cell.verdict = Verdict::Inconclusive(vec![Gap::OtherPort]);
        }
    }
}

/// Why nobody may say "conforms": required rows of which something is not known, and connections of which nobody knows with
/// whom.
pub(super) fn inconclusive(case: &Case<'_>, rows: &[RowResult]) -> Vec<String> {
    let mut reasons = BTreeSet::new();
    for window in case.windows.iter().filter(|window| window.coverage.beyond_flows > 0) {
        let (cluster, node, count) = (&window.cluster, &window.node, window.coverage.beyond_flows);
        reasons.insert(format!(
            "{cluster}/{node}: {count} facts beyond the flows that are told apart (--flows)"
        ));
    }
    for result in rows {
        let row = case.rows().row(result.row);
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
