//! UDP exchanges of a window that is still open: one socket and one peer, who sent first, how many datagrams went.
//!
//! The kernel side tells of an exchange as often as it loses its slot there (`probe-ebpf/src/exchange.rs`); here these
//! parts become one again. Which of them came first is known by their time, which is exact.

use std::collections::BTreeSet;

use hashbrown::{HashMap, HashSet};

use super::{
    Direction, Older, Outcomes,
    fact::{Fact, Outcome},
    fold::RawFlows,
    raw::RawKey,
};
use crate::event::{Datagrams, End, Event, Protocol, Spilled, Way};

/// How long after its last datagram an exchange without an answer is merely young, nanoseconds.
const ANSWER: u64 = 1_000_000_000;

/// So many exchanges are remembered at once; twice what the kernel side counts in its slots.
const MOST: usize = 2 * probe_common::EXCHANGES;

/// So many are remembered that were counted before the end, each by no more than how it went.
const MOST_COUNTED: usize = 1 << 20;

/// Which exchange.
type Pair = (u64, End);

/// The exchanges of a window.
#[derive(Debug, Default)]
pub(super) struct Exchanges {
    known: HashMap<Pair, Exchange>,
    /// Whom the application named, where a socket load-balancer chose the peer.
    named: HashMap<Pair, End>,
    /// Sockets that are older than the hooks.
    older: HashMap<u64, OlderSocket>,
    /// Sockets that a peer began with, whose exchanges are counted.
    listening: HashSet<u64>,
    /// Exchanges that were counted before the end: which direction, and whether they had an answer.
    counted: HashMap<Pair, (Direction, bool)>,
    /// Whether some of these are forgotten.
    has_forgotten: bool,
    /// Whether some were folded before they came here.
    has_spilled: bool,
    /// Once the slots are read for the last time, the exchanges that are there.
    last: Option<HashSet<Pair>>,
}

#[derive(Debug)]
struct OlderSocket {
    socket: Older,
    /// Whether a datagram went over it since.
    is_silent: bool,
}

#[derive(Debug)]
struct Exchange {
    /// That of its first part, with the ids of its socket.
    event: Event,
    first: Way,
    /// `CLOCK_BOOTTIME`, nanoseconds.
    last: u64,
    port_is_chosen: Option<bool>,
    /// Its latest part told of its slot and not of its counts: these are there.
    is_in_slot: bool,
    sent: u64,
    received: u64,
    errors: BTreeSet<u16>,
}

impl Exchange {
    fn new(event: &Event, datagrams: Datagrams) -> Self {
        Self {
            event: event.clone(),
            first: datagrams.first,
            last: event.time,
            port_is_chosen: None,
            is_in_slot: true,
            sent: 0,
            received: 0,
            errors: BTreeSet::new(),
        }
    }

    /// Whether nothing is known but that it was given a slot.
    fn is_only_announced(&self) -> bool {
        self.is_in_slot && self.sent + self.received == 0 && self.errors.is_empty()
    }

    /// Adds what was counted since the part before, in whatever order the parts come.
    fn add(&mut self, event: &Event, datagrams: Datagrams) {
        let Datagrams { first, port_is_chosen, sent, received, failed, error } = datagrams;
        // Where packets are counted, the first part tells of a datagram that was not on its way yet.
        let translated = self.event.translated.or(event.translated);
        if event.time < self.event.time {
            self.event = event.clone();
            self.first = first;
        }
        self.event.translated = translated;
        if self.event.local.address.is_unspecified() {
            self.event.local.address = event.local.address;
        }
        self.last = self.last.max(event.time + event.elapsed);
        self.port_is_chosen = self.port_is_chosen.or(port_is_chosen);
        self.is_in_slot = sent + received + failed == 0;
        self.sent += sent;
        self.received += received;
        if failed > 0 {
            self.errors.insert(error);
        }
    }

    /// How the exchange went, as far as it is known at `now`.
    fn outcomes(&self, direction: Direction, now: u64) -> Outcomes {
        let mut outcomes =
            Outcomes { datagrams_sent: self.sent, datagrams_received: self.received, ..Outcomes::default() };
        // That a client has gone is no failure of the server that answers it.
        if direction != Direction::Inbound {
            outcomes.failed = self.errors.iter().map(|error| (*error, 1)).collect();
        }
        let is_young = now.saturating_sub(self.last) < ANSWER;
        let outcome = match direction {
            Direction::Inbound => &mut outcomes.accepted,
            Direction::Outbound if self.received > 0 => &mut outcomes.connected,
            Direction::Unknown if self.received > 0 => &mut outcomes.older,
            // What failed has its cause.
            _ if !self.errors.is_empty() => return outcomes,
            // It was to be sent, and no packet came of it.
            _ if self.sent == 0 => &mut outcomes.unrouted,
            _ if is_young => &mut outcomes.pending,
            _ => &mut outcomes.unreplied,
        };
        *outcome += 1;
        outcomes
    }
}

