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
    accept::Line,
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
    /// Each step of the two ladders.
    pub step: Duration,
}

impl Scale {
    /// As the acceptance asks.
    pub const FULL: Self = Self { steady: Duration::from_secs(60), step: Duration::from_secs(4) };
    /// About a twentieth.
    pub const REDUCED: Self = Self { steady: Duration::from_secs(3), step: Duration::from_secs(1) };
}

/// Drains faster and faster, in both ways, and for a while at a million a second.
#[must_use]
pub fn line(scale: Scale) -> Line {
    const WHAT: &str = "from the rings to a verdict";
    if thread::available_parallelism().map_or(1, usize::from) <= WRITER {
        return Line::skipped(WHAT, "the reader and the writer need a CPU each".to_owned());
    }
    match measure(scale) {
        Ok((pass, figures)) => Line::tried(WHAT, pass, figures),
        Err(error) => {
            println!("  {error:#}");
            Line::tried(WHAT, false, json!({ "error": format!("{error:#}") }))
        }
    }
}

fn measure(scale: Scale) -> Result<(bool, Value)> {
    /// Millions of records a second, in tenths. Whoever loses some at one step is not asked for the next.
    const LADDER: [u64; 16] = [1, 2, 5, 10, 15, 20, 25, 30, 40, 50, 60, 70, 80, 90, 100, 120];
    let steady = audited(1_000_000, scale.steady, Ring::Usual, false)?;
    println!("  a million a second: {}", steady.figures());
    let each = audited(1_000_000, scale.step, Ring::Usual, true)?;
    println!("  asked for each: {}", each.figures());
    let climb = |drain: &dyn Fn(u64) -> Result<Drained>| -> Result<Vec<Drained>> {
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
    };
    println!("  flowdrift");
    let own = climb(&|rate| audited(rate, scale.step, Ring::Large, false))?;
    let [each_wait, each_wake] = [Waits::ForEach, Waits::ForSome].map(|waits| {
        println!("  {waits:?}");
        climb(&|rate| stock::drained(waits, rate, scale.step))
    });
    let (by_record, by_wake) = (each_wait?, each_wake?);
    let best =
        |steps: &[Drained]| steps.iter().filter(|step| step.holds()).map(|step| step.rate).max().unwrap_or(0);
    let ratio = |steps: &[Drained]| best(&own) as f64 / best(steps).max(1) as f64;
    let steps = |steps: &[Drained]| {
        json!({
            "best": best(steps), "ratio": ratio(steps), "steps": steps.iter().map(Drained::figures).collect::<Vec<_>>(),
        })
    };
    let figures = json!({
        "flows": FLOWS,
        "rows": SITE.rows,
        "ring": Ring::LARGE,
        "steady": steady.figures(),
        "each_connection": each.figures(),
        "flowdrift": steps(&own),
        "epoll_for_each_record": steps(&by_record),
        "epoll_and_then_all": steps(&by_wake),
    });
    println!(
        "  at most {} records a second; {} and {} by the kernel's ring buffer, waited for once for each record and once for all \
         that are there: {:.1} and {:.1} times",
        best(&own),
        best(&by_record),
        best(&by_wake),
        ratio(&by_record),
        ratio(&by_wake),
    );
    let is_steady = steady.holds() && steady.share < SHARE;
    Ok((is_steady && best(&own) >= RATE && ratio(&by_record) >= RATIO, figures))
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
    fn holds(&self) -> bool {
        self.is_paced && self.lost == 0
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

/// How much memory the rings have. All records are written on one CPU, whose ring is a quarter of them where there are two: a
/// virtual machine that stands still for twenty milliseconds would cost records at the ladder's rates.
#[derive(Clone, Copy)]
pub(super) enum Ring {
    Usual,
    Large,
}

impl Ring {
    /// Bytes; and of the kernel's ring buffer beside it.
    pub(super) const LARGE: u32 = 128 << 20;
}

/// In `flowdrift audit --follow`, with its matrix.
fn audited(rate: u64, duration: Duration, ring: Ring, every_connection: bool) -> Result<Drained> {
    let large = (Ring::LARGE >> 10).to_string();
    let mut further = match ring {
        Ring::Usual => Vec::new(),
        Ring::Large => vec!["--ring", &large],
    };
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
