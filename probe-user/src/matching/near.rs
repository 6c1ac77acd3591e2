//! The row that an undeclared flow almost fits.

use super::cell::{Cell, Place};
use super::leg;
use super::reach::Reach;
use super::rows::Rows;
use super::tuple::Tuple;

/// What a flow and a cell differ in. The order is that of preference among equals: who fits both ends is nearer
/// than who fits one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// The server's port.
    Port,
    /// The client.
    Source,
    /// The server.
    Destination,
    /// The transport.
    Protocol,
}

/// A cell that differs from a flow in one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NearMiss {
    /// Index of the cell.
    pub cell: usize,
    /// The field.
    pub differs: Field,
    /// What the cell has there.
    pub declared: String,
    /// What the flow has there.
    pub found: String,
}

/// How near a cell is: the least is the nearest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Near {
    /// How wide the destination is, where it fits.
    fitting: u128,
    pub(super) differs: Field,
    cell: usize,
}

impl Rows {
    /// The cell that differs from the tuple in exactly one field: first the one whose destination, where it
    /// fits, is the narrowest (whoever reaches the database is near the database's row), then by the order of
    /// [`Field`], then the first. Legs behind a proxy are no near misses: they would name rows whose source
    /// nobody saw.
    #[must_use]
    pub fn nearest(&self, tuple: &Tuple<'_>) -> Option<NearMiss> {
        self.nearest_among(tuple, self.every_cell())
    }

    /// The same, of candidates.
    pub(super) fn nearest_among(
        &self,
        tuple: &Tuple<'_>,
        candidates: impl Iterator<Item = usize>,
    ) -> Option<NearMiss> {
        let nearest = candidates.filter_map(|cell| self.near(tuple, cell)).min()?;
        Some(self.near_miss(tuple, nearest))
    }

    /// How near a cell is, if it is.
    pub(super) fn near(&self, tuple: &Tuple<'_>, cell: usize) -> Option<Near> {
        let differs = difference(self.reach(tuple), &self.cells[cell])?;
        let fitting = if differs == Field::Destination { u128::MAX } else { self.width(cell).destination };
        Some(Near { fitting, differs, cell })
    }

    /// The nearest cell in words.
    pub(super) fn near_miss(&self, tuple: &Tuple<'_>, Near { differs, cell, .. }: Near) -> NearMiss {
        NearMiss {
            cell,
            differs,
            declared: declared(&self.cells[cell], differs),
            found: self.found(tuple, differs),
        }
    }

    fn found(&self, tuple: &Tuple<'_>, differs: Field) -> String {
        match differs {
            Field::Port => format!("{}/{}", tuple.port, tuple.protocol),
            Field::Source => self.placed(tuple, tuple.client()).label(),
            Field::Destination => self.placed(tuple, tuple.server()).label(),
            Field::Protocol => tuple.protocol.to_string(),
        }
    }
}

/// The only field that differs.
fn difference(reach: Reach<'_>, cell: &Cell) -> Option<Field> {
    let tuple = reach.tuple;
    let differs = [
        (Field::Port, !admits(reach, cell)),
        (Field::Source, !reach.holds(&cell.source, tuple.client())),
        (Field::Destination, !reach.holds(&cell.destination, tuple.server())),
        (Field::Protocol, !cell.port.carries(tuple.protocol)),
    ];
    let mut differing = differs.into_iter().filter(|(_, differs)| *differs);
    let (field, _) = differing.next()?;
    differing.next().is_none().then_some(field)
}

fn admits(reach: Reach<'_>, cell: &Cell) -> bool {
    match cell.destination {
        Place::Cluster(_) => cell.port.ports.hold(reach.tuple.port),
        _ => leg::admits(reach, cell),
    }
}

fn declared(cell: &Cell, differs: Field) -> String {
    match differs {
        Field::Port => cell.port.to_string(),
        Field::Source => cell.source.to_string(),
        Field::Destination => cell.destination.to_string(),
        Field::Protocol => cell.port.protocol.map_or_else(String::new, |protocol| protocol.to_string()),
    }
}
