//! What becomes of facts: counts, joins, repetitions, older sockets.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use super::*;
use crate::{
    event::{Command, Process},
    flow::{ledger::read_page, tally, tally::Tally},
};

struct Plain;

impl Naming for Plain {
    fn cgroup(&self, id: u64) -> Option<Arc<str>> {
        Some(format!("/group-{id}").into())
    }
    fn netns(&self, cookie: u64) -> Option<Arc<str>> {
        Some(format!("ns-{cookie}").into())
    }
    fn wall(&self, boot: u64) -> i64 {
        i64::try_from(boot).expect("small")
    }
}

fn command(name: &str) -> Command {
    let mut bytes = [0; 16];
    bytes[..name.len()].copy_from_slice(name.as_bytes());
    Command::new(bytes)
}

fn end(address: [u8; 4], port: u16) -> End {
    End { address: IpAddr::from(address), port }
}

fn event(kind: Kind, socket: u64, time: u64) -> Event {
    let process = matches!(kind, Kind::Attempted | Kind::Unrouted)
        .then(|| Process { id: 12, command: command("curl") });
    Event {
        kind,
        time,
        elapsed: 0,
        socket,
        cgroup: Some(1),
        netns: Some(2),
        local: end([10, 0, 0, 1], 40_000),
        remote: end([10, 0, 0, 2], 443),
        translated: None,
        may_repeat: false,
        process,
    }
}

fn older(socket: u64, direction: Direction) -> Older {
    let Event { cgroup, netns, local, remote, .. } = event(Kind::Connected, socket, 0);
    Older { socket, cgroup, netns, local, remote, direction, translated: None, time: 5 }
}

fn close(table: FlowTable) -> Vec<Flow> {
    close_when(table, |_| true)
}

/// The facts by themselves must give the same flows.
fn close_when(table: FlowTable, is_waiting: impl Fn(&Event) -> bool) -> Vec<Flow> {
    let Closed { flows, ledger, beyond: _ } = table.close(10_000_000_000, is_waiting, &Plain);
    let (ledger, keys) = ledger.expect("every fact is kept");
    let mut tallies: Vec<Tally> = keys.iter().map(|_| Tally::default()).collect();
    for page in ledger.into_pages() {
        read_page(&page, |flow, fact| tallies[flow as usize].count(fact)).expect("well-formed");
    }
    assert_eq!(tally::flows(keys.into_iter().zip(tallies), |boot| Plain.wall(boot)), flows);
    flows
}

/// A table without older sockets, which keeps every fact.
fn table() -> FlowTable {
    FlowTable { flows: RawFlows::new(usize::MAX, true), ..FlowTable::default() }
}

#[test]
fn an_outcome_takes_time_and_process_from_its_attempt() {
    let mut table = table();
    table.observe(&event(Kind::Attempted, 7, 100));
    table.observe(&event(Kind::Connected, 7, 150));
    let flows = close(table);
    assert_eq!(flows.len(), 1);
    assert_eq!((flows[0].first_seen, flows[0].last_seen), (100, 150));
    assert_eq!(flows[0].outcomes, Outcomes { connected: 1, ..Outcomes::default() });
    assert_eq!(flows[0].processes[0].command, "curl");
    assert_eq!(flows[0].key.direction, Direction::Outbound);
}

#[test]
fn an_attempt_that_its_outcome_overtook_only_tells_the_caller() {
    let mut table = table();
    table.observe(&event(Kind::Connected, 7, 150));
    table.observe(&event(Kind::Attempted, 7, 100));
    assert_eq!(table.unconcluded(|_| false), 0);
    let flows = close(table);
    assert_eq!(flows[0].outcomes, Outcomes { connected: 1, ..Outcomes::default() });
    assert_eq!(flows[0].processes[0].command, "curl");
    assert_eq!((flows[0].first_seen, flows[0].last_seen), (100, 150));
}

#[test]
fn a_socket_s_next_attempt_waits_for_its_own_outcome() {
    let mut table = table();
    table.observe(&event(Kind::Connected, 7, 150));
    table.observe(&event(Kind::Attempted, 7, 151 + TICKS));
    assert_eq!(table.unconcluded(|_| false), 1);
}

#[test]
fn orphans_are_remembered_for_as_long_as_their_attempt_may_come() {
    let mut table = table();
    let all = 20_000;
    for socket in 1..=all {
        table.observe(&event(Kind::Connected, socket, socket * OVERTAKING / 1_000));
    }
    // As long as MANY, though only a thousand may still matter.
    assert!(table.orphans.len() <= 4_096, "{}", table.orphans.len());
    table.observe(&event(Kind::Attempted, all - 900, (all - 900) * OVERTAKING / 1_000));
    assert_eq!(table.unconcluded(|_| false), 0);
}

