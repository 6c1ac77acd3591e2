//! Matrices, inventories and tuples made up for the matcher.

pub mod classbench;
pub mod oracle;
mod plain;
pub mod random;
pub mod shaped;
pub mod traffic;
