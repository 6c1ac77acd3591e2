//! Line 2: UDP as programs use it – musl's resolver, which asks with `sendto` on an unconnected socket, and datagrams many
//! at a time, as QUIC sends them.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use flowdrift::flow::{Direction, Outcomes, Window};
use serde_json::{Value, json};

use crate::{
    accept::Line,
    namespace::TestNamespace,
    recorder::{Recorder, outcomes},
    site::{Family, Link, Site},
};

/// What the lab's resolver answers with.
const ADDRESS: [u8; 4] = [192, 0, 2, 7];
const DNS_HEADER: usize = 12;

/// Runs both.
#[must_use]
pub fn line(root: &Path) -> Line {
    const WHAT: &str = "UDP as programs use it";
    if Command::new("musl-gcc").arg("--version").output().is_err() {
        return Line::skipped(WHAT, "no musl-gcc (Debian's musl-tools)".to_owned());
    }
    match resolve(root).and_then(|musl| Ok((musl, burst()?))) {
        Ok(((musl, musl_pass), (burst, burst_pass))) => {
            Line::tried(WHAT, musl_pass && burst_pass, json!({ "musl": musl, "burst": burst }))
        }
        Err(error) => Line::failed(WHAT, &error),
    }
}

/// musl asks for A and AAAA at once; both are answered.
fn resolve(root: &Path) -> Result<(Value, bool)> {
    let program = compiled(root)?;
    let namespace = TestNamespace::new("musl");
    let _file = ResolverFile::new(&namespace)?;
    let server = namespace.run(|| UdpSocket::bind((Ipv4Addr::LOCALHOST, 53)))?;
    let recorder = Recorder::of_namespace(&namespace.path());
    let answering = thread::spawn(move || (0..2).try_for_each(|_| answer(&server)));
    let asked = Command::new("ip")
        .args(["netns", "exec", namespace.name()])
        .arg(&program)
        .arg("git.lab.example")
        .status()?;
    answering.join().map_err(|_| anyhow::anyhow!("the resolver panicked"))??;
    ensure!(asked.success(), "musl has found no address: {asked}");
    let window = recorder.finish();
    let [client, server] = [Direction::Outbound, Direction::Inbound].map(|one| of(&window, 53, one));
    let both = Outcomes { datagrams_sent: 2, datagrams_received: 2, ..Outcomes::default() };
    let pass = client == Outcomes { connected: 1, ..both.clone() }
        && server == Outcomes { accepted: 1, ..both }
        && window.flows.iter().any(|flow| flow.processes.iter().any(|one| one.command == "resolve"));
    println!("  musl's resolver: {client:?}");
    Ok((json!({ "client": client, "server": server }), pass))
}

fn of(window: &Window, port: u16, direction: Direction) -> Outcomes {
    outcomes(window, |flow| flow.key.port == port && flow.key.direction == direction)
}

fn compiled(root: &Path) -> Result<PathBuf> {
    let folder = root.join("target/accept");
    fs::create_dir_all(&folder)?;
    let program = folder.join("resolve");
    let source = root.join("tests/src/accept/capture/resolve.c");
    let made = Command::new("musl-gcc").arg("-static").arg("-o").arg(&program).arg(source).status()?;
    ensure!(made.success(), "musl-gcc: {made}");
    Ok(program)
}

/// `ip netns exec` shows it to the program as its own (`man 8 ip-netns`).
struct ResolverFile(PathBuf);

impl ResolverFile {
    fn new(namespace: &TestNamespace) -> Result<Self> {
        let folder = Path::new("/etc/netns").join(namespace.name());
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("resolv.conf"), "nameserver 127.0.0.1\n")?;
        Ok(Self(folder))
    }
}

impl Drop for ResolverFile {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Answers one question (RFC 1035, 4.1): an A record, and no other.
fn answer(server: &UdpSocket) -> Result<()> {
    server.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut message = [0; 512];
    let (length, client) = server.recv_from(&mut message).context("a question")?;
    let question = message.get(DNS_HEADER..length).context("a header")?;
    // The name ends with an empty label; type and class follow.
    let end = question.iter().position(|byte| *byte == 0).context("a name")? + 5;
    let is_address = question.get(end - 4..end - 2) == Some(&[0, 1]);
    let mut answer = message[..2].to_vec();
    answer.extend([0x81, 0x80, 0, 1, 0, u8::from(is_address), 0, 0, 0, 0]);
    answer.extend(&question[..end]);
    if is_address {
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
        answer.extend(ADDRESS);
    }
    server.send_to(&answer, client)?;
    Ok(())
}

/// Many datagrams to and fro on 443, from one unconnected socket; one call each, in bursts.
fn burst() -> Result<(Value, bool)> {
    const BURSTS: u64 = 100;
    const DATAGRAMS: u64 = 32;
    let site = Site::new(Link::Veth, Family::V4);
    let bind = |to: SocketAddr| -> Result<UdpSocket> {
        let socket = UdpSocket::bind(to)?;
        socket.set_read_timeout(Some(Duration::from_secs(10)))?;
        Ok(socket)
    };
    let server = site.server().run(|| bind(site.to(443)))?;
    let client = site.client().run(|| bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0))))?;
    let recorder = site.record();
    let mut buffer = [0; 1_500];
    for _ in 0..BURSTS {
        for _ in 0..DATAGRAMS {
            client.send_to(&[7; 1_200], site.to(443))?;
        }
        for _ in 0..DATAGRAMS {
            let (length, peer) = server.recv_from(&mut buffer)?;
            server.send_to(&buffer[..length], peer)?;
        }
        for _ in 0..DATAGRAMS {
            client.recv_from(&mut buffer)?;
        }
    }
    let window = recorder.finish();
    let [seen, served] = [Direction::Outbound, Direction::Inbound].map(|one| of(&window, 443, one));
    let all = BURSTS * DATAGRAMS;
    let both = Outcomes { datagrams_sent: all, datagrams_received: all, ..Outcomes::default() };
    let pass =
        seen == Outcomes { connected: 1, ..both.clone() } && served == Outcomes { accepted: 1, ..both };
    println!("  {all} datagrams each way: {seen:?}");
    Ok((json!({ "client": seen, "server": served }), pass))
}