#[test]
fn an_attempt_whose_outcome_never_came_is_unconcluded_unless_it_waits() {
    let mut table = table();
    table.observe(&event(Kind::Attempted, 7, 100));
    assert_eq!((table.unconcluded(|_| true), table.unconcluded(|_| false)), (0, 1));
}

#[test]
fn an_attempt_without_outcome_is_unanswered_only_while_its_socket_waits() {
    let mut table = table();
    table.observe(&event(Kind::Attempted, 7, 100));
    table.observe(&event(Kind::Attempted, 8, 100));
    let flows = close_when(table, |attempt| attempt.socket == 7);
    assert_eq!(flows[0].outcomes, Outcomes { unanswered: 1, ..Outcomes::default() });
}

#[test]
fn an_attempt_whose_first_syn_is_on_its_way_is_pending() {
    let mut table = table();
    table.observe(&event(Kind::Attempted, 7, 9_500_000_000));
    let flows = close(table);
    assert_eq!(flows[0].outcomes, Outcomes { pending: 1, ..Outcomes::default() });
    assert_eq!(flows[0].outcomes.unsuccessful(), 0);
}

#[test]
fn simultaneous_open_is_a_success_and_no_accept() {
    let mut table = table();
    table.observe(&event(Kind::Attempted, 7, 100));
    table.observe(&event(Kind::Accepted, 7, 101));
    let flows = close(table);
    assert_eq!(flows[0].outcomes, Outcomes { connected: 1, ..Outcomes::default() });
    assert_eq!(flows[0].key.direction, Direction::Outbound);
}

#[test]
fn a_repeated_outcome_counts_once() {
    let mut table = table();
    table.observe(&event(Kind::Accepted, 7, 100));
    table.observe(&event(Kind::Accepted, 8, 100));
    table.observe(&Event { may_repeat: true, ..event(Kind::Accepted, 7, 100) });
    table.observe(&Event { may_repeat: true, ..event(Kind::Accepted, 9, 100) });
    assert_eq!(table.events(), 3);
    assert_eq!(close(table)[0].outcomes.accepted, 3);
}

#[test]
fn the_outcome_of_a_socket_s_next_attempt_is_no_repetition() {
    let mut table = table();
    let rescued = |kind, time| Event { may_repeat: true, ..event(kind, 7, time) };
    for time in [100, 200] {
        table.observe(&event(Kind::Attempted, 7, time));
        table.observe(&rescued(Kind::Failed(111), time + 1));
        table.observe(&rescued(Kind::Failed(111), time + 1));
    }
    assert_eq!(close(table)[0].outcomes.failed, BTreeMap::from([(111, 2)]));
}

#[test]
fn a_socket_that_a_hook_reported_is_not_counted_again_as_older() {
    let mut table = FlowTable::awaiting_snapshot(usize::MAX, true);
    table.observe(&event(Kind::Accepted, 7, 100));
    let counted = table.merge_older(&[older(7, Direction::Inbound), older(8, Direction::Inbound)]);
    assert_eq!(counted, 1);
    let flows = close(table);
    assert_eq!(flows.len(), 1);
    assert_eq!(flows[0].outcomes, Outcomes { accepted: 1, older: 1, ..Outcomes::default() });
    assert_eq!(flows[0].key.port, 40_000);
}

#[test]
fn an_older_attempt_meets_its_outcome() {
    let mut table = FlowTable::awaiting_snapshot(usize::MAX, true);
    table.adopt_attempt(&older(7, Direction::Outbound));
    table.merge_older(&[]);
    table.observe(&event(Kind::Failed(110), 7, 200));
    let flows = close(table);
    assert_eq!(flows[0].outcomes.failed, BTreeMap::from([(110, 1)]));
    assert!(flows[0].processes.is_empty());
}

#[test]
fn process_names_are_bounded_and_attempts_are_not() {
    let mut table = table();
    for socket in 0..100 {
        let mut attempt = event(Kind::Attempted, socket, socket);
        attempt.process = Some(Process { id: 1, command: command(&format!("worker-{socket}")) });
        table.observe(&attempt);
        table.observe(&event(Kind::Connected, socket, socket));
    }
    let flows = close(table);
    assert_eq!(flows[0].processes.len(), Flow::PROCESSES);
    assert_eq!(flows[0].outcomes.connected, 100);
}

