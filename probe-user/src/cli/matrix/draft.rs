//! `flowdrift matrix draft`: a first matrix from what was observed.

use std::path::PathBuf;

use anyhow::{Context, Result};

use super::super::{Exit, inputs, output::Output, recordings};
use crate::matching::{Rows, draft::draft};
use crate::matrix::write;

/// Write a first matrix from recordings, for a team that has no document yet
///
/// Every row is marked for review and says how often and when it was seen. What the baseline covers, and what stays within a
/// cluster without naming an endpoint, is left out.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Recordings
    #[arg(long, required = true, num_args = 1.., value_name = "RECORDING")]
    from: Vec<PathBuf>,
    /// What the addresses are here
    #[arg(long, value_name = "FILE")]
    inventory: PathBuf,
    /// Name of the matrix
    #[arg(long, default_value = "draft")]
    name: String,
    /// Another baseline than the one that ships
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Where to write it
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    output: PathBuf,
}

/// Reads the recordings and writes the rows.
pub(super) fn run(arguments: &Arguments) -> Result<Exit> {
    let Arguments { from, inventory, name, baseline, output } = arguments;
    let output = Output::open(output)?;
    let declared = inputs::declared(&[], inventory, None, baseline.as_deref())?;
    let (windows, _) = recordings::read_all(from, &declared.inventory)?;
    let baseline = Rows::new(&[declared.baseline], &declared.inventory);
    let matrix = draft(name, &windows, &declared.inventory, &baseline);
    let yaml = write::yaml(&matrix).context("writing the matrix")?;
    output.write(|out| out.write_all(yaml.as_bytes()))?;
    Ok(Exit::Conforms)
}
