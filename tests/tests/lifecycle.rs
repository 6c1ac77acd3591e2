//! However a recorder ends, nothing of it stays in the kernel; ended by a signal, it leaves its recording.

use std::{
    net::{Ipv4Addr, TcpStream},
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use flowdrift_tests::{
    dial,
    exact::{Load, Run},
    folder::Folder,
    generator::Server,
    kernel::programs,
    live::Live,
    needs,
    recorder::Recorder,
    site::{Expected, Family, Link, Site},
};
use nix::sys::signal::Signal;

/// A recorder that may not live long enough to write into the folder.
fn launch(folder: &Folder) -> (Live, PathBuf) {
    let path = folder.at("test.fdr");
    (Live::launch(["record", "--cluster", "test", "--node", "here", "-o", &path]), path.into())
}

fn assert_nothing_stays() {
    dial::wait_for("the kernel frees every program of ours that nobody holds", || {
        programs::orphans().expect("/proc is readable").is_empty()
    });
}

struct OnDrop<F: Fn()>(F);

impl<F: Fn()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Connections without a pause while `work` runs.
fn under_load(work: impl FnOnce()) {
    let server = Server::start(Ipv4Addr::LOCALHOST.into(), 1).expect("loopback is up");
    let (to, stop) = (server.address(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Acquire) {
                dial::reset(dial::connect(to).expect("it listens"));
            }
        });
        // Also when the work fails: a test that fails must not go on for ever.
        let _stop = OnDrop(|| stop.store(true, Ordering::Release));
        work();
    });
    server.finish(&mut Default::default());
}

/// How long a start takes here.
fn time_of_a_start() -> Duration {
    let began = Instant::now();
    Recorder::start(&[]).destroy();
    began.elapsed()
}

#[test]
fn killed_while_it_starts_nothing_stays() {
    const STEPS: u32 = 12;
    if !needs::root("killed_while_it_starts_nothing_stays") {
        return;
    }
    let whole = time_of_a_start();
    under_load(|| {
        for step in 0..STEPS {
            let folder = Folder::new("start");
            let (mut live, file) = launch(&folder);
            std::thread::sleep(whole * step / STEPS);
            live.end(Signal::SIGKILL);
            assert_nothing_stays();
            assert!(!file.exists(), "half a recording");
        }
    });
}

#[test]
fn killed_while_it_is_live_nothing_stays() {
    if !needs::root("killed_while_it_is_live_nothing_stays") {
        return;
    }
    under_load(|| {
        for step in 0..5 {
            let recorder = Recorder::start(&[]);
            let held = programs::of_process(recorder.id()).expect("it lives");
            let names: Vec<&str> = held.iter().map(|program| program.name.as_str()).collect();
            // What shows UDP differs between kernels.
            assert!(programs::ALWAYS.iter().all(|ours| names.contains(ours)), "{names:?}");
            std::thread::sleep(Duration::from_millis(20) * step);
            recorder.destroy();
            assert_nothing_stays();
        }
    });
}

#[test]
fn killed_while_it_closes_nothing_stays() {
    const STEPS: u32 = 8;
    if !needs::root("killed_while_it_closes_nothing_stays") {
        return;
    }
    under_load(|| {
        for step in 0..STEPS {
            let recorder = Recorder::start(&[]);
            recorder.signal(Signal::SIGINT);
            std::thread::sleep(Duration::from_millis(8) * step);
            recorder.destroy();
            assert_nothing_stays();
        }
    });
}

/// A recorder that comes after one that was killed works as ever.
#[test]
fn after_a_kill_the_next_recorder_is_exact() {
    if !needs::root("after_a_kill_the_next_recorder_is_exact") {
        return;
    }
    Recorder::start(&[]).destroy();
    let figures = Run { load: Load::ClosedByReset, v6: false, connections: 1_000, clients: 1, addresses: 1 }
        .with_default_ring();
    assert!(figures.is_exact() && figures.is_lossless(), "{figures:#?}");
}

fn ends_with_its_recording(signal: Signal) {
    let site = Site::new(Link::Loopback, Family::V4);
    let (_listener, port) = site.listen();
    let recorder = site.record();
    site.dial(|| drop(dial::connect(site.to(port)).expect("it listens")));
    let window = recorder.finish_by(signal);
    site.check_window(&window, port, &Expected::standing(1));
    assert_nothing_stays();
}

#[test]
fn ctrl_c_ends_with_a_recording() {
    if needs::root("ctrl_c_ends_with_a_recording") {
        ends_with_its_recording(Signal::SIGINT);
    }
}

#[test]
fn sigterm_ends_with_a_recording() {
    if needs::root("sigterm_ends_with_a_recording") {
        ends_with_its_recording(Signal::SIGTERM);
    }
}

/// A signal that comes as soon as the first hook is attached ends the window; it does not lose it.
#[test]
fn ctrl_c_during_the_start_ends_with_a_recording() {
    if !needs::root("ctrl_c_during_the_start_ends_with_a_recording") {
        return;
    }
    let folder = Folder::new("early");
    let (mut live, file) = launch(&folder);
    let id = live.id();
    dial::wait_for("the first hook", || programs::of_process(id).is_ok_and(|held| !held.is_empty()));
    let (status, said) = live.end(Signal::SIGINT);
    assert!(status.success(), "{status}: {said}");
    assert!(file.exists(), "{said}");
}

/// What is still open when a recorder is killed is found by the next one.
#[test]
fn a_connection_survives_the_recorder() {
    if !needs::root("a_connection_survives_the_recorder") {
        return;
    }
    let site = Site::new(Link::Loopback, Family::V4);
    let (listener, port) = site.listen();
    let first = site.record();
    let client: TcpStream = site.dial(|| dial::connect(site.to(port)).expect("it listens")).into();
    let server = listener.accept().expect("a connection waits");
    first.destroy();
    let mut expected = Expected::default();
    (expected.client.older, expected.server.older) = (1, 1);
    site.check(site.record(), port, &expected);
    drop((client, server));
}
