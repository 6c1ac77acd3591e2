//! What a look-up and a record cost, counted by valgrind: instructions do not depend on what else the machine does.

#![expect(
    missing_docs,
    unused_qualifications,
    reason = "gungraun's macros write public items and paths of their own"
)]

use std::hint::black_box;

use flowdrift::{
    capture::decode::Words,
    flow::FlowTable,
    matching::{Question, Reader},
};
use flowdrift_tests::hot_paths::{fold, folding, looking_up};
use gungraun::{library_benchmark, library_benchmark_group, main};

/// Questions, and records, of one count.
const COUNT: usize = 16_000;
/// The flows that the records are of.
const FLOWS: u64 = 1_000;

#[library_benchmark]
#[bench::v4_100(looking_up(100, false, COUNT, COUNT))]
#[bench::v4_1000(looking_up(1_000, false, COUNT, COUNT))]
#[bench::v6_100(looking_up(100, true, COUNT, COUNT))]
#[bench::v6_1000(looking_up(1_000, true, COUNT, COUNT))]
fn found((mut reader, questions): (Reader, Vec<Question>)) -> (Reader, Vec<Question>, usize) {
    let mut matches = 0;
    reader.find_each(black_box(&questions), |_, found| matches += found.all().len());
    (reader, questions, matches)
}

#[library_benchmark]
#[bench::of_known_flows(folding(COUNT as u64, FLOWS))]
fn folded((mut table, records): (FlowTable, Vec<Words>)) -> (FlowTable, Vec<Words>) {
    fold(&mut table, black_box(&records));
    (table, records)
}

library_benchmark_group!(name = lookup, benchmarks = found);
library_benchmark_group!(name = drain, benchmarks = folded);

main!(library_benchmark_groups = lookup, drain);
