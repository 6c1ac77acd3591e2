//! From passages to the rules of each subject.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    generalise::{self, Tightness},
    passage::{Passage, Standing, passages},
    rule::{Evidence, Flow, RowRef, Rule},
    world::{Party, Subject, World},
};
use crate::{
    judge::{Case, Gap, Judgement},
    matching::{Matcher, Rows},
    workload,
};

/// What becomes a rule beside what was declared and observed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Include {
    /// Also what was observed and that nobody declared; each is marked.
    pub observed: bool,
}

/// What the user chose.
#[derive(Clone, Copy, Debug, Default)]
pub struct Settings {
    /// How wide rules may be.
    pub tightness: Tightness,
    /// What becomes a rule.
    pub include: Include,
    /// Whether rules are made of a cluster that was not watched whole.
    pub accept_incomplete: bool,
}

/// The rules of one subject. A direction in which nothing passed is not governed: silence is no reason to cut anybody off.
#[derive(Clone, Debug, PartialEq)]
pub struct SubjectPolicy {
    /// Whom they are for.
    pub subject: Subject,
    /// Who may reach it; `None` where that is not governed.
    pub ingress: Option<Vec<Rule>>,
    /// What it may reach, likewise.
    pub egress: Option<Vec<Rule>>,
    /// What its pods may reach on the node that each runs on. Most languages let that pass unasked, so it is no reason to
    /// govern a pod; those that do not need it beside `egress`.
    pub own_node: Vec<Rule>,
}

/// A cluster for which no rule is made, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withheld {
    /// The cluster.
    pub cluster: String,
    /// What its recordings do not show.
    pub gaps: Vec<Gap>,
}

/// What came of a judgement.
#[derive(Clone, Debug)]
pub struct Policies<'a> {
    /// In the order of the subjects.
    pub subjects: Vec<SubjectPolicy>,
    /// What passed and became no rule.
    pub quarantine: Vec<Passage<'a>>,
    /// Clusters for which no rule is made.
    pub withheld: Vec<Withheld>,
    /// What passed, all of it.
    pub passages: Vec<Passage<'a>>,
}

/// Makes rules of what a judgement shows.
#[must_use]
pub fn gather<'a>(
    world: &World<'a>,
    case: &Case<'a>,
    judgement: &Judgement<'a>,
    settings: &Settings,
) -> Policies<'a> {
    let all = passages(world, judgement);
    let withheld = withheld(judgement, settings);
    let is_withheld = |cluster: &str| withheld.iter().any(|one| one.cluster == cluster);
    let becomes_rule = |standing: Standing| standing.is_legitimate() || settings.include.observed;
    let mut by_side: BTreeMap<(Subject, bool), Side<'_, '_>> = BTreeMap::new();
    let mut own_node: BTreeMap<Subject, Side<'_, '_>> = BTreeMap::new();
    let mut policies = Policies {
        subjects: Vec::new(),
        quarantine: Vec::new(),
        withheld: withheld.clone(),
        passages: Vec::new(),
    };
    for passage in &all {
        let Some(subject) = passage.party.subject() else { continue };
        if passage.is_with_own_node() {
            if passage.is_egress {
                own_node.entry(subject).or_default().add(passage, becomes_rule);
            }
            if !becomes_rule(passage.standing) {
                policies.quarantine.push(passage.clone());
            }
            continue;
        }
        by_side.entry((subject, passage.is_egress)).or_default().add(passage, becomes_rule);
    }
    for ((subject, is_egress), side) in by_side {
        policies.quarantine.extend(side.quarantine.iter().map(|passage| (*passage).clone()));
        if is_withheld(subject.cluster()) {
            continue;
        }
        let rules = side.rules(world, case, judgement, settings);
        if policies.subjects.last().is_none_or(|last| last.subject != subject) {
            let own_node = own_node.get(&subject).map(|side| side.rules(world, case, judgement, settings));
            let own_node = own_node.unwrap_or_default();
            policies.subjects.push(SubjectPolicy { subject, ingress: None, egress: None, own_node });
        }
        if let Some(last) = policies.subjects.last_mut() {
            let direction = if is_egress { &mut last.egress } else { &mut last.ingress };
            *direction = Some(rules);
        }
    }
    policies.passages = all;
    policies
}

/// Clusters that were not watched whole. What nobody saw would be cut off by a policy that is made of what was seen.
fn withheld(judgement: &Judgement<'_>, settings: &Settings) -> Vec<Withheld> {
    if settings.accept_incomplete {
        return Vec::new();
    }
    let watches = judgement.watches.clusters.iter();
    let incomplete = watches.filter(|(_, watch)| watch.recorded > 0).filter_map(|(cluster, watch)| {
        let gaps = watch.every_gap();
        (!gaps.is_empty()).then(|| Withheld { cluster: cluster.clone(), gaps })
    });
    incomplete.collect()
}

