//! UDP: who began, how many datagrams went, and what became of them.

use std::{io, mem::MaybeUninit, net::SocketAddr, os::fd::AsRawFd, time::Duration};

use flowdrift::flow::{Direction, Flow, Outcomes, ProcessSeen};
use flowdrift_tests::{
    again, dial, everywhere,
    recorder::outcomes,
    site::{CLIENT, Expected, Site},
};
use nix::{
    libc,
    sys::socket::{ControlMessage, MsgFlags, sendmsg},
};
use socket2::{SockAddr, Socket};

/// Every rule, with UDP shown as the kernel can, and by packets.
macro_rules! rules {
    ($($rule:ident),* $(,)?) => {
        everywhere!($($rule),*);
        again!(by_packets (Veth by_packets): $($rule),*);
    };
}

again!(over_bridge (Bridge):
    a_request_and_its_answer_are_one_exchange,
    without_an_answer_it_is_unreplied,
    a_server_answers_many_peers,
    an_older_client_is_known_by_its_port,
);

rules!(
    a_request_and_its_answer_are_one_exchange,
    a_connected_socket_counts_every_datagram,
    a_connect_without_a_datagram_is_no_flow,
    without_an_answer_it_is_unreplied,
    just_sent_it_is_pending,
    nobody_there_is_refused,
    nobody_there_is_unreplied_where_nobody_can_tell_the_sender,
    without_a_route_it_is_a_failure,
    a_server_answers_many_peers,
    one_socket_asks_many_servers,
    whoever_begins_is_the_client_whatever_the_ports,
    an_address_goes_before_a_connection,
    a_control_message_names_nobody,
    a_look_takes_nothing,
    an_empty_datagram_counts_and_a_shut_down_socket_receives_none,
    who_asks_for_no_sender_is_told_of_none,
    an_older_client_is_known_by_its_port,
    an_older_server_is_known_by_its_port,
    an_older_connected_socket_is_silent,
);

/// Calls again what a signal has interrupted: with a time limit the kernel does not by itself (`man 7 signal`).
fn uninterrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Receives one datagram; its sender.
fn receive(socket: &Socket) -> SockAddr {
    let mut buffer = [MaybeUninit::uninit(); 2_048];
    uninterrupted(|| socket.recv_from(&mut buffer)).expect("a datagram comes").1
}

/// Receives one datagram and does not ask for its sender.
fn receive_blindly(socket: &Socket) -> io::Result<usize> {
    uninterrupted(|| socket.recv(&mut [MaybeUninit::uninit(); 2_048]))
}

fn send(socket: &Socket, to: SocketAddr) {
    socket.send_to(b"datagram", &to.into()).expect("it can be sent");
}

/// Asks and is answered, `count` times.
fn converse(site: &Site, client: &Socket, server: &Socket, port: u16, count: usize) {
    for _ in 0..count {
        site.dial(|| send(client, site.to(port)));
        server.send_to(b"answer", &receive(server)).expect("the client is there");
        receive(client);
    }
}

/// What both ends count of answered exchanges.
fn answered(exchanges: u64, datagrams: u64) -> Expected {
    Expected {
        client: Outcomes { connected: exchanges, ..both_ways(datagrams) },
        server: Outcomes { accepted: exchanges, ..both_ways(datagrams) },
    }
}

fn both_ways(datagrams: u64) -> Outcomes {
    Outcomes { datagrams_sent: datagrams, datagrams_received: datagrams, ..Outcomes::default() }
}

fn assert_caller(processes: &[ProcessSeen]) {
    let caller = ProcessSeen { command: CLIENT.into(), id: std::process::id(), attempts: 1 };
    assert_eq!(processes, [caller]);
}

fn a_request_and_its_answer_are_one_exchange(site: &Site) {
    let (server, port) = site.serve();
    let recorder = site.record();
    converse(site, &site.datagram_socket(), &server, port, 3);
    assert_caller(&site.check(recorder, port, &answered(1, 3)));
}

