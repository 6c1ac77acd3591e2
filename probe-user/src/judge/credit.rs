//! Which cells an observation proves, and which it only shares (invariant 3).

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Case, exempt,
    join::{Observation, ObservedEnd},
    verdict::FlowVerdict,
};
use crate::{
    flow::Outcomes,
    matching::{self, Leg, Match, Matcher, Rows},
};

/// What one node saw of a cell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Connections that stood.
    pub succeeded: u64,
    /// Attempts that came to nothing.
    pub failed: u64,
}

/// Everything that was seen of one cell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// Connections that fit this row more narrowly than any other.
    pub proven: u64,
    /// Connections that fit other rows as well.
    pub shared: u64,
    /// The rows that share them, this one included.
    pub group: BTreeSet<usize>,
    /// Connections that fit, but fit these narrower rows better.
    pub ceded: u64,
    /// See [`Evidence::ceded`].
    pub ceded_to: BTreeSet<usize>,
    /// Arrivals behind a proxy that may have been for this cell.
    pub hidden: u64,
    /// What the connecting end saw.
    pub client: Outcomes,
    /// What the listening end saw.
    pub server: Outcomes,
    /// The hops that were seen.
    pub legs: BTreeSet<Leg>,
    /// By cluster and node of the connecting end.
    pub nodes: BTreeMap<(String, String), Seen>,
    /// Names of the processes that connected.
    pub processes: BTreeSet<String>,
    /// Wall-clock time of the first and last fact, nanoseconds since the Unix epoch; `None` without any.
    pub seen: Option<(i64, i64)>,
}

impl Evidence {
    /// Connections that stood.
    #[must_use]
    pub fn succeeded(&self) -> u64 {
        self.proven + self.shared
    }

    /// Attempts that came to nothing, as the connecting end counts them.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.client.unsuccessful()
    }

    /// Whether connections were seen at both ends.
    #[must_use]
    pub fn both_ends(&self) -> bool {
        self.client.succeeded() > 0 && self.server.succeeded() > 0
    }
}

/// Credits an observation to the cells that it proves, and says what it is.
pub(super) fn give(case: &Case<'_>, observation: &Observation<'_>, evidence: &mut [Evidence]) -> FlowVerdict {
    let found = matches(case.declared, observation);
    let mut credited: Vec<Match> = found.iter().filter(|one| !one.source_hidden).copied().collect();
    matching::credit(&mut credited);
    if !credited.is_empty() {
        let rows: BTreeSet<usize> = credited.iter().map(|one| case.declared.cells()[one.cell].row).collect();
        for one in &credited {
            note(&mut evidence[one.cell], observation, one.leg, &rows);
        }
        let is_credited = |one: &Match| credited.iter().any(|other| other.cell == one.cell);
        for one in found.iter().filter(|one| !one.source_hidden && !is_credited(one)) {
            evidence[one.cell].ceded += observation.succeeded();
            evidence[one.cell].ceded_to.extend(&rows);
        }
    }
    for one in found.iter().filter(|one| one.source_hidden) {
        evidence[one.cell].hidden += observation.succeeded();
    }
    let shown = if credited.is_empty() { &found } else { &credited };
    if !shown.is_empty() {
        let cells = shown.iter().map(|one| one.cell).collect();
        return FlowVerdict::Declared { cells, source_hidden: credited.is_empty() };
    }
    undeclared(case, observation)
}

/// The cells that the tuple of either end fits: each end knows of itself what the other cannot. A cell appears
/// once, with its source in the open if one end shows it.
fn matches(rows: &Rows, observation: &Observation<'_>) -> Vec<Match> {
    let (mut found, mut of_end) = (Vec::new(), Vec::new());
    for end in observation.ends() {
        rows.matches(&end.tuple(), &mut of_end);
        found.append(&mut of_end);
    }
    found.sort_by_key(|one: &Match| (one.cell, one.source_hidden));
    found.dedup_by_key(|one| one.cell);
    found
}

fn note(evidence: &mut Evidence, observation: &Observation<'_>, leg: Leg, rows: &BTreeSet<usize>) {
    if rows.len() == 1 {
        evidence.proven += observation.succeeded();
    } else {
        evidence.shared += observation.succeeded();
        evidence.group.extend(rows);
    }
    evidence.client.add(&observation.client_outcomes());
    evidence.server.add(&observation.server_outcomes());
    evidence.legs.insert(leg);
    let (first, last) = observation.seen();
    let (before, after) = evidence.seen.unwrap_or((first, last));
    evidence.seen = Some((before.min(first), after.max(last)));
    for ObservedEnd { window, flow } in &observation.clients {
        let seen = evidence.nodes.entry((window.cluster.clone(), window.node.clone())).or_default();
        seen.succeeded += flow.outcomes.succeeded();
        seen.failed += flow.outcomes.unsuccessful();
        evidence.processes.extend(flow.processes.iter().map(|process| process.command.clone()));
    }
}

fn undeclared(case: &Case<'_>, observation: &Observation<'_>) -> FlowVerdict {
    let baseline = matches(case.baseline, observation);
    if let Some(one) = baseline.iter().find(|one| !one.source_hidden) {
        return FlowVerdict::Baseline(case.baseline.cells()[one.cell].row);
    }
    if let Some((exception, expired)) = exempt::covering(case, observation) {
        return FlowVerdict::Exempt { exception, expired };
    }
    let in_scope = observation.ends().any(|end| case.declared.in_scope(&end.tuple()));
    if in_scope { FlowVerdict::Undeclared } else { FlowVerdict::OutOfScope }
}
