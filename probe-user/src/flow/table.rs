//! Events folded into flows, as they come.
//!
//! Most outcomes carry their caller. An attempt that came by itself waits under its socket cookie for its outcome,
//! which takes the process from it. Names are put in when the window closes: until then a flow is known by the
//! kernel's ids.

use std::{collections::BTreeMap, net::IpAddr};

use hashbrown::{HashMap, HashSet};

use super::{Direction, Flow, FlowKey, Outcomes, ProcessSeen, Workload, latest::Latest};
use crate::event::{End, Event, Kind, Process, Protocol, TICKS};

/// When the kernel sends the SYN again (TCP_TIMEOUT_INIT, include/net/tcp.h: one second), nanoseconds.
const RETRANSMISSION: u64 = 1_000_000_000;

/// By how much an outcome can come before its attempt, nanoseconds: what a handler can be interrupted for, and more.
const OVERTAKING: u64 = 1_000_000_000;

/// Who, towards whom, by the kernel's ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct RawKey {
    cgroup: Option<u64>,
    netns: Option<u64>,
    direction: Direction,
    local: IpAddr,
    remote: IpAddr,
    port: u16,
}

#[derive(Debug, Default)]
struct Folded {
    outcomes: Outcomes,
    /// `CLOCK_BOOTTIME`, nanoseconds.
    first: u64,
    last: u64,
    processes: Vec<ProcessSeen>,
}

/// A connection that existed before the hooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Older {
    /// Socket cookie.
    pub socket: u64,
    /// cgroup-v2 id, where known.
    pub cgroup: Option<u64>,
    /// Namespace cookie, where known.
    pub netns: Option<u64>,
    /// The socket's own end.
    pub local: End,
    /// Its peer.
    pub remote: End,
    /// Which end it is; unknown unless a listener tells.
    pub direction: Direction,
    /// `CLOCK_BOOTTIME` of the snapshot, nanoseconds.
    pub time: u64,
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

/// The flows of a window that is still open.
#[derive(Debug, Default)]
pub struct FlowTable {
    flows: HashMap<RawKey, Folded>,
    /// Attempts by socket cookie, until their outcome comes.
    attempts: HashMap<u64, Event>,
    /// Sockets whose outcome was seen, while the older ones are being read.
    recent: Option<HashSet<u64>>,
    events: u64,
    /// For telling a repetition: it follows within one softirq's work.
    latest: Latest<4_096>,
    /// By socket, the time of an outcome that came without a caller: its attempt may come yet, by another CPU's ring.
    orphans: HashMap<u64, u64>,
    /// So many were left when those were forgotten whose attempt can come no more.
    orphans_left: usize,
}

impl FlowTable {
    /// A table for a window whose older sockets are still to be merged by [`Self::merge_older`].
    #[must_use]
    pub fn awaiting_snapshot() -> Self {
        Self { recent: Some(HashSet::new()), ..Self::default() }
    }

    /// Facts folded so far.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Takes one fact.
    pub fn observe(&mut self, event: Event) {
        // What has a caller comes from the attempt's slot, which is emptied but once; and what has an attempt waiting
        // is the outcome of the socket's next one.
        if event.may_repeat
            && event.is_outcome()
            && event.process.is_none()
            && self.latest.contains(event.socket)
            && !self.attempts.contains_key(&event.socket)
        {
            return;
        }
        self.events += 1;
        match event.kind {
            Kind::Attempted => self.attempt(event),
            Kind::Connected => self.conclude(&event, |outcomes| outcomes.connected += 1),
            Kind::Failed(error) => {
                self.conclude(&event, |outcomes| *outcomes.failed.entry(error).or_default() += 1);
            }
            Kind::Accepted => self.accept(&event),
            Kind::Unrouted => {
                let process = event.process.as_ref();
                self.fold(outbound(&event), (event.time, event.time), process).outcomes.unrouted += 1;
            }
        }
    }

    /// Merges the connections that are older than the hooks: those of which a hook has reported an outcome
    /// since are left out. Everything that the rings held when the sockets were listed must have been observed.
    /// Returns how many counted.
    pub fn merge_older(&mut self, older: &[Older]) -> u64 {
        let recent = self.recent.take().unwrap_or_default();
        let mut count = 0;
        for one in older {
            // An attempt that the hooks saw and that stands now: its outcome is among the lost.
            if recent.contains(&one.socket) || self.attempts.contains_key(&one.socket) {
                continue;
            }
            self.fold(older_key(one), (one.time, one.time), None).outcomes.older += 1;
            count += 1;
        }
        count
    }

    /// Takes an attempt that is older than the hooks and still unanswered; to be called before
    /// [`Self::merge_older`].
    pub fn adopt_attempt(&mut self, one: &Older) {
        if self.recent.as_ref().is_some_and(|recent| recent.contains(&one.socket)) {
            return;
        }
        self.attempts.entry(one.socket).or_insert_with(|| Event {
            kind: Kind::Attempted,
            time: one.time,
            elapsed: 0,
            socket: one.socket,
            cgroup: one.cgroup,
            netns: one.netns,
            local: one.local,
            remote: one.remote,
            may_repeat: false,
            process: None,
        });
    }

    /// Attempts whose outcome never came, though their socket waits no longer: it was lost on the way.
    pub fn unconcluded(&self, is_waiting: impl Fn(&Event) -> bool) -> u64 {
        self.attempts.values().filter(|attempt| !is_waiting(attempt)).count() as u64
    }

