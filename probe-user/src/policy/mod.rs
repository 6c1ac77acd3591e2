//! The tightest policy that lets through what was declared and observed, in the language that a cluster enforces.
//!
//! One way again: the judgement's observations become passages at the places where a network enforces (`passage`), who
//! stands at their ends is told by the clusters' own objects (`world`), and what may pass becomes rules in nobody's language
//! (`gather`, `rule`), as wide as the user's dial says (`generalise`). No I/O, no clock; the same input gives the same rules.

mod blocks;
mod explain;
mod gather;
mod generalise;
mod grounds;
pub mod language;
pub mod openness;
pub mod papers;
mod passage;
mod proof;
mod quarantine;
mod reach;
mod rule;
mod unseen;
mod world;

pub use blocks::Blocks;
pub use gather::{Include, Policies, Settings, SubjectPolicy, Withheld, gather};
pub use generalise::Tightness;
pub use passage::{Passage, Standing, passages, replayed};
pub use proof::{Proof, prove};
pub use quarantine::{Quarantine, Stranger};
pub use rule::{Evidence, Flow as PolicyFlow, Peer, PortRange, RowRef, Rule};
pub use world::{Party, Subject, SubjectRef, World};
