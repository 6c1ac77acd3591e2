//! Policies made of a case, and what they do with what was seen when they are read back.

use std::{collections::BTreeSet, net::IpAddr};

use flowdrift::{
    judge::{Judgement, judge},
    matrix::Matrix,
    policy::{
        Passage, Peer, Policies, Proof, Rule, Settings, Subject, SubjectPolicy, World, gather,
        language::{Decision, Document, Enforced, Evaluator, Language, Passing, RuleId, Written},
        papers, passages, prove,
    },
};

use crate::{case::CaseFiles, nft};

/// What is made of a case.
pub struct Made<'a> {
    /// Who is where.
    pub world: World<'a>,
    /// What was seen, judged.
    pub judgement: Judgement<'a>,
    /// Rules, and what became none.
    pub policies: Policies<'a>,
    /// What awaits approval, and what nobody uses.
    pub papers: [Matrix; 2],
}

/// What comes of a case.
#[must_use]
pub fn make<'a>(files: &'a CaseFiles, settings: &Settings) -> Made<'a> {
    let (case, world) = (files.case(), files.world());
    let judgement = judge(&case);
    let policies = gather(&world, &case, &judgement, settings);
    let papers = [
        papers::quarantine(&world, &case, &judgement, &policies),
        papers::removal_candidates(&case, &judgement),
    ];
    Made { world, judgement, policies, papers }
}

impl Made<'_> {
    /// In a language.
    ///
    /// # Panics
    /// When they cannot be written.
    #[must_use]
    pub fn written(&self, language: Language) -> Written {
        language.write(&self.world, &self.policies).expect("policies are YAML")
    }

    /// What the policies, written and read back, do with what was seen.
    ///
    /// # Panics
    /// When they cannot be read back.
    pub fn proven(&self, written: &Written, check: impl FnOnce(&Proven<'_>)) {
        let mut documents = written.documents();
        nft::list(&mut documents);
        self.proven_as(&documents, check);
    }

    /// The same for documents as those who enforce them have them.
    ///
    /// # Panics
    /// When they cannot be read.
    pub fn proven_as(&self, documents: &[Document], check: impl FnOnce(&Proven<'_>)) {
        let enforced = Enforced::read(&self.world, documents).unwrap_or_else(|faults| panic!("{faults}"));
        let proof = prove(&enforced, passages(&self.world, &self.judgement));
        let is_cut = |passage: &Passage<'_>| enforced.decide(passage).passing() != Passing::Always;
        let legitimate = passages(&self.world, &self.judgement)
            .filter(|passage| passage.standing.is_legitimate() && !is_cut(passage));
        let is_free = |passage: &Passage<'_>| {
            !passage.standing.is_legitimate() && enforced.decide(passage) == Decision::NotGoverned
        };
        let free = passages(&self.world, &self.judgement).filter(is_free).collect();
        let copies = self.copies(enforced.rules().len());
        check(&Proven { proof, copies, passing: legitimate.collect(), free });
    }

    /// Of so many rules of rulesets those that may be there beside the first of each: one is written on each node that has one
    /// of the pods, for each family that the peer has. Where there are more, none may be.
    fn copies(&self, rules: usize) -> usize {
        let of = |one: &SubjectPolicy| -> usize {
            self.nodes(&one.subject) * rules_of(one).map(|rule| self.families(one, rule)).sum::<usize>()
        };
        let most: usize = self.policies.subjects.iter().map(of).sum();
        let firsts = self.policies.subjects.iter().flat_map(rules_of).count();
        if rules > most { 0 } else { rules.saturating_sub(firsts) }
    }

    fn nodes(&self, subject: &Subject) -> usize {
        let Subject::Workload { cluster, workload } = subject else { return 1 };
        let pods = self.world.clusters.get(cluster).into_iter().flat_map(|objects| objects.pods_of(workload));
        pods.filter_map(|pod| pod.node.as_deref()).collect::<BTreeSet<_>>().len()
    }

    fn families(&self, policy: &SubjectPolicy, rule: &Rule) -> usize {
        let families: BTreeSet<bool> = match &rule.flow.peer {
            Peer::Workload(workload) => {
                let (cluster, workload) = (policy.subject.cluster().to_owned(), workload.clone());
                let addresses = self.world.addresses(&Subject::Workload { cluster, workload });
                addresses.iter().map(IpAddr::is_ipv4).collect()
            }
            other => other.blocks().iter().map(|block| block.addr().is_ipv4()).collect(),
        };
        families.len()
    }
}

