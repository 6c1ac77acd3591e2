//! `accept-policy [--full] [--json PATH] [LINE…]`: the lines of the policies' acceptance that a programme can run, at full
//! counts or fewer, with their figures as JSON; exit code 1 if one fails.

use std::{error::Error, path::Path, process::ExitCode};

use flowdrift_tests::accept::{
    policy::{enforced, large, validated},
    programme, suites,
};

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("no project root")?;
    let arguments = programme::arguments([1, 2, 3, 4, 6])?;
    let worlds = if arguments.full { 10_000 } else { 500 };
    programme::report(&arguments, |line| match line {
        1 => suites::line_with(
            "what is written is what it should be",
            root,
            &["policies", "schemas", "policy_command"],
            &[],
        )
        .and(validated::line(root)),
        2 => enforced::line(root),
        3 => suites::line_with(
            "soundness and tightness in made-up fleets",
            root,
            &["fleets", "enforcers", "netfilter"],
            &[("FLOWDRIFT_WORLDS", worlds.to_string())],
        ),
        4 => suites::line_with("poisoned learning", root, &["poisoned"], &[]),
        6 => large::line(if arguments.full { large::Scale::FULL } else { large::Scale::REDUCED }),
        line => unreachable!("{line} is no line of it"),
    })
}
