//! Enforcers of policies as plain as can be, each written from its language's specification and from nothing else. They ask every
//! rule of every document about every packet; what they say, the evaluators of flowdrift must say.

pub mod calico;
pub mod cilium;
pub mod cluster_network_policy;
pub mod damage;
pub mod egress_point;
#[cfg(test)]
mod example;
mod known;
#[cfg(test)]
mod kubernetes_example;
mod labels;
pub mod network_policy;
mod outside;
mod plain;
pub mod service_entry;

use flowdrift::policy::{Passage, World, language::Decision};
use serde_json::Value;

/// What becomes of a packet in one direction at one end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// No document is for this end in this direction.
    NotGoverned,
    /// A document lets it pass.
    Allowed,
    /// It passes, whatever any document says.
    Beyond,
    /// Documents are for this end, and none lets it pass, or one denies it.
    Denied,
}

/// Whose documents they are: who is where, and the cluster.
#[derive(Clone, Copy)]
pub struct Site<'w> {
    /// Pods with their labels and addresses, nodes, names.
    pub world: &'w World<'w>,
    /// The cluster that enforces them.
    pub cluster: &'w str,
}

/// Says what becomes of what passes the end that a passage is about, by documents that are valid.
pub trait Enforcer {
    /// Of one.
    fn verdict(&self, site: Site<'_>, documents: &[Value], passage: &Passage<'_>) -> Verdict;
}

/// The same word for what an evaluator says.
#[must_use]
pub fn of_decision(decision: &Decision) -> Verdict {
    match decision {
        Decision::NotGoverned => Verdict::NotGoverned,
        Decision::Allowed(_) | Decision::AllowedInTurn(_) => Verdict::Allowed,
        Decision::BeyondPolicies => Verdict::Beyond,
        Decision::Denied | Decision::Partly => Verdict::Denied,
    }
}
