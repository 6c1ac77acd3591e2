//! OpenShift's communication matrix (`oc commatrix generate`), CSV or JSON: the ports that each role of nodes opens.
//!
//! It lists listeners and names no clients, so the other end is anybody.

use super::{
    columns::Role,
    table::{Line, Table},
};
use crate::matrix::faults::Fault;
use crate::matrix::node::{self, Items, Kind, Node};

/// The columns, by their names in CSV and in JSON.
const COLUMNS: [(&str, &str); 9] = [
    ("direction", "direction"),
    ("protocol", "protocol"),
    ("port", "port"),
    ("namespace", "namespace"),
    ("service", "service"),
    ("pod", "pod"),
    ("container", "container"),
    ("node role", "nodeRole"),
    ("optional", "optional"),
];

/// Whether a line is the header of such a matrix.
pub(super) fn is_header(cells: &[String]) -> bool {
    let has = |name: &str| cells.iter().any(|cell| cell.eq_ignore_ascii_case(name));
    ["direction", "protocol", "port", "namespace", "pod", "node role"].into_iter().all(has)
}

/// Whether a JSON document is such a matrix.
pub(super) fn is_json(document: &str) -> bool {
    document.trim_start().starts_with('[') && document.contains("\"nodeRole\"")
}

/// The table of lines that follow a header.
pub(super) fn table(header: &Line, lines: Vec<Line>) -> Table {
    let place = |name: &str| header.cells.iter().position(|cell| cell.eq_ignore_ascii_case(name));
    let places = COLUMNS.map(|(name, _)| place(name));
    let rows = lines.into_iter().filter(|line| line.cells.iter().any(|cell| !cell.is_empty())).map(|line| {
        let cells =
            places.map(|place| place.and_then(|place| line.cells.get(place)).map_or("", String::as_str));
        Line { number: line.number, cells: row(cells), doubts: Vec::new() }
    });
    Table { line: header.number, header: names(), rows: rows.collect(), ..Table::default() }
}

/// The table of a JSON document.
///
/// # Errors
///
/// What is wrong with it.
pub(super) fn of_json(document: &str) -> Result<Table, Vec<Fault>> {
    let mut faults = Vec::new();
    let mut rows = Vec::new();
    let root = node::parse_items(document, Some(Items::OfDocument), &mut faults, |item| {
        let cells = COLUMNS.map(|(_, key)| item.get(key).map(text).unwrap_or_default());
        rows.push(Line {
            number: item.line,
            cells: row(cells.each_ref().map(String::as_str)),
            doubts: Vec::new(),
        });
    });
    let Some(root) = root.filter(|_| faults.is_empty()) else { return Err(faults) };
    Ok(Table { line: root.line, header: names(), rows, ..Table::default() })
}

fn text(node: &Node) -> String {
    match node.kind {
        Kind::Bool(yes) => yes.to_string(),
        _ => node.text().unwrap_or_default(),
    }
}

fn names() -> Vec<String> {
    let roles = [Role::Component, Role::From, Role::To, Role::Ports, Role::Protocol, Role::Expect];
    roles.map(|role| role.to_string()).to_vec()
}

fn row(
    [direction, protocol, port, namespace, service, pod, container, role, optional]: [&str; 9],
) -> Vec<String> {
    let (from, to) = if direction.eq_ignore_ascii_case("egress") { (role, "any") } else { ("any", role) };
    let parts = [namespace, pod, container].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>();
    let component =
        if parts.is_empty() { service.to_owned() } else { format!("{service} ({})", parts.join("/")) };
    let expect = if optional.eq_ignore_ascii_case("false") { "required" } else { "optional" };
    [&component, from, to, port, protocol, expect].map(str::to_owned).to_vec()
}
