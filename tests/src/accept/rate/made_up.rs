//! A declaration for the made-up flows (`probe_common::synthetic`).

use std::{
    fmt::Write,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use anyhow::Result;
use probe_common::synthetic::Flow;

use crate::folder::Folder;

/// The declaration: of five blocks of peers three are declared, in both directions.
pub(super) struct Site;

impl Site {
    /// Rows of the matrix.
    pub(super) const ROWS: usize = 10_000;
    /// The blocks that are declared: so many endpoints, two rows each.
    const ENDPOINTS: u32 = Self::ROWS as u32 / 2;
    /// Peers in each block.
    const BLOCK: u32 = 16;

    /// Writes matrix and inventory.
    pub(super) fn write(folder: &Folder) -> Result<()> {
        let mut matrix =
            "apiVersion: flowdrift/v1\nkind: FlowMatrix\nmetadata: {name: made-up}\nrows:\n".to_owned();
        let mut inventory = format!(
            "apiVersion: flowdrift/v1\nkind: Inventory\nclusters:\n  here:\n    nodes: {{node: {}}}\n    pods: [172.16.0.0/24, \"{}/64\"]\nendpoints:\n",
            Ipv4Addr::new(172, 16, 0, 1),
            v6(Flow::OWN_V6, 0),
        );
        for endpoint in 0..Self::ENDPOINTS {
            // 0, 1, 2 of 0 to 4, and so on.
            let first = (endpoint / 3 * 5 + endpoint % 3) * Self::BLOCK;
            let v4 = Ipv4Addr::from_bits(u32::from(Ipv4Addr::new(10, 0, 0, 0)) + first);
            let v6 = v6(Flow::PEERS_V6, first);
            writeln!(inventory, "  peer-{endpoint}: {{cidrs: [{v4}/28, \"{v6}/124\"]}}")?;
            for (way, from, to) in [
                ("out", "here".to_owned(), format!("peer-{endpoint}")),
                ("in", format!("peer-{endpoint}"), "here".to_owned()),
            ] {
                writeln!(
                    matrix,
                    "  - {{id: {way}-{endpoint}, from: [{from}], to: [{to}], ports: [{}/tcp]}}",
                    Flow::PORT
                )?;
            }
        }
        folder.write("matrix.yaml", matrix).write("inventory.yaml", inventory);
        Ok(())
    }

    /// What `flowdrift` is called with.
    pub(super) fn arguments(folder: &Folder) -> Vec<String> {
        let [matrix, inventory, report] =
            ["matrix.yaml", "inventory.yaml", "report.json"].map(|name| folder.at(name));
        let arguments = [
            "audit",
            "--cluster",
            "here",
            "--node",
            "node",
            "--format",
            "json",
            "--matrix",
            &matrix,
            "--inventory",
            &inventory,
            "-o",
            &report,
        ];
        arguments.map(str::to_owned).to_vec()
    }

    /// Whether an address is one of the peers'.
    pub(super) fn has(peer: IpAddr) -> bool {
        match peer {
            IpAddr::V4(peer) => peer.octets()[0] == 10,
            IpAddr::V6(peer) => (peer.to_bits() >> 96) as u32 == Flow::PEERS_V6,
        }
    }
}

fn v6(first: u32, last: u32) -> Ipv6Addr {
    Ipv6Addr::from_bits(u128::from(first) << 96 | u128::from(last))
}
