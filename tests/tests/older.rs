//! What was there before the hooks: counted once, with whatever becomes of it later.

use std::{
    io::ErrorKind,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use flowdrift::{
    capture::Namespace,
    flow::{Direction, Outcomes},
};
use flowdrift_tests::{
    dial, everywhere,
    namespace::TestNamespace,
    needs,
    recorder::Recorder,
    site::{Expected, Site},
};
use nix::mount::{MntFlags, umount2};
use socket2::Socket;

everywhere!(
    a_thousand_open_connections_are_found_once_each,
    connections_made_while_the_recorder_starts_count_once,
    an_older_attempt_that_fails_later_is_a_failure,
    another_recorder_chooses_no_peers,
    an_older_attempt_that_succeeds_later_is_a_success,
    an_older_attempt_that_still_waits_is_unanswered,
    without_a_listener_the_direction_is_unknown,
);

/// Between its listing and its reading a namespace may go, and its mount point stays as a file for a moment.
#[test]
fn a_namespace_that_goes_while_all_are_read_is_no_gap() {
    if !needs::root("a_namespace_that_goes_while_all_are_read_is_no_gap") {
        return;
    }
    let going = TestNamespace::new("going");
    let listed = Namespace::at(&going.path()).expect("it is there");
    umount2(&going.path(), MntFlags::empty()).expect("root may");
    for gone in [listed.enter(|| Ok(())).map(|()| listed), Namespace::at(&going.path())] {
        assert_eq!(gone.expect_err("it is gone").kind(), ErrorKind::NotFound);
    }
}

/// Where a FIN goes astray it is still among the sockets when these are listed.
#[test]
fn the_known_connection_is_nobodys_however_slowly_it_closes() {
    const TEST: &str = "the_known_connection_is_nobodys_however_slowly_it_closes";
    if !(needs::root(TEST) && needs::tool(TEST, "nft")) {
        return;
    }
    let alone = TestNamespace::new("alone");
    alone.nft(
        "add table ip test\n\
         add chain ip test in { type filter hook input priority 0; }\n\
         add rule ip test in tcp flags & fin == fin drop\n",
    );
    let window = Recorder::of_namespace(&alone.path()).finish();
    assert_eq!(window.coverage.gaps(), Vec::new());
    assert_eq!(window.flows, Vec::new());
    assert_eq!(window.coverage.snapshot.expect("it was taken").connections, 0);
}

/// It has programs on the same hooks as a socket load-balancer would.
fn another_recorder_chooses_no_peers(site: &Site) {
    let (listener, port) = site.listen();
    let _clients = connect(site, port, 1);
    let _servers = accept(&listener, 1);
    let _first = Recorder::start(&[]);
    let second = site.record();
    assert_eq!(second.finish().coverage.gaps(), Vec::new());
}

fn connect(site: &Site, port: u16, count: usize) -> Vec<Socket> {
    dial::allow_many_sockets();
    site.dial(|| (0..count).map(|_| dial::connect(site.to(port)).expect("it listens")).collect())
}

fn accept(listener: &Socket, count: usize) -> Vec<Socket> {
    (0..count).map(|_| listener.accept().expect("a connection waits").0).collect()
}

fn older(count: u64) -> Outcomes {
    Outcomes { older: count, ..Outcomes::default() }
}

fn a_thousand_open_connections_are_found_once_each(site: &Site) {
    let (listener, port) = site.listen();
    let _clients = connect(site, port, 1000);
    let _servers = accept(&listener, 1000);
    let recorder = site.record();
    let window = recorder.finish();
    let snapshot = window.coverage.snapshot.as_ref().expect("it was taken");
    assert_eq!((snapshot.connections, snapshot.unread.len()), (2000, 0));
    let expected = Expected { client: older(1000), server: older(1000) };
    site.check_window(&window, port, &expected);
}

fn connections_made_while_the_recorder_starts_count_once(site: &Site) {
    dial::allow_many_sockets();
    let (listener, port) = site.listen();
    let live = AtomicBool::new(false);
    let (begun, has_begun) = std::sync::mpsc::channel();
    let (recorder, ends) = std::thread::scope(|scope| {
        let live = &live;
        let listener = &listener;
        let made = scope.spawn(move || {
            let mut ends = Vec::new();
            site.dial(|| {
                while !live.load(Ordering::Acquire) && ends.len() < 8_000 {
                    let client = dial::connect(site.to(port)).expect("it listens");
                    ends.push((client, listener.accept().expect("a connection waits")));
                    if ends.len() == 10 {
                        begun.send(()).expect("somebody waits for it");
                    }
                    std::thread::sleep(Duration::from_micros(200));
                }
            });
            ends
        });
        has_begun.recv().expect("it begins");
        let recorder = site.record();
        live.store(true, Ordering::Release);
        (recorder, made.join().expect("it does not panic"))
    });
    let window = recorder.finish();
    assert_eq!(window.coverage.lost_total(), 0);
    let total = |server: bool| {
        let is_wanted = |direction: Direction| (direction == Direction::Inbound) == server;
        let flows = window.flows.iter().filter(|flow| is_wanted(flow.key.direction));
        flows.fold(Outcomes::default(), |mut sum, flow| {
            assert_eq!(flow.key.port, port, "{flow:?}");
            sum.add(&flow.outcomes);
            sum
        })
    };
    let (client, server) = (total(false), total(true));
    let made = ends.len() as u64;
    assert_eq!(client.older + client.connected, made, "{client:?}");
    assert_eq!(server.older + server.accepted, made, "{server:?}");
    assert_eq!(client.unsuccessful() + server.unsuccessful(), 0);
    assert!(client.older > 0, "some were there before the hooks, otherwise this shows nothing");
}

fn an_older_attempt_that_fails_later_is_a_failure(site: &Site) {
    let (listener, port) = site.listen_in_silence();
    let waiting = site.dial(|| dial::begin(site.to(port)));
    let recorder = site.record();
    drop(listener);
    site.end_silence(port);
    let error = dial::outcome(&waiting).and_then(|error| error.raw_os_error());
    assert_eq!(error, Some(nix::libc::ECONNREFUSED));
    assert_eq!(site.check(recorder, port, &Expected::failed(111)), [], "its caller is not known any more");
}

fn an_older_attempt_that_succeeds_later_is_a_success(site: &Site) {
    let (_listener, port) = site.listen_in_silence();
    let waiting = site.dial(|| dial::begin(site.to(port)));
    let recorder = site.record();
    site.end_silence(port);
    assert!(dial::outcome(&waiting).is_none());
    // The last packet of the handshake is on its way when the client's end stands.
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(site.check(recorder, port, &Expected::standing(1)), []);
}

fn an_older_attempt_that_still_waits_is_unanswered(site: &Site) {
    let (_listener, port) = site.listen_in_silence();
    let _waiting = site.dial(|| dial::begin(site.to(port)));
    let recorder = site.record();
    let expected = Expected::client(Outcomes { unanswered: 1, ..Outcomes::default() });
    assert_eq!(site.check(recorder, port, &expected), []);
}

/// Nothing but the listener tells which end of an older connection is which.
fn without_a_listener_the_direction_is_unknown(site: &Site) {
    let (listener, port) = site.listen();
    let client = connect(site, port, 1).remove(0);
    let _server = accept(&listener, 1);
    drop(listener);
    let window = site.record().finish();
    let mut ports: Vec<u16> = window
        .flows
        .iter()
        .map(|flow| {
            assert_eq!((flow.key.direction, &flow.outcomes), (Direction::Unknown, &older(1)));
            flow.key.port
        })
        .collect();
    ports.sort_unstable();
    let mut expected = [port, dial::port_of(&client)];
    expected.sort_unstable();
    assert_eq!(ports, expected);
}
