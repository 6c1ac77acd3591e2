//! What changed from one matrix to another.

use std::collections::{BTreeSet, HashMap, HashSet};

use serde::Serialize;

use super::model::{EndpointName, Matrix, Row};
use super::write::Shown;

/// One change.
#[derive(Debug, Serialize)]
#[serde(tag = "change", rename_all = "lowercase")]
pub enum Change<'m> {
    /// A row that was not there.
    Added {
        /// The row.
        row: Shown<'m>,
    },
    /// A row that is no longer there.
    Removed {
        /// The row.
        row: Shown<'m>,
    },
    /// The same row under another id.
    Renamed {
        /// Its id before.
        from: &'m str,
        /// Its id now.
        to: &'m str,
    },
    /// A row that says something else.
    Changed {
        /// Its id.
        id: &'m str,
        /// What is different.
        fields: Vec<Field>,
    },
}

/// A field of a row that changed.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Field {
    /// Its name.
    pub field: &'static str,
    /// What it said; empty for nothing.
    pub old: String,
    /// What it says.
    pub new: String,
}

/// The changes, in the order of the new matrix, then those that were removed. Rows are the same when their ids are, or
/// else when they say the same; where a row stands is no change.
#[must_use]
pub fn diff<'m>(old: &'m Matrix, new: &'m Matrix) -> Vec<Change<'m>> {
    let before: HashMap<&str, &Row> = old.rows.iter().map(|row| (row.id.as_str(), row)).collect();
    let ids: HashSet<&str> = new.rows.iter().map(|row| row.id.as_str()).collect();
    // Rows whose id is gone, by what they say: candidates for another name.
    let mut gone: HashMap<Vec<String>, Vec<&Row>> = HashMap::new();
    for row in old.rows.iter().rev().filter(|row| !ids.contains(row.id.as_str())) {
        gone.entry(said(row)).or_default().push(row);
    }
    let mut changes = Vec::new();
    let mut renamed: BTreeSet<&str> = BTreeSet::new();
    for row in &new.rows {
        if let Some(was) = before.get(row.id.as_str()) {
            let fields = fields(was, row);
            if !fields.is_empty() {
                changes.push(Change::Changed { id: &row.id, fields });
            }
        } else if let Some(was) = gone.get_mut(&said(row)).and_then(Vec::pop) {
            renamed.insert(&was.id);
            changes.push(Change::Renamed { from: &was.id, to: &row.id });
        } else {
            changes.push(Change::Added { row: Shown::of(row, &new.file) });
        }
    }
    let is_gone = |row: &&Row| !ids.contains(row.id.as_str()) && !renamed.contains(row.id.as_str());
    changes.extend(
        old.rows.iter().filter(is_gone).map(|row| Change::Removed { row: Shown::of(row, &old.file) }),
    );
    changes
}

const FIELDS: [&str; 11] = [
    "component",
    "components",
    "from",
    "to",
    "ports",
    "app",
    "expect",
    "purpose",
    "review",
    "doubts",
    "notes",
];

/// What a row says, field by field; lists without their order.
fn said(row: &Row) -> Vec<String> {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let names = |names: &[EndpointName]| sorted(names.iter().map(|name| name.key().to_owned()));
    let ports = sorted(row.ports.iter().map(ToString::to_string));
    vec![
        text(&row.component),
        sorted(row.components.iter().cloned()),
        names(&row.from),
        names(&row.to),
        if row.each_port { format!("each of {ports}") } else { ports },
        text(&row.app),
        format!("{:?}", row.expect).to_lowercase(),
        text(&row.purpose),
        row.review.to_string(),
        sorted(row.doubts.iter().cloned()),
        text(&row.notes),
    ]
}

fn sorted(items: impl Iterator<Item = String>) -> String {
    items.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(", ")
}

fn fields(old: &Row, new: &Row) -> Vec<Field> {
    let pairs = FIELDS.into_iter().zip(said(old).into_iter().zip(said(new)));
    pairs.filter(|(_, (old, new))| old != new).map(|(field, (old, new))| Field { field, old, new }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::tests::of_rows as matrix;

    fn told(old: &str, new: &str) -> Vec<String> {
        let (old, new) = (matrix(old), matrix(new));
        let told = diff(&old, &new)
            .into_iter()
            .map(|change| serde_json::to_value(change).expect("JSON"))
            .map(|change| {
                let kind = change["change"].as_str().unwrap_or_default().to_owned();
                match kind.as_str() {
                    "changed" => format!("changed {} {}", change["id"], change["fields"][0]["field"]),
                    "renamed" => format!("renamed {} {}", change["from"], change["to"]),
                    _ => format!("{kind} {}", change["row"]["id"]),
                }
            });
        told.map(|text| text.replace('"', "")).collect()
    }

    #[test]
    fn rows_are_added_removed_changed_and_renamed() {
        assert_eq!(
            told(
                "- {id: same, from: [a, b], to: [c], ports: [1/tcp]}\n- {id: port, from: [a], to: [c], ports: [2/tcp]}\n\
                 - {id: old, from: [a], to: [d], ports: [3/tcp]}\n- {id: gone, from: [a], to: [e], ports: [4/tcp]}\n",
                "- {id: new, from: [A], to: [d], ports: [3/tcp]}\n- {id: same, from: [b, a], to: [c], ports: [1/tcp]}\n\
                 - {id: port, from: [a], to: [c], ports: [2/udp]}\n- {id: more, from: [a], to: [f], ports: [5/tcp]}\n",
            ),
            ["renamed old new", "changed port ports", "added more", "removed gone"]
        );
    }
}
