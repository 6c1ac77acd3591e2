//! What matrices name, and what an inventory must say of it.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::inventory::{Inventory, known};
use super::model::{EndpointName, Matrix, Ports, Row};

/// How matrices use a name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Use {
    /// Whether the inventory, if there is one, says what it is; built-in names need none.
    pub is_bound: bool,
    /// Rows that have it as a source, `file:line`.
    pub as_source: Vec<String>,
    /// Rows that have it as a destination.
    pub as_destination: Vec<String>,
}

/// Every name, and how it is used.
#[must_use]
pub fn uses(matrices: &[Matrix], inventory: Option<&Inventory>) -> BTreeMap<EndpointName, Use> {
    let nothing = Inventory::default();
    let inventory = inventory.unwrap_or(&nothing);
    let mut uses: BTreeMap<EndpointName, Use> = BTreeMap::new();
    for (row, matrix) in matrices.iter().flat_map(|matrix| matrix.rows.iter().map(move |row| (row, matrix))) {
        let place = place(row, &matrix.file);
        let mut entry = |name: &EndpointName, note: &dyn Fn(&mut Use)| {
            let of_new = || Use { is_bound: known(name, inventory), ..Use::default() };
            note(uses.entry(name.clone()).or_insert_with(of_new));
        };
        for name in &row.from {
            entry(name, &|used| used.as_source.push(place.clone()));
        }
        for name in &row.to {
            entry(name, &|used| used.as_destination.push(place.clone()));
        }
    }
    uses
}

/// A row whose ports vary by site, and that no inventory binds yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Varying {
    /// The row.
    pub id: String,
    /// `file:line`.
    pub place: String,
    /// Who listens there.
    pub to: Vec<EndpointName>,
}

/// Every such row. Ports that the inventory gives for all its destinations bind it as well as those for the row.
#[must_use]
pub fn varying(matrices: &[Matrix], inventory: Option<&Inventory>) -> Vec<Varying> {
    let nothing = Inventory::default();
    let inventory = inventory.unwrap_or(&nothing);
    let has_ports = |name: &EndpointName| {
        inventory.endpoints.get(name).is_some_and(|endpoint| !endpoint.ports.is_empty())
    };
    let rows = matrices.iter().flat_map(|matrix| matrix.rows.iter().map(move |row| (row, matrix)));
    let varying = rows.filter(|(row, _)| {
        inventory.ports_of(row).any(|port| port.ports == Ports::Varies) && !row.to.iter().all(has_ports)
    });
    let told = |(row, matrix): (&Row, &Matrix)| Varying {
        id: row.id.clone(),
        place: place(row, &matrix.file),
        to: row.to.clone(),
    };
    varying.map(told).collect()
}

fn place(row: &Row, file: &str) -> String {
    match &row.source {
        Some(source) => format!("{}:{}", source.file, source.line),
        None => format!("{file}:{}", row.line),
    }
}

/// An inventory to fill in: each name that is not bound with where it is used, and each row whose ports are not.
#[must_use]
pub fn skeleton(uses: &BTreeMap<EndpointName, Use>, varying: &[Varying]) -> String {
    /// More places tell nothing more.
    const PLACES: usize = 3;
    let list = |what: &str, places: &[String]| {
        let shown = places.iter().take(PLACES).cloned().collect::<Vec<_>>().join(", ");
        match places.len() {
            0 => String::new(),
            count if count > PLACES => format!("{what} of {count} rows: {shown}, …"),
            count => format!("{what} of {count} {}: {shown}", if count == 1 { "row" } else { "rows" }),
        }
    };
    let mut text = "apiVersion: flowdrift/v1\nkind: Inventory\n# A name that is a cluster, or a role that clusters play, belongs to `clusters` instead:\n# clusters:\n#   NAME: {role: ROLE, nodes: {n1: 192.0.2.11}, pods: [10.244.0.0/16], services: [10.96.0.0/12]}\nendpoints:\n".to_owned();
    for (name, used) in uses.iter().filter(|(_, used)| !used.is_bound) {
        for said in [list("source", &used.as_source), list("destination", &used.as_destination)] {
            if !said.is_empty() {
                let _ = writeln!(text, "  # {}", said.replace('\n', " "));
            }
        }
        let _ = writeln!(text, "  {}: {{cidrs: []}}", quoted(name.as_str()));
    }
    if !varying.is_empty() {
        text += "# Ports that vary by site, such as [8080/tcp, 61001-65534/tcp]:\nvaries:\n";
    }
    for Varying { id, place, to } in varying {
        let to = to.iter().map(EndpointName::as_str).collect::<Vec<_>>().join(", ").replace('\n', " ");
        let _ = writeln!(text, "  {}: [] # to {to}, {place}", quoted(id));
    }
    text
}

/// A key of YAML, whatever it holds.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::{read_inventory, read_matrix};

    #[test]
    fn a_skeleton_names_what_is_not_bound_and_reads_as_an_inventory() {
        let matrix = read_matrix(
            "apiVersion: flowdrift/v1\nkind: FlowMatrix\nmetadata: {name: m}\nrows:\n\
             - {id: a, from: [run], to: ['git: \"repo\"'], ports: [443/tcp]}\n- {id: b, from: [any], to: [apps], ports: [varies]}\n",
            "m.yaml",
        )
        .expect("a matrix");
        let inventory = "apiVersion: flowdrift/v1\nkind: Inventory\nclusters: {run: {}}\n";
        let inventory = read_inventory(inventory, "i.yaml").expect("an inventory");
        let matrices = [matrix];
        let varying = varying(&matrices, Some(&inventory));
        let uses = uses(&matrices, Some(&inventory));
        let unbound: Vec<&str> =
            uses.iter().filter(|(_, used)| !used.is_bound).map(|(name, _)| name.as_str()).collect();
        assert_eq!(unbound, ["apps", "git: \"repo\""]);
        let text = skeleton(&uses, &varying);
        assert!(text.contains("# destination of 1 row: m.yaml:5"), "{text}");
        let again =
            read_inventory(&text, "skeleton.yaml").unwrap_or_else(|faults| panic!("{faults}\n{text}"));
        assert_eq!(again.endpoints.len(), 2);
        assert!(text.contains("  \"b\": [] # to apps, m.yaml:6"), "{text}");
        assert_eq!(again.varies.keys().collect::<Vec<_>>(), ["b"]);
        let filled = text.replace("\"b\": []", "\"b\": [8080/tcp]");
        let filled = read_inventory(&filled, "skeleton.yaml").unwrap_or_else(|faults| panic!("{faults}"));
        assert_eq!(super::varying(&matrices, Some(&filled)), []);
    }
}
