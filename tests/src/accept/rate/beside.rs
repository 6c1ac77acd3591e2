//! Look-ups per second, by turns with DPDK's rte_acl.

use std::{sync::Arc, time::Instant};

use flowdrift::matching::{Compiled, Question, Reader};
use serde::Serialize;

use super::rte_acl::{RteAcl, Speed};
use crate::matching::traffic::{Filter, Packet};

/// Packets of one pass.
pub(super) const PACKETS: usize = 1_000_000;
/// Different pairs of addresses: every packet its own, and few enough for the caches.
pub(super) const PAIRS: [usize; 2] = [PACKETS, 20_000];
/// Passes of one round; the best counts.
const PASSES: usize = 5;
/// Rounds by turns with the peer; the median of their ratios counts.
const ROUNDS: usize = 7;
/// As much as no cache holds, bytes.
const CACHES: usize = 256 << 20;

/// What was seen of one matrix with one kind of traffic.
#[derive(Debug, Serialize)]
pub(super) struct Speeds {
    classes: usize,
    /// Look-ups per second when nothing is remembered, when all is but in no cache, and when it is.
    pub(super) first: f64,
    pub(super) cold: f64,
    pub(super) warm: f64,
    /// Packets that fit some row, and rows that they fit in all.
    pub(super) hits: u64,
    matches: u64,
    /// Bytes.
    table: usize,
    reader: usize,
    pub(super) peer: Option<Peer>,
}

/// rte_acl with its best instruction set, by turns with ours.
#[derive(Debug, Serialize)]
pub(super) struct Peer {
    filters: usize,
    /// Seconds.
    pub(super) build: f64,
    algorithm: String,
    /// Of its best round.
    per_second: f64,
    pub(super) hits: u64,
    /// Ours to its, by round, the least first.
    ratios: Vec<f64>,
}

impl Peer {
    pub(super) fn ratio(&self) -> f64 {
        self.ratios[self.ratios.len() / 2]
    }
}

/// Asks for the packets again and again, by turns with the peer, which is given the filters.
pub(super) fn measure(
    compiled: &Arc<Compiled>,
    packets: &[Packet],
    peer: Option<(&RteAcl, &[Filter])>,
) -> anyhow::Result<Speeds> {
    let mut beside = peer.map(|(peer, filters)| peer.start(filters, packets)).transpose()?;
    let filters = peer.map_or(0, |(_, filters)| filters.len());
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
                filters,
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
    Ok(Speeds {
        classes: compiled.classes(),
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

/// Told as the rest of a line.
pub(super) fn tell(speeds: &Speeds, build: f64) {
    let million = |per_second: f64| per_second / 1e6;
    let Speeds { first, cold, warm, peer, .. } = speeds;
    print!(
        "{:.1} M/s warm, {:.1} cold, {:.1} at first; built in {:.1} ms",
        million(*warm),
        million(*cold),
        million(*first),
        build * 1e3
    );
    match peer {
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
