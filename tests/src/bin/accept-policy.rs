//! `accept-policy [--full] [--json PATH] [LINE…]`: the lines of the policies' acceptance that a programme can run, at full
//! counts or fewer, with their figures as JSON; exit code 1 if one fails.

use std::{error::Error, process::ExitCode};

use flowdrift_tests::accept::{policy::large, programme};

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments = programme::arguments([6])?;
    programme::report(&arguments, |line| match line {
        6 => large::line(if arguments.full { large::Scale::FULL } else { large::Scale::REDUCED }),
        line => unreachable!("{line} is no line of it"),
    })
}
