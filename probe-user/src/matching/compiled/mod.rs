//! The compiled matrix: the cells that a tuple fits, at line rate.
//!
//! ```text
//! the question of late → its set
//! otherwise:
//! local address  → class → end ┬→ any cell between them? → no: nothing fits
//! remote address → class → end ┤   yes
//! port           → class       └→ memo → set: the cells that fit, and those with the credit
//!                                   └ miss: the cells between the places of both ends → the rules (leg.rs)
//! ```
//!
//! A class is all that the rules can know of an address (`classes.rs`), and an end what of it the rows ask for (`ends.rs`). So
//! the rules need only be asked once for two ends and a class of ports (`ports.rs`); and they are those that [`Rows`] asks
//! cell by cell. Nothing here decides anything by itself. What was found out is kept in tables of a bounded size (`memo.rs`,
//! `sets.rs`), each reader's own. Two ends without a cell between them are not kept at all (`neighbours.rs`): whoever tries
//! every address and port takes no room from what is declared. And where few ask again and again, their questions are known
//! themselves (`hot.rs`). Addresses that were seen to be an endpoint's are classes of their own, over those of the tables
//! (`learnt.rs`).

mod blocks;
mod classes;
mod ends;
mod further;
mod hot;
mod index;
mod learnt;
mod memo;
mod neighbours;
mod ports;
mod question;
mod reader;
mod reporters;
mod sets;
mod table;

use std::net::IpAddr;

use super::rows::Rows;
use blocks::Blocks;
use classes::{Class, Classes};
use index::Index;
use ports::PortClasses;
use table::Table;

pub use question::Question;
pub use reader::Reader;
pub use reporters::Reporter;
pub use sets::Found;

/// What a hash multiplies by: odd, without a pattern (the fractional part of the golden ratio).
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// Rows, ready to be asked at line rate through a [`Reader`].
#[derive(Debug)]
pub struct Compiled {
    rows: Rows,
    classes: Vec<Class>,
    table: Table,
    ports: PortClasses,
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
        let Classes { mut classes, regions } = Classes::of(&blocks);
        classes.shrink_to_fit();
        if classes.len() >= table::CLASSES as usize {
            return Err(TooManyClasses { found: classes.len() });
        }
        let (table, index) = (Table::of(&regions, classes.len()), Index::of(&rows, &blocks));
        let ports = PortClasses::of(&rows);
        Ok(Self { rows, classes, table, ports, index })
    }

    /// What was compiled.
    #[must_use]
    pub fn rows(&self) -> &Rows {
        &self.rows
    }

    /// What the tables of addresses and ports occupy, bytes.
    #[must_use]
    pub fn table_size(&self) -> usize {
        self.table.size() + self.ports.size()
    }

    /// The class of each address: to the rows, all addresses of one class are one.
    #[inline]
    #[must_use]
    pub fn classes_of<const N: usize>(&self, addresses: &[IpAddr; N]) -> [u32; N] {
        self.table.classes(addresses)
    }

    /// How many classes of addresses there are.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.classes.len()
    }
}
