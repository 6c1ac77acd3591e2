//! Line 7: recordings of every connection, judged from disk.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{BufWriter, Write},
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use fastrand::Rng;
use flowdrift::{
    event::{Command as Name, Process},
    flow::{
        Coverage, Direction, Fact, Flow, FlowKey, Ledger, Outcome, Snapshot, Window, Workload,
        tally::{self, Tally},
    },
    matrix::{Matrix, write},
    source::recording::{self, Facts, Writer},
};
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use serde_json::{Value, json};

use crate::{
    accept::Line,
    folder::Folder,
    live::binary,
    matching::{
        shaped::{Shape, Site},
        traffic::Packet,
    },
    usage::{self, Ended},
};

/// Rows of the matrix.
const ROWS: usize = 10_000;
/// Flows of all nodes together.
const FLOWS: usize = 100_000;
/// One recording each.
const NODES: usize = 2;
/// When the window began and ended on `CLOCK_BOOTTIME`, and the wall clock at the end, nanoseconds.
const BEGAN: u64 = 1_000_000_000_000;
const WALL: i64 = 1_800_000_000_000_000_000;
/// Between two facts, nanoseconds.
const PACE: u64 = 10_000;

/// What the acceptance asks of so many facts: seconds, and bytes of memory.
const SECONDS: f64 = 20.0;
const MEMORY: u64 = 256 << 20;

/// Judges so many facts, and then the flows that they are folded into: with the same result.
#[must_use]
pub fn line(facts: u64) -> Line {
    const WHAT: &str = "recorded connections judged from disk";
    Line::of(WHAT, measure(facts))
}

fn measure(facts: u64) -> Result<(bool, Value)> {
    let folder = Folder::new("recorded");
    let site = Site::new(Shape { rows: ROWS, v6: false });
    let (matrix, inventory) = (folder.at("matrix.yaml"), folder.at("inventory.yaml"));
    fs::write(&matrix, write::yaml(&with_ids(&site.matrix))?)?;
    fs::write(&inventory, inventory_of(&site))?;
    let flows = flows(&site);
    let (mut of_facts, mut of_flows, mut bytes) = (Vec::new(), Vec::new(), 0);
    for node in 0..NODES {
        let keys: Vec<FlowKey> = flows.iter().skip(node).step_by(NODES).cloned().collect();
        let names = ["facts", "flows"].map(|kind| folder.at(&format!("{kind}-{node}.fdr")));
        record(node, &keys, facts / NODES as u64, &names)?;
        bytes += fs::metadata(&names[0])?.len();
        let [facts, flows] = names;
        of_facts.push(facts);
        of_flows.push(flows);
    }
    of_facts.iter().try_for_each(|facts| leave_cache(facts))?;
    let judged = audit(&matrix, &inventory, &of_facts)?;
    let again = audit(&matrix, &inventory, &of_flows)?;
    let [same_rows, same_findings] = ["rows", "findings"].map(|part| {
        let some = judged.report[part].as_array().is_some_and(|list| !list.is_empty());
        some && judged.report[part] == again.report[part]
    });
    let figures = json!({
        "facts": facts,
        "flows": FLOWS,
        "rows": ROWS,
        "bytes": bytes,
        "seconds": judged.seconds,
        "memory": judged.memory,
        "of_flows": { "seconds": again.seconds, "memory": again.memory },
        "findings": judged.report["findings"].as_array().map(Vec::len),
        "same": [same_rows, same_findings],
    });
    println!("  {figures}");
    let is_fast = judged.seconds < SECONDS && judged.memory < MEMORY;
    Ok((is_fast && same_rows && same_findings, figures))
}

/// Lets a file be read from the disk, not from memory.
fn leave_cache(name: &str) -> Result<()> {
    let file = File::open(name)?;
    file.sync_all()?;
    Ok(posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED)?)
}

fn with_ids(matrix: &Matrix) -> Matrix {
    let mut matrix = matrix.clone();
    for (index, row) in matrix.rows.iter_mut().enumerate() {
        row.id = format!("row-{index}");
    }
    matrix
}

