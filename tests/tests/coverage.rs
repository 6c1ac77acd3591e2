//! What keeps a window from being whole is in its coverage.

use std::{process::Command, thread, time::Duration};

use flowdrift::{
    event::Protocol,
    flow::{CoverageGap, Outcomes},
};
use flowdrift_tests::{
    dial,
    kernel::programs,
    needs,
    recorder::{Recorder, outcomes},
    site::{Family, Link, Site},
};
use nix::{
    sys::{signal::Signal, time::TimeSpec},
    time::{ClockId, clock_gettime, clock_settime},
};

fn words(gaps: &[CoverageGap]) -> Vec<&str> {
    gaps.iter().map(|gap| gap.words.as_str()).collect()
}

/// Takes the link of a recorder's program away, as anybody with rights can.
fn detach(recorder: &Recorder, program: &str) {
    let held = programs::of_process(recorder.id()).expect("it lives");
    let id = held.iter().find(|held| held.name == program).expect("it is attached").id;
    let shown = Command::new("bpftool").args(["-j", "link", "show"]).output().expect("bpftool runs");
    let links: serde_json::Value = serde_json::from_slice(&shown.stdout).expect("bpftool speaks JSON");
    let links = links.as_array().expect("a list").iter();
    let link = links.clone().find(|link| link["prog_id"] == id).expect("it has a link")["id"].to_string();
    let detached = Command::new("bpftool").args(["link", "detach", "id", &link]).status();
    assert!(detached.expect("bpftool runs").success());
}

#[test]
fn a_hook_that_is_detached_from_outside_is_told() {
    const TEST: &str = "a_hook_that_is_detached_from_outside_is_told";
    if !needs::root(TEST) || !needs::tool(TEST, "bpftool") {
        return;
    }
    for (program, hook, protocol) in
        [("flowdrift_conn4", "connect4", Protocol::Tcp), ("flowdrift_send6", "sendmsg6", Protocol::Udp)]
    {
        let recorder = Recorder::start(&[]);
        detach(&recorder, program);
        let window = recorder.finish();
        let gaps = window.coverage.gaps();
        let [gap] = gaps.as_slice() else { panic!("one gap: {gaps:?}") };
        let expected =
            format!("cgroup/{hook} not attached (detached from outside while the window was open)");
        assert!(gap.words.starts_with(&expected), "{gap:?}");
        assert_eq!(gap.protocol, Some(protocol));
    }
}

#[test]
fn a_recorder_that_was_stopped_says_for_how_long() {
    if !needs::root("a_recorder_that_was_stopped_says_for_how_long") {
        return;
    }
    let site = Site::new(Link::Loopback, Family::V4);
    let (_listener, port) = site.listen();
    let recorder = site.record();
    recorder.signal(Signal::SIGSTOP);
    let _connection = site.dial(|| dial::connect(site.to(port))).expect("it listens");
    thread::sleep(Duration::from_secs(7));
    recorder.signal(Signal::SIGCONT);
    let window = recorder.finish();
    let gaps = window.coverage.gaps();
    assert!(words(&gaps).iter().any(|gap| gap.starts_with("the recorder stood still for 7.")), "{gaps:?}");
    let connected = Outcomes { connected: 1, accepted: 1, ..Outcomes::default() };
    assert_eq!(outcomes(&window, |flow| flow.key.port == port), connected, "nothing is lost for that");
    assert!(window.end - window.start >= 7_000_000_000);
}

/// By this many seconds the clock is set, forth and back.
fn step(seconds: i64) {
    let now = clock_gettime(ClockId::CLOCK_REALTIME).expect("there is a clock");
    let then = TimeSpec::new(now.tv_sec() + seconds, now.tv_nsec());
    clock_settime(ClockId::CLOCK_REALTIME, then).expect("root may set it");
}

#[test]
#[ignore = "it sets the machine's clock: `cargo xtask vm` runs it on an emulated machine"]
fn a_clock_that_is_set_makes_no_window_longer_or_shorter() {
    const HOUR: i64 = 3_600;
    for seconds in [HOUR, -HOUR, 24 * HOUR, -24 * HOUR] {
        let site = Site::new(Link::Loopback, Family::V4);
        let (_listener, port) = site.listen();
        let recorder = site.record();
        let _before = site.dial(|| dial::connect(site.to(port))).expect("it listens");
        thread::sleep(Duration::from_millis(1_500));
        step(seconds);
        thread::sleep(Duration::from_millis(1_500));
        let _after = site.dial(|| dial::connect(site.to(port))).expect("it listens");
        let window = recorder.finish();
        step(-seconds);
        let length = window.end - window.start;
        assert!((2_500_000_000..60_000_000_000).contains(&length), "{length} ns");
        assert_eq!(window.coverage.clock_steps, 1);
        let moved = window.coverage.clock_moved - seconds * 1_000_000_000;
        assert!(moved.abs() < 500_000_000, "{moved} ns beside {seconds} s");
        let gaps = window.coverage.gaps();
        assert!(words(&gaps).iter().any(|gap| gap.starts_with("the clock was set, by ")), "{gaps:?}");
        for flow in &window.flows {
            assert!(
                window.start - 1_000_000_000 <= flow.first_seen && flow.last_seen <= window.end,
                "{flow:?}"
            );
        }
    }
}
