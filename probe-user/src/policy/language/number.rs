//! Numbers of ports, as the resources of several languages have them.

use crate::{
    event::Protocol,
    policy::{passage::Passage, world::Party},
};

/// A port's number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Number {
    /// All of them.
    Any,
    /// From the first to the last.
    Range(u16, u16),
    /// What the server's pod calls so.
    Name(String),
}

impl Number {
    /// Whether it is that of what passed.
    #[must_use]
    pub fn holds(&self, passage: &Passage<'_>) -> bool {
        match self {
            Self::Any => true,
            Self::Range(first, last) => (*first..=*last).contains(&passage.port),
            Self::Name(name) => named(name, passage.protocol, passage) == Some(passage.port),
        }
    }
}

/// The port that the server's pod calls so.
fn named(name: &str, protocol: Protocol, passage: &Passage<'_>) -> Option<u16> {
    let server = if passage.is_egress { &passage.peer } else { &passage.party };
    let Party::Pod { pod, .. } = server else { return None };
    pod.ports.get(&(name.to_owned(), protocol)).copied()
}