impl Exchanges {
    /// Adds a part of an exchange. When too many are known, those that were silent for longest are counted in `flows` as
    /// they are.
    pub(super) fn add(&mut self, event: &Event, datagrams: Datagrams, flows: &mut RawFlows) {
        if self.known.len() >= MOST {
            self.retire(flows);
        }
        if let Some(older) = self.older.get_mut(&event.socket) {
            older.is_silent = false;
        }
        let pair = (event.socket, event.remote);
        if let Some(last) = &mut self.last {
            last.insert(pair);
        }
        self.known.entry(pair).or_insert_with(|| Exchange::new(event, datagrams)).add(event, datagrams);
    }

    /// Learns whom the application named for the datagrams to a peer, before or after these.
    pub(super) fn name(&mut self, event: &Event, named: End) {
        // The kernel itself takes the unspecified address for this node.
        if named.address.is_unspecified() {
            return;
        }
        // The datagram of some has never gone.
        if self.named.len() >= MOST {
            let known = &self.known;
            self.named.retain(|pair, _| known.contains_key(pair));
        }
        self.named.insert((event.socket, event.remote), named);
    }

    /// How exchanges went that were folded, and in which direction. An answer may have come later, and then looks as if it
    /// began another exchange.
    pub(super) fn of_spilled(&mut self, spilled: &Spilled, datagrams: Datagrams) -> (Direction, Outcomes) {
        self.has_spilled = true;
        let Spilled { event, count, answered, .. } = spilled;
        let Datagrams { first, port_is_chosen, sent, received, error, .. } = datagrams;
        let direction = match first {
            Way::Received if port_is_chosen == Some(false) => Direction::Unknown,
            Way::Received => Direction::Inbound,
            // It may be the answer to somebody whom only an older socket has heard.
            Way::Sent if port_is_chosen == Some(true) && self.has_older_like(event) => Direction::Unknown,
            Way::Sent => Direction::Outbound,
        };
        let mut outcomes =
            Outcomes { datagrams_sent: sent, datagrams_received: received, ..Outcomes::default() };
        let rest = count.saturating_sub(*answered);
        match direction {
            Direction::Inbound => outcomes.accepted = *count,
            Direction::Outbound => outcomes.connected = *answered,
            Direction::Unknown => outcomes.older = *answered,
        }
        if direction != Direction::Inbound && rest > 0 {
            if error != 0 {
                outcomes.failed.insert(error, rest);
            } else if sent == 0 {
                outcomes.unrouted = rest;
            } else {
                outcomes.pending = rest;
            }
        }
        (direction, outcomes)
    }

    /// Whether a UDP socket of the same workload is older than the hooks.
    fn has_older_like(&self, event: &Event) -> bool {
        let is_like =
            |older: &OlderSocket| (older.socket.netns, older.socket.cgroup) == (event.netns, event.cgroup);
        self.older.values().any(is_like)
    }

    /// See [`super::FlowTable::merge_older_udp`].
    pub(super) fn merge_older(&mut self, older: &[Older]) -> u64 {
        let active: HashSet<u64> = self.known.keys().map(|(socket, _)| *socket).collect();
        let remember = |socket: &Older| {
            let is_silent = !active.contains(&socket.socket);
            (socket.socket, OlderSocket { socket: *socket, is_silent })
        };
        self.older.extend(older.iter().map(remember));
        older.iter().filter(|socket| is_connected(socket)).count() as u64
    }

    /// Counts every exchange in `flows`, and the older sockets over which nothing went. `now` is the end of the window,
    /// `CLOCK_BOOTTIME`, nanoseconds.
    pub(super) fn close(&mut self, now: u64, flows: &mut RawFlows) {
        self.forget_spilled();
        self.give_answers();
        let known = std::mem::take(&mut self.known);
        self.count(known, now, flows);
        for OlderSocket { socket, is_silent } in self.older.values() {
            if *is_silent && is_connected(socket) {
                let key = socket.key(Protocol::Udp);
                flows.count(&key, &Fact::at(socket.time, Outcome::Silent));
            }
        }
    }

    /// What is added from now on comes from the slots, as they are at the end.
    pub(super) fn read_slots(&mut self) {
        self.last = Some(HashSet::new());
    }

    /// Forgets those that were to be in a slot and are in none: they left it while the rings were full, and their counts are
    /// among what was folded.
    fn forget_spilled(&mut self) {
        if let (true, Some(last)) = (self.has_spilled, &self.last) {
            self.known.retain(|pair, exchange| !exchange.is_only_announced() || last.contains(pair));
        }
    }

