//! What is said of cells, rows and flows, and with what right.
//!
//! Verdicts are data: every one carries its reason. Nothing here prints, reads a file or a clock.

mod cell;
mod credit;
mod evidence;
mod exempt;
mod finding;
mod join;
mod row;
mod verdict;
mod watch;

use crate::{
    flow::Window,
    matching::{Matcher, Rows},
    matrix::Exceptions,
};

pub use cell::CellResult;
pub use evidence::{Ends, Evidence, Seen};
pub use finding::{Finding, FindingKind, Severity, UndeclaredFlow};
pub use join::{Observation, ObservedEnd};
pub use row::RowResult;
pub use verdict::{Claim, FarEnd, FlowVerdict, Gap, Verdict};
pub use watch::{ClusterWatch, Watches};

/// What is held against what.
pub struct Case<'a> {
    /// The declared rows, with the inventory.
    pub declared: &'a Rows,
    /// The baseline, with the same inventory.
    pub baseline: &'a Rows,
    /// Exceptions, where there are any.
    pub exceptions: Option<&'a Exceptions>,
    /// The recordings' windows.
    pub windows: &'a [Window],
    /// Whether a required row that is only shared leaves the audit inconclusive.
    pub strict: bool,
}

/// Everything that can be said.
pub struct Judgement<'a> {
    /// What the recordings cover, by cluster.
    pub watches: Watches,
    /// Connections, both ends joined where that is allowed, in a stable order.
    pub observations: Vec<Observation<'a>>,
    /// One verdict for each observation.
    pub flows: Vec<FlowVerdict>,
    /// One result for each declared row.
    pub rows: Vec<RowResult>,
    /// What somebody must act on, most severe first.
    pub findings: Vec<Finding>,
    /// Why nobody may say "conforms", though no drift was seen; empty when one may.
    pub inconclusive: Vec<String>,
}

impl Judgement<'_> {
    /// Whether declaration and reality disagree.
    #[must_use]
    pub fn is_drift(&self) -> bool {
        self.findings.iter().any(|finding| finding.kind.is_drift())
    }
}

/// Judges.
#[must_use]
pub fn judge<'a>(case: &Case<'a>) -> Judgement<'a> {
    let watches = Watches::new(case.declared.inventory(), case.windows);
    let observations = join::observations(case.windows, case.declared.inventory());
    let mut evidence = vec![Evidence::default(); case.declared.cells().len()];
    let mut flows = Vec::with_capacity(observations.len());
    for observation in &observations {
        flows.push(credit::give(case, observation, &mut evidence));
    }
    let cells = cell::judge(case.declared, &watches, &evidence);
    let rows = row::sum_up(case.declared, cells);
    let mut findings = finding::of_rows(case.declared, &rows);
    findings.extend(finding::of_flows(case, &observations, &flows));
    findings.extend(finding::of_exceptions(case, &watches, &flows));
    findings.extend(finding::of_overbroad_rows(case, &rows));
    finding::sort(&mut findings);
    let inconclusive = row::inconclusive(case, &rows);
    Judgement { watches, observations, flows, rows, findings, inconclusive }
}
