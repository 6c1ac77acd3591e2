//! Events folded into flows, as they come.
//!
//! Most outcomes carry their caller. An attempt that came by itself waits under its socket cookie for its outcome,
//! which takes the process from it. Datagrams are added up per socket and peer (`exchanges.rs`). Names are put in when
//! the window closes: until then a flow is known by the kernel's ids.

use hashbrown::{HashMap, HashSet};

use super::{
    Direction, Flow, FlowKey, Outcomes,
    exchanges::Exchanges,
    fact::{Fact, Outcome},
    fold::RawFlows,
    latest::Latest,
    ledger::Ledger,
    raw::{Naming, RawKey},
};
use crate::event::{End, Event, Face, Kind, Protocol, Spilled, TICKS};

/// When the kernel sends the SYN again (TCP_TIMEOUT_INIT, include/net/tcp.h: one second), nanoseconds.
const RETRANSMISSION: u64 = 1_000_000_000;

/// By how much an outcome can come before its attempt, nanoseconds: what a handler can be interrupted for, and more.
const OVERTAKING: u64 = 1_000_000_000;

/// A connection that existed before the hooks, or a UDP socket.
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
    /// Its peer; without address and port where a UDP socket is not connected.
    pub remote: End,
    /// Which end it is; unknown unless a listener tells.
    pub direction: Direction,
    /// See [`Event::translated`].
    pub translated: Option<Face>,
    /// `CLOCK_BOOTTIME` of the snapshot, nanoseconds.
    pub time: u64,
}

impl Older {
    pub(super) fn key(&self, protocol: Protocol) -> RawKey {
        let Self { cgroup, netns, local, remote, direction, translated, .. } = *self;
        let port = if direction == Direction::Inbound { local.port } else { remote.port };
        let (local, remote) = (local.address, remote.address);
        RawKey { protocol, cgroup, netns, direction, local, remote, port, translated }
    }
}

/// What a table holds at its end.
#[derive(Debug)]
pub struct Closed {
    /// The flows, in order.
    pub flows: Vec<Flow>,
    /// Facts that came when there were too many flows: see [`FlowTable::awaiting_snapshot`].
    pub beyond: u64,
    /// If every fact was kept: those that nobody has taken yet, and the flows' keys by the numbers that the facts have.
    pub ledger: Option<(Ledger, Vec<FlowKey>)>,
}

/// The flows of a window that is still open.
#[derive(Debug, Default)]
pub struct FlowTable {
    flows: RawFlows,
    exchanges: Exchanges,
    /// Attempts by socket cookie, until their outcome comes.
    attempts: HashMap<u64, Event>,
    /// Sockets whose outcome was seen, while the older ones are being read.
    recent: Option<HashSet<u64>>,
    events: u64,
    spilled_outcomes: u64,
    /// For telling a repetition: it follows within one softirq's work.
    latest: Latest<4_096>,
    /// By socket, the time of an outcome that came without a caller: its attempt may come yet, by another CPU's ring.
    orphans: HashMap<u64, u64>,
    /// So many were left when those were forgotten whose attempt can come no more.
    orphans_left: usize,
}

impl FlowTable {
    /// A table for a window whose older sockets are still to be merged by [`Self::merge_older`]. It tells so many flows apart;
    /// of what comes beyond them it keeps the workload, its own end and how it went, but not with whom. If `every_fact`,
    /// it keeps every fact by itself, too.
    #[must_use]
    pub fn awaiting_snapshot(flows: usize, every_fact: bool) -> Self {
        Self { flows: RawFlows::new(flows, every_fact), recent: Some(HashSet::new()), ..Self::default() }
    }

    /// Counts what was observed and waits to be counted with more.
    pub fn settle(&mut self) {
        self.flows.settle();
    }

    /// How many flows are settled.
    #[must_use]
    pub fn count(&self) -> usize {
        self.flows.len()
    }

    /// Some flows as far as they are settled, from a number on: they count up from 0 in the order in which they came.
    #[must_use]
    pub fn flows_after(&self, number: usize, most: usize, names: &impl Naming) -> Vec<Flow> {
        self.flows.after(number, most, names)
    }

    /// By their flows' numbers, the facts that were settled since the last time; nothing the first time.
    pub fn take_latest(&mut self) -> Vec<u32> {
        self.flows.take_latest()
    }

    /// Where every fact is kept that is settled, if that was asked for.
    pub fn ledger(&mut self) -> Option<&mut Ledger> {
        self.flows.ledger()
    }

    /// Facts folded so far.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Takes one fact.
    pub fn observe(&mut self, event: &Event) {
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
        if let Kind::Named(named) = event.kind {
            return self.exchanges.name(event, named);
        }
        self.events += 1;
        match event.kind {
            Kind::Attempted => self.attempt(event),
            Kind::Connected => self.conclude(event, Outcome::Connected),
            Kind::Failed(error) => self.conclude(event, Outcome::Failed(error)),
            Kind::Accepted => self.accept(event),
            Kind::Unrouted => {
                let fact = Fact { process: event.process, ..Fact::at(event.time, Outcome::Unrouted) };
                self.flows.count(&RawKey::outbound(event), &fact);
            }
            Kind::Exchanged(datagrams) => self.exchanges.add(event, datagrams, &mut self.flows),
            // See above.
            Kind::Named(_) => {}
        }
    }

