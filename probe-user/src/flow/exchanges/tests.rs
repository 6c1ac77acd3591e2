//! Which end an exchange is of, how it went, and that it counts once.

use std::{net::IpAddr, sync::Arc};

use super::*;
use crate::{
    event::{Face, Kind},
    flow::{Flow, Naming},
};

const SECOND: u64 = 1_000_000_000;
/// The sockets were listed at this time.
const LISTED: u64 = 10 * SECOND;
const SERVER: u64 = 7;

struct Plain;

impl Naming for Plain {
    fn cgroup(&self, _: u64) -> Option<Arc<str>> {
        None
    }
    fn netns(&self, _: u64) -> Option<Arc<str>> {
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
        translated: None,
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
        translated: None,
        time: LISTED,
    }
}

fn closed(mut exchanges: Exchanges) -> Vec<Flow> {
    let mut flows = RawFlows::default();
    exchanges.close(100 * SECOND, &mut flows);
    flows.named(&Plain).0
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
fn one_part_that_knows_the_translation_is_enough() {
    let face = Face { client: [10, 0, 0, 9].into(), server: [10, 0, 0, 3].into(), port: 5353 };
    let begun = part(Way::Sent, 3 * SECOND, [0, 0]);
    let (event, datagrams) = part(Way::Sent, 3 * SECOND, [2, 1]);
    let counted = (Event { translated: Some(face), time: event.time + 1, ..event }, datagrams);
    for parts in [[begun.clone(), counted.clone()], [counted, begun]] {
        let flows = folded(&[], parts);
        let [flow] = flows.as_slice() else { panic!("one exchange is one flow: {flows:?}") };
        assert_eq!(flow.key.translated, Some(face));
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
    for flow in flows.named(&Plain).0 {
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

#[test]
fn what_left_its_slot_while_the_rings_were_full_counts_once() {
    let spilled = |parts: &[(Event, Datagrams)], at_the_end: &[(Event, Datagrams)]| {
        let (mut exchanges, mut flows) = (Exchanges::default(), RawFlows::default());
        parts.iter().for_each(|(event, datagrams)| exchanges.add(event, *datagrams, &mut flows));
        let (event, datagrams) = part(Way::Sent, SECOND, [1, 1]);
        let folded = Spilled { event, count: 1, answered: 1, last: SECOND };
        let (direction, outcomes) = exchanges.of_spilled(&folded, datagrams);
        assert_eq!((direction, outcomes.connected), (Direction::Outbound, 1));
        exchanges.read_slots();
        at_the_end.iter().for_each(|(event, datagrams)| exchanges.add(event, *datagrams, &mut flows));
        closed(exchanges)
    };
    let announced = part(Way::Sent, SECOND, [0, 0]);
    assert_eq!(spilled(std::slice::from_ref(&announced), &[]), [], "all that it was is among the folded");
    let in_slot = spilled(std::slice::from_ref(&announced), &[part(Way::Sent, SECOND, [2, 1])]);
    assert_eq!(in_slot.len(), 1, "another of the socket's is still there");
    assert_eq!(in_slot[0].outcomes.connected, 1);
    let unrouted = spilled(std::slice::from_ref(&announced), std::slice::from_ref(&announced));
    assert_eq!(unrouted[0].outcomes.unrouted, 1, "no packet came of what is there");
}