fn a_connected_socket_counts_every_datagram(site: &Site) {
    let (server, port) = site.serve();
    let recorder = site.record();
    let client = site.datagram_socket();
    site.dial(|| {
        client.connect(&site.to(port).into()).expect("there is a route");
        for _ in 0..100 {
            client.send(b"datagram").expect("it can be sent");
        }
    });
    let peers: Vec<SockAddr> = (0..100).map(|_| receive(&server)).collect();
    for peer in &peers {
        server.send_to(b"answer", peer).expect("the client is there");
        receive_blindly(&client).expect("it comes");
    }
    assert_caller(&site.check(recorder, port, &answered(1, 100)));
}

fn a_connect_without_a_datagram_is_no_flow(site: &Site) {
    let (_server, port) = site.serve();
    let recorder = site.record();
    let client = site.datagram_socket();
    site.dial(|| client.connect(&site.to(port).into()).expect("there is a route"));
    site.check(recorder, port, &Expected::default());
}

fn unreplied(datagrams: u64) -> Outcomes {
    Outcomes { unreplied: 1, datagrams_sent: datagrams, ..Outcomes::default() }
}

fn without_an_answer_it_is_unreplied(site: &Site) {
    let (server, port) = site.serve();
    let recorder = site.record();
    let client = site.datagram_socket();
    for _ in 0..2 {
        site.dial(|| send(&client, site.to(port)));
        receive(&server);
    }
    std::thread::sleep(Duration::from_millis(1_200));
    let server = Outcomes { accepted: 1, datagrams_received: 2, ..Outcomes::default() };
    assert_caller(&site.check(recorder, port, &Expected { client: unreplied(2), server }));
}

fn just_sent_it_is_pending(site: &Site) {
    let (server, port) = site.serve();
    // The neighbours know each other from then on: asking for an address may take a second.
    site.dial(|| send(&site.datagram_socket(), site.to(port)));
    receive(&server);
    let recorder = site.record();
    let client = site.datagram_socket();
    site.dial(|| send(&client, site.to(port)));
    if !site.shows_calls() {
        server.set_nonblocking(true).expect("a socket");
        dial::wait_for("the datagram", || server.peek(&mut [MaybeUninit::uninit(); 16]).is_ok());
    }
    let window = recorder.finish();
    let sent = window.flows.iter().find(|flow| flow.key.direction == Direction::Outbound);
    let age = window.end - sent.expect("it was counted").last_seen;
    // An emulated machine may take longer than an answer is waited for; then it is young no more.
    let client = match age < 1_100_000_000 {
        true => Outcomes { pending: 1, datagrams_sent: 1, ..Outcomes::default() },
        false => unreplied(1),
    };
    // A packet arrives at its socket though nobody reads it.
    let server = match site.shows_calls() {
        true => Outcomes::default(),
        false => Outcomes { accepted: 1, datagrams_received: 1, ..Outcomes::default() },
    };
    site.check_window(&window, port, &Expected { client, server });
}

fn nobody_there_is_refused(site: &Site) {
    let (server, port) = site.serve();
    drop(server);
    let recorder = site.record();
    let client = site.datagram_socket();
    site.dial(|| {
        client.connect(&site.to(port).into()).expect("there is a route");
        client.send(b"datagram").expect("nobody has complained yet");
        let refused = receive_blindly(&client).expect_err("ICMP tells");
        assert_eq!(refused.raw_os_error(), Some(libc::ECONNREFUSED));
    });
    std::thread::sleep(Duration::from_millis(1_200));
    // A packet does not show what its sender was told.
    let refused = match site.shows_calls() {
        true => Outcomes { failed: [(111, 1)].into(), datagrams_sent: 1, ..Outcomes::default() },
        false => unreplied(1),
    };
    assert_caller(&site.check(recorder, port, &Expected::client(refused)));
}

fn nobody_there_is_unreplied_where_nobody_can_tell_the_sender(site: &Site) {
    let (server, port) = site.serve();
    drop(server);
    let recorder = site.record();
    let client = site.datagram_socket();
    site.dial(|| send(&client, site.to(port)));
    std::thread::sleep(Duration::from_millis(1_200));
    site.check(recorder, port, &Expected::client(unreplied(1)));
}

