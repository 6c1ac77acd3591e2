//! What policies do with what was observed.

use std::collections::BTreeSet;

use super::{
    language::{Decision, Evaluator, RuleId},
    passage::{Passage, Standing},
};

/// What becomes of what passed.
#[derive(Clone, Debug, Default)]
pub struct Proof<'p, 'a> {
    /// Somebody answers for it, and it passes.
    pub allowed: Vec<&'p Passage<'a>>,
    /// Somebody answers for it, and it would be cut.
    pub cut: Vec<&'p Passage<'a>>,
    /// Nobody answers for it, and it would be cut.
    pub stopped: Vec<&'p Passage<'a>>,
    /// Nobody answers for it, and it passes.
    pub leaked: Vec<&'p Passage<'a>>,
    /// Nobody answers for it, and it passes whatever policies say: the language cannot cut it.
    pub beyond: Vec<&'p Passage<'a>>,
    /// No policy is for its end.
    pub ungoverned: Vec<&'p Passage<'a>>,
    /// Rules without which everything would pass that passes now.
    pub slack: Vec<RuleId>,
}

/// Replays every passage. What the matrix does not speak of counts as what nobody answers for.
#[must_use]
pub fn prove<'p, 'a>(evaluator: &dyn Evaluator, passages: &'p [Passage<'a>]) -> Proof<'p, 'a> {
    let mut proof = Proof::default();
    let mut held_by = Vec::new();
    for passage in passages {
        let is_answered_for = Standing::is_legitimate(passage.standing);
        let list = match (evaluator.decide(passage), is_answered_for) {
            (Decision::NotGoverned, _) => &mut proof.ungoverned,
            (Decision::BeyondPolicies, true) => &mut proof.allowed,
            (Decision::BeyondPolicies, false) => &mut proof.beyond,
            (Decision::Allowed(by), true) => {
                held_by.push(by);
                &mut proof.allowed
            }
            (Decision::AllowedInTurn(turns), true) => {
                held_by.extend(turns);
                &mut proof.allowed
            }
            (Decision::Allowed(_) | Decision::AllowedInTurn(_), false) => &mut proof.leaked,
            (Decision::Denied, true) => &mut proof.cut,
            (Decision::Denied, false) => &mut proof.stopped,
        };
        list.push(passage);
    }
    // Where only one rule holds something, it is needed. Of several that hold the same each is superfluous, but not all of
    // them: one of them stays.
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
