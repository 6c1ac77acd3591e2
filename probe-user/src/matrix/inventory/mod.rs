//! The inventory: what each name of a matrix is here.

mod convert;
mod model;
mod overlap;
mod unbound;
pub mod wire;

pub(super) use convert::convert;
pub use model::{BUILT_IN, Cluster, Endpoint, Ingress, Inventory, Selector};
pub use unbound::{unbound, unbound_exceptions};
