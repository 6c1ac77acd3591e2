//! Kernel → events: the loader, the fields' offsets, the rings, and the sockets that are older than the hooks.
//!
//! The only room that knows aya.

mod attach;
pub mod btf;
pub mod canary;
pub mod cgroups;
pub mod clock;
mod conntrack;
pub mod decode;
mod diagnostics;
pub mod error;
mod fdinfo;
mod fields;
mod links;
mod load;
pub mod lockdown;
mod memory;
pub mod namespaces;
mod object;
mod order;
pub mod owners;
pub mod probe;
mod recursion;
pub mod rights;
mod rings;
mod shape;
mod slots;
pub mod sockets;
pub mod sources;
mod spill;
mod statistics;
mod unrouted;

pub use attach::HookState;
pub use canary::{Canary, DatagramCanary, Perch};
pub use cgroups::CgroupTree;
pub use conntrack::Translations;
pub use error::StartError;
pub use memory::give_back_freed;
pub use namespaces::Namespace;
pub use object::object;
pub use probe::{Options, Probe};
pub use recursion::Recursion;
pub use rings::Drained;
pub use sources::SourceAddresses;
pub use statistics::ProgramStatistics;
