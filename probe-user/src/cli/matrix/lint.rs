//! `flowdrift matrix lint`: what is questionable about matrices.

use std::path::PathBuf;

use anyhow::Result;
use clap::ValueEnum;

use super::super::{Exit, inputs, output::Output};
use crate::escape::text;
use crate::matrix::lint::{Finding, Place, Severity, lint, sarif};

/// Tell what is questionable about matrices: duplicates, contradictions, misfits, likely misspellings
///
/// Ends with 1 when anything is probably wrong; notes alone end with 0.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Matrices, or any document that `matrix import` reads
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Tell also the names that this inventory does not bind
    #[arg(long, value_name = "FILE")]
    inventory: Option<PathBuf>,
    /// How to write it
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Where to write it
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    output: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// Findings with their rows
    Json,
    /// SARIF 2.1.0
    Sarif,
}

/// Reads the matrices and writes what is questionable.
pub(super) fn run(arguments: &Arguments) -> Result<Exit> {
    let (matrices, inventory) = inputs::matrices(&arguments.files, arguments.inventory.as_deref())?;
    let output = Output::open(&arguments.output)?;
    let findings = lint(&matrices, inventory.as_ref());
    match arguments.format {
        Format::Text => {
            output.write(|out| findings.iter().try_for_each(|finding| writeln!(out, "{}", line(finding))))?;
        }
        Format::Json => output.write_json(&findings)?,
        Format::Sarif => output.write_json(&sarif(&findings, env!("CARGO_PKG_VERSION")))?,
    }
    let is_wrong = findings.iter().any(|finding| finding.severity > Severity::Note);
    Ok(if is_wrong { Exit::Drift } else { Exit::Conforms })
}

fn line(Finding { rule, severity, message, rows }: &Finding) -> String {
    let severity = match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    };
    match rows.first() {
        Some(Place { file, line, id }) => {
            format!("{file}:{line}: {severity}: {}: {} [{}]", text(id), text(message), rule.id())
        }
        None => format!("{severity}: {} [{}]", text(message), rule.id()),
    }
}
