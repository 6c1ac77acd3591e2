//! What benchmarks run again and again: look-ups that were made before, and records of flows that are known.

use std::sync::Arc;

use flowdrift::{
    capture::decode::{Decoded, Words, decode},
    flow::FlowTable,
    matching::{Compiled, Question, Reader, Rows},
};

use crate::{
    made_up,
    matching::shaped::{Shape, Site},
};

/// So many questions about so many pairs of addresses, and a reader that has answered them.
///
/// # Panics
///
/// When the rows do not compile.
#[must_use]
pub fn looking_up(rows: usize, v6: bool, questions: usize, pairs: usize) -> (Reader, Vec<Question>) {
    let site = Site::new(Shape { rows, v6 });
    let plain = Rows::new(std::slice::from_ref(&site.matrix), &site.inventory);
    let mut reader = Reader::new(Arc::new(Compiled::new(plain).expect("few classes")));
    let packets = site.traffic(questions, pairs);
    let questions: Vec<Question> = packets.iter().map(|packet| packet.question(&mut reader)).collect();
    reader.find_each(&questions, |_, _| {});
    (reader, questions)
}

/// So many records of so many flows, and a table that has seen them.
#[must_use]
pub fn folding(records: u64, flows: u64) -> (FlowTable, Vec<Words>) {
    let records: Vec<Words> = (0..records).map(|number| made_up::record(number, flows)).collect();
    let mut table = FlowTable::awaiting_snapshot(usize::MAX, false);
    table.merge_older(&[]);
    fold(&mut table, &records);
    (table, records)
}

/// Takes records apart and folds them into a table.
pub fn fold(table: &mut FlowTable, records: &[Words]) {
    for record in records {
        if let Ok(Decoded::Fact(event)) = decode(record) {
            table.observe(&event);
        }
    }
    table.settle();
}
