//! The compiled rows, and the matcher that looks at each cell in turn.

use std::{fmt, net::IpAddr};

use super::cell::{self, Cell};
use super::directory::Directory;
use super::leg::{self, Leg};
use super::reach::Reach;
use super::tuple::Tuple;
use super::width::Width;
use crate::matrix::inventory::Inventory;
use crate::matrix::{EndpointName, Matrix, Row};

/// A cell that a tuple fits: its index, over which leg, and whether the source is hidden. In one word, for the sets of all that
/// was ever asked are kept.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Match(u32);

impl Match {
    const LEG: u32 = 1;
    const CELL: u32 = 3;

    /// # Panics
    /// When there are more cells than the memory of any machine holds.
    pub(super) fn new(cell: usize, leg: Leg, source_hidden: bool) -> Self {
        assert!(cell < 1 << (u32::BITS - Self::CELL), "there are fewer cells than 2^29");
        Self((cell as u32) << Self::CELL | (leg as u32) << Self::LEG | u32::from(source_hidden))
    }

    /// Index of the cell.
    #[inline]
    #[must_use]
    pub fn cell(self) -> usize {
        (self.0 >> Self::CELL) as usize
    }

    /// Over which leg.
    #[inline]
    #[must_use]
    pub fn leg(self) -> Leg {
        Leg::ALL[(self.0 >> Self::LEG) as usize % Leg::ALL.len()]
    }

    /// Whether a proxy hides who the client was, so that any declared source could be.
    #[inline]
    #[must_use]
    pub fn source_hidden(self) -> bool {
        self.0 & 1 == 1
    }
}

impl fmt::Debug for Match {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut written = formatter.debug_struct("Match");
        written.field("cell", &self.cell()).field("leg", &self.leg());
        written.field("source_hidden", &self.source_hidden()).finish()
    }
}

/// Finds the cells that a tuple fits.
pub trait Matcher {
    /// The cells; a [`Match`] holds an index into them.
    fn cells(&self) -> &[Cell];

    /// Clears `found`, and puts every cell that the tuple fits there, in their order.
    fn matches(&self, tuple: &Tuple<'_>, found: &mut Vec<Match>);
}

/// The rows of several matrices against one inventory. Its matcher looks at each cell in turn.
#[derive(Clone, Debug)]
pub struct Rows {
    matrices: Vec<Matrix>,
    /// For each row, its matrix and its place there.
    index: Vec<(usize, usize)>,
    pub(super) inventory: Inventory,
    pub(super) cells: Vec<Cell>,
    pub(super) directory: Directory,
    widths: Vec<Width>,
}

impl Rows {
    /// Splits the rows into cells. A name that the inventory lacks binds nothing; `inventory::unbound` tells.
    #[must_use]
    pub fn new(matrices: &[Matrix], inventory: &Inventory) -> Self {
        let numbered = matrices.iter().enumerate();
        let index: Vec<(usize, usize)> =
            numbered.flat_map(|(matrix, rows)| (0..rows.rows.len()).map(move |row| (matrix, row))).collect();
        let rows = matrices.iter().flat_map(|matrix| &matrix.rows).enumerate();
        let mut cells: Vec<Cell> =
            rows.flat_map(|(row, written)| cell::split(row, written, inventory)).collect();
        cells.shrink_to_fit();
        let widths = cells.iter().map(|cell| Width::of(cell, inventory)).collect();
        let directory = Directory::of(inventory);
        Self { matrices: matrices.to_vec(), index, inventory: inventory.clone(), cells, directory, widths }
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// The row of a cell's index.
    ///
    /// # Panics
    /// When `row` is not below [`Rows::len`].
    #[must_use]
    pub fn row(&self, row: usize) -> &Row {
        let (matrix, row) = self.index[row];
        &self.matrices[matrix].rows[row]
    }

    /// The matrix that the row is from.
    ///
    /// # Panics
    /// When `row` is not below [`Rows::len`].
    #[must_use]
    pub fn matrix(&self, row: usize) -> &Matrix {
        &self.matrices[self.index[row].0]
    }

    /// Every row, in order.
    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.matrices.iter().flat_map(|matrix| &matrix.rows)
    }

    /// The matrices, as they were given.
    #[must_use]
    pub fn matrices(&self) -> &[Matrix] {
        &self.matrices
    }

    /// The inventory that the rows are compiled against.
    #[must_use]
    pub fn inventory(&self) -> &Inventory {
        &self.inventory
    }

    /// Every endpoint that may be at an address by what the inventory says of it, in the order of the names.
    pub fn endpoints_at(&self, address: IpAddr) -> impl Iterator<Item = &EndpointName> {
        self.directory.candidates(address, &[]).map(|entry| &entry.name)
    }

    /// How much a cell admits.
    ///
    /// # Panics
    /// When there is no such cell.
    #[must_use]
    pub fn width(&self, cell: usize) -> Width {
        self.widths[cell]
    }

    /// The index of each cell: of a question whatever it may be about.
    pub(super) fn every_cell(&self) -> impl Iterator<Item = usize> + use<> {
        0..self.cells.len()
    }

    pub(super) fn reach<'a>(&'a self, tuple: &'a Tuple<'a>) -> Reach<'a> {
        Reach { inventory: &self.inventory, tuple }
    }
}

impl Matcher for Rows {
    fn cells(&self) -> &[Cell] {
        &self.cells
    }

    fn matches(&self, tuple: &Tuple<'_>, found: &mut Vec<Match>) {
        found.clear();
        let reach = self.reach(tuple);
        let fits = self.cells.iter().enumerate().filter_map(|(cell, declared)| {
            let (leg, source_hidden) = leg::fit(reach, declared)?;
            Some(Match::new(cell, leg, source_hidden))
        });
        found.extend(fits);
    }
}

#[cfg(test)]
mod tests {
    use super::{Leg, Match};

    #[test]
    fn a_match_is_what_it_was_made_of() {
        for cell in [0, 1, 10_000, (1 << 29) - 1] {
            for (leg, source_hidden) in Leg::ALL.into_iter().flat_map(|leg| [(leg, false), (leg, true)]) {
                let made = Match::new(cell, leg, source_hidden);
                assert_eq!((made.cell(), made.leg(), made.source_hidden()), (cell, leg, source_hidden));
            }
        }
    }
}
