//! Line 9: kernel time per datagram of a known peer, net of an empty handler on the same hook in the same run.

use std::{net::UdpSocket, path::Path, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    accept::{
        Line,
        cost::{self, Hook},
    },
    kernel::{
        peers::{self, Empty, EmptyOfMessages},
        programs,
    },
    recorder::Recorder,
};

const WHAT: &str = "kernel cost per datagram";
/// Nanoseconds.
const LIMIT: f64 = 60.0;
/// Datagrams of one round, each way of asking.
const DATAGRAMS: u64 = 100_000;
/// So many calls of other sockets do not change a figure by more than a hundredth.
const OTHERS: u64 = DATAGRAMS / 100;

/// One round. Costs are nanoseconds per datagram, net.
#[derive(Clone, Debug, Serialize)]
struct Round {
    connected: bool,
    empty: Empties,
    sent: f64,
    received: f64,
}

/// Nanoseconds per run of a handler that does nothing, behind all others of its hook.
#[derive(Clone, Copy, Debug, Serialize)]
struct Empties {
    at_end_of_sending: f64,
    at_end_of_receiving: f64,
    in_sending: f64,
    in_receiving: f64,
}

/// Measures rounds of connected and unconnected sockets.
#[must_use]
pub fn line(rounds: u64, root: &Path) -> Line {
    let source = peers::source(root);
    if !source.exists() {
        return Line::skipped(WHAT, format!("no fixed baseline at {}", source.display()));
    }
    Line::of(WHAT, measure(rounds, root))
}

fn measure(rounds: u64, root: &Path) -> Result<(bool, Value)> {
    let object = peers::build(root)?;
    let mut all = Vec::new();
    for connected in [true, false] {
        for _ in 0..rounds {
            all.push(cost::undisturbed(|| round(&object, connected))?);
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

/// One round; `None` when somebody else sent or received much.
///
/// As with TCP (`accept/cost.rs`), one empty handler comes before ours on every hook and one after it: the first finds the
/// statistics' own clock and counters cold, and the last is what is subtracted, so that neither has that in it (but
/// `recvmsg4`, which goes first where the kernel lets it, since 6.17). Each hook has its own, since what the statistics
/// take differs between them.
fn round(object: &Path, connected: bool) -> Result<Option<Round>> {
    const ENDS: [&str; 2] = ["sock_send_length", "sock_recv_length"];
    cost::wait_until_alone()?;
    let _statistics = programs::statistics().context("run-time statistics")?;
    let empties = || -> Result<_> {
        let ends = ENDS.map(|end| Empty::attach_to(object, end));
        Ok((ends.into_iter().collect::<Result<Vec<_>>>()?, EmptyOfMessages::attach()?))
    };
    let _first = empties()?;
    let recorder = Recorder::start(&[]);
    let _last = empties()?;
    let holders = [std::process::id(), recorder.id()];
    let (hooks, count) = cost::readings_of(&holders, || exchange(connected))?;
    ensure!(count == DATAGRAMS, "all were exchanged");
    // It would have a program more on the hook, which is not measured.
    ensure!(
        !hooks.iter().any(|hook| hook.name == "flowdrift_name4"),
        "another program may choose peers here"
    );
    // Ids count up, so that the last are those that were attached last.
    let last_two = |name: &str| -> Result<[f64; 2]> {
        let mut all: Vec<&Hook> = hooks.iter().filter(|hook| hook.name == name).collect();
        all.sort_by_key(|hook| hook.id);
        let [_, _, send, receive] = all[..] else { bail!("{name} is not attached four times: {hooks:?}") };
        Ok([send.each(), receive.each()])
    };
    let [at_end_of_sending, at_end_of_receiving] = last_two("empty")?;
    let [in_sending, in_receiving] = last_two(EmptyOfMessages::NAME)?;
    // The hooks see every socket of the node.
    if hooks.iter().any(|hook| hook.runs > DATAGRAMS + OTHERS) {
        return Ok(None);
    }
    let net = |name: &str, empty: f64| -> Result<f64> {
        let hook = hooks.iter().find(|hook| hook.name == name);
        let hook = hook.with_context(|| format!("{name} is not attached: {hooks:?}"))?;
        ensure!(hook.runs >= DATAGRAMS, "{name} was not run for each datagram: {hook:?}");
        Ok((hook.nanoseconds as f64 - hook.runs as f64 * empty) / DATAGRAMS as f64)
    };
    let mut sent = net("udp_sent", at_end_of_sending)?;
    let mut received = net("udp_received", at_end_of_receiving)?;
    if !connected {
        sent += net("flowdrift_send4", in_sending)?;
        received += net("recvmsg4", in_receiving)?;
    }
    let empty = Empties { at_end_of_sending, at_end_of_receiving, in_sending, in_receiving };
    let round = Round { connected, empty, sent, received };
    println!("    {round:.1?}");
    drop(recorder.finish());
    Ok(Some(round))
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
