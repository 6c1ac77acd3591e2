//! `flowdrift matrix endpoints`: what an inventory must say.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::super::{Exit, inputs, output::Output};
use crate::matrix::endpoints::{skeleton, uses, varying};

/// List the names that matrices use and an inventory does not bind, as an inventory to fill in
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Matrices, or any document that `matrix import` reads
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The inventory so far
    #[arg(long, value_name = "FILE")]
    inventory: Option<PathBuf>,
}

/// Reads the matrices and writes the skeleton; what is bound already goes to stderr as a count.
pub(super) fn run(arguments: &Arguments) -> Result<Exit> {
    let (matrices, inventory) = inputs::matrices(&arguments.files, arguments.inventory.as_deref())?;
    let uses = uses(&matrices, inventory.as_ref());
    let bound = uses.values().filter(|used| used.is_bound).count();
    eprintln!("{} names, {bound} bound", uses.len());
    let text = skeleton(&uses, &varying(&matrices, inventory.as_ref()));
    Output::open(Path::new("-"))?.write(|out| out.write_all(text.as_bytes()))?;
    Ok(Exit::Conforms)
}
