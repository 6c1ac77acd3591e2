//! The verdict of one cell.

use std::collections::BTreeSet;

use super::{
    evidence::Evidence,
    verdict::{Claim, FarEnd, Gap, Verdict},
    watch::{Asked, ClusterWatch, Watches},
};
use crate::{
    event::Protocol,
    flow::Outcomes,
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
pub(super) fn judge(rows: &Rows, watches: &Watches, evidence: Vec<Evidence>) -> Vec<CellResult> {
    let all = evidence.as_slice();
    let judging = rows.cells().iter().zip(all);
    let judging = judging.map(|(cell, evidence)| Judging { rows, watches, cell, evidence, all }.verdict());
    let verdicts: Vec<Verdict> = judging.collect();
    let results = verdicts.into_iter().zip(evidence).enumerate().map(|(cell, (verdict, evidence))| {
        let is_none = matches!(verdict, Verdict::Missing(_) | Verdict::Unused(Claim::NeverAttempted { .. }));
        let evidence = if is_none { evidence.disowned() } else { evidence };
        CellResult { cell, verdict, evidence }
    });
    results.collect()
}

struct Judging<'a> {
    rows: &'a Rows,
    watches: &'a Watches,
    cell: &'a Cell,
    evidence: &'a Evidence,
    /// That of every cell.
    all: &'a [Evidence],
}

