//! Istio's `ServiceEntry` of `networking.istio.io/v1`: what a namespace of a mesh may reach outside of its cluster.
//!
//! Facts are those of Istio's reference ("Service Entry", "Sidecar", and the analysis message IST0134):
//!
//! - An entry adds to the registry. Where the outbound traffic policy is `REGISTRY_ONLY`, a sidecar lets nothing else leave;
//!   that is a setting of the mesh or of a `Sidecar`, of which nothing in a recording tells. A namespace is taken to be governed
//!   so where it sees an entry.
//! - An entry is for whoever sees it: its own namespace (`.`), all of them (`*`, or nothing said), or those that it names. No
//!   entry is for one workload alone.
//! - HTTP goes by the `Host` that a client asks for, TLS by its server name, anything else by destination: the blocks of
//!   `addresses`, and without these whatever goes to the port.
//! - A sidecar captures TCP. Other transports pass it by, as do pods on their node's network, which get none.
//!
//! It says nothing of who reaches a workload, of the cluster's own pods and nodes, and of ranges of ports. `REGISTRY_ONLY` cuts
//! what goes to a node, or to a pod by its own address: that is told, and not compared.

mod evaluate;
mod read;
mod write;

pub use evaluate::ServiceEntries;
pub use read::{Address, Endpoint, Port, Resolution, ServiceEntry, Speaks, read};
pub use write::write;

/// Group, version and kind; the older versions have the same fields.
pub const KINDS: &[&str] = &[
    "networking.istio.io/v1/ServiceEntry",
    "networking.istio.io/v1beta1/ServiceEntry",
    "networking.istio.io/v1alpha3/ServiceEntry",
];

const VERSION: &str = "networking.istio.io/v1";

/// How many hosts, addresses and ports an entry has at most (`maxItems` of its schema).
const ITEMS: usize = 256;

/// How many endpoints, likewise.
const ENDPOINTS: usize = 4096;

#[cfg(test)]
mod tests;
