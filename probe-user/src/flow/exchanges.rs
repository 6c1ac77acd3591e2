//! UDP exchanges of a window that is still open: one socket and one peer, who sent first, how many datagrams went.
//!
//! The kernel side tells of an exchange as often as it loses its slot there (`probe-ebpf/src/exchange.rs`); here these
//! parts become one again. Which of them came first is known by their time, which is exact.

use std::collections::BTreeSet;

use hashbrown::{HashMap, HashSet};

use super::{
    Direction, Older, Outcomes,
    fold::{RawFlows, RawKey},
};
use crate::event::{Datagrams, End, Event, Process, Protocol, Way};

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
    /// Sockets that are older than the hooks.
    older: HashMap<u64, OlderSocket>,
    /// Sockets that a peer began with, whose exchanges are counted.
    listening: HashSet<u64>,
    /// Exchanges that were counted before the end: which direction, and whether they had an answer.
    counted: HashMap<Pair, (Direction, bool)>,
    /// Whether some of these are forgotten.
    has_forgotten: bool,
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

    /// Adds what was counted since the part before, in whatever order the parts come.
    fn add(&mut self, event: &Event, datagrams: Datagrams) {
        let Datagrams { first, port_is_chosen, sent, received, failed, error } = datagrams;
        if event.time < self.event.time {
            self.event = event.clone();
            self.first = first;
        }
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
        self.known.entry(pair).or_insert_with(|| Exchange::new(event, datagrams)).add(event, datagrams);
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
        self.give_answers();
        let known = std::mem::take(&mut self.known);
        self.count(known, now, flows);
        for OlderSocket { socket, is_silent } in self.older.values() {
            if *is_silent && is_connected(socket) {
                let key = socket.key(Protocol::Udp);
                flows.fold(key, (socket.time, socket.time), None).outcomes.silent += 1;
            }
        }
    }

    /// Counts half of those whose counts are known, and were silent for longest. As many as there are slots are not.
    fn retire(&mut self, flows: &mut RawFlows) {
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
        for (pair, exchange) in exchanges {
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
            let seen = (exchange.event.time, exchange.last);
            let process: Option<&Process> = exchange.event.process.as_ref();
            flows.fold(key, seen, process).outcomes.add(&outcomes);
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
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::{
        event::Kind,
        flow::{Flow, Naming},
    };

    const SECOND: u64 = 1_000_000_000;
    /// The sockets were listed at this time.
    const LISTED: u64 = 10 * SECOND;
    const SERVER: u64 = 7;

    struct Plain;

    impl Naming for Plain {
        fn cgroup(&self, _: u64) -> Option<String> {
            None
        }
        fn netns(&self, _: u64) -> Option<String> {
            None
        }
        fn wall(&self, boot: u64) -> i64 {
            boot.cast_signed()
        }
    }

    fn end(last: u8, port: u16) -> End {
        End { address: [10, 0, 0, last].into(), port }
    }

    fn part(first: Way, time: u64, [sent, received]: [u64; 2]) -> (Event, Datagrams) {
        let datagrams = Datagrams { first, port_is_chosen: Some(true), sent, received, failed: 0, error: 0 };
        let event = Event {
            kind: Kind::Exchanged(datagrams),
            time,
            elapsed: 0,
            socket: SERVER,
            cgroup: None,
            netns: None,
            local: end(1, 53),
            remote: end(2, 40_000),
            may_repeat: false,
            process: None,
        };
        (event, datagrams)
    }

    fn older() -> Older {
        let nobody = End { address: [0; 4].into(), port: 0 };
        Older {
            socket: SERVER,
            cgroup: None,
            netns: None,
            local: end(1, 53),
            remote: nobody,
            direction: Direction::Unknown,
            time: LISTED,
        }
    }

    fn closed(mut exchanges: Exchanges) -> Vec<Flow> {
        let mut flows = RawFlows::default();
        exchanges.close(100 * SECOND, &mut flows);
        flows.named(&Plain)
    }

    /// The flows of one exchange, whose parts come in this order.
    fn folded(older: &[Older], parts: impl IntoIterator<Item = (Event, Datagrams)>) -> Vec<Flow> {
        let (mut exchanges, mut flows) = (Exchanges::default(), RawFlows::default());
        exchanges.merge_older(older);
        for (event, datagrams) in parts {
            exchanges.add(&event, datagrams, &mut flows);
        }
        closed(exchanges)
    }

    fn direction(is_older: bool, part: (Event, Datagrams)) -> Direction {
        let older = if is_older { vec![older()] } else { Vec::new() };
        folded(&older, [part])[0].key.direction
    }

    #[test]
    fn the_first_datagram_tells_in_whatever_order_the_parts_come() {
        let asked = part(Way::Received, 3 * SECOND, [0, 1]);
        let answered = part(Way::Sent, 4 * SECOND, [5, 2]);
        for parts in [[asked.clone(), answered.clone()], [answered, asked]] {
            let flows = folded(&[], parts);
            let [flow] = flows.as_slice() else { panic!("one exchange is one flow: {flows:?}") };
            assert_eq!((flow.key.direction, flow.key.port), (Direction::Inbound, 53));
            let outcomes = &flow.outcomes;
            assert_eq!((outcomes.accepted, outcomes.datagrams_sent, outcomes.datagrams_received), (1, 5, 3));
            assert_eq!((flow.first_seen, flow.last_seen), (3_000_000_000, 4_000_000_000));
        }
    }

    #[test]
    fn of_an_older_socket_the_port_tells_or_nobody_does() {
        let chosen = |is_chosen, first, time| {
            let (event, datagrams) = part(first, time, [1, 1]);
            (event, Datagrams { port_is_chosen: is_chosen, ..datagrams })
        };
        let (soon, late) = (LISTED + SECOND, LISTED + 6 * SECOND);
        for (is_chosen, first, time, expected) in [
            (Some(true), Way::Received, soon, Direction::Inbound),
            (Some(true), Way::Sent, soon, Direction::Unknown),
            (Some(false), Way::Sent, soon, Direction::Outbound),
            // It may be the answer to something that was sent before anybody looked.
            (Some(false), Way::Received, soon, Direction::Unknown),
            (None, Way::Received, soon, Direction::Unknown),
            (None, Way::Sent, late, Direction::Unknown),
            (Some(false), Way::Received, late, Direction::Unknown),
        ] {
            let found = direction(true, chosen(is_chosen, first, time));
            assert_eq!(found, expected, "{is_chosen:?} {first:?} {time}");
        }
    }

    #[test]
    fn a_server_that_peers_begin_with_is_one_to_its_older_peers_too() {
        let (mut streamed, datagrams) = part(Way::Sent, LISTED + SECOND, [1, 0]);
        streamed.remote = end(3, 50_000);
        let flows = folded(&[older()], [(streamed, datagrams), part(Way::Received, LISTED + SECOND, [0, 1])]);
        assert!(flows.iter().all(|flow| flow.key.direction == Direction::Inbound), "{flows:?}");
    }

    fn numbered(number: usize) -> IpAddr {
        IpAddr::from(u32::try_from(number).expect("small").to_be_bytes())
    }

    #[test]
    fn what_was_counted_early_loses_no_datagram_and_counts_once() {
        let (mut exchanges, mut flows) = (Exchanges::default(), RawFlows::default());
        let many = MOST + MOST / 4;
        let mut add = |first, time, counts, address| {
            let (mut event, datagrams) = part(first, time, counts);
            event.remote.address = address;
            exchanges.add(&event, datagrams, &mut flows);
        };
        for number in 0..many {
            // Told first, and counted when it has lost its slot; the latest are still there.
            add(Way::Received, SECOND + number as u64, [0, 0], numbered(number));
            if number + probe_common::EXCHANGES / 2 < many {
                add(Way::Received, SECOND + number as u64, [1, 1], numbered(number));
            }
        }
        // One of those that were counted goes on: its beginning is known all the same.
        add(Way::Sent, 50 * SECOND, [1, 0], numbered(0));
        for number in many - probe_common::EXCHANGES / 2..many {
            add(Way::Received, SECOND + number as u64, [1, 1], numbered(number));
        }
        assert!(exchanges.known.len() <= MOST);
        exchanges.close(100 * SECOND, &mut flows);
        let mut sum = Outcomes::default();
        for flow in flows.named(&Plain) {
            assert_eq!(flow.key.direction, Direction::Inbound);
            sum.add(&flow.outcomes);
        }
        let many = many as u64;
        assert_eq!((sum.accepted, sum.datagrams_sent, sum.datagrams_received), (many, many + 1, many));
        assert_eq!(sum.unsuccessful(), 0);
    }

    #[test]
    fn an_answer_without_a_sender_is_of_the_only_one_who_was_asked() {
        let (asked, question) = part(Way::Sent, 3 * SECOND, [1, 0]);
        let (mut blind, answer) = part(Way::Received, 4 * SECOND, [0, 1]);
        blind.remote = End { address: [0; 4].into(), port: 0 };
        let mut other = asked.clone();
        other.remote = end(3, 53);
        let flows = folded(&[], [(asked.clone(), question), (blind.clone(), answer)]);
        let [flow] = flows.as_slice() else { panic!("one exchange is one flow: {flows:?}") };
        assert_eq!((flow.outcomes.connected, flow.outcomes.unreplied), (1, 0));
        // Nobody can say which of two has answered.
        assert_eq!(folded(&[], [(asked, question), (other, question), (blind, answer)]).len(), 3);
    }

    #[test]
    fn a_cause_goes_before_silence() {
        let (event, datagrams) = part(Way::Sent, 3 * SECOND, [2, 0]);
        let silent = folded(&[], [(event.clone(), datagrams)]);
        assert_eq!((silent[0].outcomes.unreplied, silent[0].outcomes.failed.len()), (1, 0));
        let refused = Datagrams { failed: 4, error: 111, sent: 0, ..datagrams };
        let failed = folded(&[], [(event.clone(), datagrams), (event, refused)]);
        assert_eq!(failed[0].outcomes.failed, [(111, 1)].into());
        assert_eq!((failed[0].outcomes.unreplied, failed[0].outcomes.connected), (0, 0));
    }
}
