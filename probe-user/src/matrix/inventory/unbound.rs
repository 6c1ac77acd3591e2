//! Names that a matrix uses and that nothing here explains.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{BUILT_IN, Endpoint, Inventory};
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
        || literal(name).is_some()
}

/// The block that a name is when it is an address or a block itself, as in a firewall team's sheet.
fn literal(name: &EndpointName) -> Option<IpNet> {
    let text = name.as_str();
    let block = text.parse().map(|address: IpAddr| IpNet::from(address.to_canonical()));
    block.or_else(|_| text.parse::<IpNet>()).ok().map(|block| block.trunc())
}

impl Inventory {
    /// Binds the names of matrices that are addresses or blocks to themselves, where nothing else is said of them.
    #[must_use]
    pub fn with_addresses_of(mut self, matrices: &[Matrix]) -> Self {
        let rows = matrices.iter().flat_map(|matrix| &matrix.rows);
        for name in rows.flat_map(|row| row.from.iter().chain(&row.to)) {
            if let Some(block) = literal(name) {
                let itself = || Endpoint { cidrs: vec![block], ..Endpoint::default() };
                self.endpoints.entry(name.clone()).or_insert_with(itself);
            }
        }
        self
    }
}

fn message(name: &EndpointName, inventory: &Inventory) -> String {
    let clusters = inventory.clusters.iter();
    let names = clusters.flat_map(|(name, cluster)| [Some(name.as_str()), cluster.role.as_deref()]).flatten();
    let endpoints = inventory.endpoints.keys().map(EndpointName::as_str);
    let hint = did_you_mean(name.as_str(), names.chain(endpoints).chain(BUILT_IN));
    format!("endpoint `{name}` is not in the inventory {}{hint}", inventory.file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::{read_inventory, read_matrix};

    #[test]
    fn addresses_bind_themselves_unless_the_inventory_says_otherwise() {
        let matrix = read_matrix(
            "apiVersion: flowdrift/v1\nkind: FlowMatrix\nmetadata: {name: m}\nrows:\n\
             - {id: a, from: [10.1.2.0/24], to: [192.0.2.7, 'fd00::/64', 192.0.2.8], ports: [443/tcp]}\n",
            "m.yaml",
        )
        .expect("a matrix");
        let inventory =
            "apiVersion: flowdrift/v1\nkind: Inventory\nendpoints: {192.0.2.8: {cidrs: [192.0.2.9]}}\n";
        let inventory = read_inventory(inventory, "i.yaml").expect("an inventory");
        assert_eq!(unbound(std::slice::from_ref(&matrix), &inventory), []);
        let inventory = inventory.with_addresses_of(&[matrix]);
        let bound = |name: &str| inventory.endpoints[&EndpointName::new(name)].cidrs[0].to_string();
        assert_eq!(
            ["10.1.2.0/24", "192.0.2.7", "fd00::/64", "192.0.2.8"].map(bound),
            ["10.1.2.0/24", "192.0.2.7/32", "fd00::/64", "192.0.2.9/32"]
        );
    }
}
