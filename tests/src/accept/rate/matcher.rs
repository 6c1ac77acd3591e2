//! Line 1: look-ups per second beside DPDK's rte_acl, on the same rows and packets.

use std::{path::Path, sync::Arc, time::Instant};

use flowdrift::matching::{Compiled, Rows};
use serde::Serialize;
use serde_json::json;

use super::{
    beside::{self, PACKETS, PAIRS, Speeds},
    rte_acl::RteAcl,
};
use crate::{
    accept::Line,
    matching::{
        shaped::{Shape, Site},
        traffic::Filter,
    },
};

/// rte_acl takes no more filters within a machine's memory.
const FILTERS: usize = 500_000;

/// What was seen of one matrix and one family with one kind of traffic.
#[derive(Debug, Serialize)]
struct Seen {
    rows: usize,
    v6: bool,
    pairs: usize,
    /// Seconds.
    build: f64,
    #[serde(flatten)]
    speeds: Speeds,
}

/// Measures matrices of so many rows.
#[must_use]
pub fn line(root: &Path, rows: &[usize]) -> Line {
    const WHAT: &str = "look-ups beside rte_acl";
    let peer = match RteAcl::build(root) {
        Ok(peer) => peer,
        Err(why) => return Line::skipped(WHAT, format!("{why:#}")),
    };
    let mut all = Vec::new();
    for v6 in [false, true] {
        for rows in rows {
            let site = Site::new(Shape { rows: *rows, v6 });
            let plain = Rows::new(std::slice::from_ref(&site.matrix), &site.inventory);
            let began = Instant::now();
            let compiled = Arc::new(Compiled::new(plain).expect("few classes"));
            let build = began.elapsed().as_secs_f64();
            for pairs in PAIRS {
                let packets = site.traffic(PACKETS, pairs);
                let filters: Vec<Filter> = site.filters().take(FILTERS + 1).collect();
                let beside = (!v6 && filters.len() <= FILTERS).then_some((&peer, filters.as_slice()));
                let speeds = match beside::measure(&compiled, &packets, beside) {
                    Ok(speeds) => speeds,
                    Err(error) => return Line::failed(WHAT, &error),
                };
                let family = if v6 { "IPv6" } else { "IPv4" };
                print!("  {family}, {rows:>6} rows, {pairs:>7} pairs: ");
                beside::tell(&speeds, build);
                all.push(Seen { rows: *rows, v6, pairs, build, speeds });
            }
        }
    }
    Line::tried(WHAT, holds(&all), json!(all))
}

/// Ahead at 100 rows, 1.5 times at 1,000, 4 times at 10,000; built 20 times faster there; from 1,000 to 100,000 rows it falls by
/// less than half; IPv6 is no less than half as fast.
fn holds(all: &[Seen]) -> bool {
    let of = |rows: usize, v6: bool, pairs: usize| {
        all.iter().find(|seen| (seen.rows, seen.v6, seen.pairs) == (rows, v6, pairs))
    };
    PAIRS.iter().all(|pairs| {
        let factor = |rows| {
            let seen = of(rows, false, *pairs)?;
            let peer = seen.speeds.peer.as_ref()?;
            Some((peer.ratio(), peer.build / seen.build, seen.speeds.hits == peer.hits))
        };
        let beats = |rows, by: f64, built: f64| {
            factor(rows).is_none_or(|(speed, build, same)| speed >= by && build >= built && same)
        };
        let warm = |rows, v6| of(rows, v6, *pairs).map(|seen| seen.speeds.warm);
        let is_level = |v6| match (warm(1_000, v6), warm(100_000, v6)) {
            (Some(few), Some(many)) => many * 2.0 > few,
            _ => true,
        };
        let v6_is_half = all.iter().filter(|seen| seen.v6 && seen.pairs == *pairs).all(|seen| {
            of(seen.rows, false, *pairs).is_none_or(|v4| seen.speeds.warm * 2.0 >= v4.speeds.warm)
        });
        beats(100, 1.0, 0.0)
            && beats(1_000, 1.5, 0.0)
            && beats(10_000, 4.0, 20.0)
            && is_level(false)
            && is_level(true)
            && v6_is_half
    })
}
