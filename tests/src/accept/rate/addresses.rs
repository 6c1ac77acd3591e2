//! Line 3: the address look-up alone, beside other tables of prefixes.

use std::{
    collections::{HashMap, HashSet},
    hint::black_box,
    net::IpAddr,
    time::Instant,
};

use flowdrift::{
    matching::{Compiled, Rows},
    matrix::{EndpointName, inventory::Endpoint},
};
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
/// So many addresses are looked for at once.
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
            agrees: agree(&compiled, &site, &others.narrowest, &addresses),
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

/// Whether addresses have one class exactly where they are in blocks of the same endpoints, of those that rows name.
fn agree(compiled: &Compiled, site: &Site, narrowest: &[Option<u32>], addresses: &[IpAddr]) -> bool {
    let rows = site.matrix.rows.iter();
    let named: HashSet<&EndpointName> = rows.flat_map(|row| row.from.iter().chain(&row.to)).collect();
    let mut holders: HashMap<Option<u32>, Vec<&EndpointName>> = HashMap::new();
    let mut classes: HashMap<Vec<&EndpointName>, u32> = HashMap::new();
    let mut of_classes: HashMap<u32, Vec<&EndpointName>> = HashMap::new();
    narrowest.iter().zip(addresses).all(|(block, address)| {
        let [class] = compiled.classes_of(&[*address]);
        // All addresses of one narrowest block are in the same blocks.
        let holders = holders.entry(*block).or_insert_with(|| {
            let holds = |endpoint: &Endpoint| endpoint.cidrs.iter().any(|block| block.contains(address));
            let holders = site.inventory.endpoints.iter();
            let holders = holders.filter(|(name, endpoint)| named.contains(name) && holds(endpoint));
            holders.map(|(name, _)| name).collect()
        });
        let known = *classes.entry(holders.clone()).or_insert(class) == class;
        known && of_classes.entry(class).or_insert_with(|| holders.clone()) == holders
    })
}
