//! The compiled matrix: the cells that a tuple fits, at line rate.
//!
//! ```text
//! local address  → class → end ┐
//! remote address → class → end ├→ memo → program → interval of ports → the cells that fit, and those with the credit
//! reporter, transport          ┘    └ miss: the cells between the places of both ends → the rules (leg.rs)
//! ```
//!
//! A class is all that the rules can know of an address (`classes.rs`), and an end what of it the rows ask for (`ends.rs`). So
//! the rules need only be asked once for two ends; and they are those that [`Rows`] asks cell by cell. Nothing here decides
//! anything by itself. What was found out is kept in tables of a bounded size (`memo.rs`, `program.rs`), each reader's own.

mod blocks;
mod classes;
mod ends;
mod index;
mod memo;
mod program;
mod reader;
mod reporters;
mod table;

use super::rows::Rows;
use blocks::Blocks;
use classes::{Class, Classes};
use index::Index;
use table::Table;

pub use program::Found;
pub use reader::{Question, Reader, Reporter};

/// Rows, ready to be asked at line rate through a [`Reader`].
#[derive(Debug)]
pub struct Compiled {
    rows: Rows,
    classes: Vec<Class>,
    table: Table,
    index: Index,
}

/// Why rows cannot be compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{found} classes of addresses, at most {} can be told apart", table::CLASSES)]
pub struct TooManyClasses {
    found: usize,
}

impl Compiled {
    /// Compiles rows.
    ///
    /// # Errors
    ///
    /// When their inventory has too many different addresses.
    pub fn new(rows: Rows) -> Result<Self, TooManyClasses> {
        let blocks = Blocks::of(&rows);
        let Classes { classes, regions } = Classes::of(&blocks);
        if classes.len() >= table::CLASSES as usize {
            return Err(TooManyClasses { found: classes.len() });
        }
        let (table, index) = (Table::of(&regions, classes.len()), Index::of(&rows, &blocks));
        Ok(Self { rows, classes, table, index })
    }

    /// What was compiled.
    #[must_use]
    pub fn rows(&self) -> &Rows {
        &self.rows
    }

    /// What the tables of addresses occupy, bytes.
    #[must_use]
    pub fn table_size(&self) -> usize {
        self.table.size()
    }

    /// How many classes of addresses there are.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.classes.len()
    }
}
