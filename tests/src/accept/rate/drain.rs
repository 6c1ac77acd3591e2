//! Line 5: from the rings to a verdict, with made-up records, and beside the usual ways to read a ring buffer.

use std::{thread, time::Duration};

use anyhow::Result;
use flowdrift::flow::Coverage;
use serde_json::{Value, json};

use super::{
    made_up::{Audited, Site, WRITER},
    stock::{self, Waits},
};
use crate::{
    accept::{Line, cost::median},
    usage::{cpu_time, memory},
};

/// What is declared, and flows that are live.
const SITE: Site = Site { rows: 10_000 };
pub(super) const FLOWS: u64 = 100_000;
/// How fast each of them is written first, and how long it takes until all that they gave is done: not what is measured.
pub(super) const FIRST: u64 = 100_000;
const CALM: Duration = Duration::from_secs(1);

/// What the acceptance asks for: records a second without a loss, and how many times what is read by waiting for each record;
/// and of one CPU at a million a second.
const RATE: u64 = 5_000_000;
const RATIO: f64 = 2.5;
const SHARE: f64 = 0.3;

/// For how long each is measured.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    /// A million a second.
    pub steady: Duration,
    /// Each step of a ladder.
    pub step: Duration,
    /// How often each way climbs its ladder, by turns.
    pub rounds: usize,
}

impl Scale {
    /// As the acceptance asks.
    pub const FULL: Self = Self { steady: Duration::from_secs(60), step: Duration::from_secs(2), rounds: 3 };
    /// About a twentieth.
    pub const REDUCED: Self =
        Self { steady: Duration::from_secs(3), step: Duration::from_secs(1), rounds: 1 };
}

/// Drains faster and faster, by turns in each way, and for a while at a million a second.
#[must_use]
pub fn line(scale: Scale) -> Line {
    const WHAT: &str = "from the rings to a verdict";
    if thread::available_parallelism().map_or(1, usize::from) <= WRITER {
        return Line::skipped(WHAT, "the reader and the writer need a CPU each".to_owned());
    }
    Line::of(WHAT, measure(scale))
}

fn measure(scale: Scale) -> Result<(bool, Value)> {
    let steady = audited(1_000_000, scale.steady, None, false)?;
    println!("  a million a second: {}", steady.figures());
    let each = audited(1_000_000, scale.step, None, true)?;
    println!("  asked for each: {}", each.figures());
    let mut rounds: [Vec<Vec<Drained>>; 3] = Default::default();
    for _ in 0..scale.rounds {
        for (way, rounds) in Way::ALL.into_iter().zip(&mut rounds) {
            println!("  {}", way.name());
            rounds.push(climb(|rate| way.drain(rate, scale.step))?);
        }
    }
    let [own, by_record, by_wake] = &rounds;
    let ratio = |others: &[Vec<Drained>]| {
        median(own.iter().zip(others).map(|(own, other)| best(own) as f64 / best(other).max(1) as f64))
    };
    let mut figures = json!({
        "flows": FLOWS,
        "rows": SITE.rows,
        "ring": LARGE,
        "steady": steady.figures(),
        "each_connection": each.figures(),
    });
    for (way, rounds) in Way::ALL.into_iter().zip(&rounds) {
        let steps = |steps: &Vec<Drained>| steps.iter().map(Drained::figures).collect::<Vec<_>>();
        figures[way.name()] = json!({
            "best": median(rounds.iter().map(|steps| best(steps) as f64)),
            "ratio": ratio(rounds),
            "rounds": rounds.iter().map(steps).collect::<Vec<_>>(),
        });
    }
    let least = own.iter().map(|steps| best(steps)).min().unwrap_or(0);
    let ratio_by_record = ratio(by_record);
    println!(
        "  at least {least} records a second in each round: {ratio_by_record:.1} times what is read by waiting for each record, \
         {:.1} times by waiting once for all that are there",
        ratio(by_wake),
    );
    let is_steady = steady.holds() && steady.share < SHARE;
    Ok((is_steady && least >= RATE && ratio_by_record >= RATIO, figures))
}