fn without_a_route_it_is_a_failure(site: &Site) {
    let (_server, port) = site.serve();
    site.prohibit_datagrams(port);
    let recorder = site.record();
    let client = site.datagram_socket();
    site.dial(|| {
        for _ in 0..3 {
            let refused = client.send_to(b"datagram", &site.to(port).into()).expect_err("no route");
            assert_eq!(refused.raw_os_error(), Some(libc::EACCES));
        }
    });
    let failed = match site.shows_calls() {
        true => Outcomes { failed: [(13, 1)].into(), ..Outcomes::default() },
        false => Outcomes { unrouted: 1, ..Outcomes::default() },
    };
    assert_caller(&site.check(recorder, port, &Expected::client(failed)));
}

fn a_server_answers_many_peers(site: &Site) {
    const PEERS: usize = 200;
    let (server, port) = site.serve();
    let recorder = site.record();
    let clients: Vec<Socket> = (0..PEERS).map(|_| site.datagram_socket()).collect();
    for _ in 0..2 {
        clients.iter().for_each(|client| converse(site, client, &server, port, 1));
    }
    site.check(recorder, port, &answered(PEERS as u64, 2 * PEERS as u64));
}

fn one_socket_asks_many_servers(site: &Site) {
    let servers: Vec<(Socket, u16)> = (0..20).map(|_| site.serve()).collect();
    let recorder = site.record();
    let client = site.datagram_socket();
    for _ in 0..3 {
        servers.iter().for_each(|(server, port)| converse(site, &client, server, *port, 1));
    }
    let window = recorder.finish();
    for (_, port) in &servers {
        let of = |direction| {
            outcomes(&window, |flow: &Flow| flow.key.port == *port && flow.key.direction == direction)
        };
        let seen = Expected { client: of(Direction::Outbound), server: of(Direction::Inbound) };
        assert_eq!(seen, answered(1, 3));
    }
}

/// The client has a well-known port that it chose, and the server a high one.
fn whoever_begins_is_the_client_whatever_the_ports(site: &Site) {
    let (server, port) = site.serve();
    let recorder = site.record();
    let client = site.datagram_socket();
    client.bind(&site.from(53).into()).expect("the port is free");
    converse(site, &client, &server, port, 2);
    site.check(recorder, port, &answered(1, 2));
}

fn an_address_goes_before_a_connection(site: &Site) {
    let [(server, port), (_other, silent)] = [site.serve(), site.serve()];
    let recorder = site.record();
    let client = site.datagram_socket();
    client.connect(&site.to(silent).into()).expect("there is a route");
    site.dial(|| send(&client, site.to(port)));
    receive(&server);
    std::thread::sleep(Duration::from_millis(1_200));
    let server = Outcomes { accepted: 1, datagrams_received: 1, ..Outcomes::default() };
    site.check(recorder, port, &Expected { client: unreplied(1), server });
}

/// The kernel shows the address hooks a call that has a control message and no peer, with an address of zeros.
fn a_control_message_names_nobody(site: &Site) {
    const TIMES: usize = 3;
    let (server, port) = site.serve();
    let recorder = site.record();
    let client = site.datagram_socket();
    site.dial(|| client.connect(&site.to(port).into()).expect("there is a route"));
    let is_v6 = matches!(site.to(port), SocketAddr::V6(to) if to.ip().to_ipv4_mapped().is_none());
    let control = if is_v6 { ControlMessage::Ipv6TClass(&8) } else { ControlMessage::Ipv4Tos(&8) };
    for _ in 0..TIMES {
        let data = [io::IoSlice::new(b"datagram")];
        let send = || sendmsg::<()>(client.as_raw_fd(), &data, &[control], MsgFlags::empty(), None);
        site.dial(|| send().expect("it can be sent"));
        server.send_to(b"answer", &receive(&server)).expect("the client is there");
        receive_blindly(&client).expect("it comes");
    }
    assert_caller(&site.check(recorder, port, &answered(1, TIMES as u64)));
}

