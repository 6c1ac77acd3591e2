//! The compiled matcher held against the plain one, which asks the rules of each cell in turn.

use std::sync::Arc;

use fastrand::Rng;
use flowdrift::matching::{Compiled, Found, Match, Matcher, Question, Reader, Rows};

use super::random::{OwnedTuple, World};

/// What was compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compared {
    /// Pairs of a matrix and a tuple.
    pub pairs: u64,
    /// Of them, those that fit something.
    pub matching: u64,
    /// Of them, those that several cells fit.
    pub several: u64,
    /// Of those of which more was asked, those that almost fit a cell.
    pub near: u64,
}

/// Of one tuple of so many all else is asked, too: that takes longer.
const EVERY: usize = 8;

/// Compares `worlds` matrices, each with so many tuples: one by one, then all at once, also by a reader that forgets soon.
///
/// # Panics
///
/// When the two differ: with the seed, the tuple and both answers.
#[must_use]
pub fn compare(seed: u64, worlds: u64, tuples: usize) -> Compared {
    let mut compared = Compared::default();
    for world in 0..worlds {
        let seed = seed.wrapping_add(world);
        let mut random = Rng::with_seed(seed);
        let world = World::new(&mut random);
        let rows = Rows::new(std::slice::from_ref(&world.matrix), &world.inventory);
        let compiled = Arc::new(Compiled::new(rows.clone()).expect("few classes"));
        let mut reader = Reader::new(Arc::clone(&compiled));
        let mut forgetful = Reader::with_memo(compiled, 0);
        let asked: Vec<OwnedTuple> = (0..tuples).map(|_| world.tuple(&mut random)).collect();
        let mut expected: Vec<Vec<Match>> = Vec::new();
        for (index, tuple) in asked.iter().enumerate() {
            let mut all = Vec::new();
            rows.matches(&tuple.tuple(), &mut all);
            check((seed, &rows), tuple, &all, reader.find(&tuple.tuple()));
            if index % EVERY == 0 {
                compared.near += u64::from(check_further((seed, &rows), tuple, &mut reader));
            }
            compared.pairs += 1;
            compared.matching += u64::from(!all.is_empty());
            compared.several += u64::from(all.len() > 1);
            expected.push(all);
        }
        for reader in [&mut reader, &mut forgetful] {
            let questions: Vec<Question> = asked.iter().map(|tuple| question(reader, tuple)).collect();
            // The second time they are known as they are.
            for _ in 0..2 {
                let mut answered = 0;
                reader.find_each(&questions, |index, found| {
                    assert_eq!(index, answered);
                    check((seed, &rows), &asked[index], &expected[index], found);
                    answered += 1;
                });
                assert_eq!(answered, asked.len());
            }
        }
    }
    compared
}

fn question(reader: &mut Reader, tuple: &OwnedTuple) -> Question {
    let tuple = tuple.tuple();
    let reporter = reader.reporter(tuple.cluster, tuple.cgroup);
    Question::new(reporter, &tuple)
}

fn check((seed, rows): (u64, &Rows), tuple: &OwnedTuple, all: &[Match], found: Found<'_>) {
    let tuple = tuple.tuple();
    assert_eq!(found.all(), all, "seed {seed}: {tuple:?}");
    let mut credited = all.to_vec();
    rows.credit(&mut credited);
    assert_eq!(found.credited(), credited, "seed {seed}: {tuple:?}");
}

/// What else is asked than which cells it fits; whether it almost fits one.
fn check_further((seed, rows): (u64, &Rows), tuple: &OwnedTuple, reader: &mut Reader) -> bool {
    let tuple = tuple.tuple();
    let told = |what| format!("seed {seed}: {what} of {tuple:?}");
    let (found, nearest) = (reader.nearest(&tuple), rows.nearest(&tuple));
    assert_eq!(found, nearest, "{}", told("the nearest cell"));
    assert_eq!(reader.in_scope(&tuple), rows.in_scope(&tuple), "{}", told("the scope"));
    let (found, expected) = (reader.unplaced_arrivals(&tuple), rows.unplaced_arrivals(&tuple));
    assert_eq!(found, expected, "{}", told("unplaced arrivals"));
    assert_eq!(reader.unaddressed(&tuple), rows.unaddressed(&tuple), "{}", told("unaddressed cells"));
    let (found, expected) = (reader.names_port_of_endpoint(&tuple), rows.names_port_of_endpoint(&tuple));
    assert_eq!(found, expected, "{}", told("a named port"));
    nearest.is_some()
}
