//! DPDK's packet classifier, built from the distribution's library and given our filters and packets.

use std::{
    collections::BTreeMap,
    fs,
    io::Write,
    net::IpAddr,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use flowdrift::event::Protocol;
use serde::{Deserialize, Serialize};

use crate::{
    folder::Folder,
    matching::{shaped::Filter, traffic::Packet},
};

/// What it was seen to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Figures {
    /// How long its tables took, seconds.
    pub(super) build_seconds: f64,
    /// By instruction set.
    pub(super) algorithms: BTreeMap<String, Speed>,
}

/// With one instruction set.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Speed {
    /// Packets per second, the best of several passes.
    pub(super) per_second: f64,
    /// Packets that hit some filter.
    pub(super) hits: u64,
}

impl Figures {
    /// The fastest instruction set.
    pub(super) fn best(&self) -> Option<(&str, Speed)> {
        let fastest = |one: &(&String, &Speed), other: &(&String, &Speed)| {
            one.1.per_second.total_cmp(&other.1.per_second)
        };
        self.algorithms.iter().max_by(fastest).map(|(name, speed)| (name.as_str(), *speed))
    }
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

    /// Classifies the packets by the filters, all of IPv4.
    pub(super) fn run(&self, filters: &[Filter], packets: &[Packet]) -> Result<Figures> {
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
            bytes.write_all(&[client.prefix_len(), server.prefix_len(), number(filter.protocol), 0])?;
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
        let output = Command::new(&self.programme).arg(&file).output()?;
        ensure!(output.status.success(), "rte_acl: {}", String::from_utf8_lossy(&output.stderr));
        Ok(serde_json::from_slice(&output.stdout)?)
    }
}

fn v4(address: IpAddr) -> Result<u32> {
    match address {
        IpAddr::V4(address) => Ok(address.into()),
        IpAddr::V6(address) => anyhow::bail!("{address} is no IPv4 address"),
    }
}

/// As in the protocol field of the IP header.
fn number(protocol: Protocol) -> u8 {
    match protocol {
        Protocol::Icmp => 1,
        Protocol::Tcp => 6,
        Protocol::Udp => 17,
        Protocol::Sctp => 132,
    }
}