#[test]
fn beyond_the_flows_that_are_told_apart_nothing_but_the_peer_is_lost() {
    let mut table = FlowTable { flows: RawFlows::new(100, true), ..FlowTable::default() };
    for number in 0..10_000_u16 {
        let [upper, lower] = number.to_be_bytes();
        let mut one = event(
            if number.is_multiple_of(2) { Kind::Connected } else { Kind::Accepted },
            number.into(),
            100,
        );
        one.remote = end([10, 1, upper, lower], 1_000 + number);
        one.local.port = if number.is_multiple_of(2) { 40_000 } else { 443 };
        table.observe(&one);
    }
    // One that is known stays so.
    let mut again = event(Kind::Connected, 10_000, 200);
    again.remote = end([10, 1, 0, 0], 1_000);
    table.observe(&again);
    assert_eq!(table.flows.beyond(), 9_900);
    let flows = close(table);
    assert_eq!(flows.len(), 102);
    let of = |direction| flows.iter().filter(move |flow| flow.key.direction == direction);
    let sum = |direction| of(direction).map(|flow| flow.outcomes.succeeded()).sum::<u64>();
    assert_eq!((sum(Direction::Outbound), sum(Direction::Inbound)), (5_001, 5_000));
    let anybody =
        |direction| of(direction).find(|flow| flow.key.remote.is_unspecified()).expect("there is one");
    assert_eq!((anybody(Direction::Outbound).key.port, anybody(Direction::Inbound).key.port), (0, 443));
    assert_eq!(anybody(Direction::Outbound).outcomes.connected, 4_950);
    assert!(flows.iter().any(|flow| flow.outcomes.connected == 2));
}

#[test]
fn no_number_of_own_addresses_ports_and_groups_makes_more_flows_than_the_limit_and_a_part_of_it() {
    let mut table = FlowTable { flows: RawFlows::new(800, true), ..FlowTable::default() };
    for number in 0..20_000_u16 {
        let [upper, lower] = number.to_be_bytes();
        let kind = if number.is_multiple_of(2) { Kind::Connected } else { Kind::Accepted };
        let mut one = event(kind, number.into(), 100);
        one.local = end([127, 1, upper, lower], number);
        (one.cgroup, one.netns) = (Some(number.into()), Some(number.into()));
        table.observe(&one);
    }
    assert_eq!(table.flows.beyond(), 20_000 - 800);
    let flows = close(table);
    assert_eq!(flows.len(), 800 + 100 + 2);
    assert_eq!(flows.iter().map(|flow| flow.outcomes.succeeded()).sum::<u64>(), 20_000);
    let nobody: Vec<&Flow> = flows.iter().filter(|flow| flow.key.local.is_unspecified()).collect();
    assert_eq!(nobody.len(), 2, "of each direction one");
    assert!(
        nobody.iter().all(|flow| flow.key.port == 0 && flow.key.workload == crate::flow::Workload::default())
    );
}

#[test]
fn flows_are_told_in_the_order_in_which_they_came_while_they_grow() {
    let mut table = table();
    assert!(table.take_latest().is_empty(), "from now on");
    let flow = |number: u64, kind| {
        let mut one = event(kind, number + 1, 100 + number);
        one.remote.port = 1_000 + (number % 25) as u16;
        one
    };
    (0..50).for_each(|number| table.observe(&flow(number, Kind::Connected)));
    table.settle();
    assert_eq!(table.count(), 25);
    let latest: Vec<u32> = (0..25).chain(0..25).collect();
    assert_eq!(table.take_latest(), latest);
    let ports = |flows: &[Flow]| flows.iter().map(|flow| flow.key.port).collect::<Vec<_>>();
    assert_eq!(ports(&table.flows_after(20, 3, &Plain)), [1_020, 1_021, 1_022]);
    assert_eq!(ports(&table.flows_after(24, 3, &Plain)), [1_024]);
    assert!(table.flows_after(25, 3, &Plain).is_empty());
    // One outcome and another, and a third.
    table.observe(&flow(0, Kind::Failed(111)));
    table.observe(&flow(0, Kind::Failed(111)));
    table.observe(&flow(0, Kind::Unrouted));
    table.settle();
    assert_eq!(table.take_latest(), [0, 0, 0]);
    let [first] = &table.flows_after(0, 1, &Plain)[..] else { panic!("there is one") };
    let expected = Outcomes { connected: 2, failed: [(111, 2)].into(), unrouted: 1, ..Outcomes::default() };
    assert_eq!(first.outcomes, expected);
    assert_eq!(close(table)[0], *first, "nothing is counted twice");
}
