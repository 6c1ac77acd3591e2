//! `accept-declared [--full] [--json PATH] [LINE…]`: the lines of the declared side's acceptance that a programme can run,
//! with their figures as JSON; exit code 1 if one fails.

use std::{error::Error, path::Path, process::ExitCode};

use flowdrift_tests::accept::{declared::seeds, programme};

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("no project root")?;
    let arguments = programme::arguments(1..=1)?;
    programme::report(&arguments, |_| seeds::line(root))
}
