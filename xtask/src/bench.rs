//! `cargo xtask bench`: what the hot paths cost in instructions, held against a baseline; their curves; and a page of these and
//! of what `cargo xtask accept rate` measured beside others.
//!
//! Instructions are counted by valgrind: they do not depend on what else the machine does.

mod counts;
mod runner;

use std::path::Path;

use anyhow::Result;
use clap::Args;

use crate::{apt, process};

/// Arguments of `cargo xtask bench`.
#[derive(Args)]
pub(crate) struct Options {
    /// Make what is counted now the baseline
    #[arg(long)]
    bless: bool,
    /// Count only: no curves and no page
    #[arg(long)]
    counts: bool,
    /// Put the table of what was measured beside others into the README
    #[arg(long, conflicts_with = "counts")]
    readme: bool,
}

/// Counts, and compares or blesses; then the curves and the page.
pub(crate) fn run(root: &Path, options: &Options) -> Result<()> {
    let found = counts::Counts::of_this_tree(root)?;
    found.write(&root.join("target/bench/instructions.json"))?;
    if options.bless {
        found.bless(root)?;
    } else {
        found.hold_against(&counts::Counts::read(root)?)?;
    }
    if options.counts {
        return Ok(());
    }
    apt::ensure_programs(&[("gnuplot", "gnuplot-nox")], "drawing the curves")?;
    let tests = |command: &str| {
        let mut cargo = process::cargo();
        cargo.current_dir(root).args([command, "-p", "flowdrift-tests"]);
        cargo
    };
    process::run(tests("bench").args(["--bench", "curves"]))?;
    let mut page = tests("run");
    page.args(["--release", "--bin", "bench-results", "--"]);
    process::run(page.args(options.readme.then_some("--readme")))
}
