//! Line 3: sockets that are older than the hooks, in namespaces that a mount or nothing but a descriptor holds.

use std::{
    collections::BTreeMap,
    fs::File,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    process::Command,
    thread,
};

use anyhow::{Context, Result, ensure};
use flowdrift::flow::{Direction, Outcomes, Window};
use nix::sched::{CloneFlags, unshare};
use serde_json::json;

use crate::{accept::Line, dial, namespace::TestNamespace, recorder::Recorder};

/// How much there is in each of the namespaces.
const NAMESPACES: usize = 20;
const CONNECTIONS: usize = 50;
const DATAGRAM_SOCKETS: usize = 10;
/// Every other namespace has no name: a descriptor of ours is all that holds it.
const NAMELESS: usize = 2;

/// What holds a namespace.
enum Holder {
    Mount(#[expect(dead_code, reason = "it goes with it")] TestNamespace),
    Descriptor(#[expect(dead_code, reason = "it goes with it")] File),
}

/// Open sockets in one namespace.
struct Place {
    _holder: Holder,
    _sockets: Sockets,
    port: u16,
    datagram_port: u16,
}

#[derive(Default)]
struct Sockets {
    streams: Vec<TcpStream>,
    datagrams: Vec<UdpSocket>,
    listener: Option<TcpListener>,
}

/// Runs it so often.
#[must_use]
pub fn line(runs: u64) -> Line {
    const WHAT: &str = "older sockets";
    let figures = (0..runs).map(|_| run()).collect::<Result<Vec<_>>>();
    match figures {
        Ok(found) => {
            let figures = json!({
                "runs": runs, "namespaces": NAMESPACES, "held_by_a_descriptor_alone": NAMESPACES / NAMELESS,
                "tcp_sockets": 2 * NAMESPACES * CONNECTIONS, "udp_sockets": NAMESPACES * DATAGRAM_SOCKETS,
                "found": found,
            });
            Line::tried(WHAT, found.iter().all(|all| *all), figures)
        }
        Err(error) => Line::failed(WHAT, &error),
    }
}

/// Whether each was found, once.
fn run() -> Result<bool> {
    dial::allow_many_sockets();
    let places = (0..NAMESPACES).map(place).collect::<Result<Vec<Place>>>()?;
    let window = Recorder::start(&[]).finish();
    let unread = window.coverage.snapshot.as_ref().map(|snapshot| snapshot.unread.clone());
    ensure!(unread.as_ref().is_some_and(Vec::is_empty), "not all was read: {unread:?}");
    let found = places.iter().all(|place| is_found(&window, place));
    println!("  {NAMESPACES} namespaces, each socket once: {found}");
    Ok(found)
}

fn is_found(window: &Window, place: &Place) -> bool {
    let mut seen: BTreeMap<(u16, Direction), Outcomes> = BTreeMap::new();
    for flow in &window.flows {
        if [place.port, place.datagram_port].contains(&flow.key.port) {
            seen.entry((flow.key.port, flow.key.direction)).or_default().add(&flow.outcomes);
        }
    }
    let older = Outcomes { older: CONNECTIONS as u64, ..Outcomes::default() };
    let silent = Outcomes { silent: DATAGRAM_SOCKETS as u64, ..Outcomes::default() };
    let expected = BTreeMap::from([
        ((place.port, Direction::Inbound), older.clone()),
        // Of the connecting end nothing but the far one tells which it is.
        ((place.port, Direction::Unknown), older),
        ((place.datagram_port, Direction::Unknown), silent),
    ]);
    if seen != expected {
        println!("  expected {expected:?}\n  found    {seen:?}");
    }
    seen == expected
}

/// The ports tell the namespaces apart.
fn place(number: usize) -> Result<Place> {
    let port = u16::try_from(21_000 + 2 * number)?;
    let datagram_port = port + 1;
    let (holder, sockets) = if number.is_multiple_of(NAMELESS) {
        let (file, sockets) = thread::spawn(move || -> Result<_> {
            unshare(CloneFlags::CLONE_NEWNET)?;
            let up = Command::new("ip").args(["link", "set", "lo", "up"]).status()?;
            ensure!(up.success(), "ip: {up}");
            Ok((File::open("/proc/thread-self/ns/net")?, sockets(port, datagram_port)?))
        })
        .join()
        .map_err(|_| anyhow::anyhow!("the thread in the namespace panicked"))??;
        (Holder::Descriptor(file), sockets)
    } else {
        let namespace = TestNamespace::new("older");
        let sockets = namespace.run(|| sockets(port, datagram_port))?;
        (Holder::Mount(namespace), sockets)
    };
    Ok(Place { _holder: holder, _sockets: sockets, port, datagram_port })
}

fn sockets(port: u16, datagram_port: u16) -> Result<Sockets> {
    let mut sockets = Sockets::default();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).context("the namespace is new")?;
    for _ in 0..CONNECTIONS {
        sockets.streams.push(TcpStream::connect(listener.local_addr()?)?);
        sockets.streams.push(listener.accept()?.0);
    }
    sockets.listener = Some(listener);
    for _ in 0..DATAGRAM_SOCKETS {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.connect(SocketAddr::from((Ipv4Addr::LOCALHOST, datagram_port)))?;
        sockets.datagrams.push(socket);
    }
    Ok(sockets)
}
