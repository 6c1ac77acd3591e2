//! Attempts that came to nothing: each ends as what it was, once, with the process that made it.

use std::{io, time::Duration};

use flowdrift::flow::{Outcomes, ProcessSeen};
use flowdrift_tests::{
    again, dial, everywhere, over,
    site::{CLIENT, Expected, Site},
};
use nix::libc;

everywhere!(refused, unanswered, pending, timed_out, given_up_by_the_application);
over!(Loopback: without_a_free_local_port);
again!(over_bridge (Bridge): refused, unanswered, timed_out);

/// The one caller of all these attempts.
fn assert_caller(processes: &[ProcessSeen], attempts: u64) {
    let caller = ProcessSeen { command: CLIENT.into(), id: std::process::id(), attempts };
    assert_eq!(processes, [caller]);
}

fn errno(result: io::Result<socket2::Socket>) -> Option<i32> {
    result.err().and_then(|error| error.raw_os_error())
}

fn refused(site: &Site) {
    let (listener, port) = site.listen();
    drop(listener);
    let recorder = site.record();
    assert_eq!(errno(site.dial(|| dial::connect(site.to(port)))), Some(libc::ECONNREFUSED));
    assert_caller(&site.check(recorder, port, &Expected::failed(111)), 1);
}

fn unanswered(site: &Site) {
    let (_listener, port) = site.listen_in_silence();
    let recorder = site.record();
    let waiting = site.dial(|| dial::begin(site.to(port)));
    // Before its first retransmission an attempt is merely pending.
    std::thread::sleep(Duration::from_millis(1_200));
    let expected = Expected::client(Outcomes { unanswered: 1, ..Outcomes::default() });
    assert_caller(&site.check(recorder, port, &expected), 1);
    assert!(waiting.peer_addr().is_err(), "it still waits");
}

fn pending(site: &Site) {
    let (_listener, port) = site.listen_in_silence();
    let recorder = site.record();
    let _waiting = site.dial(|| dial::begin(site.to(port)));
    let expected = Expected::client(Outcomes { pending: 1, ..Outcomes::default() });
    assert_caller(&site.check(recorder, port, &expected), 1);
}

fn timed_out(site: &Site) {
    let (_listener, port) = site.listen_in_silence();
    site.client().run(|| dial::set("ipv4/tcp_syn_retries", "1"));
    let recorder = site.record();
    assert_eq!(errno(site.dial(|| dial::connect(site.to(port)))), Some(libc::ETIMEDOUT));
    assert_caller(&site.check(recorder, port, &Expected::failed(110)), 1);
}

fn given_up_by_the_application(site: &Site) {
    let (_listener, port) = site.listen_in_silence();
    let recorder = site.record();
    site.dial(|| {
        let socket = dial::begin(site.to(port));
        std::thread::sleep(Duration::from_millis(100));
        drop(socket);
    });
    assert_caller(&site.check(recorder, port, &Expected::failed(0)), 1);
}

fn without_a_free_local_port(site: &Site) {
    let (_listener, port) = site.listen();
    let recorder = site.record();
    // Only meanwhile: the recorder's known connections need ports as well.
    let range = |range| site.client().run(|| dial::set("ipv4/ip_local_port_range", range));
    range("40000\t40001");
    let (holders, third) = site.dial(|| {
        let holders = [(); 2].map(|()| dial::connect(site.to(port)).expect("two ports are free"));
        (holders, dial::connect(site.to(port)))
    });
    range("32768\t60999");
    assert_eq!(errno(third), Some(libc::EADDRNOTAVAIL));
    let mut expected = Expected::standing(2);
    expected.client.failed.insert(0, 1);
    assert_caller(&site.check(recorder, port, &expected), 3);
    drop(holders);
}
