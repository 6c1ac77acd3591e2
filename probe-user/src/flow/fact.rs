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

    /// The same, if it is one connection's and borrows nothing.
    #[inline]
    pub(super) fn of_one(&self) -> Option<Fact<'static>> {
        let outcome = match self.outcome {
            Outcome::Connected => Outcome::Connected,
            Outcome::Accepted => Outcome::Accepted,
            Outcome::Older => Outcome::Older,
            Outcome::Failed(error) => Outcome::Failed(error),
            Outcome::Unanswered => Outcome::Unanswered,
            Outcome::Pending => Outcome::Pending,
            Outcome::Unrouted => Outcome::Unrouted,
            Outcome::Silent => Outcome::Silent,
            Outcome::Caller => Outcome::Caller,
            Outcome::Counted(..) => return None,
        };
        Some(Fact { outcome, ..*self })
    }
}
