//! `flowdrift matrix endpoints`: what an inventory must say.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::super::{Exit, inputs, output::Output};
use crate::matrix::{
    self,
    endpoints::{skeleton, uses},
};

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
    let (matrices, mut faults) = inputs::matrices(&arguments.files);
    let inventory = match &arguments.inventory {
        Some(path) => matrix::load(path, matrix::read_inventory).map_err(|found| faults.push(found)).ok(),
        None => None,
    };
    if !faults.is_empty() {
        bail!("{}", inputs::told(&faults));
    }
    let uses = uses(&matrices, inventory.as_ref());
    let bound = uses.values().filter(|used| used.is_bound).count();
    eprintln!("{} names, {bound} bound", uses.len());
    let text = skeleton(&uses);
    Output::open(Path::new("-"))?.write(|out| out.write_all(text.as_bytes()))?;
    Ok(Exit::Conforms)
}
