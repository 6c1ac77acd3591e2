//! What was generated is what was seen, exactly.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use flowdrift::flow::Direction;
use flowdrift_tests::{
    generator::{Ending, Generated, Server, closed_loop, open_loop},
    needs,
    recorder::{Recorder, outcomes},
};

const CONNECTIONS: u64 = 10_000;

fn check(address: IpAddr, generate: impl FnOnce(std::net::SocketAddr) -> std::io::Result<Generated>) {
    let server = Server::start(address).expect("loopback is up");
    let port = server.address().port();
    let recorder = Recorder::start(&[]);
    let mut generated = generate(server.address()).expect("sockets can be made");
    server.finish(&mut generated);
    let window = recorder.finish();
    let ours = |flow: &flowdrift::flow::Flow| flow.key.port == port;
    let client = outcomes(&window, |flow| ours(flow) && flow.key.direction == Direction::Outbound);
    let server = outcomes(&window, |flow| ours(flow) && flow.key.direction == Direction::Inbound);
    assert_eq!(window.coverage.lost_total(), 0, "{:?}", window.coverage.lost);
    assert_eq!(client.succeeded() + client.unsuccessful(), generated.attempted, "{client:?} {generated:?}");
    assert_eq!(server.accepted, generated.accepted);
}

#[test]
fn closed_loop_v4_is_exact() {
    if needs::root("closed_loop_v4_is_exact") {
        check(Ipv4Addr::LOCALHOST.into(), |server| closed_loop(server, CONNECTIONS, Ending::Reset));
    }
}

#[test]
fn closed_loop_v6_is_exact() {
    if needs::root("closed_loop_v6_is_exact") {
        check(Ipv6Addr::LOCALHOST.into(), |server| closed_loop(server, CONNECTIONS, Ending::Finish));
    }
}

#[test]
fn open_loop_v4_is_exact() {
    if needs::root("open_loop_v4_is_exact") {
        check(Ipv4Addr::LOCALHOST.into(), |server| open_loop(server, CONNECTIONS));
    }
}
