//! DPDK's packet classifier, built from the distribution's library and given our filters and packets.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Lines, Write},
    net::IpAddr,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use flowdrift::event::Protocol;
use serde::{Deserialize, Serialize};

use crate::{
    folder::Folder,
    matching::traffic::{Filter, Packet},
};

/// Packets per second with each instruction set.
type Speeds = BTreeMap<String, Speed>;

/// A classifier that is built and waits.
pub(super) struct Running {
    child: Child,
    answers: Lines<BufReader<ChildStdout>>,
    /// How long its tables took, seconds.
    pub(super) build_seconds: f64,
}

/// With one instruction set.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Speed {
    /// Packets per second, the best of several passes.
    pub(super) per_second: f64,
    /// Packets that hit some filter.
    pub(super) hits: u64,
}

impl Running {
    /// Classifies all packets several times with each instruction set; the fastest.
    pub(super) fn best(&mut self) -> Result<(String, Speed)> {
        self.child.stdin.as_mut().context("it is piped")?.write_all(b"\n")?;
        let speeds: Speeds = serde_json::from_str(&answer(&mut self.answers)?)?;
        let fastest =
            |one: &(String, Speed), other: &(String, Speed)| one.1.per_second.total_cmp(&other.1.per_second);
        speeds.into_iter().max_by(fastest).context("no instruction set")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn answer(answers: &mut Lines<BufReader<ChildStdout>>) -> Result<String> {
    Ok(answers.next().context("rte_acl has ended")??)
}

/// The compiled programme.
pub(super) struct RteAcl {
    folder: Folder,
    programme: PathBuf,
}

impl RteAcl {
    /// Compiles it; needs `libdpdk-dev` and `pkg-config`.
    pub(super) fn build(root: &Path) -> Result<Self> {
        let folder = Folder::new("rte-acl");
        let programme = folder.path().join("rte_acl");
        let flags = Command::new("pkg-config").args(["--cflags", "--libs", "libdpdk"]).output();
        let flags = flags.context("pkg-config is not installed")?;
        ensure!(flags.status.success(), "libdpdk-dev is not installed");
        let flags = String::from_utf8(flags.stdout)?;
        let source = root.join("tests/src/accept/rate/rte_acl.c");
        let mut compiler = Command::new("cc");
        compiler
            .args(["-O2", "-march=native", "-o"])
            .arg(&programme)
            .arg(source)
            .args(flags.split_whitespace());
        ensure!(compiler.status().context("no C compiler")?.success(), "rte_acl.c does not compile");
        Ok(Self { folder, programme })
    }

    /// Builds a classifier of filters and packets, all of IPv4.
    pub(super) fn start(&self, filters: &[Filter], packets: &[Packet]) -> Result<Running> {
        let file = self.folder.path().join("input");
        let mut bytes = Vec::new();
        for count in [filters.len(), packets.len()] {
            bytes.write_all(&u32::try_from(count)?.to_ne_bytes())?;
        }
        for filter in filters {
            let [client, server] = filter.ends;
            for address in [client.addr(), server.addr()] {
                bytes.write_all(&v4(address)?.to_ne_bytes())?;
            }
            let (protocol, mask) = filter.protocol.map_or((0, 0), |protocol| (number(protocol), u8::MAX));
            bytes.write_all(&[client.prefix_len(), server.prefix_len(), protocol, mask])?;
            bytes.write_all(&filter.ports.0.to_ne_bytes())?;
            bytes.write_all(&filter.ports.1.to_ne_bytes())?;
        }
        for Packet { client, server, port, protocol } in packets {
            bytes.write_all(&v4(*client)?.to_ne_bytes())?;
            bytes.write_all(&v4(*server)?.to_ne_bytes())?;
            bytes.write_all(&port.to_ne_bytes())?;
            bytes.write_all(&[number(*protocol), 0])?;
        }
        fs::write(&file, bytes)?;
        let mut child =
            Command::new(&self.programme).arg(&file).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut answers = BufReader::new(child.stdout.take().context("it is piped")?).lines();
        let build_seconds = answer(&mut answers)?.parse()?;
        Ok(Running { child, answers, build_seconds })
    }
}

fn v4(address: IpAddr) -> Result<u32> {
    match address {
        IpAddr::V4(address) => Ok(address.into()),
        IpAddr::V6(address) => anyhow::bail!("{address} is no IPv4 address"),
    }
}

/// As in the protocol field of the IP header.
pub(super) fn number(protocol: Protocol) -> u8 {
    match protocol {
        Protocol::Icmp => 1,
        Protocol::Tcp => 6,
        Protocol::Udp => 17,
        Protocol::Sctp => 132,
    }
}
