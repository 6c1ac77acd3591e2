//! Line 1: look-ups per second beside DPDK's rte_acl, on the same rows and packets.

use std::{path::Path, sync::Arc, time::Instant};

use flowdrift::matching::{Compiled, Question, Reader, Rows};
use serde::Serialize;
use serde_json::json;

use super::rte_acl::{RteAcl, Running, Speed};
use crate::{
    accept::Line,
    matching::{
        shaped::{Filter, Shape, Site},
        traffic::Packet,
    },
};

/// Packets of one pass.
const PACKETS: usize = 1_000_000;
/// Different pairs of addresses: every packet its own, and few enough for the caches.
const PAIRS: [usize; 2] = [PACKETS, 20_000];
/// Passes of one round; the best counts.
const PASSES: usize = 5;
/// Rounds by turns with the peer; the median of their ratios counts.
const ROUNDS: usize = 7;
/// As much as no cache holds, bytes.
const CACHES: usize = 256 << 20;
/// rte_acl takes no more filters within a machine's memory.
const FILTERS: usize = 500_000;

/// What was seen of one matrix and one family with one kind of traffic.
#[derive(Debug, Serialize)]
struct Seen {
    rows: usize,
    v6: bool,
    pairs: usize,
    classes: usize,
    /// Seconds.
    build: f64,
    /// Look-ups per second when nothing is remembered, when all is but in no cache, and when it is.
    first: f64,
    cold: f64,
    warm: f64,
    /// Packets that fit some row, and rows that they fit in all.
    hits: u64,
    matches: u64,
    /// Bytes.
    table: usize,
    reader: usize,
    peer: Option<Peer>,
}

/// rte_acl with its best instruction set, by turns with ours.
#[derive(Debug, Serialize)]
struct Peer {
    filters: usize,
    /// Seconds.
    build: f64,
    algorithm: String,
    /// Of its best round.
    per_second: f64,
    hits: u64,
    /// Ours to its, by round, the least first.
    ratios: Vec<f64>,
}

impl Peer {
    fn ratio(&self) -> f64 {
        self.ratios[self.ratios.len() / 2]
    }
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
                let is_for_peer = !v6 && filters.len() <= FILTERS;
                let beside = is_for_peer.then(|| peer.start(&filters, &packets)).transpose();
                let seen = beside.and_then(|mut beside| measure(&compiled, &packets, beside.as_mut()));
                let mut seen = match seen {
                    Ok(seen) => seen,
                    Err(error) => return Line::tried(WHAT, false, json!({ "error": format!("{error:#}") })),
                };
                if let Some(peer) = &mut seen.peer {
                    peer.filters = filters.len();
                }
                seen = Seen { rows: *rows, v6, pairs, build, ..seen };
                tell(&seen);
                all.push(seen);
            }
        }
    }
    Line::tried(WHAT, holds(&all), json!(all))
}

fn measure(
    compiled: &Arc<Compiled>,
    packets: &[Packet],
    mut beside: Option<&mut Running>,
) -> anyhow::Result<Seen> {
    let mut reader = Reader::new(Arc::clone(compiled));
    let questions: Vec<Question> = packets.iter().map(|packet| packet.question(&mut reader)).collect();
    let (mut hits, mut matches) = (0, 0);
    let mut pass = |reader: &mut Reader| {
        (hits, matches) = (0, 0);
        let began = Instant::now();
        reader.find_each(&questions, |_, found| {
            hits += u64::from(!found.all().is_empty());
            matches += found.all().len() as u64;
        });
        questions.len() as f64 / began.elapsed().as_secs_f64()
    };
    let first = pass(&mut reader);
    let mut rubbish = vec![1_u8; CACHES];
    let mut best_after = |disturb: &mut dyn FnMut()| {
        let mut best = 0.0_f64;
        for _ in 0..PASSES {
            disturb();
            best = best.max(pass(&mut reader));
        }
        best
    };
    let cold = best_after(&mut || rubbish.iter_mut().for_each(|byte| *byte = byte.wrapping_add(1)));
    let (mut warm, mut peer): (f64, Option<Peer>) = (0.0, None);
    for _ in 0..ROUNDS {
        let ours = best_after(&mut || {});
        warm = warm.max(ours);
        if let Some(beside) = &mut beside {
            let (algorithm, Speed { per_second, hits }) = beside.best()?;
            let build = beside.build_seconds;
            let peer = peer.get_or_insert_with(|| Peer {
                filters: 0,
                build,
                algorithm: String::new(),
                per_second: 0.0,
                hits,
                ratios: Vec::new(),
            });
            peer.ratios.push(ours / per_second);
            if per_second > peer.per_second {
                (peer.per_second, peer.algorithm) = (per_second, algorithm);
            }
        }
    }
    if let Some(peer) = &mut peer {
        peer.ratios.sort_by(f64::total_cmp);
    }
    Ok(Seen {
        rows: 0,
        v6: false,
        pairs: 0,
        classes: compiled.classes(),
        build: 0.0,
        first,
        cold,
        warm,
        hits,
        matches,
        table: compiled.table_size(),
        reader: reader.size(),
        peer,
    })
}

fn tell(seen: &Seen) {
    let family = if seen.v6 { "IPv6" } else { "IPv4" };
    let million = |per_second: f64| per_second / 1e6;
    print!(
        "  {family}, {:>6} rows, {:>7} pairs: {:.1} M/s warm, {:.1} cold, {:.1} at first; built in {:.1} ms",
        seen.rows,
        seen.pairs,
        million(seen.warm),
        million(seen.cold),
        million(seen.first),
        seen.build * 1e3
    );
    match &seen.peer {
        Some(peer) => println!(
            "; rte_acl ({}) {:.1} M/s: {:.2} times by turns, built in {:.0} ms",
            peer.algorithm,
            million(peer.per_second),
            peer.ratio(),
            peer.build * 1e3
        ),
        None => println!(),
    }
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
            let peer = seen.peer.as_ref()?;
            Some((peer.ratio(), peer.build / seen.build, seen.hits == peer.hits))
        };
        let beats = |rows, by: f64, built: f64| {
            factor(rows).is_none_or(|(speed, build, same)| speed >= by && build >= built && same)
        };
        let warm = |rows, v6| of(rows, v6, *pairs).map(|seen| seen.warm);
        let is_level = |v6| match (warm(1_000, v6), warm(100_000, v6)) {
            (Some(few), Some(many)) => many * 2.0 > few,
            _ => true,
        };
        let v6_is_half = all
            .iter()
            .filter(|seen| seen.v6 && seen.pairs == *pairs)
            .all(|seen| of(seen.rows, false, *pairs).is_none_or(|v4| seen.warm * 2.0 >= v4.warm));
        beats(100, 1.0, 0.0)
            && beats(1_000, 1.5, 0.0)
            && beats(10_000, 4.0, 20.0)
            && is_level(false)
            && is_level(true)
            && v6_is_half
    })
}
