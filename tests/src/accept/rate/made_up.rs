//! Made-up flows (`probe_common::synthetic`), their declaration, and the audit that gets their records.

use std::{
    fmt::Write,
    fs::File,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use flowdrift::{
    capture::{CgroupTree, namespaces},
    flow::Window,
    source::recording,
};
use nix::sys::signal::Signal;
use probe_common::synthetic::Flow;

use crate::{
    folder::Folder,
    kernel::synthetic::{Owner, Producer, Written},
    live::Live,
    usage::keep_on_cpu,
};

/// Where the reader stays, and where the writer.
pub(super) const READER: usize = 0;
pub(super) const WRITER: usize = 1;

/// Declares three of five blocks of peers, in both directions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Site {
    /// Rows of the matrix: two for each block.
    pub(super) rows: u32,
}

impl Site {
    /// Peers in each block.
    const BLOCK: u32 = 16;

    /// Writes matrix and inventory, and names an audit's arguments.
    pub(super) fn arguments(self, folder: &Folder) -> Result<Vec<String>> {
        self.write(folder)?;
        let [matrix, inventory, report] =
            ["matrix.yaml", "inventory.yaml", "report.json"].map(|name| folder.at(name));
        let fixed = ["audit", "--follow", "--cluster", "here", "--node", "node", "--format", "json"];
        let files = ["--matrix", &matrix, "--inventory", &inventory, "-o", &report];
        Ok(fixed.iter().chain(&files).map(|&argument| argument.to_owned()).collect())
    }

    fn write(self, folder: &Folder) -> Result<()> {
        let mut matrix =
            "apiVersion: flowdrift/v1\nkind: FlowMatrix\nmetadata: {name: made-up}\nrows:\n".to_owned();
        let mut inventory = format!(
            "apiVersion: flowdrift/v1\nkind: Inventory\nclusters:\n  here:\n    nodes: {{node: {}}}\n    pods: [172.16.0.0/24, \"{}/64\"]\nendpoints:\n",
            Ipv4Addr::new(172, 16, 0, 1),
            v6(Flow::OWN_V6, 0),
        );
        for block in 0..self.rows / 2 {
            // 0, 1, 2 of 0 to 4, and so on.
            let first = (block / 3 * 5 + block % 3) * Self::BLOCK;
            let v4 = Ipv4Addr::from_bits(u32::from(Ipv4Addr::new(10, 0, 0, 0)) + first);
            let v6 = v6(Flow::PEERS_V6, first);
            writeln!(inventory, "  peer-{block}: {{cidrs: [{v4}/28, \"{v6}/124\"]}}")?;
            let peer = format!("peer-{block}");
            for (way, from, to) in [("out", "here", &*peer), ("in", &*peer, "here")] {
                let port = Flow::PORT;
                writeln!(
                    matrix,
                    "  - {{id: {way}-{block}, from: [{from}], to: [{to}], ports: [{port}/tcp]}}"
                )?;
            }
        }
        folder.write("matrix.yaml", matrix).write("inventory.yaml", inventory);
        Ok(())
    }
}

fn v6(first: u32, last: u32) -> Ipv6Addr {
    Ipv6Addr::from_bits(u128::from(first) << 96 | u128::from(last))
}

/// Whether an address is one of the made-up sockets' own.
fn is_own(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => matches!(address.octets(), [172, 16, 0, _]),
        IpAddr::V6(address) => (address.to_bits() >> 96) as u32 == Flow::OWN_V6,
    }
}

/// Whose the made-up sockets are: this process's.
pub(super) fn owner() -> Result<Owner> {
    let netns = namespaces::own()?.cookie()?;
    let (cgroup, _) = CgroupTree::find().context("no cgroup-v2 tree")?.own_group()?;
    Ok(Owner { netns, cgroup })
}

/// `flowdrift audit --follow`, and what writes into its rings.
pub(super) struct Audited {
    live: Live,
    producer: Producer,
    written: u64,
    folder: Folder,
}

impl Audited {
    /// Starts one of a site, with further arguments, for records of so many flows. It stays on one CPU, this thread on another.
    pub(super) fn start(site: Site, flows: u64, further: &[&str]) -> Result<Self> {
        let folder = Folder::new("made-up");
        let mut arguments = site.arguments(&folder)?;
        arguments.extend(["--record".to_owned(), folder.at("window.fdr")]);
        arguments.extend(further.iter().map(|&argument| argument.to_owned()));
        let live = Live::start(&arguments);
        keep_on_cpu(live.id(), READER)?;
        keep_on_cpu(0, WRITER)?;
        let producer = Producer::beside(live.id(), flows, owner()?)?;
        Ok(Self { live, producer, written: 0, folder })
    }

    /// The audit's process id.
    pub(super) fn id(&self) -> u32 {
        self.live.id()
    }

    /// Writes so many records a second for a while.
    pub(super) fn pace(&mut self, per_second: u64, duration: Duration) -> Result<Written> {
        let written = self.producer.pace(per_second, duration)?;
        self.written += written.records;
        Ok(written)
    }

    /// Ends the window. Whatever was written must be in its flows, or be told as lost.
    pub(super) fn end(mut self) -> Result<Window> {
        let (status, said) = self.live.end(Signal::SIGINT);
        // There is drift, and there are gaps.
        ensure!(matches!(status.code(), Some(1 | 3)), "the audit ended with {status}: {said}");
        let window = File::open(self.folder.at("window.fdr"))?;
        let window = recording::read("window.fdr", window)?.window;
        let flows = window.flows.iter().filter(|flow| is_own(flow.key.local));
        let counted: u64 = flows.map(|flow| flow.outcomes.connected + flow.outcomes.accepted).sum();
        let (lost, written) = (window.coverage.lost_total(), self.written);
        ensure!(counted + lost == written, "{counted} in flows, {lost} lost, {written} written");
        Ok(window)
    }
}
