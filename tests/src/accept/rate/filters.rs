//! Line 2: filter sets in ClassBench's format as matrices, beside rte_acl.

use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use anyhow::{Context, Result};
use flowdrift::matching::{Compiled, Question, Reader, Rows};
use serde::Serialize;
use serde_json::json;

use super::{
    beside::{self, PACKETS, PAIRS, Speeds},
    nftables::{self, Sets},
    rte_acl::RteAcl,
};
use crate::{
    accept::Line,
    matching::{classbench::FilterSet, traffic::Packet},
};

/// What was seen of one set with one kind of traffic.
#[derive(Debug, Serialize)]
struct Seen {
    set: String,
    filters: usize,
    /// Filters whose transport no row can name; no matcher was given them.
    unsaid: usize,
    pairs: usize,
    /// Seconds.
    build: f64,
    #[serde(flatten)]
    speeds: Speeds,
    /// Nothing where the filters need too many sets.
    nftables: Option<Sets>,
    /// Of the packets that nftables was asked for, those that fit a row here.
    hits_of_these: u64,
}

/// Measures each file of a folder.
#[must_use]
pub fn line(root: &Path, folder: &Path) -> Line {
    const WHAT: &str = "ClassBench's filter sets beside rte_acl";
    let peer = match RteAcl::build(root) {
        Ok(peer) => peer,
        Err(why) => return Line::skipped(WHAT, format!("{why:#}")),
    };
    let sets = fs::read_dir(folder).and_then(|sets| sets.map(|set| Ok(set?.path())).collect());
    let Ok::<Vec<PathBuf>, _>(mut paths) = sets else {
        return Line::skipped(WHAT, format!("there are no filter sets in {}", folder.display()));
    };
    paths.sort();
    let seen: Result<Vec<Vec<Seen>>> = paths.iter().map(|path| measure(path, &peer)).collect();
    match seen {
        Ok(seen) => {
            let seen: Vec<Seen> = seen.into_iter().flatten().collect();
            let same = |seen: &Seen| {
                let of_sets = seen.nftables.as_ref().map(|sets| sets.hits);
                seen.speeds.peer.as_ref().is_some_and(|peer| peer.hits == seen.speeds.hits)
                    && of_sets.is_none_or(|hits| hits == seen.hits_of_these)
            };
            Line::tried(WHAT, !seen.is_empty() && seen.iter().all(same), json!(seen))
        }
        Err(error) => Line::failed(WHAT, &error),
    }
}

fn measure(path: &Path, peer: &RteAcl) -> Result<Vec<Seen>> {
    let set = path.file_name().context("a file has a name")?.to_string_lossy().into_owned();
    let read = FilterSet::read(&fs::read_to_string(path)?);
    let filters = read.map_err(|error| anyhow::anyhow!("{set}: {error}"))?;
    let plain = Rows::new(std::slice::from_ref(&filters.matrix), &filters.inventory);
    let began = Instant::now();
    let compiled = Arc::new(Compiled::new(plain)?);
    let build = began.elapsed().as_secs_f64();
    PAIRS
        .iter()
        .map(|pairs| {
            let packets = filters.traffic(PACKETS, *pairs);
            let pairs =
                packets.iter().map(|packet| (packet.client, packet.server)).collect::<HashSet<_>>().len();
            let speeds = beside::measure(&compiled, &packets, Some((peer, &filters.filters)))?;
            print!("  {set:>8}, {:>5} filters, {pairs:>7} pairs: ", filters.filters.len());
            beside::tell(&speeds, build);
            let (count, unsaid) = (filters.filters.len(), filters.unsaid);
            let nftables = nftables::measure(&filters.filters, &packets)?;
            let hits_of_these = nftables.as_ref().map_or(0, |sets| hits(&compiled, &packets, sets.packets));
            match &nftables {
                Some(Sets { sets, per_second, hits, .. }) => println!(
                    "      {sets} sets of nftables: {:.2} M/s; {hits} hits, here {hits_of_these}",
                    per_second / 1e6
                ),
                None => println!("      nftables needs too many sets"),
            }
            let set = set.clone();
            Ok(Seen { set, filters: count, unsaid, pairs, build, speeds, nftables, hits_of_these })
        })
        .collect()
}

/// How many of the first packets that nftables was asked for fit some row.
fn hits(compiled: &Arc<Compiled>, packets: &[Packet], count: usize) -> u64 {
    let mut reader = Reader::new(Arc::clone(compiled));
    let sent = packets.iter().filter(|packet| nftables::may_be_sent(packet)).take(count);
    let questions: Vec<Question> = sent.map(|packet| packet.question(&mut reader)).collect();
    let mut hits = 0;
    reader.find_each(&questions, |_, found| hits += u64::from(!found.all().is_empty()));
    hits
}
