//! What policies do with what was observed.

use std::collections::BTreeSet;

use super::{
    language::{Decision, Evaluator, RuleId},
    passage::{Passage, replayed},
};

/// What becomes of what passed, by end. Of a million flows those are kept of which somebody must know.
#[derive(Clone, Debug, Default)]
pub struct Proof<'a> {
    /// Somebody answers for it, and it passes.
    pub allowed: usize,
    /// Somebody answers for it, and it would be cut, at least with some of the ports that its client may have.
    pub cut: Vec<Passage<'a>>,
    /// Nobody answers for it, and it would be cut.
    pub stopped: usize,
    /// Nobody answers for it, and it passes, at least with some of them.
    pub leaked: Vec<Passage<'a>>,
    /// Nobody answers for it, and it passes whatever policies say: the language cannot cut it.
    pub beyond: Vec<Passage<'a>>,
    /// How many of those that are cut or leaked are so with some ports of their clients, and not with others.
    pub partly: usize,
    /// No policy is for its end.
    pub ungoverned: usize,
    /// Rules without which everything would pass that passes now.
    pub slack: Vec<RuleId>,
}

/// Replays every passage. What the matrix does not speak of counts as what nobody answers for.
#[must_use]
pub fn prove<'a>(evaluator: &dyn Evaluator, passages: impl IntoIterator<Item = Passage<'a>>) -> Proof<'a> {
    let mut proof = Proof::default();
    let mut held_by = BTreeSet::new();
    for (passage, decision) in replayed(passages.into_iter(), |passage| evaluator.decide(passage)) {
        proof.partly += usize::from(decision == Decision::Partly);
        match (decision, passage.standing.is_legitimate()) {
            (Decision::NotGoverned, _) => proof.ungoverned += 1,
            (Decision::BeyondPolicies, true) => proof.allowed += 1,
            (Decision::BeyondPolicies, false) => proof.beyond.push(passage),
            (Decision::Allowed(by), true) => {
                held_by.insert(by);
                proof.allowed += 1;
            }
            (Decision::AllowedInTurn(turns), true) => {
                held_by.extend(turns);
                proof.allowed += 1;
            }
            (Decision::Allowed(_) | Decision::AllowedInTurn(_) | Decision::Partly, false) => {
                proof.leaked.push(passage);
            }
            (Decision::Denied | Decision::Partly, true) => proof.cut.push(passage),
            (Decision::Denied, false) => proof.stopped += 1,
        }
    }
    // Where only one rule holds something, it is needed. Of several that hold the same each is superfluous, but not all of
    // them: one of them stays.
    let mut held_by: Vec<Vec<RuleId>> = held_by.into_iter().collect();
    held_by.sort_by_key(Vec::len);
    let mut needed: BTreeSet<RuleId> = BTreeSet::new();
    for by in held_by {
        if !by.iter().any(|rule| needed.contains(rule)) {
            needed.extend(by.into_iter().next());
        }
    }
    proof.slack = evaluator.rules().into_iter().filter(|rule| !needed.contains(rule)).collect();
    proof
}