    /// Takes facts that were folded while the rings were full. Of all but the first nobody knows the process.
    pub fn observe_spilled(&mut self, spilled: &Spilled) {
        let Spilled { event, count, last, .. } = spilled;
        self.events += count;
        let (direction, outcomes) = match event.kind {
            Kind::Exchanged(datagrams) => self.exchanges.of_spilled(spilled, datagrams),
            Kind::Connected => (Direction::Outbound, Outcomes { connected: *count, ..Outcomes::default() }),
            Kind::Accepted => (Direction::Inbound, Outcomes { accepted: *count, ..Outcomes::default() }),
            Kind::Failed(error) => {
                (Direction::Outbound, Outcomes { failed: [(error, *count)].into(), ..Outcomes::default() })
            }
            Kind::Unrouted => (Direction::Outbound, Outcomes { unrouted: *count, ..Outcomes::default() }),
            // These never go there.
            Kind::Attempted | Kind::Named(_) => return,
        };
        if matches!(event.kind, Kind::Connected | Kind::Failed(_)) {
            self.spilled_outcomes += count;
        }
        let callers_lost = match direction {
            Direction::Inbound => 0,
            _ => count - u64::from(event.process.is_some()),
        };
        let outcome = Outcome::Counted(&outcomes, callers_lost);
        let fact = Fact { first: event.time, last: *last, process: event.process, outcome };
        self.flows.count(&RawKey::of(event, direction), &fact);
    }

    /// How many outcomes of attempts were folded: those have no attempt to conclude.
    #[must_use]
    pub fn spilled_outcomes(&self) -> u64 {
        self.spilled_outcomes
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
            let key = one.key(Protocol::Tcp);
            self.flows.count(&key, &Fact::at(one.time, Outcome::Older));
            count += 1;
        }
        count
    }

    /// Learns which UDP sockets are older than the hooks: of these nobody saw the first datagram. Returns how many are
    /// connected.
    pub fn merge_older_udp(&mut self, older: &[Older]) -> u64 {
        self.exchanges.merge_older(older)
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
            translated: one.translated,
            may_repeat: false,
            process: None,
        });
    }

    /// What is observed from now on are exchanges in their slots, as the window leaves them.
    pub fn read_slots(&mut self) {
        self.exchanges.read_slots();
    }

    /// Attempts whose outcome never came, though their socket waits no longer: it was lost on the way.
    pub fn unconcluded(&self, is_waiting: impl Fn(&Event) -> bool) -> u64 {
        self.attempts.values().filter(|attempt| !is_waiting(attempt)).count() as u64
    }

    /// Closes the table at `now` (`CLOCK_BOOTTIME`, nanoseconds). An attempt without an outcome is unanswered if
    /// `is_waiting` says that its socket still waits, and merely pending while even its first SYN might yet be
    /// answered; otherwise it is [`Self::unconcluded`] and counts nowhere.
    pub fn close(mut self, now: u64, is_waiting: impl Fn(&Event) -> bool, names: &impl Naming) -> Closed {
        for attempt in std::mem::take(&mut self.attempts).into_values().filter(is_waiting) {
            // One that is older than the hooks has had its time; its caller is not known.
            let is_older = attempt.process.is_none();
            let outcome = match is_older || now.saturating_sub(attempt.time) >= RETRANSMISSION {
                true => Outcome::Unanswered,
                false => Outcome::Pending,
            };
            let fact = Fact { process: attempt.process, ..Fact::at(attempt.time, outcome) };
            self.flows.count(&RawKey::outbound(&attempt), &fact);
        }
        self.exchanges.close(now, &mut self.flows);
        self.flows.settle();
        let beyond = self.flows.beyond();
        let (flows, ledger) = self.flows.named(names);
        Closed { flows, beyond, ledger }
    }

    /// An attempt that leaves its slot on one CPU while its outcome comes on another may be read after it: then it only
    /// tells the caller.
    fn attempt(&mut self, event: &Event) {
        if self.orphans.remove(&event.socket).is_none_or(|outcome| outcome + TICKS < event.time) {
            self.attempts.insert(event.socket, event.clone());
        } else if event.process.is_some() {
            let fact = Fact { process: event.process, ..Fact::at(event.time, Outcome::Caller) };
            self.flows.count_further(&RawKey::outbound(event), &fact);
        }
    }

    fn conclude(&mut self, event: &Event, outcome: Outcome<'_>) {
        self.remember(event.socket);
        let attempt = self.attempts.remove(&event.socket);
        let began = attempt.as_ref().map_or(event.time, |attempt| attempt.time.min(event.time));
        let of_attempt = || attempt.as_ref().and_then(|attempt| attempt.process);
        let process = event.process.or_else(of_attempt);
        if process.is_none() && attempt.is_none() {
            self.orphan(event);
        }
        let mut key = RawKey::outbound(event);
        // One that has its caller comes from its slot, and knows where it was to go.
        if let Some(attempt) = attempt.as_ref().filter(|_| event.process.is_none()) {
            // A failed socket may have lost its destination already; the attempt has it for certain, and it knows where it
            // was to go before a socket load-balancer chose.
            key.remote = attempt.remote.address;
            key.port = attempt.remote.port;
            key.translated = key.translated.or(attempt.translated);
        }
        self.flows.count(&key, &Fact { first: began, last: event.time + event.elapsed, process, outcome });
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
            return self.conclude(event, Outcome::Connected);
        }
        self.remember(event.socket);
        let key = RawKey::of(event, Direction::Inbound);
        self.flows.count(&key, &Fact::at(event.time, Outcome::Accepted));
    }

    fn remember(&mut self, socket: u64) {
        self.latest.push(socket);
        if let Some(recent) = &mut self.recent {
            recent.insert(socket);
        }
    }
}

#[cfg(test)]
mod tests;
