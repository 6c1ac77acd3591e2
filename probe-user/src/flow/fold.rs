//! Facts folded over one key, by the kernel's ids until the window closes, and then by their names.

use std::{collections::BTreeMap, net::IpAddr};

use hashbrown::HashMap;

use super::{Direction, Flow, FlowKey, Outcomes, ProcessSeen, Workload};
use crate::event::{Event, Face, Process, Protocol};

/// Who, towards whom, by the kernel's ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct RawKey {
    pub(super) protocol: Protocol,
    pub(super) cgroup: Option<u64>,
    pub(super) netns: Option<u64>,
    pub(super) direction: Direction,
    pub(super) local: IpAddr,
    pub(super) remote: IpAddr,
    pub(super) port: u16,
    pub(super) translated: Option<Face>,
}

impl RawKey {
    /// That of an event of the connecting end.
    pub(super) fn outbound(event: &Event) -> Self {
        Self::of(event, Direction::Outbound)
    }

    pub(super) fn of(event: &Event, direction: Direction) -> Self {
        let port = if direction == Direction::Inbound { event.local.port } else { event.remote.port };
        Self {
            protocol: event.kind.protocol(),
            cgroup: event.cgroup,
            netns: event.netns,
            direction,
            local: event.local.address,
            remote: event.remote.address,
            port,
            translated: event.translated,
        }
    }
}

/// What was counted under one key.
#[derive(Debug, Default)]
pub(super) struct Folded {
    pub(super) outcomes: Outcomes,
    /// `CLOCK_BOOTTIME`, nanoseconds.
    pub(super) first: u64,
    last: u64,
    callers: Vec<Caller>,
    /// Those of which nobody kept the process.
    pub(super) folded: u64,
}

/// A process that connected, by the name of its thread.
#[derive(Clone, Copy, Debug)]
struct Caller {
    process: Process,
    attempts: u64,
}

impl Folded {
    /// Counts an attempt under a name, as long as there is room for it (see [`Flow::PROCESSES`]).
    pub(super) fn note(&mut self, process: &Process) {
        if let Some(known) = self.callers.iter_mut().find(|known| known.process.command == process.command) {
            known.process.id = process.id;
            known.attempts += 1;
        } else if self.callers.len() < Flow::PROCESSES {
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

/// Names for the kernel's ids, and the clock.
pub trait Naming {
    /// Path of a cgroup below the root.
    fn cgroup(&self, id: u64) -> Option<String>;
    /// Name of a network namespace; `None` for the node's own.
    fn netns(&self, cookie: u64) -> Option<String>;
    /// Wall-clock time of a moment on `CLOCK_BOOTTIME`, nanoseconds since the Unix epoch.
    fn wall(&self, boot: u64) -> i64;
}

/// Flows by the kernel's ids.
#[derive(Debug, Default)]
pub(super) struct RawFlows(HashMap<RawKey, Folded>);

impl RawFlows {
    /// The flow of a key, seen from `first` to `last`, once more by `process`.
    pub(super) fn fold(
        &mut self,
        key: RawKey,
        (first, last): (u64, u64),
        process: Option<&Process>,
    ) -> &mut Folded {
        let folded = self.0.entry(key).or_insert_with(|| Folded { first, last, ..Folded::default() });
        folded.first = folded.first.min(first);
        folded.last = folded.last.max(last);
        if let Some(process) = process {
            folded.note(process);
        }
        folded
    }

    pub(super) fn get_mut(&mut self, key: &RawKey) -> Option<&mut Folded> {
        self.0.get_mut(key)
    }

    /// The flows by their names, in order.
    pub(super) fn named(self, names: &impl Naming) -> Vec<Flow> {
        let mut flows = BTreeMap::new();
        for (key, folded) in self.0 {
            add(&mut flows, named(&key, names), folded, names);
        }
        flows.into_values().collect()
    }
}

fn named(key: &RawKey, names: &impl Naming) -> FlowKey {
    // A group that went before it could be named is unknown: its id would mean nothing tomorrow.
    let cgroup = key.cgroup.and_then(|id| names.cgroup(id));
    FlowKey {
        workload: Workload { cgroup, netns: key.netns.and_then(|cookie| names.netns(cookie)) },
        direction: key.direction,
        local: key.local,
        remote: key.remote,
        port: key.port,
        protocol: key.protocol,
        translated: key.translated,
    }
}

/// Two ids may bear one name (a cgroup made again): their flows become one.
fn add(flows: &mut BTreeMap<FlowKey, Flow>, key: FlowKey, folded: Folded, names: &impl Naming) {
    let processes = folded.processes();
    let Folded { outcomes, first, last, folded, callers: _ } = folded;
    let (first_seen, last_seen) = (names.wall(first), names.wall(last));
    match flows.get_mut(&key) {
        Some(flow) => flow.merge(&outcomes, (first_seen, last_seen), (&processes, folded)),
        None => {
            flows.insert(key.clone(), Flow { key, outcomes, first_seen, last_seen, processes, folded });
        }
    }
}
