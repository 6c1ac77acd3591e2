//! A ruleset of nftables for each node.
//!
//! Facts are those of nft(8), libnftables-json(5) and the kernel's netfilter hooks: a packet passes every base chain of its
//! hook, by priority; `accept` ends a chain and `drop` ends it all; what a service translates has been translated before
//! `input`, `forward` and `output` at priority `filter`.

mod evaluate;
mod packet;
mod read;
mod write;

pub use evaluate::Rulesets;
pub use read::{Ruleset, read};
pub use write::write;

#[cfg(test)]
mod tests;
