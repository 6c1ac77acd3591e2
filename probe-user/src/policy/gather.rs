//! From passages to the rules of each subject.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    generalise::{self, Tightness},
    passage::{Passage, Standing, passages},
    rule::{Evidence, Flow, RowRef, Rule},
    unseen::Unseen,
    world::{Party, Subject, World},
};
use crate::{
    judge::{Case, Gap, Judgement},
    matching::Matcher,
    workload,
};

/// What becomes a rule beside what was declared and observed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Include {
    /// Also what was declared and that nobody saw, where something else was seen.
    pub declared: bool,
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
    /// What its pods may reach on their own nodes, which some languages cut and others cannot. It is no reason to govern
    /// anybody, and in no other list.
    pub own_nodes: Vec<Rule>,
}

impl SubjectPolicy {
    /// What it may reach, for a language that cuts what goes to a pod's own node, too.
    #[must_use]
    pub fn egress_with_own_nodes(&self) -> Option<Vec<Rule>> {
        let mut rules = [self.egress.as_deref()?, &self.own_nodes].concat();
        rules.sort_by(|left, right| left.flow.cmp(&right.flow));
        absorb(&mut rules);
        Some(rules)
    }
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
    /// What is declared and became no rule, since it would let through what nobody answers for.
    pub left_out: Vec<(Subject, Rule)>,
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
    let mut policies = Policies {
        subjects: Vec::new(),
        quarantine: Vec::new(),
        withheld: withheld.clone(),
        left_out: Vec::new(),
        passages: Vec::new(),
    };
    for passage in &all {
        let Some(subject) = passage.party.subject() else { continue };
        let is_own_node = passage.is_with_own_node();
        if is_own_node && !becomes_rule(passage.standing) {
            policies.quarantine.push(passage.clone());
        }
        // Nothing cuts what a node sends to its own pods.
        if is_own_node && !passage.is_egress {
            continue;
        }
        let side = by_side.entry((subject, passage.is_egress)).or_default();
        match (becomes_rule(passage.standing), is_own_node) {
            (true, false) => side.rules.push(passage),
            (true, true) => side.own_nodes.push(passage),
            (false, false) => side.quarantine.push(passage),
            (false, true) => side.strangers_on_own_nodes.push(passage),
        }
    }
    for ((subject, is_egress), side) in by_side {
        policies.quarantine.extend(side.quarantine.iter().map(|passage| (*passage).clone()));
        if is_withheld(subject.cluster()) || !side.is_governed() {
            continue;
        }
        let Made { rules, own_nodes, left_out } =
            Maker { world, case, judgement, settings }.rules(&subject, is_egress, &side);
        policies.left_out.extend(left_out.into_iter().map(|rule| (subject.clone(), rule)));
        if policies.subjects.last().is_none_or(|last| last.subject != subject) {
            policies.subjects.push(SubjectPolicy {
                subject,
                ingress: None,
                egress: None,
                own_nodes: Vec::new(),
            });
        }
        if let Some(last) = policies.subjects.last_mut() {
            let direction = if is_egress { &mut last.egress } else { &mut last.ingress };
            *direction = Some(rules);
            last.own_nodes.extend(own_nodes);
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

/// What passed one subject in one direction; what left for a pod's own node apart.
#[derive(Default)]
struct Side<'a, 'b> {
    rules: Vec<&'b Passage<'a>>,
    quarantine: Vec<&'b Passage<'a>>,
    own_nodes: Vec<&'b Passage<'a>>,
    strangers_on_own_nodes: Vec<&'b Passage<'a>>,
}

impl Side<'_, '_> {
    fn is_governed(&self) -> bool {
        !self.rules.is_empty() || !self.quarantine.is_empty()
    }
}

/// What rules are made of.
struct Maker<'a, 'b> {
    world: &'b World<'a>,
    case: &'b Case<'a>,
    judgement: &'b Judgement<'a>,
    settings: &'b Settings,
}

/// The rules of one side, and what became none.
struct Made {
    rules: Vec<Rule>,
    /// What leaves for a pod's own node.
    own_nodes: Vec<Rule>,
    left_out: Vec<Rule>,
}

impl<'a> Maker<'a, '_> {
    fn rules(&self, subject: &Subject, is_egress: bool, side: &Side<'a, '_>) -> Made {
        let Self { world, case, judgement, settings } = *self;
        let rows = case.rows();
        let exact = |passage: &Passage<'a>| generalise::exact(world, rows, passage);
        let strangers = side.quarantine.iter().chain(&side.strangers_on_own_nodes);
        let forbidden: BTreeSet<Flow> = strangers.map(|passage| exact(passage)).collect();
        let is_too_wide = |flow: &Flow| forbidden.iter().any(|other| admits(flow, other));
        let of = |passages: &[&Passage<'a>]| {
            let mut rules: BTreeMap<Flow, Evidence> = BTreeMap::new();
            for passage in passages {
                let wide = generalise::flow(world, rows, passage, settings.tightness);
                // A wider one would let through what became no rule.
                let flow = if is_too_wide(&wide) { exact(passage) } else { wide };
                rules.entry(flow).or_default().add(evidence(case, judgement, passage));
            }
            rules
        };
        let (mut rules, own_nodes) = (of(&side.rules), of(&side.own_nodes));
        let mut left_out = Vec::new();
        for rule in self.unseen(subject, is_egress) {
            if is_too_wide(&rule.flow) {
                left_out.push(rule);
            } else {
                rules.entry(rule.flow).or_default().add(rule.evidence);
            }
        }
        let [rules, own_nodes] = [rules, own_nodes].map(|rules| {
            let mut rules: Vec<Rule> =
                rules.into_iter().map(|(flow, evidence)| Rule { flow, evidence }).collect();
            absorb(&mut rules);
            rules
        });
        Made { rules, own_nodes, left_out }
    }

    /// What rows ask for though nobody saw it. A node that is governed keeps its baseline: what it does once a day or once a
    /// boot, such as to renew a time server's answer, must not fail for not having happened in the window.
    fn unseen(&self, subject: &Subject, is_egress: bool) -> Vec<Rule> {
        let Self { world, case, settings, .. } = *self;
        let of = |is_asked: bool, standing, rows| {
            let rules = || Unseen { world, rows, standing, subject, is_egress }.rules();
            is_asked.then(rules).unwrap_or_default()
        };
        let is_node = matches!(subject, Subject::Node { .. });
        let declared = of(settings.include.declared, Standing::Declared, case.rows());
        [declared, of(is_node, Standing::Baseline, case.baseline.rows())].concat()
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
    let cells = passage.cells.iter().map(|cell| RowRef::new(rows, rows.cells()[*cell].row));
    let excuse = |standing| passage.excuse.filter(|_| passage.standing == standing);
    let baseline = excuse(Standing::Baseline).map(|row| RowRef::new(case.baseline.rows(), row));
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
