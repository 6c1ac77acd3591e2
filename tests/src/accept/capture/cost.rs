//! Line 9: kernel time per datagram of a known peer, net of an empty handler on the same tracepoint in the same run.

use std::{net::UdpSocket, path::Path, time::Duration};

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    accept::{Line, cost},
    kernel::{
        peers::{self, Empty},
        programs,
    },
    recorder::Recorder,
};

const WHAT: &str = "kernel cost per datagram";
/// Nanoseconds.
const LIMIT: f64 = 60.0;
/// Datagrams of one round, each way of asking.
const DATAGRAMS: u64 = 100_000;

/// One round. Costs are nanoseconds per datagram, net.
#[derive(Clone, Debug, Serialize)]
struct Round {
    connected: bool,
    empty_nanoseconds_per_run: f64,
    sent: f64,
    received: f64,
}

/// Measures rounds of connected and unconnected sockets.
#[must_use]
pub fn line(rounds: u64, root: &Path) -> Line {
    let source = peers::source(root);
    if !source.exists() {
        return Line::skipped(WHAT, format!("no fixed baseline at {}", source.display()));
    }
    match measure(rounds, root) {
        Ok((pass, figures)) => Line::tried(WHAT, pass, figures),
        Err(error) => Line::tried(WHAT, false, json!({ "error": format!("{error:#}") })),
    }
}

fn measure(rounds: u64, root: &Path) -> Result<(bool, Value)> {
    let object = peers::build(root)?;
    let mut all = Vec::new();
    for connected in [true, false] {
        for _ in 0..rounds {
            all.push(round(&object, connected)?);
        }
    }
    let median = |connected: bool, of: fn(&Round) -> f64| {
        cost::median(all.iter().filter(|round| round.connected == connected).map(of))
    };
    let mut pass = true;
    let mut figures = serde_json::Map::new();
    for connected in [true, false] {
        let (sent, received) =
            (median(connected, |round| round.sent), median(connected, |round| round.received));
        let name = if connected { "connected" } else { "unconnected" };
        println!("  {name}: {sent:.0} ns for one that is sent, {received:.0} ns for one that is received");
        pass &= sent <= LIMIT && received <= LIMIT;
        figures.insert(name.to_owned(), json!({ "sent": sent, "received": received }));
    }
    figures.insert("rounds".to_owned(), json!(all));
    Ok((pass, figures.into()))
}

fn round(object: &Path, connected: bool) -> Result<Round> {
    cost::wait_until_alone()?;
    let _statistics = programs::statistics().context("run-time statistics")?;
    let recorder = Recorder::start(&[]);
    // Last, so that it finds the statistics' clock as warm as the others do.
    let _empty = Empty::attach_to(object, "sock_send_length")?;
    let holders = [std::process::id(), recorder.id()];
    let (hooks, count) = cost::readings_of(&holders, || exchange(connected))?;
    let of = |name: &str| hooks.iter().filter(|hook| hook.name == name).map(|hook| hook.each()).sum::<f64>();
    let empty = of("empty");
    ensure!(empty > 0.0, "the empty handler was not run: {hooks:?}");
    ensure!(count == DATAGRAMS, "all were exchanged");
    // Each program is one that the statistics' own time is in.
    let net = |names: &[&str]| names.iter().map(|name| of(name) - empty).sum::<f64>();
    let [sent, received]: [&[&str]; 2] = match connected {
        true => [&["udp_sent"], &["udp_received"]],
        false => [&["udp_sent", "flowdrift_send4"], &["udp_received", "recvmsg4"]],
    };
    let round =
        Round { connected, empty_nanoseconds_per_run: empty, sent: net(sent), received: net(received) };
    println!("    {round:?}");
    drop(recorder.finish());
    Ok(round)
}

/// Datagrams over loopback, one after the other.
fn exchange(connected: bool) -> u64 {
    let bind = || UdpSocket::bind(("127.0.0.1", 0)).expect("loopback is up");
    let (client, server) = (bind(), bind());
    server.set_read_timeout(Some(Duration::from_secs(5))).expect("a socket");
    let to = server.local_addr().expect("it is bound");
    if connected {
        client.connect(to).expect("loopback is up");
        server.connect(client.local_addr().expect("it is bound")).expect("loopback is up");
    }
    for _ in 0..DATAGRAMS {
        if connected {
            client.send(b"datagram").expect("somebody listens");
            server.recv(&mut [0; 16]).expect("it comes");
        } else {
            client.send_to(b"datagram", to).expect("loopback is up");
            server.recv_from(&mut [0; 16]).expect("it comes");
        }
    }
    DATAGRAMS
}