/// What policies do with what was seen.
pub struct Proven<'a> {
    /// By end.
    pub proof: Proof<'a>,
    /// How many rules may be another's copy, where the language is that of rulesets.
    pub copies: usize,
    /// What somebody answers for, and passes.
    pub passing: Vec<Passage<'a>>,
    /// What nobody answers for, and nobody governs.
    pub free: Vec<Passage<'a>>,
}

/// How many fleets are made up: the acceptance asks for more.
///
/// # Panics
/// When it asks for what is no number.
#[must_use]
pub fn worlds(usual: usize) -> usize {
    let asked = std::env::var("FLOWDRIFT_WORLDS").ok();
    asked.map_or(usual, |count| count.parse().expect("FLOWDRIFT_WORLDS is a number"))
}

/// Those that somebody enforces and that can be read back here: rulesets are for root.
pub fn readable() -> impl Iterator<Item = Language> {
    let rulesets = nft::is_there("rulesets");
    enforced().filter(move |language| rulesets || *language != Language::Nftables)
}

/// What is declared and enforced by nobody is proven by `declarations.rs`.
pub fn enforced() -> impl Iterator<Item = Language> {
    Language::ALL.into_iter().filter(|language| language.is_enforced())
}

/// Rules that nothing needs, where the language could have done without them. A ruleset of nftables has each rule for each
/// family, on each node that has one of the pods: not every one of them was needed there. An `EgressPoint` has each port of a
/// range by itself, and nobody may have been seen on it; a `ServiceEntry`, too, and in both what one workload needs may be a
/// part of what the whole namespace may.
#[must_use]
pub fn slack<'p>(
    language: Language,
    Proven { proof, copies, .. }: &'p Proven<'_>,
    policies: &Policies<'_>,
) -> &'p [RuleId] {
    let of_language = match language {
        Language::Nftables => *copies,
        Language::EgressPoint | Language::ServiceEntry => of_ranges(policies) + of_neighbours(policies),
        _ => 0,
    };
    let excused = of_language + unseen(policies) + doubled(policies);
    if proof.slack.len() <= excused { &[] } else { &proof.slack }
}

/// Rules that nobody was seen to need, such as a node's baseline, which stays.
fn unseen(policies: &Policies<'_>) -> usize {
    let rules = policies.subjects.iter().flat_map(rules_of);
    rules.filter(|rule| rule.evidence.connections == 0).count()
}

fn rules_of(policy: &SubjectPolicy) -> impl Iterator<Item = &Rule> {
    policy.ingress.iter().chain(&policy.egress).flatten()
}

/// Rules of endpoints that lie in part within each other, as the rows declare them: what was seen of one another holds, too.
fn doubled(policies: &Policies<'_>) -> usize {
    let directions = policies.subjects.iter().flat_map(|one| one.ingress.iter().chain(&one.egress));
    let of = |rules: &Vec<Rule>| {
        let is_held = |rule: &Rule, by: &Rule| {
            let blocks = by.flow.peer.blocks();
            let mut addresses = rule.evidence.addresses.iter();
            rule.flow != by.flow
                && rule.evidence.connections > 0
                && addresses.all(|address| blocks.iter().any(|block| block.contains(address)))
                && rule.evidence.ports.iter().all(|port| by.flow.ports.holds(rule.flow.ports.protocol, *port))
        };
        rules.iter().filter(|rule| rules.iter().any(|by| is_held(rule, by))).count()
    };
    directions.map(of).sum()
}

/// The widest range whose ports are written one by one.
const WRITTEN: u16 = 64;

/// Ports of the ranges of rules for what leaves, but one of each.
fn of_ranges(policies: &Policies<'_>) -> usize {
    let rules = policies.subjects.iter().flat_map(|one| one.egress.iter().flatten());
    // Of wider ones those that were seen are written.
    let surplus = |rule: &Rule| match rule.flow.ports.last - rule.flow.ports.first {
        others @ 0..WRITTEN => usize::from(others),
        _ => 0,
    };
    rules.map(surplus).sum()
}

/// Rules for what leaves of those who are not alone in their namespace.
fn of_neighbours(policies: &Policies<'_>) -> usize {
    let is_neighbour = |one: &&SubjectPolicy| {
        let mut others = policies.subjects.iter().filter(|other| other.subject != one.subject);
        others.any(|other| is_near(&one.subject, &other.subject))
    };
    policies.subjects.iter().filter(is_neighbour).flat_map(|one| one.egress.iter().flatten()).count()
}

/// Whether both are workloads of one namespace.
#[must_use]
pub fn is_near(one: &Subject, other: &Subject) -> bool {
    match (one, other) {
        (
            Subject::Workload { cluster, workload },
            Subject::Workload { cluster: home, workload: neighbour },
        ) => cluster == home && workload.namespace == neighbour.namespace,
        _ => false,
    }
}
