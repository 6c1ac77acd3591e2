//! `accept-rate [--full] [--json PATH] [LINE…]`: the lines of line rate's acceptance that a programme can run, at full counts
//! or fewer, with their figures as JSON; exit code 1 if one fails.

use std::{error::Error, path::Path, process::ExitCode, time::Duration};

use peak_alloc::PeakAlloc;

use flowdrift_tests::accept::{
    programme,
    rate::{addresses, drain, filters, matcher, memory, oracle, real, recorded, swap},
};

/// Counts what line 8 asks for.
#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("no project root")?;
    let arguments = programme::arguments(1..=9)?;
    programme::report(&arguments, |line| match line {
        1 if arguments.full => matcher::line(root, &[100, 1_000, 10_000, 100_000]),
        1 => matcher::line(root, &[100, 1_000]),
        2 => filters::line(root, &root.join("../shared/classbench")),
        3 => addresses::line(),
        4 => oracle::line(if arguments.full { 10_000 } else { 200 }),
        5 => drain::line(if arguments.full { drain::Scale::FULL } else { drain::Scale::REDUCED }),
        6 => real::line(root, if arguments.full { real::Scale::FULL } else { real::Scale::REDUCED }),
        7 => recorded::line(if arguments.full { 100_000_000 } else { 2_000_000 }),
        8 => memory::line(&|| MEMORY.current_usage(), if arguments.full { 10_000_000 } else { 1_000_000 }),
        9 if arguments.full => swap::line(5, Duration::from_secs(5)),
        9 => swap::line(1, Duration::from_secs(2)),
        line => unreachable!("{line} is no line of it"),
    })
}
