//! Matrices as others draw and keep them: a grid of sources and destinations, a graph, CSV.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::model::{EndpointName, Matrix, Row};
use super::write::Shown;

/// Who may talk to whom: the ports of each pair of names.
#[must_use]
pub fn pairs(matrices: &[Matrix]) -> BTreeMap<(String, String), BTreeSet<String>> {
    let mut pairs: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    // A name is drawn as it was written first.
    let mut written: BTreeMap<&EndpointName, String> = BTreeMap::new();
    let rows = matrices.iter().flat_map(|matrix| &matrix.rows);
    for name in rows.flat_map(|row| row.from.iter().chain(&row.to)) {
        written.entry(name).or_insert_with(|| name.as_str().to_owned());
    }
    for row in matrices.iter().flat_map(|matrix| &matrix.rows) {
        for from in &row.from {
            for to in &row.to {
                let ports = pairs.entry((written[from].clone(), written[to].clone())).or_default();
                ports.extend(row.ports.iter().map(ToString::to_string));
            }
        }
    }
    pairs
}

/// A graph in Graphviz's language.
#[must_use]
pub fn graphviz(matrices: &[Matrix]) -> String {
    // A quoted string ends at a quote only (graphviz.org, "The DOT Language").
    let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let mut graph = "digraph flows {\n  rankdir=LR;\n".to_owned();
    for ((from, to), ports) in pairs(matrices) {
        let ports = ports.into_iter().collect::<Vec<_>>().join(", ");
        let _ = writeln!(graph, "  {} -> {} [label={}];", quoted(&from), quoted(&to), quoted(&ports));
    }
    graph + "}\n"
}

/// A graph in Mermaid's language.
#[must_use]
pub fn mermaid(matrices: &[Matrix]) -> String {
    // Entities are how Mermaid writes what its syntax needs for itself.
    let quoted = |text: &str| {
        let escape = |letter: char| match letter {
            '"' | '#' | '&' | '<' | '>' | '|' | ';' | '`' => format!("#{};", u32::from(letter)),
            letter => letter.to_string(),
        };
        format!("\"{}\"", text.chars().map(escape).collect::<String>())
    };
    let pairs = pairs(matrices);
    let names: BTreeSet<&String> = pairs.keys().flat_map(|(from, to)| [from, to]).collect();
    let number: BTreeMap<&String, usize> =
        names.into_iter().enumerate().map(|(number, name)| (name, number)).collect();
    let mut graph = "flowchart LR\n".to_owned();
    for (name, number) in &number {
        let _ = writeln!(graph, "  n{number}[{}]", quoted(name));
    }
    for ((from, to), ports) in &pairs {
        let ports = ports.iter().cloned().collect::<Vec<_>>().join(", ");
        let _ = writeln!(graph, "  n{} -->|{}| n{}", number[from], quoted(&ports), number[to]);
    }
    graph
}

/// A line for each row, which `import` reads.
///
/// # Errors
///
/// None, as long as there is memory.
pub fn csv(matrices: &[Matrix]) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record([
        "Row id",
        "Component",
        "From",
        "To",
        "Ports",
        "Application",
        "Required",
        "Purpose",
        "Review",
        "Notes",
    ])?;
    for (row, file) in
        matrices.iter().flat_map(|matrix| matrix.rows.iter().map(move |row| (row, &matrix.file)))
    {
        writer.write_record(record(row, file).map(guarded))?;
    }
    writer.into_inner().map_err(|error| error.into_error().into())
}

fn record(row: &Row, file: &str) -> [String; 10] {
    let shown = Shown::of(row, file);
    let names = |names: &[EndpointName]| {
        names.iter().map(|name| name.as_str().to_owned()).collect::<Vec<_>>().join("\n")
    };
    [
        row.id.clone(),
        row.component.clone().unwrap_or_default(),
        names(&row.from),
        names(&row.to),
        row.ports.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
        row.app.clone().unwrap_or_default(),
        shown.expectation(),
        row.purpose.clone().unwrap_or_default(),
        if row.review { row.doubts.join("; ") } else { String::new() },
        row.notes.clone().unwrap_or_default(),
    ]
}

/// A spreadsheet takes what begins so for a formula and runs it (OWASP, "CSV injection").
fn guarded(cell: String) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{cell}") } else { cell }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::import::{Options, import};
    use crate::matrix::read_matrix;

    fn matrix() -> Matrix {
        let text = "apiVersion: flowdrift/v1\nkind: FlowMatrix\nmetadata: {name: m}\nrows:\n\
                    - {id: a, from: [run, 'the \"desk\"'], to: [view], ports: [443/tcp, 53/udp], expect: required}\n\
                    - {id: b, from: [run], to: [view], ports: [22/tcp], purpose: '=1+1'}\n";
        read_matrix(text, "m.yaml").expect("a matrix")
    }

    #[test]
    fn graphs_join_the_ports_of_a_pair_and_escape_names() {
        let graph = graphviz(&[matrix()]);
        assert!(graph.contains("  \"run\" -> \"view\" [label=\"22/tcp, 443/tcp, 53/udp\"];"), "{graph}");
        assert!(graph.contains("\"the \\\"desk\\\"\" ->"), "{graph}");
        let graph = mermaid(&[matrix()]);
        assert!(graph.contains("[\"the #34;desk#34;\"]") && graph.contains("n0 -->|\"22/tcp"), "{graph}");
    }

    #[test]
    fn csv_is_read_back_and_runs_nothing() {
        let csv = csv(&[matrix()]).expect("memory");
        let text = String::from_utf8(csv.clone()).expect("text");
        assert!(text.contains("'=1+1") && !text.contains(",=1+1"), "{text}");
        let rows = import(&csv, "m.csv", &Options::default()).expect("rows").rows;
        let ends = |row: &Row| (row.from.clone(), row.to.clone(), row.ports.clone(), row.expect);
        assert_eq!(
            rows.iter().map(ends).collect::<Vec<_>>(),
            matrix().rows.iter().map(ends).collect::<Vec<_>>()
        );
    }
}
