//! `flowdrift matrix import`: a document that people have → the canonical matrix.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use serde::Serialize;

use super::super::{Exit, output::Output};
use crate::matrix::{
    self, Faults, Matrix, ids,
    import::{self, Columns, Import, Kind, Options, Problem, Severity, Vocabulary},
    write,
};
use crate::{escape::text, wording::plural};

/// Turn port tables that people wrote into the canonical matrix
///
/// Reads Markdown and HTML tables, tables of web pages that were copied as text, CSV and TSV, Excel workbooks, EgressPoint
/// and NetworkPolicy resources, and OpenShift's communication matrix. Every row keeps the line that it came from. A row that a careful reader must doubt is marked `review: true` with the reasons; what cannot be read is
/// told with its line.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Documents; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Kind of the documents, where it is not found out rightly
    #[arg(long, value_enum)]
    kind: Option<Kind>,
    /// Columns by number or by header: `from=1,to=Server,ports=3`
    #[arg(long, value_name = "ROLE=COLUMN,…")]
    columns: Option<Columns>,
    /// Names of endpoints, one on each line: they part what the document leaves unparted
    #[arg(long, value_name = "FILE")]
    vocabulary: Vec<PathBuf>,
    /// Name of the matrix; the first file's unless given
    #[arg(long)]
    name: Option<String>,
    /// How to write it
    #[arg(long, value_enum, default_value_t = Format::Yaml)]
    format: Format,
    /// Where to write it
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    output: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// The canonical matrix
    Yaml,
    /// Rows and problems
    Json,
    /// A Markdown table that holds all of it
    Markdown,
}

/// Reads the documents, writes their rows, and says what was not read.
pub(super) fn run(arguments: &Arguments) -> Result<Exit> {
    let options = Options {
        kind: arguments.kind,
        columns: arguments.columns.clone(),
        vocabulary: vocabulary(&arguments.vocabulary)?,
    };
    let output = Output::open(&arguments.output)?;
    let read = |path: &PathBuf| {
        matrix::load_bytes(path, |bytes, file| {
            let import = import::import(bytes, file, &options)?;
            Ok((file.to_owned(), import))
        })
    };
    let (documents, faults) = parted(arguments.files.iter().map(read));
    if !faults.is_empty() {
        let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
        bail!("{}", lines.join("\n"));
    }
    let is_whole = documents.iter().all(|(_, import)| import.refused().next().is_none());
    match arguments.format {
        Format::Json => {
            output.write_json(&Document::of(&documents))?;
        }
        format => {
            tell(&documents);
            let matrix = joined(documents, arguments.name.as_deref());
            let written = match format {
                Format::Markdown => matrix::markdown(&matrix),
                _ => write::yaml(&matrix).context("writing the matrix")?,
            };
            output.write(|out| out.write_all(written.as_bytes()))?;
        }
    }
    Ok(if is_whole { Exit::Conforms } else { Exit::Usage })
}

fn vocabulary(files: &[PathBuf]) -> Result<Vocabulary> {
    let mut text = String::new();
    for file in files {
        let read = matrix::load(file, |read, _| Ok(read.to_owned()));
        text.push_str(&read.map_err(|faults| anyhow::anyhow!("{faults}"))?);
        text.push('\n');
    }
    Ok(Vocabulary::of_text(&text))
}

fn parted<T>(results: impl Iterator<Item = Result<T, Faults>>) -> (Vec<T>, Vec<Faults>) {
    let (mut values, mut faults) = (Vec::new(), Vec::new());
    for result in results {
        match result {
            Ok(value) => values.push(value),
            Err(fault) => faults.push(fault),
        }
    }
    (values, faults)
}

/// To stderr: what was not read, and what is to be reviewed.
fn tell(documents: &[(String, Import)]) {
    for (file, import) in documents {
        for Problem { line, severity, message } in &import.problems {
            let what = if *severity == Severity::Refused { "not read: " } else { "" };
            eprintln!("{file}:{line}: {what}{}", text(message));
        }
        for row in import.rows.iter().filter(|row| row.review) {
            for doubt in &row.doubts {
                eprintln!("{file}:{}: review `{}`: {}", row.line, text(&row.id), text(doubt));
            }
        }
        let review = import.rows.iter().filter(|row| row.review).count();
        let refused = import.refused().count();
        let rows = plural(import.rows.len() as u64, "row");
        eprintln!("{file}: {rows}, {review} to review, {refused} not read");
    }
}

fn joined(documents: Vec<(String, Import)>, name: Option<&str>) -> Matrix {
    let file = documents.first().map(|(file, _)| file.clone()).unwrap_or_default();
    let name = name.map_or_else(|| matrix::stem(&file), str::to_owned);
    let mut rows: Vec<_> = documents.into_iter().flat_map(|(_, import)| import.rows).collect();
    ids::give(&mut rows);
    Matrix { name, file, digest: String::new(), rows }
}

/// What `--format json` prints.
#[derive(Serialize)]
struct Document<'d> {
    rows: Vec<write::Shown<'d>>,
    problems: Vec<ShownProblem<'d>>,
}

#[derive(Serialize)]
struct ShownProblem<'d> {
    file: &'d str,
    #[serde(flatten)]
    problem: &'d Problem,
}

impl<'d> Document<'d> {
    fn of(documents: &'d [(String, Import)]) -> Self {
        let mut shown = Self { rows: Vec::new(), problems: Vec::new() };
        for (file, import) in documents {
            shown.rows.extend(import.rows.iter().map(|row| write::Shown::of(row, file)));
            shown.problems.extend(import.problems.iter().map(|problem| ShownProblem { file, problem }));
        }
        shown
    }
}
