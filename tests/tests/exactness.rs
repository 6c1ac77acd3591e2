//! What was generated is what was seen, exactly.

use std::time::Duration;

use flowdrift_tests::{
    exact::{Load, Memory, Run},
    needs,
};
use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    unistd::Pid,
};
use probe_common::RingPlace;

const CONNECTIONS: u64 = 10_000;
const CLIENTS: u64 = 2;

/// KiB of spill in which all the facts of these runs are folded to a few.
const ROOM: u32 = 64;
/// KiB of spill: one set of eight slots.
const NO_ROOM: u32 = 1;
/// More flows than that.
const ADDRESSES: u32 = 500;

fn run(load: Load, v6: bool) -> Run {
    Run { load, v6, connections: CONNECTIONS, clients: CLIENTS, addresses: 1 }
}

fn with_default_ring(test: &str, load: Load, v6: bool) {
    if needs::root(test) {
        let figures = run(load, v6).with_default_ring();
        assert!(figures.is_exact(), "{figures:#?}");
        assert!(figures.is_lossless(), "{figures:#?}");
    }
}

fn with_stopped_consumer(test: &str, load: Load, v6: bool) {
    if needs::root(test) {
        let memory = Memory { ring: 64, spill: ROOM };
        let figures = run(load, v6).with_stopped_consumer(memory, Duration::from_secs(1));
        assert!(figures.is_exact(), "{figures:#?}");
        assert!(figures.is_lossless(), "{figures:#?}");
        assert!(figures.folded > CONNECTIONS, "the ring was never full: {figures:#?}");
    }
}

fn with_overrun_consumer(test: &str, load: Load, v6: bool) {
    if needs::root(test) {
        let figures = run(load, v6).with_overrun_consumer(ROOM);
        assert!(figures.is_exact(), "{figures:#?}");
        assert!(figures.is_lossless(), "{figures:#?}");
        assert!(figures.folded > 0, "the ring did not overflow now and then: {figures:#?}");
    }
}

fn without_room(test: &str, load: Load, v6: bool) {
    assert!(!v6, "the loopback has one IPv6 address");
    if needs::root(test) {
        let figures = Run { addresses: ADDRESSES, ..run(load, v6) }.with_overrun_consumer(NO_ROOM);
        assert!(figures.is_exact(), "{figures:#?}");
        let seen_and_lost = [&figures.client, &figures.server].map(|end| end.seen > 0 && end.lost > 0);
        assert_eq!(seen_and_lost, [true, true], "the spill did not overflow now and then: {figures:#?}");
    }
}

fn without_room_or_consumer(test: &str, load: Load, v6: bool) {
    assert!(!v6, "the loopback has one IPv6 address");
    if needs::root(test) {
        let memory = Memory { ring: 64, spill: NO_ROOM };
        let run = Run { addresses: ADDRESSES, ..run(load, v6) };
        let figures = run.with_stopped_consumer(memory, Duration::from_secs(1));
        assert!(figures.is_exact(), "{figures:#?}");
        let seen_and_lost = [&figures.client, &figures.server].map(|end| end.seen > 0 && end.lost > 0);
        assert_eq!(seen_and_lost, [true, true], "the spill was never full: {figures:#?}");
    }
}

/// Half of the places are in the rings that the TCP program has for itself, and an eighth of the others is kept for the
/// second program.
#[test]
fn what_does_not_fit_into_a_cpu_s_own_ring_goes_to_the_common_one() {
    let test = "what_does_not_fit_into_a_cpu_s_own_ring_goes_to_the_common_one";
    if !needs::root(test) {
        return;
    }
    // The generator's threads inherit it, and loopback's receiving end runs where the sending one does.
    let mut one = CpuSet::new();
    let allowed = sched_getaffinity(Pid::from_raw(0)).expect("always possible");
    let first = (0..CpuSet::count()).find(|cpu| allowed.is_set(*cpu) == Ok(true)).expect("this runs on one");
    one.set(first).expect("it is one");
    sched_setaffinity(Pid::from_raw(0), &one).expect("it is allowed");
    const KIB: u32 = 2_048;
    let run = Run { clients: 1, ..run(Load::ClosedByReset, false) };
    let memory = Memory { ring: KIB, spill: ROOM };
    let figures = run.with_stopped_consumer(memory, Duration::from_millis(100));
    let online = std::fs::read_to_string("/sys/devices/system/cpu/online").expect("it is there");
    let last: usize =
        online.trim().rsplit([',', '-']).next().and_then(|last| last.parse().ok()).expect("a list");
    let rings = 2 * (last + 1).next_power_of_two() as u64;
    let of_one_ring = u64::from(KIB) * 1_024 / size_of::<RingPlace>() as u64 / rings;
    let in_rings = figures.client.seen + figures.server.seen - figures.folded;
    assert!(figures.is_exact(), "{figures:#?}");
    let (least, most) = (of_one_ring * 3 / 2, of_one_ring * 2);
    assert!((least..=most).contains(&in_rings), "{in_rings} where a ring takes {of_one_ring}: {figures:#?}");
}

macro_rules! loads {
    ($check:ident: $($test:ident = $load:ident, $v6:expr;)*) => { $(
        #[test]
        fn $test() {
            $check(stringify!($test), Load::$load, $v6);
        }
    )* };
}

loads! { with_default_ring:
    closed_loop_v4_is_exact = ClosedByReset, false;
    closed_loop_v6_is_exact = ClosedByFinish, true;
    open_loop_v4_is_exact = Open, false;
    open_loop_v6_is_exact = Open, true;
}

loads! { with_stopped_consumer:
    closed_loop_v4_with_a_stopped_consumer_loses_nothing = ClosedByReset, false;
    open_loop_v4_with_a_stopped_consumer_loses_nothing = Open, false;
    open_loop_v6_with_a_stopped_consumer_loses_nothing = Open, true;
}

loads! { with_overrun_consumer:
    closed_loop_v4_with_one_small_ring_for_all_loses_nothing = ClosedByReset, false;
    closed_loop_v6_with_one_small_ring_for_all_loses_nothing = ClosedByFinish, true;
    open_loop_v4_with_one_small_ring_for_all_loses_nothing = Open, false;
}

loads! { without_room:
    closed_loop_v4_without_room_is_exact = ClosedByReset, false;
    open_loop_v4_without_room_is_exact = Open, false;
}

loads! { without_room_or_consumer:
    closed_loop_v4_with_a_stopped_consumer_and_no_room_is_exact = ClosedByFinish, false;
    open_loop_v4_with_a_stopped_consumer_and_no_room_is_exact = Open, false;
}
