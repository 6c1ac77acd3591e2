//! From passages to the rules of each subject.

use std::collections::BTreeMap;

use super::{
    generalise::{self, Tightness},
    grounds::Grounds,
    passage::{Passage, Standing, passages},
    quarantine::{Quarantine, Stranger},
    rule::{Evidence, Flow, Rule},
    unseen::Unseen,
    world::{Subject, SubjectRef, World},
};
use crate::judge::{Case, Gap, Judgement};

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
        absorb(&mut rules, &self.subject);
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
    pub quarantine: Quarantine<'a>,
    /// Clusters for which no rule is made.
    pub withheld: Vec<Withheld>,
    /// What is declared and became no rule, since it would let through what nobody answers for.
    pub left_out: Vec<(Subject, Rule)>,
}

/// Makes rules of what a judgement shows.
#[must_use]
pub fn gather<'a>(
    world: &World<'a>,
    case: &Case<'a>,
    judgement: &Judgement<'a>,
    settings: &Settings,
) -> Policies<'a> {
    let withheld = withheld(judgement, settings);
    let is_withheld = |cluster: &str| withheld.iter().any(|one| one.cluster == cluster);
    let maker = Maker { world, case, judgement, settings };
    let quarantine = maker.strangers();
    let mut sides = Side::of(&quarantine);
    maker.gather(&mut sides, is_withheld);
    let (mut subjects, mut left_out): (Vec<SubjectPolicy>, Vec<(Subject, Rule)>) = (Vec::new(), Vec::new());
    for ((subject, is_egress), side) in sides {
        if is_withheld(subject.cluster()) || !side.is_governed() {
            continue;
        }
        let subject = subject.to_subject();
        let Made { rules, own_nodes, left_out: left } = maker.rules(&subject, is_egress, side);
        left_out.extend(left.into_iter().map(|rule| (subject.clone(), rule)));
        if subjects.last().is_none_or(|last| last.subject != subject) {
            subjects.push(SubjectPolicy { subject, ingress: None, egress: None, own_nodes: Vec::new() });
        }
        if let Some(last) = subjects.last_mut() {
            let direction = if is_egress { &mut last.egress } else { &mut last.ingress };
            *direction = Some(rules);
            last.own_nodes.extend(own_nodes);
        }
    }
    Policies { subjects, quarantine, withheld, left_out }
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
struct Side<'a, 'q> {
    rules: BTreeMap<Flow, Grounds<'a>>,
    own_nodes: BTreeMap<Flow, Grounds<'a>>,
    /// What must not pass.
    forbidden: Vec<&'q Stranger<'a>>,
    /// Whether anything of that is a reason to govern it.
    has_strangers: bool,
    /// Of what was asked for, whether it would let through what must not pass.
    asked: BTreeMap<Flow, bool>,
}

impl<'a, 'q> Side<'a, 'q> {
    /// Those of which something must not pass. Nothing cuts what a node sends to its own pods.
    fn of(quarantine: &'q Quarantine<'a>) -> Sides<'a, 'q> {
        let mut sides = Sides::new();
        for (key, strangers) in quarantine.sides() {
            let forbidden: Vec<&Stranger<'_>> =
                strangers.iter().filter(|stranger| key.1 || !stranger.is_with_own_node).collect();
            if !forbidden.is_empty() {
                let has_strangers = forbidden.iter().any(|stranger| !stranger.is_with_own_node);
                sides.insert(*key, Self { forbidden, has_strangers, ..Self::default() });
            }
        }
        sides
    }

    fn is_governed(&self) -> bool {
        !self.rules.is_empty() || self.has_strangers
    }

    /// Whether a rule would let through what must not pass.
    fn is_too_wide(&mut self, flow: &Flow) -> bool {
        if let Some(known) = self.asked.get(flow) {
            return *known;
        }
        let is_too_wide = self.forbidden.iter().any(|stranger| stranger.is_admitted(flow));
        self.asked.insert(flow.clone(), is_too_wide);
        is_too_wide
    }
}