    /// Counts half of those whose counts are known, and were silent for longest. As many as there are slots are not.
    fn retire(&mut self, flows: &mut RawFlows) {
        // Whose counts are still in a slot comes from there again.
        if self.has_spilled && self.known.values().filter(|one| one.is_only_announced()).count() > MOST / 2 {
            self.known.retain(|_, exchange| !exchange.is_only_announced());
        }
        let counts = |exchange: &Exchange| !exchange.is_in_slot;
        let mut times: Vec<u64> =
            self.known.values().filter(|exchange| counts(exchange)).map(|exchange| exchange.last).collect();
        if times.is_empty() {
            return;
        }
        let middle = times.len() / 2;
        let (_, median, _) = times.select_nth_unstable(middle);
        let latest = *median;
        let retired: HashMap<Pair, Exchange> =
            self.known.extract_if(|_, exchange| counts(exchange) && exchange.last <= latest).collect();
        if self.counted.len() + retired.len() > MOST_COUNTED {
            self.counted.clear();
            self.has_forgotten = true;
        }
        let seen: Vec<(Pair, bool)> =
            retired.iter().map(|(pair, exchange)| (*pair, exchange.received > 0)).collect();
        let directions = self.count(retired, u64::MAX, flows);
        for ((pair, is_answered), direction) in seen.into_iter().zip(directions) {
            self.counted.insert(pair, (direction, is_answered));
        }
    }

    /// Counts exchanges; their directions.
    fn count(
        &mut self,
        exchanges: HashMap<Pair, Exchange>,
        now: u64,
        flows: &mut RawFlows,
    ) -> Vec<Direction> {
        let begun_with = |exchange: &&Exchange| exchange.first == Way::Received;
        self.listening.extend(exchanges.values().filter(begun_with).map(|exchange| exchange.event.socket));
        let mut directions = Vec::with_capacity(exchanges.len());
        for (pair, mut exchange) in exchanges {
            if let Some(named) = self.named.remove(&pair) {
                exchange.event.redirect(named);
            }
            let before = self.counted.get(&pair).copied();
            let direction = before.map_or_else(|| self.direction(&exchange), |(direction, _)| direction);
            let mut outcomes = exchange.outcomes(direction, now);
            // The same exchange, unless it is only now that it is answered.
            if let Some((_, was_answered)) = before
                && (was_answered || exchange.received == 0)
            {
                let Outcomes { datagrams_sent, datagrams_received, failed, .. } = outcomes;
                outcomes = Outcomes { datagrams_sent, datagrams_received, failed, ..Outcomes::default() };
            }
            let key = RawKey::of(&exchange.event, direction);
            let fact = Fact {
                first: exchange.event.time,
                last: exchange.last,
                process: exchange.event.process,
                outcome: Outcome::Counted(&outcomes, 0),
            };
            flows.count(&key, &fact);
            directions.push(direction);
        }
        directions
    }

    /// Gives what a socket received without asking from whom to the only peer that it has sent to first, if there is but
    /// one.
    fn give_answers(&mut self) {
        let mut asked: HashMap<u64, Vec<Pair>> = HashMap::new();
        for (pair, exchange) in &self.known {
            if exchange.first == Way::Sent && pair.1.port != 0 {
                asked.entry(pair.0).or_default().push(*pair);
            }
        }
        let only = |socket: u64| match asked.get(&socket).map(Vec::as_slice) {
            Some([pair]) => Some(*pair),
            _ => None,
        };
        let is_anonymous = |pair: &Pair| pair.1.port == 0 && only(pair.0).is_some();
        let anonymous: Vec<(Pair, Exchange)> = self.known.extract_if(|pair, _| is_anonymous(pair)).collect();
        for ((socket, _), exchange) in anonymous {
            if let Some(known) = only(socket).and_then(|pair| self.known.get_mut(&pair)) {
                known.received += exchange.received;
                known.sent += exchange.sent;
                known.last = known.last.max(exchange.last);
            }
        }
    }

    /// The first datagram tells, unless it went before anybody looked. Then a socket whose port the application chose and
    /// that peers begin with is a server's; one whose port the kernel chose is a client's if it sends first, or is
    /// connected.
    fn direction(&self, exchange: &Exchange) -> Direction {
        let is_chosen = exchange.port_is_chosen == Some(true);
        let is_given = exchange.port_is_chosen == Some(false);
        let is_listening = is_chosen && self.listening.contains(&exchange.event.socket);
        let Some(older) = self.older.get(&exchange.event.socket).map(|older| &older.socket) else {
            return match exchange.first {
                Way::Sent if is_listening && self.has_forgotten => Direction::Inbound,
                Way::Sent => Direction::Outbound,
                // What was asked for may have been folded away.
                Way::Received if is_given && self.has_spilled => Direction::Unknown,
                Way::Received => Direction::Inbound,
            };
        };
        match exchange.first {
            _ if is_listening || (is_chosen && older.direction == Direction::Inbound) => Direction::Inbound,
            Way::Sent if is_given => Direction::Outbound,
            _ if is_given && is_connected(older) => Direction::Outbound,
            _ => Direction::Unknown,
        }
    }
}

fn is_connected(socket: &Older) -> bool {
    socket.remote.port != 0
}

#[cfg(test)]
mod tests;
