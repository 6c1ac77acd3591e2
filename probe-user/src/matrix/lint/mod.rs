//! What is questionable about matrices that can be read.
//!
//! Each rule is a function over all rows, since rows of different documents contradict each other too.

mod overlap;
mod ports;
mod sarif;
mod spelling;

use std::collections::{HashMap, HashSet};

use serde::Serialize;

pub use sarif::sarif;

use super::inventory::{Endpoint, Inventory, unbound};
use super::model::{Matrix, Ports, Row};

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Probably wrong.
    Warning,
    /// An audit would refuse it.
    Error,
}

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// The same row twice.
    DuplicateRow,
    /// Everything that a row allows, another allows too.
    ContainedRow,
    /// One destination and port under two application protocols.
    Contradiction,
    /// Rows that no connection can tell apart.
    CreditGroup,
    /// A name that the inventory does not bind.
    UnboundEndpoint,
    /// Ports that the inventory gives for a row that does not ask for them.
    UnusedBinding,
    /// More ports than a service has.
    WidePorts,
    /// A port whose usual protocol uses another transport, or another port.
    TransportMisfit,
    /// A name that is nearly another.
    LikelyMisspelling,
    /// A row that its reader doubted.
    ToReview,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Self; 10] = [
        Self::DuplicateRow,
        Self::ContainedRow,
        Self::Contradiction,
        Self::CreditGroup,
        Self::UnboundEndpoint,
        Self::UnusedBinding,
        Self::WidePorts,
        Self::TransportMisfit,
        Self::LikelyMisspelling,
        Self::ToReview,
    ];

    /// Its id.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::DuplicateRow => "duplicate-row",
            Self::ContainedRow => "contained-row",
            Self::Contradiction => "contradiction",
            Self::CreditGroup => "credit-group",
            Self::UnboundEndpoint => "unbound-endpoint",
            Self::UnusedBinding => "unused-binding",
            Self::WidePorts => "wide-ports",
            Self::TransportMisfit => "transport-misfit",
            Self::LikelyMisspelling => "likely-misspelling",
            Self::ToReview => "to-review",
        }
    }

    /// What it is about.
    #[must_use]
    pub const fn about(self) -> &'static str {
        match self {
            Self::DuplicateRow => "The same row stands in the matrix twice",
            Self::ContainedRow => "Another row allows all that this one allows",
            Self::Contradiction => "One destination and port is declared under two application protocols",
            Self::CreditGroup => "No connection can tell these rows apart: evidence for one is shared by all",
            Self::UnboundEndpoint => "The inventory does not say what this name is",
            Self::UnusedBinding => "The inventory gives ports for a row that is not there or names its own",
            Self::WidePorts => "The row allows more ports than a service has",
            Self::TransportMisfit => "The transport or the port does not fit the application",
            Self::LikelyMisspelling => "Two names differ so little that one of them is probably misspelt",
            Self::ToReview => "The document's reader doubted the row",
        }
    }

    /// How much it matters.
    #[must_use]
    pub const fn severity(self) -> Severity {
        match self {
            Self::UnboundEndpoint => Severity::Error,
            Self::DuplicateRow
            | Self::Contradiction
            | Self::UnusedBinding
            | Self::TransportMisfit
            | Self::LikelyMisspelling => Severity::Warning,
            Self::ContainedRow | Self::CreditGroup | Self::WidePorts | Self::ToReview => Severity::Note,
        }
    }
}

/// Something questionable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked for.
    pub rule: Rule,
    /// How much it matters.
    pub severity: Severity,
    /// Why, in lower case and without a full stop.
    pub message: String,
    /// The rows that it is about, the first of them where it is shown.
    pub rows: Vec<Place>,
}

/// Where a row stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// The matrix's file.
    pub file: String,
    /// The row's line in it.
    pub line: u32,
    /// The row.
    pub id: String,
}

/// A row with its matrix.
#[derive(Clone, Copy)]
struct Located<'m> {
    matrix: &'m Matrix,
    row: &'m Row,
}

impl Located<'_> {
    fn place(self) -> Place {
        Place { file: self.matrix.file.clone(), line: self.row.line, id: self.row.id.clone() }
    }
}

