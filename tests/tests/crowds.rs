//! More attempts at once than the probe has slots for, and more than one of the same socket: each counts once, as
//! what it was, with the process that made it.

use std::{io, time::Duration};

use flowdrift::flow::{Direction, Flow, Outcomes, ProcessSeen};
use flowdrift_tests::{
    dial, over,
    recorder::{Recorder, outcomes},
    site::{CLIENT, Expected, Site},
};
use nix::{
    libc,
    sched::{CpuSet, sched_getcpu, sched_setaffinity},
    unistd::Pid,
};
use probe_common::ATTEMPTS;
use socket2::Socket;

over!(Loopback:
    unanswered, answered, answered_late, without_a_route, one_socket_in_two_slots, more_flows_than_are_told_apart
);

/// Nearly twice as many as there are slots, and no more than a listener's queue takes.
const CROWD: usize = 2 * ATTEMPTS - 24;

fn begin(site: &Site, port: u16) -> Vec<Socket> {
    dial::allow_many_sockets();
    site.dial(|| (0..CROWD).map(|_| dial::begin(site.to(port))).collect())
}

fn accept(listener: &Socket) -> Vec<Socket> {
    (0..CROWD).map(|_| listener.accept().expect("a connection comes").0).collect()
}

/// One client made all the attempts.
fn check(site: &Site, recorder: Recorder, port: u16, expected: &Expected) {
    let processes = site.check(recorder, port, expected);
    for ProcessSeen { command, id, .. } in &processes {
        assert_eq!((command.as_str(), *id), (CLIENT, std::process::id()));
    }
    let attempts = expected.client.succeeded() + expected.client.unsuccessful();
    assert_eq!(processes.iter().map(|process| process.attempts).sum::<u64>(), attempts);
}

fn unanswered(site: &Site) {
    let (_listener, port) = site.listen_in_silence();
    let recorder = site.record();
    let _waiting = begin(site, port);
    std::thread::sleep(Duration::from_millis(1_200));
    let unanswered = Outcomes { unanswered: CROWD as u64, ..Outcomes::default() };
    check(site, recorder, port, &Expected::client(unanswered));
}

fn answered(site: &Site) {
    let (listener, port) = site.listen();
    let recorder = site.record();
    let _clients = begin(site, port);
    let _servers = accept(&listener);
    check(site, recorder, port, &Expected::standing(CROWD as u64));
}

fn answered_late(site: &Site) {
    let (listener, port) = site.listen_in_silence();
    let recorder = site.record();
    let _clients = begin(site, port);
    site.end_silence(port);
    let _servers = accept(&listener);
    check(site, recorder, port, &Expected::standing(CROWD as u64));
}

fn without_a_route(site: &Site) {
    let (_listener, port) = site.listen();
    site.prohibit(port);
    let recorder = site.record();
    site.dial(|| (0..CROWD).for_each(|_| assert_prohibited(&dial::socket_for(site.to(port)), site, port)));
    let unrouted = Outcomes { unrouted: CROWD as u64, ..Outcomes::default() };
    check(site, recorder, port, &Expected::client(unrouted));
}

fn assert_prohibited(socket: &Socket, site: &Site, port: u16) {
    let error: io::Result<()> = socket.connect(&site.to(port).into());
    assert_eq!(error.err().and_then(|error| error.raw_os_error()), Some(libc::EACCES));
}

/// Its first attempt dies in the far slot, because the near one is taken; its second finds that one free.
fn one_socket_in_two_slots(site: &Site) {
    let (listener, port) = site.listen_in_silence();
    let recorder = site.record();
    let _client = site.dial(|| {
        stay_on_this_cpu();
        let waiting = dial::begin(site.to(port));
        let socket = dial::socket_for(site.to(port));
        site.prohibit(port);
        assert_prohibited(&socket, site, port);
        drop(waiting);
        site.permit(port);
        site.end_silence(port);
        socket.connect(&site.to(port).into()).expect("it is answered now");
        socket
    });
    let _server = listener.accept().expect("a connection comes");
    let mut expected = Expected::standing(1);
    expected.client.unrouted = 1;
    expected.client.failed.insert(0, 1);
    check(site, recorder, port, &expected);
}

/// With whom is lost, and nothing else.
fn more_flows_than_are_told_apart(site: &Site) {
    const FLOWS: u64 = 12;
    let listeners: Vec<(Socket, u16)> = (0..FLOWS).map(|_| site.listen()).collect();
    let recorder = site.record_with(&["--flows", "5", "--every-connection"]);
    let dial = |(listener, port): &(Socket, u16)| {
        let client = site.dial(|| dial::connect(site.to(*port)).expect("it listens"));
        (client, listener.accept().expect("a connection comes"))
    };
    let _standing: Vec<_> = listeners.iter().map(dial).collect();
    let window = recorder.finish();
    let all = outcomes(&window, |_| true);
    assert_eq!((all.connected, all.accepted, window.coverage.lost_total()), (FLOWS, FLOWS, 0), "{window:#?}");
    let began = |flow: &&Flow| flow.key.direction == Direction::Outbound && flow.key.remote.is_unspecified();
    let beyond = window.flows.iter().find(began).expect("there are too many");
    assert_eq!(beyond.key.port, 0);
    assert_eq!(
        beyond.processes.iter().map(|process| process.attempts).sum::<u64>(),
        beyond.outcomes.connected
    );
    // Whatever else goes on there has its share of the five.
    assert!(window.coverage.beyond_flows >= 2 * FLOWS - 5, "{window:#?}");
    let gaps = window.coverage.gaps();
    assert!(gaps.iter().any(|gap| gap.words.contains("--flows")), "{gaps:?}");
}

fn stay_on_this_cpu() {
    let mut cpus = CpuSet::new();
    cpus.set(sched_getcpu().expect("it runs on one")).expect("a number in range");
    sched_setaffinity(Pid::from_raw(0), &cpus).expect("one of its own");
}
