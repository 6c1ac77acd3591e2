//! What is said of cells, rows and flows, and with what right.
//!
//! Verdicts are data: every one carries its reason. Nothing here prints, reads a file or a clock.

mod cell;
mod credit;
mod evidence;
mod exempt;
mod finding;
mod join;
mod lookout;
mod row;
mod verdict;
mod watch;

use std::sync::Arc;

use crate::{
    flow::Window,
    matching::{Compiled, Matcher, Reader, Rows},
    matrix::Exceptions,
};

pub use cell::CellResult;
pub use evidence::{Ends, Evidence, Seen};
pub use finding::{Finding, FindingKind, Severity, UndeclaredFlow};
pub use join::{Observation, ObservedEnd};
pub use lookout::{Asked, Lookout};
pub use row::RowResult;
pub use verdict::{Claim, FarEnd, FlowVerdict, Gap, Verdict};
pub use watch::{ClusterWatch, Watches};

/// What is held against what.
pub struct Case<'a> {
    /// The declared rows, with the inventory.
    pub declared: &'a Arc<Compiled>,
    /// The baseline, with the same inventory.
    pub baseline: &'a Arc<Compiled>,
    /// Exceptions, where there are any.
    pub exceptions: Option<&'a Exceptions>,
    /// The recordings' windows.
    pub windows: &'a [Window],
    /// Whether a required row that is only shared leaves the audit inconclusive.
    pub strict: bool,
}

impl<'a> Case<'a> {
    /// The declared rows.
    #[must_use]
    pub fn rows(&self) -> &'a Rows {
        self.declared.rows()
    }
}

/// Who asks which rows a tuple fits.
struct Readers {
    declared: Reader,
    baseline: Reader,
}

impl Readers {
    fn new(declared: &Arc<Compiled>, baseline: &Arc<Compiled>) -> Self {
        /// Each flow is asked for once or twice: there is little to remember, bytes.
        const MEMO: usize = 4 << 20;
        let reader = |compiled: &Arc<Compiled>| Reader::with_memo(Arc::clone(compiled), MEMO);
        Self { declared: reader(declared), baseline: reader(baseline) }
    }
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

    /// The same for whoever has nobody to tell: of a million flows findings take more room than the flows.
    #[must_use]
    pub fn without_findings(self) -> Self {
        Self { findings: Vec::new(), ..self }
    }
}

/// Judges.
#[must_use]
pub fn judge<'a>(case: &Case<'a>) -> Judgement<'a> {
    let rows = case.rows();
    let watches = Watches::new(rows.inventory(), case.windows);
    let observations = join::observations(case.windows, rows.inventory());
    let mut evidence = vec![Evidence::default(); rows.cells().len()];
    let mut readers = Readers::new(case.declared, case.baseline);
    let mut flows = Vec::with_capacity(observations.len());
    for observation in &observations {
        flows.push(credit::give(case, &mut readers, observation, &mut evidence));
    }
    let cells = cell::judge(rows, &watches, evidence);
    let results = row::sum_up(rows, cells);
    let mut findings = finding::of_rows(rows, &results);
    findings.extend(finding::of_flows(rows, &mut readers.declared, &observations, &flows));
    findings.extend(finding::of_exceptions(case, &watches, &flows));
    findings.extend(finding::of_overbroad_rows(rows, &results));
    finding::sort(&mut findings);
    let inconclusive = row::inconclusive(case, &results);
    Judgement { watches, observations, flows, rows: results, findings, inconclusive }
}