/// Everything questionable, by file and line.
#[must_use]
pub fn lint(matrices: &[Matrix], inventory: Option<&Inventory>) -> Vec<Finding> {
    let rows: Vec<Located<'_>> = matrices
        .iter()
        .flat_map(|matrix| matrix.rows.iter().map(move |row| Located { matrix, row }))
        .collect();
    let mut findings = Vec::new();
    findings.extend(overlap::findings(&rows));
    findings.extend(ports::findings(&rows));
    findings.extend(spelling::findings(&rows));
    findings.extend(to_review(&rows));
    findings.extend(inventory.into_iter().flat_map(|inventory| unbound_names(matrices, inventory)));
    findings.extend(inventory.into_iter().flat_map(|inventory| unused_bindings(&rows, inventory)));
    findings.extend(inventory.into_iter().flat_map(|inventory| empty_endpoints(&rows, inventory)));
    findings.sort_by(|one, other| one.rows.cmp(&other.rows).then(one.rule.cmp(&other.rule)));
    findings
}

fn finding(rule: Rule, rows: &[Located<'_>], message: String) -> Finding {
    Finding { rule, severity: rule.severity(), message, rows: rows.iter().map(|row| row.place()).collect() }
}

fn to_review(rows: &[Located<'_>]) -> Vec<Finding> {
    let doubted = rows.iter().filter(|located| located.row.review);
    let message = |row: &Row| match row.doubts.as_slice() {
        [] => row.notes.clone().unwrap_or_else(|| "marked for review, and nothing says why".to_owned()),
        doubts => doubts.join("; "),
    };
    doubted.map(|located| finding(Rule::ToReview, &[*located], message(located.row))).collect()
}

/// A skeleton that nobody has filled in binds nothing.
fn empty_endpoints(rows: &[Located<'_>], inventory: &Inventory) -> Vec<Finding> {
    let mut told = HashSet::new();
    let mut findings = Vec::new();
    for located in rows {
        for name in located.row.from.iter().chain(&located.row.to) {
            let is_empty = inventory.endpoints.get(name).is_some_and(Endpoint::says_nothing);
            if is_empty && told.insert(name.key()) {
                let message = format!("the inventory has `{name}` and does not say what it is");
                let found = finding(Rule::UnboundEndpoint, &[*located], message);
                findings.push(Finding { severity: Severity::Warning, ..found });
            }
        }
    }
    findings
}

fn unused_bindings(rows: &[Located<'_>], inventory: &Inventory) -> Vec<Finding> {
    let vary: HashMap<&str, bool> = rows
        .iter()
        .map(|Located { row, .. }| {
            (row.id.as_str(), row.ports.iter().any(|port| port.ports == Ports::Varies))
        })
        .collect();
    let unused = inventory.varies.iter().filter_map(|(id, (_, line))| {
        let message = match vary.get(id.as_str()) {
            Some(true) => return None,
            Some(false) => format!("the row `{id}` names its own ports, and these do not count"),
            None => format!("no matrix has a row `{id}`"),
        };
        let place = Place { file: inventory.file.clone(), line: *line, id: id.clone() };
        let rule = Rule::UnusedBinding;
        Some(Finding { rule, severity: rule.severity(), message, rows: vec![place] })
    });
    unused.collect()
}

fn unbound_names(matrices: &[Matrix], inventory: &Inventory) -> Vec<Finding> {
    let faults = unbound(matrices, inventory);
    let of_file = |faults: super::Faults| {
        let matrix = matrices.iter().find(|matrix| matrix.file == faults.file);
        let found = faults.faults.into_iter().map(|fault| {
            let row = matrix.and_then(|matrix| matrix.rows.iter().find(|row| row.line == fault.line));
            let id = row.map(|row| row.id.clone()).unwrap_or_default();
            let place = Place { file: faults.file.clone(), line: fault.line, id };
            let rule = Rule::UnboundEndpoint;
            Finding { rule, severity: rule.severity(), message: fault.message, rows: vec![place] }
        });
        found.collect::<Vec<_>>()
    };
    faults.into_iter().flat_map(of_file).collect()
}

#[cfg(test)]
mod tests;
