//! What is written is read, and nothing else is.

use super::*;
use crate::{
    event::Protocol,
    flow::{Coverage, Direction, Fact, Flow, FlowKey, Ledger, Outcome, Outcomes, Workload},
};

fn flow(port: u16) -> Flow {
    Flow {
        key: FlowKey {
            translated: None,
            workload: Workload::default(),
            direction: Direction::Outbound,
            local: "10.0.0.1".parse().expect("address"),
            remote: "2001:db8::1".parse().expect("address"),
            port,
            protocol: Protocol::Tcp,
        },
        outcomes: Outcomes { connected: 3, ..Outcomes::default() },
        first_seen: 1,
        last_seen: 2,
        processes: Vec::new(),
        folded: 0,
    }
}

fn window(flows: u16) -> Window {
    Window {
        cluster: "run".into(),
        node: "run-1".into(),
        start: 1,
        end: 9,
        coverage: Coverage::default(),
        flows: (0..flows).map(flow).collect(),
    }
}

fn bytes(window: &Window) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(window, &mut bytes).expect("a vector takes all");
    bytes
}

fn fault(bytes: &[u8]) -> Fault {
    match read("x.fdr", bytes) {
        Err(RecordingError::Malformed { fault, .. }) => fault,
        other => panic!("expected a fault, found {other:?}"),
    }
}

#[test]
fn what_is_written_is_read_again() {
    let window = window(600);
    assert_eq!(read("x.fdr", bytes(&window).as_slice()).expect("well-formed").window, window);
}

#[test]
fn a_recording_cut_off_anywhere_is_refused() {
    let whole = bytes(&window(2));
    assert_eq!(fault(&[]), Fault::Magic);
    for length in 1..whole.len() {
        assert!(matches!(fault(&whole[..length]), Fault::Truncated(_)), "cut at byte {length}");
    }
}

fn of_facts(flows: u32, each: u32) -> (Vec<u8>, Window) {
    let fact = |number: u32| Fact {
        first: 1_000 + u64::from(number),
        last: 2_000 + u64::from(number),
        process: None,
        outcome: if number.is_multiple_of(3) { Outcome::Failed(111) } else { Outcome::Connected },
    };
    let mut ledger = Ledger::default();
    (0..flows * each).for_each(|number| ledger.note(number % flows, &fact(number)));
    let mut window = window(0);
    let mut written = Writer::begin(Vec::new(), "run", "run-1", 5).expect("a vector takes all");
    written.keep(&ledger.take()).expect("a vector takes all");
    let keys: Vec<FlowKey> = self::window(flows as u16).flows.into_iter().map(|flow| flow.key).collect();
    window.flows = keys.iter().map(|key| flow(key.port)).collect();
    for number in 0..flows * each {
        let (flow, fact) = (&mut window.flows[(number % flows) as usize], fact(number));
        // The window ends at 9, which is 10,000 on the facts' clock.
        let [first, last] = [fact.first, fact.last].map(|time| time as i64 - 10_000 + 1_000_009);
        if number < flows {
            (flow.first_seen, flow.outcomes) = (first, Outcomes::default());
        }
        flow.last_seen = last;
        match fact.outcome {
            Outcome::Connected => flow.outcomes.connected += 1,
            _ => *flow.outcomes.failed.entry(111).or_default() += 1,
        }
    }
    window.end = 1_000_009;
    let facts = Facts { count: ledger.count(), pages: ledger.into_pages(), keys, closed: 10_000 };
    (written.end(&window, &facts).expect("a vector takes all"), window)
}

#[test]
fn a_recording_of_every_connection_gives_its_flows() {
    let (bytes, window) = of_facts(600, 100);
    assert_eq!(read("x.fdr", bytes.as_slice()).expect("well-formed").window, window);
    let flows = self::bytes(&window);
    assert_eq!(read("x.fdr", flows.as_slice()).expect("well-formed").window, window);
}

#[test]
fn a_recording_of_every_connection_is_whole_or_refused() {
    let (whole, _) = of_facts(3, 2);
    for length in MAGIC.len()..whole.len() {
        assert!(matches!(fault(&whole[..length]), Fault::Truncated(_)), "cut at byte {length}");
    }
    for at in MAGIC.len() + 2..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        // Whatever it is, it is told.
        fault(&damaged);
    }
    assert_eq!(fault(&[whole.clone(), vec![0]].concat()), Fault::Trailing);
    // It is none of flows.
    let mut older = whole;
    older[8] = OF_FLOWS as u8;
    assert_eq!(fault(&older), Fault::Kind { found: FACTS, expected: "the coverage" });
}

#[test]
fn facts_and_flows_that_do_not_belong_together_are_refused() {
    let window = window(0);
    let recorded = |flows: &[u32], keys: usize, count: u64| {
        let mut ledger = Ledger::default();
        let fact = Fact { first: 1, last: 1, process: None, outcome: Outcome::Connected };
        flows.iter().for_each(|flow| ledger.note(*flow, &fact));
        let keys = self::window(keys as u16).flows.into_iter().map(|flow| flow.key).collect();
        let facts = Facts { pages: ledger.into_pages(), keys, count, closed: 1 };
        let writer = Writer::begin(Vec::new(), "run", "run-1", 5).expect("a vector takes all");
        writer.end(&window, &facts).expect("a vector takes all")
    };
    assert!(read("x.fdr", recorded(&[0, 1, 0], 2, 3).as_slice()).is_ok());
    let count = |what, found, expected| Fault::Count { what, found, expected };
    assert_eq!(fault(&recorded(&[0, 1], 2, 3)), count("facts", 2, 3));
    assert_eq!(fault(&recorded(&[0], 2, 1)), count("flows with facts", 1, 2));
    assert!(matches!(fault(&recorded(&[0, 2], 2, 2)), Fault::Payload(_)));
}

#[test]
fn numbers_that_no_node_could_have_seen_are_refused() {
    let mut backwards = window(1);
    backwards.end = 0;
    assert!(matches!(fault(&bytes(&backwards)), Fault::Payload(_)));
    let mut countless = window(1);
    countless.flows[0].outcomes.connected = u64::MAX;
    assert!(matches!(fault(&bytes(&countless)), Fault::Payload(_)));
    let changes: [fn(&mut Window); 6] = [
        |window| window.flows[0].outcomes.unreplied = u64::MAX,
        |window| window.flows[0].folded = u64::MAX,
        |window| window.coverage.folded = u64::MAX,
        |window| window.coverage.beyond_flows = u64::MAX,
        |window| window.coverage.lost = [("unread".into(), u64::MAX)].into(),
        |window| window.coverage.lost_by_cgroup = [("/".into(), u64::MAX)].into(),
    ];
    for change in changes {
        let mut countless = window(1);
        change(&mut countless);
        assert!(matches!(fault(&bytes(&countless)), Fault::Payload(_)), "{countless:?}");
    }
    let mut early = window(1);
    early.flows[0].first_seen = i64::MIN;
    assert!(matches!(fault(&bytes(&early)), Fault::Payload(_)));
}

#[test]
fn damage_other_versions_and_trailing_data_are_refused() {
    let whole = bytes(&window(2));
    let mut damaged = whole.clone();
    damaged[20] ^= 1;
    assert!(matches!(fault(&damaged), Fault::Checksum(_)));
    let mut newer = whole.clone();
    newer[8] = VERSION as u8 + 1;
    assert_eq!(fault(&newer), Fault::Version(VERSION + 1));
    assert_eq!(fault(&[whole, vec![0]].concat()), Fault::Trailing);
    assert_eq!(fault(b"apiVersion: flowdrift/v1"), Fault::Magic);
}
