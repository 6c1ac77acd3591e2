//! The inventory: what each name of a matrix is here.

mod check;
mod convert;
pub mod kubernetes;
mod model;
mod overlap;
mod unbound;
pub mod wire;
pub mod write;

pub use check::{Remark, check};
pub(super) use convert::convert;
pub use kubernetes::{ClusterService, FromKubernetes, from_kubernetes};
pub use model::{BUILT_IN, Cluster, Endpoint, Ingress, Inventory, Selector};
pub(super) use unbound::known;
pub use unbound::{unbound, unbound_exceptions};
