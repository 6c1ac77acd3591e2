//! Line 9: a matrix that changes ten times a second while tuples are matched.
//!
//! In the way of `flowdrift audit --follow` (`cli/follow.rs`), which looks for a change twice a second: beside the one who asks the other matrix is asked for what is known
//! to come, and then takes over between two batches. To compile it takes a few hundredths of a second more, which are told
//! apart: there would be fewer changes a second, and each is the same.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use flowdrift::matching::{Compiled, Question, Reader, Rows};
use serde::Serialize;
use serde_json::json;

use super::made_up::{READER, WRITER};
use crate::{
    accept::{Line, cost::median},
    matching::{
        shaped::{Shape, Site},
        traffic::Packet,
    },
    usage::keep_on_cpu,
};

/// Rows of the matrix.
const ROWS: usize = 10_000;
/// Different pairs of addresses that are asked for.
const PAIRS: usize = 20_000;
/// So many tuples are asked for at a time.
const BATCH: usize = 1_024;
/// How often the matrix changes.
const EVERY: Duration = Duration::from_millis(100);

/// What the acceptance asks for: of the speed without changes, so much is left; and changes a second.
const LEFT: f64 = 0.95;
const CHANGES: f64 = 10.0;

/// One run.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Run {
    /// Tuples a second.
    speed: f64,
    /// Changes a second.
    changes: f64,
    /// Batches whose answers are not one matrix's.
    mixed: u64,
}

/// Runs with and without changes, by turns.
#[must_use]
pub fn line(turns: usize, duration: Duration) -> Line {
    const WHAT: &str = "a matrix that changes";
    let sites = Sites::new();
    let mut runs: [Vec<Run>; 2] = Default::default();
    for _ in 0..turns {
        for (changes, runs) in [false, true].into_iter().zip(&mut runs) {
            let run = run(&sites, changes, duration);
            println!("  {run:?}");
            runs.push(run);
        }
    }
    let median = |runs: &[Run], of: fn(&Run) -> f64| median(runs.iter().map(of));
    let [still, changing] = &runs;
    let left = median(changing, |run| run.speed) / median(still, |run| run.speed);
    println!("  {:.1} % of the speed is left", 100.0 * left);
    let is_pure = still.iter().chain(changing).all(|run| run.mixed == 0);
    // The first takes a moment to be ready.
    let is_often = median(changing, |run| run.changes) >= 0.95 * CHANGES;
    Line::tried(
        WHAT,
        is_pure && is_often && left >= LEFT,
        json!({ "runs": runs, "left": left, "build": sites.build }),
    )
}

/// Two matrices of the same names, and what is asked.
struct Sites {
    compiled: [Arc<Compiled>; 2],
    packets: Vec<Packet>,
    /// How long it took to compile each, seconds.
    build: [f64; 2],
    /// By matrix and batch, what the answers hash to.
    expected: [Vec<u64>; 2],
}

impl Sites {
    fn new() -> Self {
        let site = Site::new(Shape { rows: ROWS, v6: false });
        let packets = site.traffic(PAIRS, PAIRS);
        let Site { inventory, matrix, .. } = site;
        // The same rows in the other order: every answer is another.
        let mut other = matrix.clone();
        other.rows.reverse();
        let built = [matrix, other].map(|matrix| {
            let began = Instant::now();
            let rows = Rows::new(std::slice::from_ref(&matrix), &inventory);
            let compiled = Arc::new(Compiled::new(rows).expect("few classes"));
            (compiled, began.elapsed().as_secs_f64())
        });
        let build = [0, 1].map(|which: usize| built[which].1);
        let compiled = built.map(|(compiled, _)| compiled);
        let mut sites = Self { compiled, packets, build, expected: Default::default() };
        for which in 0..2 {
            let (mut reader, questions) = sites.ready(which);
            let hashes = questions.chunks(BATCH).map(|batch| answers(&mut reader, batch));
            sites.expected[which] = hashes.collect();
        }
        assert_ne!(sites.expected[0], sites.expected[1], "they are different");
        sites
    }

    /// One of the matrices, asked for what comes; and the questions.
    fn ready(&self, which: usize) -> (Reader, Vec<Question>) {
        let mut reader = Reader::new(Arc::clone(&self.compiled[which]));
        let questions: Vec<Question> =
            self.packets.iter().map(|packet| packet.question(&mut reader)).collect();
        // Twice: what few ask again and again is known as it is.
        for _ in 0..2 {
            reader.find_each(&questions, |_, _| ());
        }
        (reader, questions)
    }
}

/// What the answers to a batch hash to.
fn answers(reader: &mut Reader, batch: &[Question]) -> u64 {
    let mut hash = 0u64;
    reader.find_each(batch, |index, found| {
        let first = found.all().first().map_or(0, |one| one.cell() as u64 + 1);
        let word = first << 32 | (found.all().len() as u64) << 16 | index as u64;
        hash = hash.wrapping_add(word.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(17));
    });
    hash
}

/// What takes over: which of the matrices, and its reader with the questions that it numbered the reporter of.
struct Next {
    which: usize,
    reader: Reader,
    questions: Vec<Question>,
}

/// Asks at full rate for a while.
fn run(sites: &Sites, changes: bool, duration: Duration) -> Run {
    let stop = AtomicBool::new(false);
    let (offer, offered) = sync_channel(1);
    let (give_back, given_back) = sync_channel(2);
    thread::scope(|scope| {
        if changes {
            let stop = &stop;
            scope.spawn(move || change(sites, stop, (&offer, &given_back)));
        }
        let run = ask(sites, duration, (&offered, &give_back));
        stop.store(true, Ordering::Relaxed);
        // Whoever waits to offer another one does not wait any longer.
        drop(offered);
        run
    })
}

fn ask(sites: &Sites, duration: Duration, (offered, give_back): (&Receiver<Next>, &SyncSender<Next>)) -> Run {
    // Where there is but one CPU, it shows in the figures.
    let _ = keep_on_cpu(0, READER);
    let (reader, questions) = sites.ready(0);
    let mut now = Next { which: 0, reader, questions };
    let (mut asked, mut changes, mut mixed) = (0_usize, 0_u64, 0);
    let began = Instant::now();
    while began.elapsed() < duration {
        for index in 0..sites.expected[0].len() {
            if let Ok(next) = offered.try_recv() {
                // To free it takes as long as some thousand questions.
                let _ = give_back.try_send(std::mem::replace(&mut now, next));
                changes += 1;
            }
            let from = index * BATCH;
            let batch = &now.questions[from..(from + BATCH).min(now.questions.len())];
            mixed += u64::from(answers(&mut now.reader, batch) != sites.expected[now.which][index]);
            asked += batch.len();
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    Run { speed: asked as f64 / seconds, changes: changes as f64 / seconds, mixed }
}

/// Offers the one matrix and the other.
fn change(sites: &Sites, stop: &AtomicBool, (offer, given_back): (&SyncSender<Next>, &Receiver<Next>)) {
    let _ = keep_on_cpu(0, WRITER);
    let mut which = 1;
    while !stop.load(Ordering::Relaxed) {
        let began = Instant::now();
        let (reader, questions) = sites.ready(which);
        if offer.send(Next { which, reader, questions }).is_err() {
            return;
        }
        drop(given_back.try_iter().collect::<Vec<_>>());
        which = 1 - which;
        thread::sleep(EVERY.saturating_sub(began.elapsed()));
    }
}