/// As a user writes it, with the nodes that record.
fn inventory_of(site: &Site) -> String {
    let nodes = (0..NODES).map(|node| format!("node-{node}: 192.0.2.{node}"));
    let nodes = nodes.collect::<Vec<_>>().join(", ");
    let mut text = format!(
        "apiVersion: flowdrift/v1\nkind: Inventory\nclusters:\n  {}: {{nodes: {{{nodes}}}}}\nendpoints:\n",
        Packet::CLUSTER
    );
    for (name, endpoint) in &site.inventory.endpoints {
        let blocks: Vec<String> = endpoint.cidrs.iter().map(|block| format!("\"{block}\"")).collect();
        text += &format!("  {name}: {{cidrs: [{}]}}\n", blocks.join(", "));
    }
    text
}

fn flows(site: &Site) -> Vec<FlowKey> {
    let mut keys: BTreeMap<FlowKey, ()> = BTreeMap::new();
    for Packet { client: local, server: remote, port, protocol } in site.traffic(FLOWS, FLOWS) {
        let workload = Workload { cgroup: Some(format!("/kubepods/pod-{local}").into()), netns: None };
        let direction = Direction::Outbound;
        keys.insert(FlowKey { workload, direction, local, remote, port, protocol, translated: None }, ());
    }
    keys.into_keys().collect()
}

/// Writes one node's recording of every connection, and that of the flows.
fn record(node: usize, keys: &[FlowKey], facts: u64, [of_facts, of_flows]: &[String; 2]) -> Result<()> {
    const NAMES: [&[u8; 16]; 4] = [
        b"curl\0\0\0\0\0\0\0\0\0\0\0\0",
        b"java\0\0\0\0\0\0\0\0\0\0\0\0",
        b"node\0\0\0\0\0\0\0\0\0\0\0\0",
        b"nginx\0\0\0\0\0\0\0\0\0\0\0",
    ];
    let mut random = Rng::with_seed(node as u64);
    let name = format!("node-{node}");
    let mut written = Writer::begin(BufWriter::new(File::create(of_facts)?), Packet::CLUSTER, &name, WALL)?;
    let (mut ledger, mut tallies) = (Ledger::default(), Vec::<Tally>::with_capacity(keys.len()));
    for number in 0..facts {
        // Each flow once, then any.
        let flow = if number < keys.len() as u64 { number as usize } else { random.usize(..keys.len()) };
        let first = BEGAN + number * PACE;
        let outcome = if random.u32(..100) == 0 { Outcome::Failed(111) } else { Outcome::Connected };
        let process = Process { id: 1_000 + random.u32(..30_000), command: Name::new(*NAMES[flow % 4]) };
        let fact = Fact { first, last: first + 50_000, process: Some(process), outcome };
        ledger.note(flow as u32, &fact);
        if flow == tallies.len() {
            tallies.push(Tally::default());
        }
        tallies[flow].count(&fact);
        if number % 65_536 == 0 {
            written.keep(&ledger.take())?;
        }
    }
    let closed = BEGAN + facts * PACE + 1_000_000;
    let keys = keys[..tallies.len()].to_vec();
    let wall = |boot: u64| WALL - (closed - boot).cast_signed();
    let flows: Vec<Flow> = tally::flows(keys.iter().cloned().zip(tallies), wall);
    let coverage =
        Coverage { events: facts, snapshot: Some(Snapshot::default()), canary: true, ..Coverage::default() };
    let (cluster, start) = (Packet::CLUSTER.to_owned(), wall(BEGAN));
    let window = Window { cluster, node: name, start, end: WALL, coverage, flows };
    let facts = Facts { count: ledger.count(), pages: ledger.into_pages(), keys, closed };
    written.end(&window, &facts)?;
    let mut flows = BufWriter::new(File::create(of_flows)?);
    recording::write(&window, &mut flows)?;
    flows.flush().context("writing the flows")
}

/// What an audit said, and what it took.
struct Judged {
    report: Value,
    seconds: f64,
    /// At most, bytes.
    memory: u64,
}

fn audit(matrix: &str, inventory: &str, recordings: &[String]) -> Result<Judged> {
    let report = Path::new(inventory).with_extension("json");
    let mut command = Command::new(binary());
    command
        .args(["audit", "--format", "json", "--matrix", matrix, "--inventory", inventory, "-o"])
        .arg(&report)
        .arg("--from")
        .args(recordings)
        .stdin(Stdio::null());
    let Ended { status, seconds, memory } = usage::of_command(&mut command)?;
    ensure!(matches!(status.code(), Some(0 | 1 | 3)), "the audit ended with {status}");
    let report = serde_json::from_slice(&fs::read(&report)?)?;
    Ok(Judged { report, seconds, memory })
}
