//! Line 3: broken documents. Each is read without a panic, within a second, and within ten times its size of memory and
//! 64 MiB; large ones within two seconds and the same memory.

use std::{
    collections::BTreeMap,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Result;
use fastrand::Rng;
use flowdrift::matrix::import::{Options, import};
use serde::Serialize;
use serde_json::json;

use super::{large, workbook};
use crate::{accept::Line, documents};

const WHAT: &str = "broken and large documents";
const SLOWEST: Duration = Duration::from_secs(1);
const SLOWEST_OF_LARGE: Duration = Duration::from_secs(2);
const MEMORY: usize = 64 << 20;

/// How much memory this process has taken at most since the last reset; the programme's allocator knows.
#[derive(Clone, Copy, Debug)]
pub struct Meter {
    /// Forgets the most.
    pub reset: fn(),
    /// The most since, bytes.
    pub most: fn() -> usize,
    /// What is taken now, bytes.
    pub now: fn() -> usize,
}

/// What broken documents of one kind cost.
#[derive(Debug, Default, Serialize)]
struct Figures {
    truncated: u64,
    mutated: u64,
    with_rows: u64,
    panics: u64,
    slowest_milliseconds: f64,
    most_memory_kib: usize,
    too_much: u64,
    too_slow: u64,
}

/// Tries them all; `mutated` of each fixture. How fast large documents are read is judged at full counts only: it says
/// nothing on a machine that others use, as CI's is.
#[must_use]
pub fn line(root: &Path, mutated: u64, is_full: bool, meter: Meter) -> Line {
    match measure(root, mutated, is_full, meter) {
        Ok(line) => line,
        Err(error) => Line::failed(WHAT, &error),
    }
}

fn measure(root: &Path, mutated: u64, is_full: bool, meter: Meter) -> Result<Line> {
    let documents = documents::all(root)?;
    let kept = root.join("target/accept");
    fs::create_dir_all(&kept)?;
    // A panic is counted and its document kept; what it says is for a debugger.
    let said = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let mut kinds: BTreeMap<String, Figures> = BTreeMap::new();
    for document in &documents {
        let name =
            document.folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let mut figures = Figures::default();
        for end in 0..document.bytes.len() {
            figures.truncated += 1;
            figures.attempt(
                &document.bytes[..end],
                &document.options,
                meter,
                &kept.join(format!("broken-{name}")),
            );
        }
        // Each run tries the same.
        let mut random = Rng::with_seed(name.bytes().map(u64::from).sum());
        for _ in 0..mutated {
            let bytes = match workbook::entries(&document.bytes) {
                // Nearly every change to an archive itself ends at its checksums.
                Some(mut entries) if random.bool() => {
                    let chosen = random.usize(0..entries.len().max(1));
                    if let Some((_, content)) = entries.get_mut(chosen) {
                        *content = mutate(content, &documents, &mut random);
                    }
                    workbook::packed(&entries)?
                }
                _ => mutate(&document.bytes, &documents, &mut random),
            };
            figures.mutated += 1;
            figures.attempt(&bytes, &document.options, meter, &kept.join(format!("broken-{name}")));
        }
        println!("  {name}: {}", serde_json::to_string(&figures)?);
        kinds.insert(name, figures);
    }
    std::panic::set_hook(said);
    let large = large::all()?.into_iter().map(|(name, bytes)| timed(name, &bytes, meter)).collect::<Vec<_>>();
    for one in &large {
        println!("  {}", serde_json::to_string(one)?);
    }
    let holds = kinds.values().all(|figures| figures.panics + figures.too_much + figures.too_slow == 0)
        && large.iter().all(|one| one.rows > 0 && one.is_bounded && (one.is_fast || !is_full));
    Ok(Line::tried(WHAT, holds, json!({ "broken": kinds, "large": large })))
}

impl Figures {
    fn attempt(&mut self, bytes: &[u8], options: &Options, meter: Meter, keep: &Path) {
        let before = (meter.now)();
        (meter.reset)();
        let began = Instant::now();
        let read = catch_unwind(AssertUnwindSafe(|| import(bytes, "broken", options).is_ok()));
        let took = began.elapsed();
        let taken = (meter.most)().saturating_sub(before);
        self.slowest_milliseconds = self.slowest_milliseconds.max(took.as_secs_f64() * 1e3);
        self.most_memory_kib = self.most_memory_kib.max(taken >> 10);
        let (is_slow, is_much) = (took > SLOWEST, !is_bounded(taken, bytes));
        self.too_slow += u64::from(is_slow);
        self.too_much += u64::from(is_much);
        self.panics += u64::from(read.is_err());
        self.with_rows += u64::from(read.as_ref().is_ok_and(|has_rows| *has_rows));
        if read.is_err() || is_slow || is_much {
            // Without it there is a count; with it there is a case.
            let _ = fs::write(keep, bytes);
        }
    }
}

fn is_bounded(taken: usize, document: &[u8]) -> bool {
    taken <= document.len() * 10 + MEMORY
}

/// One to four changes: bytes flipped, cut out, repeated, or taken from other documents and from what is known to hurt.
fn mutate(bytes: &[u8], others: &[documents::Document], random: &mut Rng) -> Vec<u8> {
    const SPITE: [&str; 22] = [
        "|",
        "||||||||",
        "---|---|",
        "\n",
        "\r",
        "\"",
        "'",
        "\t",
        ";",
        ",,,,",
        "\u{202E}",
        "é",
        "†",
        "(",
        ")",
        "<td rowspan=99999 colspan=99999>",
        "<table>",
        "</tr>",
        "99999",
        "65535-1",
        "&*anchor",
        "- - - -",
    ];
    let mut mutated = bytes.to_vec();
    for _ in 0..random.u32(1..=4) {
        let at = random.usize(0..=mutated.len());
        let end = (at + random.usize(0..=32)).min(mutated.len());
        match random.u32(0..5) {
            0 => mutated[at..end].iter_mut().for_each(|byte| *byte ^= 1 << random.u32(0..8)),
            1 => drop(mutated.drain(at..end)),
            2 => {
                let copy = mutated[at..end].repeat(random.usize(1..=16));
                mutated.splice(at..at, copy);
            }
            3 => drop(mutated.splice(at..at, SPITE[random.usize(0..SPITE.len())].bytes())),
            _ => {
                let other = &others[random.usize(0..others.len())].bytes;
                let from = random.usize(0..other.len().max(1));
                let to = (from + random.usize(0..=64)).min(other.len());
                mutated.splice(at..end, other[from.min(to)..to].iter().copied());
            }
        }
    }
    mutated
}

#[derive(Debug, Serialize)]
struct Large {
    document: &'static str,
    bytes: usize,
    rows: usize,
    milliseconds: f64,
    memory_of_size: f64,
    is_fast: bool,
    is_bounded: bool,
}

fn timed(document: &'static str, bytes: &[u8], meter: Meter) -> Large {
    let before = (meter.now)();
    (meter.reset)();
    let began = Instant::now();
    let read = import(bytes, document, &Options::default());
    let took = began.elapsed();
    let taken = (meter.most)().saturating_sub(before);
    let rows = read.map_or(0, |import| import.rows.len());
    Large {
        document,
        bytes: bytes.len(),
        rows,
        milliseconds: took.as_secs_f64() * 1e3,
        memory_of_size: taken as f64 / bytes.len() as f64,
        is_fast: took < SLOWEST_OF_LARGE,
        is_bounded: is_bounded(taken, bytes),
    }
}
