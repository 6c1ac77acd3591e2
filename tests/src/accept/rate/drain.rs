//! Line 5: from the rings to a verdict, with made-up records, and beside aya's stock way to read a ring buffer.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::{Result, ensure};
use flowdrift::{
    capture::decode::{Decoded, Words, decode},
    flow::{Coverage, FlowTable},
};
use probe_common::AttemptRecord;
use serde_json::{Value, json};

use super::made_up::{Audited, READER, Site, WRITER, owner};
use crate::{
    accept::Line,
    kernel::synthetic::{Producer, cpu_time, keep_on_cpu, memory, waited_for},
};

/// What is declared, and flows that are live.
const SITE: Site = Site { rows: 10_000 };
const FLOWS: u64 = 100_000;
/// How fast each of them is written first, and how long it takes until all that they gave is done: not what is measured.
const FIRST: u64 = 100_000;
const CALM: Duration = Duration::from_secs(1);

/// What the acceptance asks for: records a second without a loss, and how many times what the stock way reads; and of one CPU
/// at a million a second.
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
    const LADDER: [u64; 14] = [5, 10, 15, 20, 25, 30, 40, 50, 60, 70, 80, 90, 100, 120];
    let steady = audited(1_000_000, scale.steady, Ring::Usual, false)?;
    println!("  a million a second: {}", steady.figures());
    let each = audited(1_000_000, scale.step, Ring::Usual, true)?;
    println!("  asked for each: {}", each.figures());
    let climb = |from: u64, drain: &dyn Fn(u64) -> Result<Drained>| -> Result<Vec<Drained>> {
        let mut steps = Vec::new();
        for tenths in LADDER.into_iter().filter(|tenths| *tenths >= from) {
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
    let own = climb(20, &|rate| audited(rate, scale.step, Ring::Large, false))?;
    println!("  stock");
    let stock = climb(5, &|rate| stock(rate, scale.step))?;
    let best =
        |steps: &[Drained]| steps.iter().filter(|step| step.holds()).map(|step| step.rate).max().unwrap_or(0);
    let ratio = best(&own) as f64 / best(&stock).max(1) as f64;
    let figures = json!({
        "flows": FLOWS,
        "rows": SITE.rows,
        "ring": Ring::LARGE,
        "steady": steady.figures(),
        "each_connection": each.figures(),
        "flowdrift": own.iter().map(Drained::figures).collect::<Vec<_>>(),
        "stock": stock.iter().map(Drained::figures).collect::<Vec<_>>(),
        "best": { "flowdrift": best(&own), "stock": best(&stock), "ratio": ratio },
    });
    println!("  {}", figures["best"]);
    let is_steady = steady.holds() && steady.share < SHARE;
    Ok((is_steady && best(&own) >= RATE && ratio >= RATIO, figures))
}

/// What became of records at one rate.
struct Drained {
    /// Records a second; whether they were written so fast.
    rate: u64,
    is_paced: bool,
    /// Written at that rate.
    written: u64,
    lost: u64,
    /// Not lost, and without their process.
    folded: u64,
    /// Of one CPU.
    share: f64,
    /// The memory that the process had at the end of it, bytes; 0 where it is not asked for.
    memory: u64,
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
enum Ring {
    Usual,
    Large,
}

impl Ring {
    /// Bytes; and of the kernel's ring buffer beside it.
    const LARGE: u32 = 128 << 20;
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

/// As aya's documentation reads a ring buffer: whenever it is readable, one record after the other. What then becomes of a
/// record is the same as here, but nobody is asked for a verdict.
fn stock(rate: u64, duration: Duration) -> Result<Drained> {
    let mut producer = Producer::stock(FLOWS, owner()?, Ring::LARGE)?;
    let ring = producer.take_stock()?;
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let reader = thread::spawn(move || -> Result<FlowTable> {
        keep_on_cpu(0, READER)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let mut table = FlowTable::awaiting_snapshot(usize::MAX, false);
            table.merge_older(&[]);
            let mut ring = waited_for(ring)?;
            while !stopped.load(Ordering::Relaxed) {
                let readable = tokio::time::timeout(Duration::from_millis(50), ring.readable_mut()).await;
                let Ok(guard) = readable else { continue };
                let mut guard = guard?;
                let ring = guard.get_inner_mut();
                while let Some(item) = ring.next() {
                    if let Ok(Decoded::Fact(event)) = decode(&words(&item)) {
                        table.observe(&event);
                    }
                }
                guard.clear_ready();
            }
            Ok(table)
        })
    });
    keep_on_cpu(0, WRITER)?;
    let first = producer.pace(FIRST, Duration::from_secs_f64(FLOWS as f64 / FIRST as f64))?;
    let lost_first = producer.lost_by_stock()?;
    let written = producer.pace(rate, duration)?;
    thread::sleep(Duration::from_millis(200));
    stop.store(true, Ordering::Relaxed);
    let table = reader.join().map_err(|_| anyhow::anyhow!("the reader has panicked"))??;
    let lost = producer.lost_by_stock()?;
    ensure!(table.events() + lost == first.records + written.records, "{} read, {lost} lost", table.events());
    let is_paced = written.is_paced(rate);
    let lost = lost - lost_first;
    Ok(Drained { rate, is_paced, written: written.records, lost, folded: 0, share: 0.0, memory: 0 })
}

fn words(item: &[u8]) -> Words {
    let mut words: Words = [0; _];
    let (chunks, _) = item[..size_of::<AttemptRecord>()].as_chunks();
    words.iter_mut().zip(chunks).for_each(|(word, chunk)| *word = u64::from_ne_bytes(*chunk));
    words
}
