//! `cargo xtask bench`: what the hot paths cost in instructions, held against a baseline.
//!
//! Instructions are counted by valgrind: they do not depend on what else the machine does. How fast things are beside others is
//! `cargo xtask accept rate`'s business.

mod counts;
mod runner;

use std::path::Path;

use anyhow::Result;
use clap::Args;

/// Arguments of `cargo xtask bench`.
#[derive(Args)]
pub(crate) struct Options {
    /// Make what is counted now the baseline
    #[arg(long)]
    bless: bool,
}

/// Counts, and compares or blesses.
pub(crate) fn run(root: &Path, options: &Options) -> Result<()> {
    let found = counts::Counts::of_this_tree(root)?;
    if options.bless { found.bless(root) } else { found.hold_against(&counts::Counts::read(root)?) }
}
