//! One thing to be counted under a flow's key.

use super::Outcomes;
use crate::event::Process;

/// A connection that was seen, or what is known of several at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fact<'a> {
    /// When it began, `CLOCK_BOOTTIME`, nanoseconds.
    pub first: u64,
    /// When it ended, likewise.
    pub last: u64,
    /// Who made it, where that is known.
    pub process: Option<Process>,
    /// How it went.
    pub outcome: Outcome<'a>,
}

/// How a connection went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome<'a> {
    /// See [`Outcomes::connected`].
    Connected,
    /// See [`Outcomes::accepted`].
    Accepted,
    /// See [`Outcomes::older`].
    Older,
    /// See [`Outcomes::failed`].
    Failed(u16),
    /// See [`Outcomes::unanswered`].
    Unanswered,
    /// See [`Outcomes::pending`].
    Pending,
    /// See [`Outcomes::unrouted`].
    Unrouted,
    /// See [`Outcomes::silent`].
    Silent,
    /// It was counted before; now it is known who made it.
    Caller,
    /// Of an exchange of datagrams, or of facts that were folded on their way, of so many of which nobody kept the process.
    Counted(&'a Outcomes, u64),
}

impl<'a> Fact<'a> {
    /// At one moment, `CLOCK_BOOTTIME`, nanoseconds.
    pub(super) fn at(time: u64, outcome: Outcome<'a>) -> Self {
        Self { first: time, last: time, process: None, outcome }
    }
}
