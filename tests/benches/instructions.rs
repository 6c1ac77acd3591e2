//! What a look-up and a record cost, counted by valgrind: instructions do not depend on what else the machine does.

#![expect(
    missing_docs,
    unused_qualifications,
    reason = "gungraun's macros write public items and paths of their own"
)]

use std::{hint::black_box, sync::Arc};

use flowdrift::{
    capture::decode::{Decoded, Words, decode},
    flow::FlowTable,
    matching::{Compiled, Question, Reader, Rows},
};
use flowdrift_tests::{
    made_up,
    matching::shaped::{Shape, Site},
};
use gungraun::{library_benchmark, library_benchmark_group, main};

/// Questions of one count.
const QUESTIONS: usize = 16_000;

/// A reader that has answered these questions before.
fn warm(rows: usize, v6: bool) -> (Reader, Vec<Question>) {
    let site = Site::new(Shape { rows, v6 });
    let plain = Rows::new(std::slice::from_ref(&site.matrix), &site.inventory);
    let mut reader = Reader::new(Arc::new(Compiled::new(plain).expect("few classes")));
    let packets = site.traffic(QUESTIONS, QUESTIONS);
    let questions: Vec<Question> = packets.iter().map(|packet| packet.question(&mut reader)).collect();
    reader.find_each(&questions, |_, _| {});
    (reader, questions)
}

#[library_benchmark]
#[bench::v4_100(warm(100, false))]
#[bench::v4_1000(warm(1_000, false))]
#[bench::v6_100(warm(100, true))]
#[bench::v6_1000(warm(1_000, true))]
fn found((mut reader, questions): (Reader, Vec<Question>)) -> (Reader, Vec<Question>, usize) {
    let mut matches = 0;
    reader.find_each(black_box(&questions), |_, found| matches += found.all().len());
    (reader, questions, matches)
}

/// Records of one count, and the flows that they are of.
const RECORDS: u64 = 16_000;
const FLOWS: u64 = 1_000;

/// A table that has seen every flow before.
fn seen() -> (FlowTable, Vec<Words>) {
    let records: Vec<Words> = (0..RECORDS).map(|number| made_up::record(number, FLOWS)).collect();
    let mut table = FlowTable::awaiting_snapshot(usize::MAX, false);
    table.merge_older(&[]);
    fold(&mut table, &records);
    (table, records)
}

fn fold(table: &mut FlowTable, records: &[Words]) {
    for record in records {
        if let Ok(Decoded::Fact(event)) = decode(record) {
            table.observe(&event);
        }
    }
    table.settle();
}

#[library_benchmark]
#[bench::of_known_flows(seen())]
fn folded((mut table, records): (FlowTable, Vec<Words>)) -> (FlowTable, Vec<Words>) {
    fold(&mut table, black_box(&records));
    (table, records)
}

library_benchmark_group!(name = lookup, benchmarks = found);
library_benchmark_group!(name = drain, benchmarks = folded);

main!(library_benchmark_groups = lookup, drain);