/// What became of records at one rate.
pub(super) struct Drained {
    /// Records a second; whether they were written so fast.
    pub(super) rate: u64,
    pub(super) is_paced: bool,
    /// Written at that rate.
    pub(super) written: u64,
    pub(super) lost: u64,
    /// Not lost, and without their process.
    pub(super) folded: u64,
    /// Of one CPU.
    pub(super) share: f64,
    /// The memory that the process had at the end of it, bytes; 0 where it is not asked for.
    pub(super) memory: u64,
}

impl Drained {
    /// Whether nothing is missing, neither a record nor a process.
    fn holds(&self) -> bool {
        self.is_paced && self.lost == 0 && self.folded == 0
    }

    fn figures(&self) -> Value {
        let Self { rate, is_paced, written, lost, folded, share, memory } = self;
        let each = share * 1e9 / *rate as f64;
        json!({
            "rate": rate, "paced": is_paced, "written": written, "lost": lost, "folded": folded,
            "cpu": share, "nanoseconds_each": each, "memory": memory,
        })
    }
}

/// Bytes of all rings together, and of the kernel's ring buffer beside them, on the ladders. All records are written on one CPU,
/// whose ring is a quarter of them where there are two: a virtual machine that stands still for twenty milliseconds would cost
/// records at those rates.
pub(super) const LARGE: u32 = 128 << 20;

/// Who drains.
#[derive(Clone, Copy)]
enum Way {
    Flowdrift,
    Stock(Waits),
}

impl Way {
    const ALL: [Self; 3] = [Self::Flowdrift, Self::Stock(Waits::ForEach), Self::Stock(Waits::ForSome)];

    fn name(self) -> &'static str {
        match self {
            Self::Flowdrift => "flowdrift",
            Self::Stock(Waits::ForEach) => "epoll_for_each_record",
            Self::Stock(Waits::ForSome) => "epoll_and_then_all",
        }
    }

    fn drain(self, rate: u64, duration: Duration) -> Result<Drained> {
        match self {
            Self::Flowdrift => audited(rate, duration, Some(LARGE), false),
            Self::Stock(waits) => stock::drained(waits, rate, duration),
        }
    }
}

/// Drains faster and faster, until some are lost.
fn climb(drain: impl Fn(u64) -> Result<Drained>) -> Result<Vec<Drained>> {
    /// Millions of records a second, in tenths.
    const LADDER: [u64; 16] = [1, 2, 5, 10, 15, 20, 25, 30, 40, 50, 60, 70, 80, 90, 100, 120];
    let mut steps = Vec::new();
    for tenths in LADDER {
        let step = drain(tenths * 100_000)?;
        println!("    {}", step.figures());
        let is_last = !step.holds();
        steps.push(step);
        if is_last {
            break;
        }
    }
    Ok(steps)
}

/// The highest rate of which nothing is missing; 0 if there is none.
fn best(steps: &[Drained]) -> u64 {
    steps.iter().filter(|step| step.holds()).map(|step| step.rate).max().unwrap_or(0)
}

/// In `flowdrift audit --follow`, with its matrix.
fn audited(rate: u64, duration: Duration, ring: Option<u32>, every_connection: bool) -> Result<Drained> {
    let ring = ring.map(|bytes| (bytes >> 10).to_string());
    let mut further: Vec<&str> = ring.iter().flat_map(|kib| ["--ring", kib]).collect();
    further.extend(every_connection.then_some("--every-connection"));
    let mut audit = Audited::start(SITE, FLOWS, &further)?;
    audit.pace(FIRST, Duration::from_secs_f64(FLOWS as f64 / FIRST as f64))?;
    thread::sleep(CALM);
    let before = cpu_time(audit.id())?;
    let written = audit.pace(rate, duration)?;
    let share = (cpu_time(audit.id())? - before).as_secs_f64() / written.took.as_secs_f64();
    let memory = memory(audit.id())?.now;
    let Coverage { folded, lost, .. } = audit.end()?.coverage;
    let (is_paced, lost) = (written.is_paced(rate), lost.values().sum());
    Ok(Drained { rate, is_paced, written: written.records, lost, folded, share, memory })
}
