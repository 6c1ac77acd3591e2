//! The compiled matcher held against the plain one, which asks the rules of each cell in turn.

use std::sync::Arc;

use fastrand::Rng;
use flowdrift::matching::{Compiled, Found, Match, Matcher, Names, Question, Reader, Rows, Tuple};

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
    /// Of the pairs, those that fit something else because of a name that was learnt.
    pub by_name: u64,
}

impl Compared {
    fn add(&mut self, other: &Self) {
        let Self { pairs, matching, several, near, by_name } = self;
        *pairs += other.pairs;
        *matching += other.matching;
        *several += other.several;
        *near += other.near;
        *by_name += other.by_name;
    }
}

/// Of one tuple of so many all else is asked, too: that takes longer.
const EVERY: usize = 8;

/// In one world of so many names are learnt, and how often others.
const LEARNS: u64 = 4;
const LEARNT: usize = 2;

/// Compares `worlds` matrices, each with so many tuples: one by one, then all at once, also by a reader that forgets soon. Then
/// again with names that are learnt meanwhile.
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
        let readers = [&mut reader, &mut forgetful];
        compared.add(&hold((seed, &rows), readers, &asked, &Arc::default()));
        // What was learnt is forgotten, or is another endpoint's, and what is told then is as if nothing had been before.
        let times = if seed.is_multiple_of(LEARNS) { LEARNT } else { 0 };
        for _ in 0..times {
            let names = Arc::new(world.names(&mut random, &asked));
            let readers = [&mut reader, &mut forgetful];
            compared.add(&hold((seed, &rows), readers, &asked, &names));
        }
    }
    compared
}

/// Asks all of these readers, one by one and then all at once, with these names.
fn hold(
    (seed, rows): (u64, &Rows),
    [reader, forgetful]: [&mut Reader; 2],
    asked: &[OwnedTuple],
    names: &Arc<Names>,
) -> Compared {
    let mut compared = Compared::default();
    let mut expected: Vec<Vec<Match>> = Vec::new();
    reader.learn(names);
    forgetful.learn(names);
    for (index, tuple) in asked.iter().enumerate() {
        let named = Tuple { names: Some(names), ..tuple.tuple() };
        let mut all = Vec::new();
        rows.matches(&named, &mut all);
        check((seed, rows), &named, &all, reader.find(&tuple.tuple()));
        if index % EVERY == 0 {
            compared.near += u64::from(check_further((seed, rows), &named, reader));
        }
        let mut unnamed = Vec::new();
        rows.matches(&tuple.tuple(), &mut unnamed);
        compared.pairs += 1;
        compared.matching += u64::from(!all.is_empty());
        compared.several += u64::from(all.len() > 1);
        compared.by_name += u64::from(all != unnamed);
        expected.push(all);
    }
    for reader in [reader, forgetful] {
        let questions: Vec<Question> = asked.iter().map(|tuple| question(reader, tuple)).collect();
        // The second time they are known as they are.
        for _ in 0..2 {
            let mut answered = 0;
            reader.find_each(&questions, |index, found| {
                assert_eq!(index, answered);
                let named = Tuple { names: Some(names), ..asked[index].tuple() };
                check((seed, rows), &named, &expected[index], found);
                answered += 1;
            });
            assert_eq!(answered, asked.len());
        }
    }
    compared
}

fn question(reader: &mut Reader, tuple: &OwnedTuple) -> Question {
    let tuple = tuple.tuple();
    let reporter = reader.reporter(tuple.cluster, tuple.cgroup);
    Question::new(reporter, &tuple)
}

fn check((seed, rows): (u64, &Rows), tuple: &Tuple<'_>, all: &[Match], found: Found<'_>) {
    assert_eq!(found.all(), all, "seed {seed}: {tuple:?}");
    let mut credited = all.to_vec();
    rows.credit(&mut credited);
    assert_eq!(found.credited(), credited, "seed {seed}: {tuple:?}");
}

/// What else is asked than which cells it fits; whether it almost fits one.
fn check_further((seed, rows): (u64, &Rows), tuple: &Tuple<'_>, reader: &mut Reader) -> bool {
    let told = |what| format!("seed {seed}: {what} of {tuple:?}");
    let (found, nearest) = (reader.nearest(tuple), rows.nearest(tuple));
    assert_eq!(found, nearest, "{}", told("the nearest cell"));
    assert_eq!(reader.in_scope(tuple), rows.in_scope(tuple), "{}", told("the scope"));
    let (found, expected) = (reader.unplaced_arrivals(tuple), rows.unplaced_arrivals(tuple));
    assert_eq!(found, expected, "{}", told("unplaced arrivals"));
    assert_eq!(reader.unaddressed(tuple), rows.unaddressed(tuple), "{}", told("unaddressed cells"));
    let (found, expected) = (reader.names_port_of_endpoint(tuple), rows.names_port_of_endpoint(tuple));
    assert_eq!(found, expected, "{}", told("a named port"));
    nearest.is_some()
}
