//! `flowdrift matrix diff`: what changed from one matrix to another.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::ValueEnum;

use super::super::{Exit, inputs, output::Output};
use crate::escape::text;
use crate::matrix::diff::{Change, Field, diff};

/// Tell which rows were added, removed, changed or renamed; ends with 1 when any was
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The matrix before: YAML, or any document that `matrix import` reads
    old: PathBuf,
    /// The matrix now
    new: PathBuf,
    /// How to write it
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// Every change with its row
    Json,
}

/// Reads both and writes the changes.
pub(super) fn run(arguments: &Arguments) -> Result<Exit> {
    let (matrices, _) = inputs::matrices(&[arguments.old.clone(), arguments.new.clone()], None)?;
    let [old, new] = matrices.as_slice() else { bail!("expected two matrices") };
    let changes = diff(old, new);
    let output = Output::open(Path::new("-"))?;
    match arguments.format {
        Format::Text => {
            output.write(|out| changes.iter().try_for_each(|change| write_change(out, change)))?
        }
        Format::Json => output.write_json(&changes)?,
    }
    Ok(if changes.is_empty() { Exit::Conforms } else { Exit::Drift })
}

fn write_change(out: &mut dyn std::io::Write, change: &Change<'_>) -> std::io::Result<()> {
    match change {
        Change::Added { row } => writeln!(out, "+ {}", text(&row.to_string())),
        Change::Removed { row } => writeln!(out, "- {}", text(&row.to_string())),
        Change::Renamed { from, to } => writeln!(out, "> {} is now {}", text(from), text(to)),
        Change::Changed { id, fields } => {
            writeln!(out, "~ {}", text(id))?;
            let said =
                |said: &str| if said.is_empty() { "nothing".to_owned() } else { format!("`{}`", text(said)) };
            fields.iter().try_for_each(|Field { field, old, new }| {
                writeln!(out, "    {field}: {} is now {}", said(old), said(new))
            })
        }
    }
}
