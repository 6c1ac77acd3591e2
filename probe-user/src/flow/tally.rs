//! What was counted under one key.

use super::{
    Flow, FlowKey, Outcomes, ProcessSeen,
    fact::{Fact, Outcome},
};
use crate::event::{Command, Process};

/// Facts under one key. Nearly all flows have one outcome and one caller: those fit into a cache line, and what else there
/// is stands apart.
#[derive(Debug)]
#[repr(align(64))]
pub struct Tally {
    /// `CLOCK_BOOTTIME`, nanoseconds.
    first: u64,
    last: u64,
    /// The outcome that came first, and how often it has come.
    usual: Option<Single>,
    count: u64,
    /// The caller that came first, and its attempts; while there are none, nobody.
    process: Process,
    attempts: u64,
    others: Option<Box<Others>>,
}

const _: () = assert!(size_of::<Tally>() == 64);

/// An outcome of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Single {
    Connected,
    Accepted,
    Older,
    Failed(u16),
    Unanswered,
    Pending,
    Unrouted,
    Silent,
}

/// A process that connected, by the name of its thread.
#[derive(Clone, Copy, Debug)]
struct Caller {
    attempts: u64,
    process: Process,
}

/// What few flows have.
#[derive(Debug, Default)]
struct Others {
    outcomes: Outcomes,
    callers: Vec<Caller>,
    /// Those of which nobody kept the process.
    folded: u64,
}

impl Default for Tally {
    /// One without any fact yet.
    fn default() -> Self {
        let process = Process { id: 0, command: Command::new(Default::default()) };
        Self { first: u64::MAX, last: 0, usual: None, count: 0, process, attempts: 0, others: None }
    }
}

impl Tally {
    /// Counts a fact.
    #[inline]
    pub fn count(&mut self, fact: &Fact<'_>) {
        let Fact { first, last, process, outcome } = fact;
        self.first = self.first.min(*first);
        self.last = self.last.max(*last);
        if let Some(process) = process {
            self.note(process);
        }
        let single = match *outcome {
            Outcome::Connected => Single::Connected,
            Outcome::Accepted => Single::Accepted,
            Outcome::Older => Single::Older,
            Outcome::Failed(error) => Single::Failed(error),
            Outcome::Unanswered => Single::Unanswered,
            Outcome::Pending => Single::Pending,
            Outcome::Unrouted => Single::Unrouted,
            Outcome::Silent => Single::Silent,
            Outcome::Caller => return,
            Outcome::Counted(counted, folded) => {
                let others = self.others();
                others.outcomes.add(counted);
                others.folded = others.folded.saturating_add(folded);
                return;
            }
        };
        if *self.usual.get_or_insert(single) == single {
            self.count = self.count.saturating_add(1);
        } else {
            single.add_to(&mut self.others().outcomes, 1);
        }
    }

    /// Counts an attempt under a name, as long as there is room for it (see [`Flow::PROCESSES`]).
    #[inline]
    fn note(&mut self, process: &Process) {
        if self.attempts == 0 || self.process.command == process.command {
            self.process = *process;
            self.attempts += 1;
        } else {
            self.note_other(process);
        }
    }

    #[cold]
    fn note_other(&mut self, process: &Process) {
        let callers = &mut self.others().callers;
        if let Some(known) = callers.iter_mut().find(|known| known.process.command == process.command) {
            known.process.id = process.id;
            known.attempts += 1;
        } else if callers.len() + 1 < Flow::PROCESSES {
            callers.push(Caller { process: *process, attempts: 1 });
        }
    }

    fn others(&mut self) -> &mut Others {
        self.others.get_or_insert_default()
    }

    /// The flow of that key, as far as it was counted.
    pub(super) fn flow(&self, key: FlowKey, wall: impl Fn(u64) -> i64) -> Flow {
        let Self { first, last, usual, count, process, attempts, others } = self;
        let none = Others::default();
        let Others { outcomes, callers, folded } = others.as_deref().unwrap_or(&none);
        let mut outcomes = outcomes.clone();
        if let Some(usual) = usual {
            usual.add_to(&mut outcomes, *count);
        }
        let first_one = (*attempts > 0).then_some(Caller { attempts: *attempts, process: *process });
        let callers = first_one.into_iter().chain(callers.iter().copied());
        let mut processes = Vec::new();
        for Caller { process, attempts } in callers {
            // Most flows have one.
            processes.reserve_exact(1);
            ProcessSeen::note(&mut processes, &process.command.to_text(), process.id, attempts);
        }
        processes.sort_by(|left, right| left.command.cmp(&right.command));
        Flow { key, outcomes, first_seen: wall(*first), last_seen: wall(*last), processes, folded: *folded }
    }
}

impl Single {
    /// Adds so many of it.
    fn add_to(self, outcomes: &mut Outcomes, count: u64) {
        let sum = match self {
            Self::Connected => &mut outcomes.connected,
            Self::Accepted => &mut outcomes.accepted,
            Self::Older => &mut outcomes.older,
            Self::Failed(error) => outcomes.failed.entry(error).or_default(),
            Self::Unanswered => &mut outcomes.unanswered,
            Self::Pending => &mut outcomes.pending,
            Self::Unrouted => &mut outcomes.unrouted,
            Self::Silent => &mut outcomes.silent,
        };
        *sum = sum.saturating_add(count);
    }
}

/// Flows of tallies, in order. Two keys may become one by their names (a cgroup made again): so do their flows. `wall` tells
/// the wall-clock time of a moment on `CLOCK_BOOTTIME`.
#[must_use]
pub fn flows(tallies: impl Iterator<Item = (FlowKey, Tally)>, wall: impl Fn(u64) -> i64) -> Vec<Flow> {
    let mut flows: Vec<Flow> = tallies.map(|(key, tally)| tally.flow(key, &wall)).collect();
    // Those of one key stay in their order: the later one knows the later process.
    flows.sort_by(|left, right| left.key.cmp(&right.key));
    flows.dedup_by(|later, flow| {
        let is_same = later.key == flow.key;
        if is_same {
            let Flow { outcomes, first_seen, last_seen, processes, folded, .. } = later;
            flow.merge(outcomes, (*first_seen, *last_seen), (processes, *folded));
        }
        is_same
    });
    flows
}
