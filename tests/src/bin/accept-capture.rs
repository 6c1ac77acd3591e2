//! `accept-capture [--full] [--json PATH] [LINE…]`: the lines of capture's acceptance that a programme can run, at full
//! counts or about a twentieth of them, with their figures as JSON; exit code 1 if one fails.

use std::{error::Error, path::Path, process::ExitCode};

use flowdrift_tests::accept::{
    capture::{cost, docker, fairness, older, resolver, spill},
    programme, suites,
};

/// The rules that every kernel must keep, each over every link and family.
const TABLE: [&str; 8] =
    ["accepts", "crowds", "datagrams", "failures", "golden", "identity", "older", "unroutable"];

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("no project root")?;
    let arguments = programme::arguments(1..=9)?;
    let (runs, rounds, flows) = if arguments.full { (10, 12, 1_000) } else { (1, 2, 100) };
    let spilled = if arguments.full { spill::Scale::FULL } else { spill::Scale::REDUCED };
    programme::report(&arguments, |line| match line {
        1 => suites::line("the table of cases on this kernel", root, &TABLE),
        2 => resolver::line(root),
        3 => older::line(runs),
        4 => spill::line(&spilled),
        5 => fairness::line(flows),
        6 => suites::line("translation", root, &["balancers", "translations", "cases"]).and(docker::line()),
        // The clock is set on emulated machines: `cargo xtask vm`.
        8 => suites::line("coverage", root, &["coverage", "cases"]),
        7 => suites::line("rights", root, &["rights", "audit"]),
        9 => cost::line(rounds, root),
        line => unreachable!("{line} is no line of it"),
    })
}
