//! The languages in which clusters enforce policies: each with its writer, its reader, and its own semantics.
//!
//! A language's evaluator knows its specification and nothing of the rules that its writer was given: what it says of a
//! packet is what the cluster would do with the documents alone.

pub mod network_policy;
mod yaml;

use super::passage::Passage;

/// A document of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Where it belongs below the folder that the user names, with `/` between folders.
    pub name: String,
    /// All of it.
    pub text: String,
}

/// What a writer made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// The documents, by name.
    pub files: Vec<File>,
    /// What the language cannot say, and what came of that.
    pub warnings: Vec<String>,
}

/// A name as one part of a path, whatever the name is.
#[must_use]
pub fn component(name: &str) -> String {
    let plain =
        |letter: char| if letter.is_ascii_alphanumeric() || "._-".contains(letter) { letter } else { '-' };
    let name: String = name.chars().map(plain).collect();
    if name.starts_with('.') || name.is_empty() { format!("-{name}") } else { name }
}

/// What an enforcer does with a packet in one direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// No policy is for this end in this direction.
    NotGoverned,
    /// It passes, by these rules.
    Allowed(Vec<RuleId>),
    /// It passes, whatever any policy says.
    BeyondPolicies,
    /// Policies are for this end, and none of their rules holds it.
    Denied,
}

/// A rule of a document.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId {
    /// The document, as its resource is called.
    pub document: String,
    /// Whether it is a rule for what leaves.
    pub is_egress: bool,
    /// Its place among the rules of that direction, from 0.
    pub index: usize,
}

/// Says what an enforcer does.
pub trait Evaluator {
    /// What becomes of what passed, at the end that the passage is about.
    fn decide(&self, passage: &Passage<'_>) -> Decision;

    /// Every rule of its documents.
    fn rules(&self) -> Vec<RuleId>;
}