/// What passed one subject in one direction.
#[derive(Default)]
struct Side<'a, 'b> {
    rules: Vec<&'b Passage<'a>>,
    quarantine: Vec<&'b Passage<'a>>,
}

impl<'a, 'b> Side<'a, 'b> {
    fn add(&mut self, passage: &'b Passage<'a>, becomes_rule: impl Fn(Standing) -> bool) {
        let list = if becomes_rule(passage.standing) { &mut self.rules } else { &mut self.quarantine };
        list.push(passage);
    }

    fn rules(
        &self,
        world: &World<'a>,
        case: &Case<'a>,
        judgement: &Judgement<'a>,
        settings: &Settings,
    ) -> Vec<Rule> {
        let rows = case.rows();
        let exact = |passage: &Passage<'a>| generalise::exact(world, rows, passage);
        let forbidden: BTreeSet<Flow> = self.quarantine.iter().map(|passage| exact(passage)).collect();
        let mut rules: BTreeMap<Flow, Evidence> = BTreeMap::new();
        for passage in &self.rules {
            let wide = generalise::flow(world, rows, passage, settings.tightness);
            let tight = exact(passage);
            // A wider one would let through what became no rule.
            let flow = if forbidden.iter().any(|other| admits(&wide, other)) { tight } else { wide };
            rules.entry(flow).or_default().add(evidence(case, judgement, passage));
        }
        let mut rules: Vec<Rule> =
            rules.into_iter().map(|(flow, evidence)| Rule { flow, evidence }).collect();
        absorb(&mut rules);
        rules
    }
}

/// Whether a rule lets another's flow through.
fn admits(rule: &Flow, other: &Flow) -> bool {
    let is_port = rule.ports.protocol == other.ports.protocol
        && rule.ports.first <= other.ports.first
        && other.ports.last <= rule.ports.last;
    let (wide, narrow) = (rule.peer.blocks(), other.peer.blocks());
    let is_within =
        !narrow.is_empty() && narrow.iter().all(|block| wide.iter().any(|wide| wide.contains(block)));
    is_port && (rule.peer == other.peer || is_within)
}

/// A rule that another makes superfluous goes, and leaves its evidence there.
fn absorb(rules: &mut Vec<Rule>) {
    let mut index = 0;
    while index < rules.len() {
        let is_wider = |other: usize| other != index && admits(&rules[other].flow, &rules[index].flow);
        let same = |other: usize| admits(&rules[index].flow, &rules[other].flow);
        // Of two that say the same, the first stays.
        match (0..rules.len()).find(|other| is_wider(*other) && (*other < index || !same(*other))) {
            Some(wider) => {
                let Rule { evidence, .. } = rules.remove(index);
                let wider = if wider > index { wider - 1 } else { wider };
                rules[wider].evidence.add(evidence);
            }
            None => index += 1,
        }
    }
}

fn evidence(case: &Case<'_>, judgement: &Judgement<'_>, passage: &Passage<'_>) -> Evidence {
    let observation = &judgement.observations[passage.observation];
    let rows = case.rows();
    let cells = passage.cells.iter().map(|cell| row_ref(rows, rows.cells()[*cell].row));
    let excuse = |standing| passage.excuse.filter(|_| passage.standing == standing);
    let baseline = excuse(Standing::Baseline).map(|row| row_ref(case.baseline.rows(), row));
    let exception = excuse(Standing::Exempt)
        .and_then(|index| case.exceptions?.exceptions.get(index))
        .map(|exception| exception.id.clone());
    let clients = || observation.clients.iter().map(|end| end.flow);
    // A pod's group says no more than the pod.
    let client = if passage.is_egress { &passage.party } else { &passage.peer };
    let groups = clients().filter(|_| !matches!(client, Party::Pod { .. }));
    let groups = groups.filter_map(|flow| flow.key.workload.cgroup.as_deref()).map(workload::stable_name);
    let processes = clients().flat_map(|flow| &flow.processes).map(|process| process.command.clone());
    Evidence {
        standings: [passage.standing].into(),
        rows: cells.chain(baseline).collect(),
        exceptions: exception.into_iter().collect(),
        connections: passage.connections,
        addresses: [passage.peer.address()].into(),
        dialled: passage.dialled.into_iter().collect(),
        groups: groups.collect(),
        processes: processes.collect(),
        seen: Some(observation.seen()),
    }
}

fn row_ref(rows: &Rows, row: usize) -> RowRef {
    let (written, matrix) = (rows.row(row), rows.matrix(row));
    let source = written.source.as_ref();
    RowRef {
        id: written.id.clone(),
        file: source.map_or_else(|| matrix.file.clone(), |source| source.file.to_string()),
        line: source.map_or(written.line, |source| source.line),
    }
}
