//! `accept-rate [--full] [--json PATH] [LINE…]`: the lines of line rate's acceptance that a programme can run, at full counts
//! or fewer, with their figures as JSON; exit code 1 if one fails.

use std::{error::Error, path::Path, process::ExitCode};

use flowdrift_tests::accept::{
    programme,
    rate::{addresses, drain, filters, matcher, oracle, recorded},
};

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("no project root")?;
    let arguments = programme::arguments([1, 2, 3, 4, 5, 7])?;
    programme::report(&arguments, |line| match line {
        1 if arguments.full => matcher::line(root, &[100, 1_000, 10_000, 100_000]),
        1 => matcher::line(root, &[100, 1_000]),
        2 => filters::line(root, &root.join("../shared/classbench")),
        3 => addresses::line(),
        4 => oracle::line(if arguments.full { 10_000 } else { 200 }),
        5 => drain::line(if arguments.full { drain::Scale::FULL } else { drain::Scale::REDUCED }),
        7 => recorded::line(if arguments.full { 100_000_000 } else { 2_000_000 }),
        line => unreachable!("{line} is no line of it"),
    })
}
