//! The verdict of one cell.

use super::{
    credit::Evidence,
    verdict::{Claim, FarEnd, Gap, Verdict},
    watch::{Asked, ClusterWatch, Watches},
};
use crate::{
    matching::{Binding, Cell, Leg, Matcher, Rows},
    matrix::Expect,
};

/// A cell, what was seen of it and what is said of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CellResult {
    /// Index of the cell.
    pub cell: usize,
    /// The verdict.
    pub verdict: Verdict,
    /// What it rests on.
    pub evidence: Evidence,
}

/// Judges every cell.
pub(super) fn judge(rows: &Rows, watches: &Watches, evidence: &[Evidence]) -> Vec<CellResult> {
    let results = rows.cells().iter().zip(evidence).enumerate().map(|(index, (cell, evidence))| {
        let verdict = Judging { rows, watches, cell, evidence }.verdict();
        CellResult { cell: index, verdict, evidence: evidence.clone() }
    });
    results.collect()
}

struct Judging<'a> {
    rows: &'a Rows,
    watches: &'a Watches,
    cell: &'a Cell,
    evidence: &'a Evidence,
}

impl Judging<'_> {
    fn verdict(&self) -> Verdict {
        let (succeeded, failed) = (self.evidence.succeeded(), self.evidence.failed());
        match (succeeded > 0, failed > 0) {
            (true, true) => Verdict::Degraded,
            (true, false) if self.evidence.proven > 0 => Verdict::Observed,
            (true, false) => Verdict::Shared(self.evidence.group.clone()),
            (false, true) => Verdict::Failing(self.far_end()),
            (false, false) if self.evidence.ceded > 0 => self.ceded(),
            (false, false) => self.nothing_seen(),
        }
    }

    /// Narrower rows take all the credit: nothing of its own was seen, but nobody can say that nothing was.
    fn ceded(&self) -> Verdict {
        let rows = self.evidence.ceded_to.clone();
        match self.rows.row(self.cell.row).expect {
            Expect::Optional => Verdict::Unused(Claim::Ceded(rows)),
            _ => Verdict::Shared(rows),
        }
    }

    /// What a failure's far end shows; a proxy in front of it is not watched.
    fn far_end(&self) -> FarEnd {
        let only_direct = self.evidence.legs.iter().all(|leg| matches!(leg, Leg::Direct | Leg::IngressToPod));
        let end = self.rows.destinations(self.cell);
        if !only_direct || self.gaps(&end, Asked::Arrivals).is_none_or(|gaps| !gaps.is_empty()) {
            return FarEnd::Unwatched;
        }
        match self.evidence.server.succeeded() {
            0 => FarEnd::NothingArrived,
            arrived => FarEnd::Arrived(arrived),
        }
    }

    fn nothing_seen(&self) -> Verdict {
        let (source, destination) = (self.rows.sources(self.cell), self.rows.destinations(self.cell));
        if let Some(unobservable) = self.unobservable(&source, &destination) {
            return unobservable;
        }
        let mut gaps = Vec::new();
        match self.gaps(&source, Asked::Attempts) {
            Some(found) if found.is_empty() => return self.none(self.claim(&source, Asked::Attempts)),
            found => gaps.extend(found.into_iter().flatten()),
        }
        if !self.rows.source_hidden_at_destination(self.cell) {
            match self.gaps(&destination, Asked::Arrivals) {
                Some(found) if found.is_empty() => {
                    return self.none(self.claim(&destination, Asked::Arrivals));
                }
                found => gaps.extend(found.into_iter().flatten()),
            }
        }
        gaps.sort();
        gaps.dedup();
        self.accepted_gap(&source, &destination, &gaps).unwrap_or(Verdict::Inconclusive(gaps))
    }

    /// A cluster that somebody accepts not to record is no gap to be closed.
    fn accepted_gap(&self, source: &Binding, destination: &Binding, gaps: &[Gap]) -> Option<Verdict> {
        let acknowledged = source.acknowledged.clone().or_else(|| destination.acknowledged.clone())?;
        let only_absent = gaps.iter().all(|gap| matches!(gap, Gap::NoRecording { .. }));
        let reason = "no recording of either end".to_owned();
        only_absent.then_some(Verdict::Unobservable { reason, acknowledged: Some(acknowledged) })
    }

    /// Nothing happened, and that is known: it depends on what was expected.
    fn none(&self, claim: Claim) -> Verdict {
        match self.rows.row(self.cell.row).expect {
            Expect::Required => Verdict::Missing(claim),
            Expect::Optional => Verdict::Unused(claim),
            Expect::OnDeploy => {
                Verdict::Inconclusive(vec![Gap::Expectation("on-deploy expectations are not judged yet")])
            }
            Expect::Periodic(_) => {
                Verdict::Inconclusive(vec![Gap::Expectation("periodic expectations are not judged yet")])
            }
        }
    }

    fn claim(&self, end: &Binding, asked: Asked) -> Claim {
        let watches: Vec<&ClusterWatch> =
            end.clusters.iter().filter_map(|cluster| self.watches.clusters.get(cluster)).collect();
        let nodes = watches.iter().map(|watch| watch.roster).sum();
        let span = watches.iter().map(|watch| watch.length()).min().unwrap_or(0);
        match asked {
            Asked::Attempts => Claim::NeverAttempted { nodes, span },
            Asked::Arrivals => Claim::NeverArrived { nodes, span },
        }
    }

    fn unobservable(&self, source: &Binding, destination: &Binding) -> Option<Verdict> {
        let acknowledged = source.acknowledged.clone().or_else(|| destination.acknowledged.clone());
        let unbound = source.unbound.clone().or_else(|| destination.unbound.clone());
        let protocol = self.rows.unseen_protocol(self.cell).map(str::to_owned);
        let reason = protocol.or(unbound).or_else(|| self.out_of_sight(source, destination))?;
        Some(Verdict::Unobservable { reason, acknowledged })
    }

    /// No watched node can be at an end that would show it.
    fn out_of_sight(&self, source: &Binding, destination: &Binding) -> Option<String> {
        if !source.clusters.is_empty() {
            return None;
        }
        if destination.clusters.is_empty() {
            return Some("no watched node can be at either end".to_owned());
        }
        let hidden = self.rows.source_hidden_at_destination(self.cell);
        hidden.then(|| "the source is not watched, and a proxy hides it from the destination".to_owned())
    }

    /// What keeps the end's silence from being known: nothing when it is known, `None` when no watched cluster
    /// is there.
    fn gaps(&self, end: &Binding, asked: Asked) -> Option<Vec<Gap>> {
        if end.clusters.is_empty() {
            return None;
        }
        let watched = end.clusters.iter().filter_map(|cluster| self.watches.clusters.get(cluster));
        let mut gaps: Vec<Gap> = watched.flat_map(|watch| watch.gaps(asked)).cloned().collect();
        if end.beyond {
            let place = if asked == Asked::Attempts { &self.cell.source } else { &self.cell.destination };
            gaps.push(Gap::Beyond(place.to_string()));
        }
        Some(gaps)
    }
}