/// By subject, and whether it connects.
type Sides<'a, 'q> = BTreeMap<(SubjectRef<'a>, bool), Side<'a, 'q>>;

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
    fn becomes_rule(&self, passage: &Passage<'a>) -> bool {
        passage.standing.is_legitimate() || self.settings.include.observed
    }

    /// What becomes no rule, which has to be known of a side before its first rule is made.
    fn strangers(&self) -> Quarantine<'a> {
        passages(self.world, self.judgement).filter(|one| !self.becomes_rule(one)).collect()
    }

    /// What becomes a rule.
    fn gather(&self, sides: &mut Sides<'a, '_>, is_withheld: impl Fn(&str) -> bool) {
        let Self { world, case, judgement, settings } = *self;
        let rows = case.rows();
        for passage in passages(world, judgement).filter(|one| self.becomes_rule(one)) {
            let Some(subject) = passage.party.subject_ref() else { continue };
            let is_own_node = passage.is_with_own_node();
            if (is_own_node && !passage.is_egress) || is_withheld(subject.cluster()) {
                continue;
            }
            let side = sides.entry((subject, passage.is_egress)).or_default();
            let wide = generalise::flow(world, rows, &passage, settings.tightness);
            // A wider one would let through what became no rule.
            let (flow, aliases) =
                if side.is_too_wide(&wide.0) { generalise::exact(world, rows, &passage) } else { wide };
            let rules = if is_own_node { &mut side.own_nodes } else { &mut side.rules };
            let grounds = rules.entry(flow).or_default();
            grounds.add(judgement, &passage);
            grounds.aliases.extend(aliases);
        }
    }

    fn rules(&self, subject: &Subject, is_egress: bool, mut side: Side<'a, '_>) -> Made {
        let of = |rules: BTreeMap<Flow, Grounds<'a>>| -> BTreeMap<Flow, Evidence> {
            rules.into_iter().map(|(flow, grounds)| (flow, grounds.evidence(self.case))).collect()
        };
        let mut rules = of(std::mem::take(&mut side.rules));
        let own_nodes = of(std::mem::take(&mut side.own_nodes));
        let mut left_out = Vec::new();
        for rule in self.unseen(subject, is_egress) {
            if side.is_too_wide(&rule.flow) {
                left_out.push(rule);
            } else {
                rules.entry(rule.flow).or_default().add(rule.evidence);
            }
        }
        let [rules, own_nodes] = [rules, own_nodes].map(|rules| {
            let mut rules: Vec<Rule> =
                rules.into_iter().map(|(flow, evidence)| Rule { flow, evidence }).collect();
            absorb(&mut rules, subject);
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

/// Whether a rule lets another's flow through, in every language: some know a peer with names by these alone, which may be
/// others' addresses tomorrow. A node's own names are in no language.
fn admits(rule: &Flow, other: &Flow, is_node: bool) -> bool {
    let is_port = rule.ports.covers(&other.ports);
    let (wide, narrow) = (rule.peer.blocks(), other.peer.blocks());
    let is_within = !narrow.is_empty() && wide.cover(&narrow);
    let (names, others) = (rule.peer.hosts(), other.peer.hosts());
    let is_named = names.is_empty() == others.is_empty() && others.iter().all(|name| names.contains(name));
    is_port && (rule.peer == other.peer || (is_within && (is_node || is_named)))
}

/// A rule that another makes superfluous goes, and leaves its evidence there.
fn absorb(rules: &mut Vec<Rule>, subject: &Subject) {
    let is_node = matches!(subject, Subject::Node { .. });
    let mut index = 0;
    while index < rules.len() {
        let is_wider =
            |other: usize| other != index && admits(&rules[other].flow, &rules[index].flow, is_node);
        let same = |other: usize| admits(&rules[index].flow, &rules[other].flow, is_node);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::Protocol,
        matrix::EndpointName,
        policy::rule::{Peer, PortRange},
    };

    fn flow(hosts: &[&str], cidr: &str) -> Flow {
        let peer = Peer::Endpoint {
            name: EndpointName::new("there"),
            hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
            blocks: [cidr.parse().expect("a block")].into_iter().collect(),
        };
        Flow { peer, ports: PortRange { protocol: Protocol::Tcp, first: 443, last: 443 } }
    }

    #[test]
    fn a_name_lets_nobody_through_who_is_known_by_another() {
        let (wide, address) = ("192.0.2.0/24", "192.0.2.1/32");
        for (rule, other, of_workload, of_node) in [
            (flow(&[], wide), flow(&[], address), true, true),
            (flow(&["a"], address), flow(&["b"], address), false, true),
            (flow(&["a", "b"], wide), flow(&["b"], address), true, true),
            (flow(&["a"], wide), flow(&[], address), false, true),
            // Its addresses may be others tomorrow.
            (flow(&[], wide), flow(&["a"], address), false, true),
            (flow(&["a"], address), flow(&["a"], wide), false, false),
        ] {
            assert_eq!(
                (admits(&rule, &other, false), admits(&rule, &other, true)),
                (of_workload, of_node),
                "{rule:?} {other:?}"
            );
        }
    }
}