    /// Closes the table at `now` (`CLOCK_BOOTTIME`, nanoseconds). An attempt without an outcome is unanswered if
    /// `is_waiting` says that its socket still waits, and merely pending while even its first SYN might yet be
    /// answered; otherwise it is [`Self::unconcluded`] and counts nowhere.
    pub fn close(mut self, now: u64, is_waiting: impl Fn(&Event) -> bool, names: &impl Naming) -> Vec<Flow> {
        for attempt in std::mem::take(&mut self.attempts).into_values().filter(is_waiting) {
            let folded =
                self.fold(outbound(&attempt), (attempt.time, attempt.time), attempt.process.as_ref());
            // One that is older than the hooks has had its time; its caller is not known.
            let is_older = attempt.process.is_none();
            match is_older || now.saturating_sub(attempt.time) >= RETRANSMISSION {
                true => folded.outcomes.unanswered += 1,
                false => folded.outcomes.pending += 1,
            }
        }
        let mut flows = BTreeMap::new();
        for (key, folded) in self.flows {
            add(&mut flows, named(&key, names), folded, names);
        }
        flows.into_values().collect()
    }

    /// An attempt that leaves its slot on one CPU while its outcome comes on another may be read after it: then it only
    /// tells the caller.
    fn attempt(&mut self, event: Event) {
        if self.orphans.remove(&event.socket).is_none_or(|outcome| outcome + TICKS < event.time) {
            self.attempts.insert(event.socket, event);
        } else if let (Some(process), Some(folded)) = (&event.process, self.flows.get_mut(&outbound(&event)))
        {
            folded.first = folded.first.min(event.time);
            ProcessSeen::note(&mut folded.processes, &process.command, process.id, 1);
        }
    }

    fn conclude(&mut self, event: &Event, count: impl FnOnce(&mut Outcomes)) {
        self.remember(event.socket);
        let attempt = self.attempts.remove(&event.socket);
        let began = attempt.as_ref().map_or(event.time, |attempt| attempt.time.min(event.time));
        let of_attempt = || attempt.as_ref().and_then(|attempt| attempt.process.as_ref());
        let process = event.process.as_ref().or_else(of_attempt);
        if process.is_none() && attempt.is_none() {
            self.orphan(event);
        }
        let mut key = outbound(event);
        if let (Kind::Failed(_), Some(attempt)) = (event.kind, &attempt) {
            // A failed socket may have lost its destination already; the attempt has it for certain.
            key.remote = attempt.remote.address;
            key.port = attempt.remote.port;
        }
        count(&mut self.fold(key, (began, event.time + event.elapsed), process).outcomes);
    }

    /// Remembers it for as long as its attempt may come.
    fn orphan(&mut self, event: &Event) {
        const MANY: usize = 4_096;
        // When as many have come since: each is looked at a few times only.
        if self.orphans.len() >= MANY.max(2 * self.orphans_left) {
            self.orphans.retain(|_, outcome| *outcome + OVERTAKING >= event.time);
            self.orphans_left = self.orphans.len();
        }
        self.orphans.insert(event.socket, event.time);
    }

    fn accept(&mut self, event: &Event) {
        if self.attempts.contains_key(&event.socket) {
            // SYN_SENT → SYN_RECV → ESTABLISHED: both ends called connect() at once (RFC 9293, 3.5).
            return self.conclude(event, |outcomes| outcomes.connected += 1);
        }
        self.remember(event.socket);
        let key = key_of(event, Direction::Inbound, event.local.port);
        self.fold(key, (event.time, event.time), None).outcomes.accepted += 1;
    }

    fn remember(&mut self, socket: u64) {
        self.latest.push(socket);
        if let Some(recent) = &mut self.recent {
            recent.insert(socket);
        }
    }

    fn fold(&mut self, key: RawKey, (first, last): (u64, u64), process: Option<&Process>) -> &mut Folded {
        let folded = self.flows.entry(key).or_insert_with(|| Folded { first, last, ..Folded::default() });
        folded.first = folded.first.min(first);
        folded.last = folded.last.max(last);
        if let Some(process) = process {
            ProcessSeen::note(&mut folded.processes, &process.command, process.id, 1);
        }
        folded
    }
}

fn outbound(event: &Event) -> RawKey {
    key_of(event, Direction::Outbound, event.remote.port)
}

fn key_of(event: &Event, direction: Direction, port: u16) -> RawKey {
    RawKey {
        cgroup: event.cgroup,
        netns: event.netns,
        direction,
        local: event.local.address,
        remote: event.remote.address,
        port,
    }
}

fn older_key(older: &Older) -> RawKey {
    let port = if older.direction == Direction::Inbound { older.local.port } else { older.remote.port };
    RawKey {
        cgroup: older.cgroup,
        netns: older.netns,
        direction: older.direction,
        local: older.local.address,
        remote: older.remote.address,
        port,
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
        protocol: Protocol::Tcp,
    }
}

/// Two ids may bear one name (a cgroup made again): their flows become one.
fn add(flows: &mut BTreeMap<FlowKey, Flow>, key: FlowKey, folded: Folded, names: &impl Naming) {
    let Folded { outcomes, first, last, mut processes } = folded;
    processes.sort_by(|left, right| left.command.cmp(&right.command));
    let (first_seen, last_seen) = (names.wall(first), names.wall(last));
    match flows.get_mut(&key) {
        Some(flow) => flow.merge(&outcomes, (first_seen, last_seen), &processes),
        None => {
            flows.insert(key.clone(), Flow { key, outcomes, first_seen, last_seen, processes });
        }
    }
}

#[cfg(test)]
mod tests;
