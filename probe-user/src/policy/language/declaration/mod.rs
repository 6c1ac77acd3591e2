//! What the rules say as flow matrices, one for each cluster: the first draft of a declaration, and the table that a firewall
//! team is sent.
//!
//! Nobody enforces a declaration, so nothing evaluates it. What is proven of it is that it reads back as the rows that were
//! meant.

mod exact;
mod legend;
mod names;
mod rows;

use std::collections::BTreeMap;

use serde_saphyr::SerializeError;

use self::{legend::Ends, names::Names, rows::Draft};
use super::{File, Written, component};
use crate::{
    matrix::{self, Matrix, Row},
    policy::{gather::Policies, world::World},
};

/// How a matrix is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The canonical YAML.
    Yaml,
    /// A table in Markdown.
    Markdown,
}

/// Writes them.
///
/// # Errors
/// What the writer of YAML says.
pub fn write(world: &World<'_>, policies: &Policies<'_>, form: Form) -> Result<Written, SerializeError> {
    let file = |(matrix, ends): (Matrix, Vec<Ends<'_>>)| {
        let text = match form {
            Form::Yaml => matrix::write::yaml(&matrix)?,
            Form::Markdown => {
                matrix::markdown(&matrix) + &legend::markdown(world, &matrix.name, &matrix.rows, &ends)
            }
        };
        // It is for people: no cluster takes it.
        Ok(File { name: name(&matrix.name, form), cluster: None, text })
    };
    let files = matrices(world, policies).into_iter().map(file).collect::<Result<_, SerializeError>>()?;
    Ok(Written { files, warnings: Vec::new() })
}

/// What of the rules does not come back from what was written, in words.
#[must_use]
pub fn lost(world: &World<'_>, policies: &Policies<'_>, form: Form, written: &Written) -> Vec<String> {
    let meant = matrices(world, policies);
    let lost = meant.iter().filter_map(|(matrix, _)| {
        let name = name(&matrix.name, form);
        let Some(file) = written.files.iter().find(|file| file.name == name) else {
            return Some(format!("{name}: it is not there"));
        };
        match matrix::read_declared(file.text.as_bytes(), &name) {
            Ok(read) => {
                let (read, meant) = (unplaced(&read.rows), unplaced(&matrix.rows));
                (read != meant).then(|| format!("{name}: its rows are others than were meant"))
            }
            Err(faults) => Some(faults.to_string()),
        }
    });
    lost.collect()
}

/// The rows of each cluster that has any, as drafts of what its users would declare, and who is at the ends of each.
fn matrices<'a>(world: &'a World<'_>, policies: &'a Policies<'_>) -> Vec<(Matrix, Vec<Ends<'a>>)> {
    let mut drafts: BTreeMap<&str, Draft<'_>> = BTreeMap::new();
    for policy in &policies.subjects {
        let cluster = policy.subject.cluster();
        let draft = drafts.entry(cluster).or_insert_with(|| Draft::new(Names::new(world, cluster)));
        draft.add(policy);
    }
    // Whoever is governed and has no rule declares nothing.
    let matrices = drafts.into_iter().map(|(cluster, draft)| draft.matrix(cluster));
    matrices.filter(|(matrix, _)| !matrix.rows.is_empty()).collect()
}

fn name(cluster: &str, form: Form) -> String {
    let ending = match form {
        Form::Yaml => "yaml",
        Form::Markdown => "md",
    };
    format!("{}/matrix.{ending}", component(cluster))
}

/// Only a file has lines.
fn unplaced(rows: &[Row]) -> Vec<Row> {
    rows.iter().map(|row| Row { line: 0, ..row.clone() }).collect()
}
