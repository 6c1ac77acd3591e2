//! `EgressPoint` of `networking.tanzu.vmware.com/v1alpha1`: what a Space may reach outside of its cluster.
//!
//! Facts are those of Tanzu Platform's documentation ("About egress" and "`EgressPoint` API reference"):
//!
//! - Where the capability for egress is installed, everything that leaves a Space is denied by default; what is within a Space
//!   is not restricted. A Space is taken to be a namespace, and to be governed where it has a resource: nothing in a recording
//!   tells where the capability is.
//! - A target is hosts and one port with a protocol. TCP holds whatever runs over it; addresses stand under TCP only; one host
//!   and port stand under one protocol. Where the server speaks first, only TCP holds.
//! - With `sourceRef` a resource is for one workload, without it for the whole Space; what both allow adds up.
//!
//! It denies nothing by itself, and says nothing of who reaches a workload, of the cluster's own pods and nodes, of blocks of
//! addresses, of ranges of ports, and of other transports than TCP.

mod evaluate;
mod read;
mod write;

pub use evaluate::EgressPoints;
pub use read::{EgressPoint, Source, Target, read};
pub use write::write;

/// Group, version and kind.
pub const KINDS: &[&str] = &["networking.tanzu.vmware.com/v1alpha1/EgressPoint"];

const VERSION: &str = "networking.tanzu.vmware.com/v1alpha1";

#[cfg(test)]
mod tests;