impl Judging<'_> {
    fn verdict(&self) -> Verdict {
        let (succeeded, failed) = (self.evidence.succeeded(), self.evidence.failed());
        match (succeeded > 0, failed > 0) {
            (true, true) => Verdict::Degraded,
            (true, false) if self.evidence.proven.count() > 0 => Verdict::Observed,
            (true, false) => self.shared(),
            (false, true) => Verdict::Failing(self.far_end()),
            (false, false) if self.evidence.ceded + self.evidence.ceded_failed > 0 => self.ceded(),
            (false, false) if self.evidence.client.unreplied > 0 => self.unreplied(),
            (false, false) if self.evidence.client.pending > 0 => {
                Verdict::Inconclusive(vec![Gap::Pending(self.evidence.client.pending)])
            }
            (false, false) if self.evidence.client.silent > 0 => {
                Verdict::Inconclusive(vec![Gap::Silent(self.evidence.client.silent)])
            }
            (false, false) => self.nothing_seen(),
        }
    }

    /// Arrivals that others may have made prove nothing of a source that was watched whole and made none, when
    /// one of the others did: a talking cluster does not hide a silent one behind their common address.
    fn shared(&self) -> Verdict {
        let source = self.rows.sources(self.cell);
        let is_silent = self.evidence.client == Outcomes::default()
            && self.doubts(&source, Asked::Attempts).is_some_and(|doubts| doubts.is_empty());
        let talks = |cell: &usize| self.all[*cell].client.succeeded() > 0;
        if is_silent && self.evidence.among.iter().any(talks) {
            return self.none(self.claim(&source, Asked::Attempts));
        }
        Verdict::Shared(self.evidence.group.clone())
    }

    /// Narrower rows take all the credit: nothing of its own was seen, but nobody can say that nothing was.
    fn ceded(&self) -> Verdict {
        let rows = self.evidence.ceded_to.clone();
        match self.rows.row(self.cell.row).expect {
            Expect::Optional => Verdict::Unused(Claim::Ceded(rows)),
            _ => Verdict::Shared(rows),
        }
    }

    /// Datagrams without an answer: dropped, if nothing of them arrived where all arrivals are seen; otherwise they may be
    /// one-way by nature.
    fn unreplied(&self) -> Verdict {
        match self.far_end() {
            FarEnd::NothingArrived => Verdict::Failing(FarEnd::NothingArrived),
            _ => Verdict::Inconclusive(vec![Gap::Unreplied(self.evidence.client.unreplied)]),
        }
    }

    /// What a failure's far end shows; a proxy in front of it is not watched.
    fn far_end(&self) -> FarEnd {
        let only_direct = self.evidence.legs.iter().all(|leg| matches!(leg, Leg::Direct | Leg::IngressToPod));
        let end = self.rows.destinations(self.cell);
        if !only_direct || self.gaps(&end, Asked::Arrivals).is_none_or(|gaps| !gaps.is_empty()) {
            return FarEnd::Unwatched;
        }
        match (self.evidence.server.succeeded(), self.evidence.untold()) {
            (0, 0) => FarEnd::NothingArrived,
            (0, untold) => FarEnd::CannotTell(untold),
            (arrived, _) => FarEnd::Arrived(arrived),
        }
    }

    fn nothing_seen(&self) -> Verdict {
        let (source, destination) = (self.rows.sources(self.cell), self.rows.destinations(self.cell));
        if let Some(unobservable) = self.unobservable(&source, &destination) {
            return unobservable;
        }
        let mut open = Vec::new();
        for (end, asked) in [(&source, Asked::Attempts), (&destination, Asked::Arrivals)] {
            match self.doubts(end, asked) {
                Some(doubts) if doubts.is_empty() => return self.none(self.claim(end, asked)),
                doubts => open.extend(doubts.into_iter().flatten().map(|gap| (gap, end))),
            }
        }
        self.accepted(&open).unwrap_or_else(|| {
            let gaps: BTreeSet<Gap> = open.into_iter().map(|(gap, _)| gap).collect();
            Verdict::Inconclusive(gaps.into_iter().collect())
        })
    }

    /// What keeps an end from proving that nothing happened; `None` when it could prove nothing anyway.
    fn doubts(&self, end: &Binding, asked: Asked) -> Option<Vec<Gap>> {
        let is_arrivals = asked == Asked::Arrivals;
        if is_arrivals && self.rows.source_hidden_at_destination(self.cell) {
            return None;
        }
        let mut gaps = self.gaps(end, asked)?;
        if is_arrivals && self.evidence.untold() > 0 {
            gaps.push(Gap::UnknownSource(self.evidence.untold()));
        }
        if !is_arrivals && self.evidence.unattributed > 0 {
            gaps.push(Gap::UnknownWorkload);
        }
        if !is_arrivals && self.evidence.unaddressed > 0 {
            gaps.push(Gap::UnknownPeer(self.evidence.unaddressed));
        }
        Some(gaps)
    }

    /// What somebody accepts not to record is no gap to be closed; each end must be accepted for itself.
    fn accepted(&self, open: &[(Gap, &Binding)]) -> Option<Verdict> {
        let mut reasons = BTreeSet::new();
        let mut words = BTreeSet::new();
        for (gap, end) in open {
            let cluster = self.watches.clusters.get(gap.unrecorded()?);
            let of_cluster = || cluster.and_then(|watch| watch.acknowledged.clone());
            words.insert(end.acknowledged.clone().or_else(of_cluster)?);
            reasons.insert(gap.to_string());
        }
        let list = |words: BTreeSet<String>| words.into_iter().collect::<Vec<_>>().join("; ");
        let verdict =
            |words| Verdict::Unobservable { reason: list(reasons), acknowledged: Some(list(words)) };
        (!words.is_empty()).then_some(words).map(verdict)
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
        let limited = watches.iter().map(|watch| watch.limits.len()).sum();
        let span = watches.iter().map(|watch| watch.length()).min().unwrap_or(0);
        match asked {
            Asked::Attempts => Claim::NeverAttempted { nodes, span, limited },
            Asked::Arrivals => Claim::NeverArrived { nodes, span, limited },
        }
    }

    fn unobservable(&self, source: &Binding, destination: &Binding) -> Option<Verdict> {
        let acknowledged = source.acknowledged.clone().or_else(|| destination.acknowledged.clone());
        let unbound = source.unbound.clone().or_else(|| destination.unbound.clone());
        let protocol = self.rows.unseen_protocol(self.cell).map(str::to_owned);
        let reason = protocol
            .or(unbound)
            .or_else(|| self.out_of_sight(source, destination))
            .or_else(|| self.of_the_kernel(source, destination))?;
        Some(Verdict::Unobservable { reason, acknowledged })
    }

    /// A tunnel's datagrams pass no hook at either end.
    fn of_the_kernel(&self, source: &Binding, destination: &Binding) -> Option<String> {
        if !self.cell.port.carries(Protocol::Udp) {
            return None;
        }
        let clusters = source.clusters.iter().chain(&destination.clusters);
        let found = clusters.filter_map(|cluster| Some((cluster, self.watches.clusters.get(cluster)?)));
        let (cluster, (port, node)) = found
            .filter_map(|(cluster, watch)| Some((cluster, watch.kernel_port(self.cell.port.ports)?)))
            .next()?;
        Some(format!(
            "{port}/udp belongs to no process on {cluster}/{node} that may be looked into: as a rule a tunnel of the \
             kernel, whose datagrams no hook sees"
        ))
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
        let protocol = self.cell.port.protocol;
        let mut gaps: Vec<Gap> = watched.flat_map(|watch| watch.gaps(asked, protocol)).cloned().collect();
        if end.beyond {
            let place = if asked == Asked::Attempts { &self.cell.source } else { &self.cell.destination };
            gaps.push(Gap::Beyond(place.to_string()));
        }
        Some(gaps)
    }
}
