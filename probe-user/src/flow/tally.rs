//! What was counted under one key.

use super::{
    Flow, FlowKey, Outcomes, ProcessSeen,
    fact::{Fact, Outcome},
};
use crate::event::Process;

/// Facts under one key.
#[derive(Debug)]
pub struct Tally {
    outcomes: Outcomes,
    /// `CLOCK_BOOTTIME`, nanoseconds.
    first: u64,
    last: u64,
    callers: Vec<Caller>,
    /// Those of which nobody kept the process.
    folded: u64,
}

/// A process that connected, by the name of its thread.
#[derive(Clone, Copy, Debug)]
struct Caller {
    process: Process,
    attempts: u64,
}

impl Default for Tally {
    /// One without any fact yet.
    fn default() -> Self {
        Self { outcomes: Outcomes::default(), first: u64::MAX, last: 0, callers: Vec::new(), folded: 0 }
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
        let outcomes = &mut self.outcomes;
        let count = match outcome {
            Outcome::Connected => &mut outcomes.connected,
            Outcome::Accepted => &mut outcomes.accepted,
            Outcome::Older => &mut outcomes.older,
            Outcome::Failed(error) => outcomes.failed.entry(*error).or_default(),
            Outcome::Unanswered => &mut outcomes.unanswered,
            Outcome::Pending => &mut outcomes.pending,
            Outcome::Unrouted => &mut outcomes.unrouted,
            Outcome::Silent => &mut outcomes.silent,
            Outcome::Caller => return,
            Outcome::Counted(counted, folded) => {
                outcomes.add(counted);
                self.folded = self.folded.saturating_add(*folded);
                return;
            }
        };
        *count = count.saturating_add(1);
    }

    /// Counts an attempt under a name, as long as there is room for it (see [`Flow::PROCESSES`]).
    fn note(&mut self, process: &Process) {
        if let Some(known) = self.callers.iter_mut().find(|known| known.process.command == process.command) {
            known.process.id = process.id;
            known.attempts += 1;
        } else if self.callers.len() < Flow::PROCESSES {
            // Most flows have one.
            self.callers.reserve_exact(1);
            self.callers.push(Caller { process: *process, attempts: 1 });
        }
    }

    /// The processes by their names as text, in order.
    fn processes(&self) -> Vec<ProcessSeen> {
        let mut processes = Vec::with_capacity(self.callers.len());
        for Caller { process, attempts } in &self.callers {
            ProcessSeen::note(&mut processes, &process.command.to_text(), process.id, *attempts);
        }
        processes.sort_by(|left, right| left.command.cmp(&right.command));
        processes
    }
}

/// Flows of tallies, in order. Two keys may become one by their names (a cgroup made again): so do their flows. `wall` tells
/// the wall-clock time of a moment on `CLOCK_BOOTTIME`.
#[must_use]
pub fn flows(tallies: impl Iterator<Item = (FlowKey, Tally)>, wall: impl Fn(u64) -> i64) -> Vec<Flow> {
    let flow = |(key, tally): (FlowKey, Tally)| {
        let processes = tally.processes();
        let Tally { outcomes, first, last, folded, callers: _ } = tally;
        Flow { key, outcomes, first_seen: wall(first), last_seen: wall(last), processes, folded }
    };
    let mut flows: Vec<Flow> = tallies.map(flow).collect();
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
