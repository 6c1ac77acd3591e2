//! Line 3: the address look-up alone, beside other tables of prefixes.

use std::{collections::HashMap, hint::black_box, net::IpAddr, time::Instant};

use flowdrift::matching::{Compiled, Rows};
use ipnet::IpNet;
use serde_json::{Value, json};

use super::others;
use crate::{
    accept::Line,
    matching::{
        shaped::{Shape, Site},
        traffic::Packet,
    },
};

/// Rows of the matrix: nearly every endpoint stands in one.
const ROWS: usize = 10_000;
/// Packets, of two addresses each.
const PACKETS: usize = 500_000;
/// Rounds by turns; the median of the ratios to the best of the others counts.
const ROUNDS: usize = 9;
/// So many addresses are looked for at once, as the matcher does.
const LANES: usize = 16;

/// Measures both families.
#[must_use]
pub fn line() -> Line {
    const WHAT: &str = "address look-ups beside poptrie, prefix-trie and treebitmap";
    let families = [false, true].map(Seen::of);
    Line::tried(WHAT, families.iter().all(Seen::holds), families.iter().map(Seen::to_json).collect())
}

/// What was seen of one family.
struct Seen {
    v6: bool,
    prefixes: usize,
    /// By table, look-ups per second in the best round.
    best: HashMap<&'static str, f64>,
    /// Ours to the best other, by round, the least first.
    ratios: Vec<f64>,
    /// Whether ours tells apart what the others do.
    agrees: bool,
}

impl Seen {
    fn of(v6: bool) -> Self {
        let site = Site::new(Shape { rows: ROWS, v6 });
        let compiled = Compiled::new(Rows::new(std::slice::from_ref(&site.matrix), &site.inventory));
        let compiled = compiled.expect("few classes");
        let mut blocks: Vec<IpNet> =
            site.inventory.endpoints.values().flat_map(|endpoint| endpoint.cidrs.clone()).collect();
        blocks.sort_unstable();
        blocks.dedup();
        let packets = site.traffic(PACKETS, PACKETS);
        let addresses: Vec<IpAddr> =
            packets.iter().flat_map(|Packet { client, server, .. }| [*client, *server]).collect();
        let others = if v6 { others::v6(&blocks, &addresses) } else { others::v4(&blocks, &addresses) };
        let ours = || {
            let mut sum = 0_u64;
            let (batches, _) = addresses.as_chunks::<LANES>();
            for batch in batches {
                sum += compiled.classes_of(batch).iter().map(|class| u64::from(*class)).sum::<u64>();
            }
            sum
        };
        let mut seen = Self {
            v6,
            prefixes: blocks.len(),
            best: HashMap::new(),
            ratios: Vec::new(),
            agrees: agree(&compiled, &others.narrowest, &addresses),
        };
        for _ in 0..ROUNDS {
            let ours = seen.measure("flowdrift", addresses.len(), &ours);
            let passes = others.passes.iter();
            let best =
                passes.map(|(name, pass)| seen.measure(name, addresses.len(), pass)).fold(0.0, f64::max);
            seen.ratios.push(ours / best);
        }
        seen.ratios.sort_by(f64::total_cmp);
        seen.tell();
        seen
    }

    /// Look-ups per second of one pass.
    fn measure(&mut self, name: &'static str, count: usize, pass: &dyn Fn() -> u64) -> f64 {
        let began = Instant::now();
        black_box(pass());
        let per_second = count as f64 / began.elapsed().as_secs_f64();
        let best = self.best.entry(name).or_default();
        *best = best.max(per_second);
        per_second
    }

    fn ratio(&self) -> f64 {
        self.ratios[ROUNDS / 2]
    }

    fn holds(&self) -> bool {
        self.agrees && self.ratio() >= 3.0
    }

    fn tell(&self) {
        let mut tables: Vec<_> = self.best.iter().collect();
        tables.sort_by(|one, other| other.1.total_cmp(one.1));
        let tables = tables.iter().map(|(name, per_second)| format!("{name} {:.0} M/s", **per_second / 1e6));
        let family = if self.v6 { "IPv6" } else { "IPv4" };
        let tables = tables.collect::<Vec<_>>().join(", ");
        println!(
            "  {family}, {} prefixes: {tables}: {:.2} times the best other",
            self.prefixes,
            self.ratio()
        );
    }

    fn to_json(&self) -> Value {
        let Self { v6, prefixes, best, ratios, agrees } = self;
        json!({ "v6": v6, "prefixes": prefixes, "per_second": best, "ratios": ratios, "agrees": agrees })
    }
}

/// Whether all addresses of one narrowest block have one class.
fn agree(compiled: &Compiled, narrowest: &[Option<u32>], addresses: &[IpAddr]) -> bool {
    let mut classes: HashMap<Option<u32>, u32> = HashMap::new();
    narrowest.iter().zip(addresses).all(|(block, address)| {
        let [class] = compiled.classes_of(&[*address]);
        *classes.entry(*block).or_insert(class) == class
    })
}
