//! What was generated is what was seen, exactly.

use std::time::Duration;

use flowdrift_tests::{
    exact::{Load, Run},
    needs,
};

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
        let figures = run.with_stopped_consumer(Duration::from_secs(1));
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
