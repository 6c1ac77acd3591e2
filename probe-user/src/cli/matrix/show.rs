//! `flowdrift matrix show`: matrices as tables, grids and graphs.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::ValueEnum;
use comfy_table::{ContentArrangement, Table, presets};

use super::super::{Exit, inputs, output::Output};
use crate::escape::text;
use crate::matrix::{self, Matrix, picture};

/// Show matrices: as a table, as the grid of sources and destinations, or as others read them
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Matrices, or any document that `matrix import` reads
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// How to show it
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A line for each row
    Table,
    /// Sources × destinations, with the ports between them
    Grid,
    /// A Markdown table that holds all of it
    Markdown,
    /// For spreadsheets
    Csv,
    /// A graph for Graphviz
    Graphviz,
    /// A graph for Mermaid
    Mermaid,
}

/// Reads the matrices and shows them.
pub(super) fn run(arguments: &Arguments) -> Result<Exit> {
    let (matrices, _) = inputs::matrices(&arguments.files, None)?;
    let shown = match arguments.format {
        Format::Table => table(&matrices).into_bytes(),
        Format::Grid => grid(&matrices).into_bytes(),
        Format::Markdown => matrices.iter().map(matrix::markdown).collect::<Vec<_>>().join("\n").into_bytes(),
        Format::Csv => picture::csv(&matrices)?,
        Format::Graphviz => picture::graphviz(&matrices).into_bytes(),
        Format::Mermaid => picture::mermaid(&matrices).into_bytes(),
    };
    Output::open(Path::new("-"))?.write(|out| out.write_all(&shown))?;
    Ok(Exit::Conforms)
}

fn table(matrices: &[Matrix]) -> String {
    let mut table = empty();
    table.set_header(["Row", "From", "To", "Ports", "App", "Expect", "Review", "Source"]);
    for (row, file) in
        matrices.iter().flat_map(|matrix| matrix.rows.iter().map(move |row| (row, &matrix.file)))
    {
        let names = |names: &[matrix::EndpointName]| lines(names.iter().map(|name| name.as_str().to_owned()));
        let source = row
            .source
            .as_ref()
            .map_or(format!("{file}:{}", row.line), |source| format!("{}:{}", source.file, source.line));
        table.add_row([
            text(&row.id).into_owned(),
            names(&row.from),
            names(&row.to),
            lines(row.ports.iter().map(ToString::to_string)),
            text(row.app.as_deref().unwrap_or_default()).into_owned(),
            matrix::write::Shown::of(row, file).expectation(),
            if row.review { "yes" } else { "" }.to_owned(),
            text(&source).into_owned(),
        ]);
    }
    format!("{table}\n")
}

fn grid(matrices: &[Matrix]) -> String {
    let pairs = picture::pairs(matrices);
    let sources: BTreeSet<&String> = pairs.keys().map(|(from, _)| from).collect();
    let destinations: BTreeSet<&String> = pairs.keys().map(|(_, to)| to).collect();
    let mut table = empty();
    table.set_header(
        ["from \\ to".to_owned()].into_iter().chain(destinations.iter().map(|to| text(to).into_owned())),
    );
    for from in sources {
        let ports = |to: &&String| {
            pairs
                .get(&(from.clone(), (**to).clone()))
                .map_or(String::new(), |ports| lines(ports.iter().cloned()))
        };
        table.add_row([text(from).into_owned()].into_iter().chain(destinations.iter().map(ports)));
    }
    format!("{table}\n")
}

fn empty() -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
    table
}

/// Each on a line of its own, and nothing that a terminal would obey.
fn lines(items: impl Iterator<Item = String>) -> String {
    items.map(|item| text(&item).into_owned()).collect::<Vec<_>>().join("\n")
}