fn a_look_takes_nothing(site: &Site) {
    let (server, port) = site.serve();
    let recorder = site.record();
    let client = site.datagram_socket();
    site.dial(|| send(&client, site.to(port)));
    for _ in 0..5 {
        server.peek_from(&mut [MaybeUninit::uninit(); 16]).expect("it is there");
    }
    server.send_to(b"answer", &receive(&server)).expect("the client is there");
    server.set_nonblocking(true).expect("a socket");
    assert!(server.peek_from(&mut [MaybeUninit::uninit(); 16]).is_err(), "nothing is there");
    receive(&client);
    site.check(recorder, port, &answered(1, 1));
}

fn an_empty_datagram_counts_and_a_shut_down_socket_receives_none(site: &Site) {
    let (server, port) = site.serve();
    let recorder = site.record();
    let client = site.datagram_socket();
    client.connect(&site.to(port).into()).expect("there is a route");
    site.dial(|| client.send(b"").expect("it can be sent"));
    server.send_to(b"", &receive(&server)).expect("the client is there");
    assert_eq!(receive_blindly(&client).expect("it comes"), 0);
    client.shutdown(std::net::Shutdown::Read).expect("it is connected");
    assert_eq!(receive_blindly(&client).expect("at its end"), 0);
    site.check(recorder, port, &answered(1, 1));
}

fn who_asks_for_no_sender_is_told_of_none(site: &Site) {
    let (server, port) = site.serve();
    let recorder = site.record();
    let client = site.datagram_socket();
    for _ in 0..2 {
        site.dial(|| send(&client, site.to(port)));
        receive_blindly(&server).expect("it comes");
    }
    std::thread::sleep(Duration::from_millis(1_200));
    let window = recorder.finish();
    let of = |direction| outcomes(&window, |flow: &Flow| flow.key.direction == direction);
    assert_eq!(of(Direction::Outbound), unreplied(2));
    assert_eq!(
        of(Direction::Inbound),
        Outcomes { accepted: 1, datagrams_received: 2, ..Outcomes::default() }
    );
    let inbound = window.flows.iter().find(|flow| flow.key.direction == Direction::Inbound);
    let key = &inbound.expect("it was counted").key;
    assert_eq!(key.remote.is_unspecified(), site.shows_calls(), "a packet tells: {key:?}");
    assert_eq!(key.port, port);
}

fn an_older_client_is_known_by_its_port(site: &Site) {
    let (server, port) = site.serve();
    let client = site.datagram_socket();
    converse(site, &client, &server, port, 1);
    let recorder = site.record();
    converse(site, &client, &server, port, 2);
    site.check(recorder, port, &answered(1, 2));
}

/// The first that anybody sees is the server's answer.
fn an_older_server_is_known_by_its_port(site: &Site) {
    let (server, port) = site.serve();
    let [first, second] = [site.datagram_socket(), site.datagram_socket()];
    site.dial(|| send(&first, site.to(port)));
    let asked = receive(&server);
    let recorder = site.record();
    server.send_to(b"answer", &asked).expect("the client is there");
    converse(site, &second, &server, port, 1);
    let window = recorder.finish();
    let of_server = |flow: &Flow| flow.key.direction == Direction::Inbound;
    let expected = Outcomes { accepted: 2, datagrams_sent: 2, datagrams_received: 1, ..Outcomes::default() };
    assert_eq!(outcomes(&window, of_server), expected, "{:#?}", window.flows);
}

fn an_older_connected_socket_is_silent(site: &Site) {
    let (_server, port) = site.serve();
    let client = site.datagram_socket();
    client.connect(&site.to(port).into()).expect("there is a route");
    let recorder = site.record();
    let window = recorder.finish();
    let snapshot = window.coverage.snapshot.as_ref().expect("it was taken");
    assert_eq!(snapshot.connections, 1);
    let silent = Outcomes { silent: 1, ..Outcomes::default() };
    site.check_window(&window, port, &Expected::client(silent));
    dial::wait_for("the socket is still there", || client.local_addr().is_ok());
}
