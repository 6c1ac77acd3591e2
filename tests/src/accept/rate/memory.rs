//! Line 8: what the matcher and the audit occupy, and what becomes of a flood.

use std::{sync::Arc, thread, time::Duration};

use anyhow::Result;
use flowdrift::{
    flow::Coverage,
    matching::{Compiled, Question, Reader, Rows},
    matrix::inventory::Inventory,
};
use serde_json::{Value, json};

use super::made_up::{Audited, Site};
use crate::{
    accept::Line,
    matching::{
        shaped::{self, Shape},
        traffic::Packet,
    },
    usage,
};

/// Rows, and blocks of addresses, of the matcher.
const ROWS: usize = 10_000;
/// What it is asked: with so many different pairs its memory is as full as it gets.
const PACKETS: usize = 1_000_000;
/// Live flows of the audit, and how fast they appear.
const FLOWS: u64 = 100_000;
const APPEAR: u64 = 50_000;
/// A second's pause: what is due once a second was then done.
const CALM: Duration = Duration::from_secs(1);

/// What the acceptance asks for, bytes: of the matcher for IPv4, and with IPv6; and of the audit.
const MATCHER: [usize; 2] = [32 << 20, 64 << 20];
const AUDIT: u64 = 64 << 20;
/// Flows that the audit tells apart by itself; this machine's own traffic has a few, too.
const TOLD_APART: u64 = 262_144;
const OTHERS: u64 = 1_000;
/// What a flood may add, at the bound of flows that the audit has by itself.
const FLOOD: u64 = 64 << 20;

/// Measures; `allocated` tells how much this process has allocated, bytes. The flood has so many flows.
#[must_use]
pub fn line(allocated: &dyn Fn() -> usize, flood_flows: u64) -> Line {
    const WHAT: &str = "memory";
    let measure = || -> Result<(bool, Value)> {
        let matcher = [false, true].map(|v6| matcher(allocated, v6));
        println!("  the matcher: {matcher:?} bytes for IPv4, and with IPv6");
        let (small, large) = (audit(Site { rows: 100 })?, audit(Site { rows: ROWS as u32 })?);
        println!("  the audit with {FLOWS} flows: {small} bytes with 100 rows, {large} with {ROWS}");
        let (is_whole, flood) = flood(flood_flows)?;
        println!("  a flood: {flood}");
        let is_small = matcher.iter().zip(MATCHER).all(|(found, most)| *found <= most);
        let figures = json!({
            "matcher": matcher, "audit": { "100": small, "10000": large }, "flood": flood,
        });
        Ok((is_small && small <= AUDIT && is_whole, figures))
    };
    Line::of(WHAT, measure())
}

/// What a compiled matrix and its reader occupy after many questions.
fn matcher(allocated: &dyn Fn() -> usize, with_v6: bool) -> usize {
    let site = shaped::Site::new(Shape { rows: ROWS, v6: false });
    let (mut inventory, mut packets) = (site.inventory.clone(), site.traffic(PACKETS, PACKETS));
    if with_v6 {
        let other = shaped::Site::new(Shape { rows: ROWS, v6: true });
        extend(&mut inventory, &other.inventory);
        packets.extend(other.traffic(PACKETS, PACKETS));
    }
    let before = allocated();
    let rows = Rows::new(std::slice::from_ref(&site.matrix), &inventory);
    let compiled = Arc::new(Compiled::new(rows).expect("few classes"));
    let mut reader = Reader::new(compiled);
    for packets in packets.chunks(1 << 10) {
        let questions: Vec<Question> =
            packets.iter().map(|packet: &Packet| packet.question(&mut reader)).collect();
        reader.find_each(&questions, |_, _| ());
    }
    allocated() - before
}

/// Gives endpoints the blocks that others of their names have, too.
fn extend(inventory: &mut Inventory, others: &Inventory) {
    for (name, endpoint) in &mut inventory.endpoints {
        let other = others.endpoints.get(name).into_iter();
        endpoint.cidrs.extend(other.flat_map(|other| other.cidrs.iter().copied()));
    }
}

/// What an audit occupies at most until all flows are live, bytes, without what its start took.
fn audit(site: Site) -> Result<u64> {
    let mut audit = Audited::start(site, FLOWS, &[])?;
    usage::forget_peak(audit.id())?;
    // Each of them twice.
    audit.pace(APPEAR, Duration::from_secs_f64(2.0 * FLOWS as f64 / APPEAR as f64))?;
    thread::sleep(CALM);
    let memory = usage::memory(audit.id())?.most;
    audit.end()?;
    Ok(memory)
}

/// More flows than are told apart: whether none of them is lost, it is said how many have lost their peer, and memory stays
/// within its bound.
fn flood(flows: u64) -> Result<(bool, Value)> {
    const RATE: u64 = 500_000;
    let mut audit = Audited::start(Site { rows: 100 }, flows, &[])?;
    let before = usage::memory(audit.id())?.now;
    usage::forget_peak(audit.id())?;
    audit.pace(RATE, Duration::from_secs_f64(flows as f64 / RATE as f64))?;
    thread::sleep(CALM);
    let most = usage::memory(audit.id())?.most;
    let Coverage { beyond_flows, folded, lost, .. } = audit.end()?.coverage;
    let lost: u64 = lost.values().sum();
    let figures = json!({
        "flows": flows, "beyond": beyond_flows, "folded": folded, "lost": lost, "memory": [before, most],
    });
    let beyond = flows.saturating_sub(TOLD_APART);
    let is_told = (beyond..=beyond + OTHERS).contains(&beyond_flows);
    Ok((lost == 0 && is_told && most <= before + FLOOD, figures))
}
