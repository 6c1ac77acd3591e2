//! Documents that people have → rows.
//!
//! A document passes three steps. Its kind's reader finds the tables in it (`pipes`, `flattened`, `html`, `delimited`,
//! `xlsx`), `columns` tells what each column is for, and `rows` reads the cells (`endpoint_cell`, `port_cell`). What is
//! not certain becomes a doubt of its row, and what cannot be read a problem with its line: nothing is left out in
//! silence. Kubernetes' resources (`kubernetes`) need no such reading.

mod application;
mod caveats;
mod cells;
mod columns;
mod commatrix;
mod delimited;
mod direction;
mod doubts;
mod egress_point;
mod endpoint_cell;
mod ends;
mod flattened;
mod footnotes;
mod grid;
mod header;
mod heading;
mod html;
pub(super) mod inline;
mod kind;
mod kubernetes;
mod network_policy;
pub(super) mod pipes;
mod port_cell;
mod port_columns;
mod port_items;
mod port_tokens;
mod refusals;
mod rows;
mod table;
mod text;
mod vocabulary;
mod xlsx;

use std::{collections::HashSet, sync::Arc};

use serde::Serialize;

pub use columns::Columns;
pub use kind::Kind;
pub use vocabulary::Vocabulary;

use columns::Role;
use table::Table;

use super::faults::{Fault, Faults};
use super::model::{Matrix, Row};
use super::read_matrix;
use super::{ids, markdown};

/// What the user says of a document.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Its kind; found out unless given.
    pub kind: Option<Kind>,
    /// Its columns; found out unless given.
    pub columns: Option<Columns>,
    /// Names of endpoints.
    pub vocabulary: Vocabulary,
}

/// What a document declares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Import {
    /// Its rows, in its order.
    pub rows: Vec<Row>,
    /// What was not read, in its order.
    pub problems: Vec<Problem>,
}

impl Import {
    /// The rows that could not be read.
    pub fn refused(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter().filter(|problem| problem.severity == Severity::Refused)
    }
}

/// Something in a document that is no row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Line of the document, from 1.
    pub line: u32,
    /// What it costs.
    pub severity: Severity,
    /// What was found and what was expected.
    pub message: String,
}

/// What a problem costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// A row: it could not be read.
    Refused,
    /// Trouble: what it declares will not work, or opens much.
    Warning,
    /// Nothing, as far as this reader knows.
    Note,
}

impl Problem {
    /// The problem as a document's fault.
    #[must_use]
    pub fn as_fault(&self) -> Fault {
        Fault { line: self.line, path: String::new(), message: self.message.clone() }
    }

    pub(in crate::matrix) fn refused(line: u32, message: String) -> Self {
        Self { line, severity: Severity::Refused, message }
    }

    fn warning(line: u32, message: String) -> Self {
        Self { line, severity: Severity::Warning, message }
    }

    pub(in crate::matrix) fn note(line: u32, message: String) -> Self {
        Self { line, severity: Severity::Note, message }
    }
}

/// Reads a document; `file` names it in faults and rows.
///
/// # Errors
///
/// It is no text, it is of no kind that is known, or it declares no flows at all.
pub fn import(bytes: &[u8], file: &str, options: &Options) -> Result<Import, Faults> {
    let fault = |(line, message)| Faults::new(file, vec![Fault { line, path: String::new(), message }]);
    if options.kind == Some(Kind::Xlsx) || (options.kind.is_none() && bytes.starts_with(xlsx::MAGIC)) {
        let tables = xlsx::tables(bytes).map_err(|message| fault((0, message)))?;
        return declaring(of_tables(tables, file, options), file);
    }
    let document = text::decode(bytes).map_err(fault)?;
    // Who names columns means a table.
    let kind =
        options.kind.or_else(|| kind::detect(&document)).or(options.columns.as_ref().map(|_| Kind::Csv));
    let kind = kind.ok_or_else(|| fault((0, NO_KIND.to_owned())))?;
    let tables = match kind {
        Kind::Canonical => {
            let Matrix { rows, .. } = read_matrix(&document, file)?;
            return Ok(Import { rows, problems: Vec::new() });
        }
        Kind::Markdown => return declaring(of_markdown(&document, file, options), file),
        Kind::Text => flattened::tables(&document, &options.vocabulary),
        Kind::Html => html::tables(&document),
        Kind::Csv => delimited::tables(&document).map_err(fault)?,
        Kind::Kubernetes => {
            let import = kubernetes::read(&document, file).map_err(|faults| Faults::new(file, faults))?;
            return declaring(import, file);
        }
        Kind::Commatrix => vec![commatrix::of_json(&document).map_err(|faults| Faults::new(file, faults))?],
        Kind::Xlsx => Vec::new(),
    };
    declaring(of_tables(tables, file, options), file)
}

