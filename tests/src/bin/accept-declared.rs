//! `accept-declared [--full] [--json PATH] [LINE…]`: the lines of the declared side's acceptance that a programme can run,
//! at full counts or about a twentieth of them, with their figures as JSON; exit code 1 if one fails.

use std::{error::Error, path::Path, process::ExitCode};

use flowdrift_tests::accept::{
    declared::{
        robustness::{self, Meter},
        roundtrip, seeds,
    },
    programme, suites,
};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const METER: Meter = Meter {
    reset: || MEMORY.reset_peak_usage(),
    most: || MEMORY.peak_usage(),
    now: || MEMORY.current_usage(),
};

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("no project root")?;
    let arguments = programme::arguments(1..=4)?;
    let (matrices, mutated) = if arguments.full { (10_000, 100_000) } else { (500, 5_000) };
    programme::report(&arguments, |line| match line {
        1 => seeds::line(root),
        2 => roundtrip::line(matrices),
        3 => robustness::line(root, mutated, arguments.full, METER),
        _ => suites::line("hostile documents", root, &["hostile"]),
    })
}
