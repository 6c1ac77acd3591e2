//! Names that a matrix uses and that nothing here explains.

use super::{BUILT_IN, Inventory};
use crate::matrix::exceptions::{Exceptions, Party};
use crate::matrix::faults::{Fault, Faults, did_you_mean};
use crate::matrix::model::{EndpointName, Matrix, Row};

/// For each matrix with such names, a fault for each use of one; `judge` must not run over them.
#[must_use]
pub fn unbound(matrices: &[Matrix], inventory: &Inventory) -> Vec<Faults> {
    let faults = matrices.iter().map(|matrix| {
        let rows = matrix.rows.iter().enumerate();
        let faults = rows.flat_map(|(index, row)| unbound_in(index, row, inventory)).collect();
        Faults::new(&matrix.file, faults)
    });
    faults.filter(|faults| !faults.faults.is_empty()).collect()
}

/// The same for exceptions: `None` when every name is known.
#[must_use]
pub fn unbound_exceptions(exceptions: &Exceptions, inventory: &Inventory) -> Option<Faults> {
    let numbered = exceptions.exceptions.iter().enumerate();
    let parties = numbered.flat_map(|(index, exception)| {
        [("from", &exception.from), ("to", &exception.to)]
            .map(|(side, party)| (index, exception.line, side, party))
    });
    let faults = parties.filter_map(|(index, line, side, party)| match party {
        Party::Named(name) if !known(name, inventory) => {
            let path = format!("exceptions[{index}].{side}");
            Some(Fault { line, path, message: message(name, inventory) })
        }
        _ => None,
    });
    let faults: Vec<Fault> = faults.collect();
    (!faults.is_empty()).then(|| Faults::new(&exceptions.file, faults))
}

fn unbound_in(index: usize, row: &Row, inventory: &Inventory) -> Vec<Fault> {
    let sides = [("from", &row.from), ("to", &row.to)];
    let names = sides.into_iter().flat_map(|(side, names)| {
        names
            .iter()
            .enumerate()
            .map(move |(position, name)| (format!("rows[{index}].{side}[{position}]"), name))
    });
    let unknown = names.filter(|(_, name)| !known(name, inventory));
    unknown.map(|(path, name)| Fault { line: row.line, path, message: message(name, inventory) }).collect()
}

/// Whether an inventory, or every inventory, says what a name is.
pub(in crate::matrix) fn known(name: &EndpointName, inventory: &Inventory) -> bool {
    inventory.endpoints.contains_key(name)
        || inventory.clusters_named(name).next().is_some()
        || BUILT_IN.iter().any(|built_in| name.is(built_in))
}

fn message(name: &EndpointName, inventory: &Inventory) -> String {
    let clusters = inventory.clusters.iter();
    let names = clusters.flat_map(|(name, cluster)| [Some(name.as_str()), cluster.role.as_deref()]).flatten();
    let endpoints = inventory.endpoints.keys().map(EndpointName::as_str);
    let hint = did_you_mean(name.as_str(), names.chain(endpoints).chain(BUILT_IN));
    format!("endpoint `{name}` is not in the inventory {}{hint}", inventory.file)
}
