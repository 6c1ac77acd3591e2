//! `flowdrift inventory`: what the names of a matrix are here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Subcommand, ValueEnum};

use super::{Exit, inputs, output::Output};
use crate::escape::text;
use crate::matrix::{
    self,
    inventory::{self, FromKubernetes, Remark},
};

/// Work with inventories
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write an inventory from what the clusters say of themselves
    ///
    /// Reads what `kubectl get nodes,services,endpointslices,servicecidrs,namespaces,pods -A -o json` prints, a file for each
    /// cluster, which is named after its file or by `NAME=FILE`.
    FromKubernetes {
        /// Files, one for each cluster
        #[arg(required = true, value_name = "[NAME=]FILE")]
        files: Vec<String>,
        /// Where to write it
        #[arg(short, long, value_name = "FILE", default_value = "-")]
        output: PathBuf,
    },
    /// Tell overlaps, gaps and contradictions; ends with 1 when anything is probably wrong
    Check {
        /// The inventory
        file: PathBuf,
        /// How to write it
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// Every remark with its place
    Json,
}

/// Runs the subcommand.
pub(super) fn run(arguments: &Arguments) -> Result<Exit> {
    match &arguments.command {
        Command::FromKubernetes { files, output } => from_kubernetes(files, output),
        Command::Check { file, format } => check(file, *format),
    }
}

fn from_kubernetes(files: &[String], output: &Path) -> Result<Exit> {
    let output = Output::open(output)?;
    let mut clusters: BTreeMap<String, FromKubernetes> = BTreeMap::new();
    let mut faults = Vec::new();
    for file in files {
        let (name, path) = inputs::named(file);
        match matrix::load_bytes(path, inventory::from_kubernetes) {
            Ok(told) => {
                for note in &told.notes {
                    eprintln!("{}: {}", path.display(), text(note));
                }
                if clusters.insert(name.clone(), told).is_some() {
                    bail!("two files are the cluster `{name}`: name one of them, as in NAME=FILE");
                }
            }
            Err(found) => faults.push(found),
        }
    }
    if !faults.is_empty() {
        bail!("{}", inputs::told(&faults));
    }
    let yaml = inventory::write::yaml(&clusters).context("writing the inventory")?;
    output.write(|out| out.write_all(yaml.as_bytes()))?;
    Ok(Exit::Conforms)
}

fn check(file: &Path, format: Format) -> Result<Exit> {
    let read = matrix::load(file, matrix::read_inventory);
    let inventory = read.map_err(|faults| anyhow::anyhow!("{}", inputs::told(&[faults])))?;
    let remarks = inventory::check(&inventory);
    let output = Output::open(Path::new("-"))?;
    match format {
        Format::Text => output.write(|out| {
            remarks.iter().try_for_each(|Remark { line, is_warning, path, message }| {
                let severity = if *is_warning { "warning" } else { "note" };
                writeln!(out, "{}:{line}: {severity}: {}: {}", inventory.file, text(path), text(message))
            })
        })?,
        Format::Json => output.write_json(&remarks)?,
    }
    Ok(if remarks.iter().any(|remark| remark.is_warning) { Exit::Drift } else { Exit::Conforms })
}
