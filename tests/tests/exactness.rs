//! What was generated is what was seen, exactly.

use std::{fs, time::Duration};

use flowdrift_tests::{
    exact::{Load, Run},
    needs,
};
use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    unistd::Pid,
};
use probe_common::RingPlace;

const CONNECTIONS: u64 = 10_000;
const CLIENTS: u64 = 2;

fn with_default_ring(test: &str, load: Load, v6: bool) {
    if needs::root(test) {
        let figures = Run { load, v6, connections: CONNECTIONS, clients: CLIENTS }.with_default_ring();
        assert!(figures.is_exact(), "{figures:#?}");
        assert!(figures.is_lossless(), "{figures:#?}");
    }
}

fn with_stopped_consumer(test: &str, load: Load, v6: bool) {
    if needs::root(test) {
        let run = Run { load, v6, connections: CONNECTIONS, clients: CLIENTS };
        let figures = run.with_stopped_consumer(64, Duration::from_secs(1));
        assert!(figures.is_exact(), "{figures:#?}");
        assert!(figures.client.lost > 0 && figures.server.lost > 0, "the ring was never full: {figures:#?}");
    }
}

fn with_overrun_consumer(test: &str, load: Load, v6: bool) {
    if needs::root(test) {
        let run = Run { load, v6, connections: CONNECTIONS, clients: CLIENTS };
        let figures = run.with_overrun_consumer();
        assert!(figures.is_exact(), "{figures:#?}");
        let seen_and_lost = [&figures.client, &figures.server].map(|end| end.seen > 0 && end.lost > 0);
        assert_eq!(seen_and_lost, [true, true], "the ring did not overflow now and then: {figures:#?}");
    }
}

/// Half of the places are in the rings that the TCP program has for itself.
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
    let run = Run { load: Load::ClosedByReset, v6: false, connections: CONNECTIONS, clients: 1 };
    let figures = run.with_stopped_consumer(KIB, Duration::from_millis(100));
    let online = fs::read_to_string("/sys/devices/system/cpu/online").expect("it is there");
    let last: usize =
        online.trim().rsplit([',', '-']).next().and_then(|last| last.parse().ok()).expect("a list");
    let rings = 2 * (last + 1).next_power_of_two() as u64;
    let of_one_ring = u64::from(KIB) * 1_024 / size_of::<RingPlace>() as u64 / rings;
    let seen = figures.client.seen + figures.server.seen;
    assert!(figures.is_exact(), "{figures:#?}");
    assert!(seen > of_one_ring && seen <= 2 * of_one_ring, "of {of_one_ring} in each ring: {figures:#?}");
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
    closed_loop_v4_with_a_stopped_consumer_is_exact = ClosedByReset, false;
    open_loop_v4_with_a_stopped_consumer_is_exact = Open, false;
    open_loop_v6_with_a_stopped_consumer_is_exact = Open, true;
}

loads! { with_overrun_consumer:
    closed_loop_v4_with_one_small_ring_for_all_is_exact = ClosedByReset, false;
    closed_loop_v6_with_one_small_ring_for_all_is_exact = ClosedByFinish, true;
    open_loop_v4_with_one_small_ring_for_all_is_exact = Open, false;
}
