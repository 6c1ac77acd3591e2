//! Reads one document from its text: the tree, the wire type, the model, and the faults of all three.

use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use super::exceptions::{self, Exceptions};
use super::faults::{Fault, Faults};
use super::import::{Import, Options, Problem, import, is_canonical};
use super::inventory::{self, Inventory};
use super::load::stem;
use super::model::Matrix;
use super::node::{self, Items, Kind, Node};
use super::{convert, reader};

const KINDS: [&str; 3] = ["FlowMatrix", "Inventory", "Exceptions"];

/// Reads a flow matrix; `file` names it in faults and reports.
///
/// # Errors
/// Everything that is wrong with the document.
pub fn read_matrix(text: &str, file: &str) -> Result<Matrix, Faults> {
    let mut rows = convert::Rows::default();
    let (mut faults, mut faults_of_rows) = (Vec::new(), Vec::new());
    let mut index = 0;
    let root = node::parse_items(text, Some(Items::Below("rows")), &mut faults, |row| {
        let written = reader::read_at(&row, format!("rows[{index}]"), &mut faults_of_rows);
        index += 1;
        if let Some(written) = written {
            rows.add(row.line, written, &mut faults_of_rows);
        }
    });
    let name = root.filter(|root| is_kind(root, "FlowMatrix", &mut faults)).and_then(|root| {
        faults.append(&mut faults_of_rows);
        reader::read(&root, &mut faults).map(|written| convert::name(written, &mut faults))
    });
    let convert::Rows { rows, .. } = rows;
    match name {
        Some(name) if faults.is_empty() => {
            Ok(Matrix { name, file: file.to_owned(), digest: digest(text.as_bytes()), rows })
        }
        _ => Err(Faults::new(file, faults)),
    }
}

/// Reads whatever declares flows: a flow matrix, or any document that [`super::import`] reads. Its name is the file's.
///
/// # Errors
/// Everything that is wrong with the document, each row that could not be read among it.
pub fn read_declared(bytes: &[u8], file: &str) -> Result<Matrix, Faults> {
    if let Some(text) = str::from_utf8(bytes).ok().filter(|text| is_canonical(text)) {
        return read_matrix(text, file);
    }
    let import = import(bytes, file, &Options::default())?;
    let faults: Vec<Fault> = import.refused().map(Problem::as_fault).collect();
    if !faults.is_empty() {
        return Err(Faults::new(file, faults));
    }
    let Import { rows, .. } = import;
    Ok(Matrix { name: stem(file), file: file.to_owned(), digest: digest(bytes), rows })
}

/// Reads an inventory; `file` names it in faults and reports.
///
/// # Errors
/// Everything that is wrong with the document.
pub fn read_inventory(text: &str, file: &str) -> Result<Inventory, Faults> {
    let inventory = read(text, file, "Inventory", inventory::convert)?;
    Ok(Inventory { file: file.to_owned(), digest: digest(text.as_bytes()), ..inventory })
}

/// Reads exceptions; `file` names them in faults and reports.
///
/// # Errors
/// Everything that is wrong with the document.
pub fn read_exceptions(text: &str, file: &str) -> Result<Exceptions, Faults> {
    let exceptions = read(text, file, "Exceptions", exceptions::convert)?;
    Ok(Exceptions { file: file.to_owned(), digest: digest(text.as_bytes()), ..exceptions })
}

/// SHA-256 of the document's bytes, lower-case hex.
fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn read<W: DeserializeOwned, M>(
    text: &str,
    file: &str,
    kind: &str,
    convert: impl FnOnce(W, &mut Vec<Fault>) -> M,
) -> Result<M, Faults> {
    let mut faults = Vec::new();
    let model = node::parse(text, &mut faults)
        .filter(|node| is_kind(node, kind, &mut faults))
        .and_then(|node| reader::read(&node, &mut faults))
        .map(|written| convert(written, &mut faults));
    match model {
        Some(model) if faults.is_empty() => Ok(model),
        _ => Err(Faults::new(file, faults)),
    }
}

/// A document of another kind has one fault, not one for each of its keys.
fn is_kind(node: &Node, expected: &str, faults: &mut Vec<Fault>) -> bool {
    let Kind::Map(entries) = &node.kind else { return true };
    let other = entries.iter().find_map(|(key, value)| match &value.kind {
        Kind::Text(text) if key.text == "kind" && text != expected => Some((value.line, text)),
        _ => None,
    });
    let Some((line, found)) = other.filter(|(_, found)| KINDS.contains(&found.as_str())) else { return true };
    let message = format!("found the kind `{found}`, expected `{expected}`");
    faults.push(Fault { line, path: "kind".to_owned(), message });
    false
}