/// A document without a row is refused, with all that it has instead.
fn declaring(import: Import, file: &str) -> Result<Import, Faults> {
    if import.rows.is_empty() {
        let nothing = Fault { line: 0, path: String::new(), message: "declares no flows".to_owned() };
        let faults = [nothing].into_iter().chain(import.problems.iter().map(Problem::as_fault)).collect();
        return Err(Faults::new(file, faults));
    }
    Ok(import)
}

/// Whether a document is flowdrift's own.
#[must_use]
pub fn is_canonical(document: &str) -> bool {
    kind::detect(document) == Some(Kind::Canonical)
}

const NO_KIND: &str = "declares no flows in any form that is known: expected a table with columns such as Source, \
                       Destination and Port (Markdown, HTML, CSV, XLSX, or its text), a FlowMatrix, \
                       an EgressPoint or a NetworkPolicy; where it is one, --kind says which";

/// Reads tables of pipes, those that [`markdown::markdown`] wrote as they were meant, and the HTML that stands between.
fn of_markdown(document: &str, file: &str, options: &Options) -> Import {
    let document = &pipes::without_examples(document);
    let (own, problems) = markdown::rows(document);
    let mut tables = pipes::tables(document);
    tables.retain(|table| !markdown::is_own(&table.header));
    if kind::has_tag(document) {
        tables.extend(html::tables(document));
    }
    let mut import = of_tables(tables, file, options);
    import.rows = own.into_iter().chain(import.rows).collect();
    ids::give(&mut import.rows);
    import.problems.extend(problems);
    import.problems.sort_by_key(|problem| problem.line);
    import
}

/// Reads the tables that declare flows, and says of the others that they do not.
fn of_tables(tables: Vec<Table>, file: &str, options: &Options) -> Import {
    let mut import = Import::default();
    let mut vocabulary = options.vocabulary.clone();
    let mut read: Vec<(Table, Vec<Role>)> = Vec::new();
    let tables = tables.into_iter().flat_map(|table| match options.columns {
        None => grid::parted(table),
        Some(_) => vec![table],
    });
    for table in tables {
        let Some(roles) = columns::roles(&table.header, options.columns.as_ref(), table.told()) else {
            let columns = table.header.join("`, `");
            import.problems.push(if columns::tells_ports(&table) {
                let message = format!(
                    "the table with the columns `{columns}` has ports and does not tell who talks to whom: --columns or \
                     a heading would"
                );
                Problem::refused(table.line, message)
            } else {
                let message = format!("the table with the columns `{columns}` declares no flows, and is not read");
                Problem::note(table.line, message)
            });
            continue;
        };
        learn(&table, &roles, &mut vocabulary);
        for (line, message, is_row) in &table.unread {
            let problem = if *is_row { Problem::refused } else { Problem::note };
            import.problems.push(problem(*line, message.clone()));
        }
        read.push((table, roles));
    }
    let file: Arc<str> = file.into();
    for (table, roles) in read {
        rows::rows(table, &roles, &file, &vocabulary, &mut import);
    }
    ids::give(&mut import.rows);
    import.problems.sort_by_key(|problem| problem.line);
    import
}

/// Names that stand alone in a cell are known where they stand together.
fn learn(table: &Table, roles: &[Role], vocabulary: &mut Vocabulary) {
    // A long table says the same names again and again.
    let mut seen = HashSet::new();
    for line in &table.rows {
        let cells = line.cells.iter().zip(roles);
        let ends = cells.filter(|(_, role)| matches!(role, Role::From | Role::To | Role::Peer));
        for (cell, _) in ends.filter(|(cell, _)| seen.insert(cell.as_str())) {
            endpoint_cell::learn(cell, vocabulary);
        }
    }
}
