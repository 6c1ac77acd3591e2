//! The declared side: the flow matrix, the inventory that binds its names, and the exceptions.
//!
//! A document passes three forms: the tree of `node` in which every value knows its line, the wire type that
//! says what may be written, and the model that cannot be invalid. Each step notes its faults and goes on,
//! so that a reader is told all of them at once.

mod check;
mod convert;
pub mod diff;
mod document;
pub mod egress_point;
pub mod endpoints;
pub mod exceptions;
mod faults;
pub mod ids;
pub mod import;
pub mod inventory;
pub mod lint;
mod load;
pub mod located;
mod markdown;
pub mod model;
mod name;
mod node;
pub mod picture;
mod pool;
mod ports;
mod reader;
pub mod resource;
mod schema;
pub mod wire;
pub mod write;

pub use document::{read_declared, read_exceptions, read_inventory, read_matrix};
pub use exceptions::{Exception, Exceptions, Party};
pub use faults::{Fault, Faults};
pub use inventory::Inventory;
pub use load::{load, load_bytes, stem};
pub use markdown::{escaped, markdown};
pub use model::{EndpointName, Expect, Matrix, PortSpec, Ports, Row, SourceLine};
pub use schema::schema;

#[cfg(test)]
mod tests;
