//! `NetworkPolicy` of `networking.k8s.io/v1`.
//!
//! Facts are those of the API's reference (pkg/apis/networking/types.go) and of the concept's page: policies add up; a pod is
//! isolated in a direction as soon as one policy with that type selects it; what its own node sends it always arrives; rules
//! hold what the enforcer sees, which is a service's pod and its port and not the service.

mod evaluate;
mod read;
mod write;

pub use evaluate::NetworkPolicies;
pub(super) use read::read_one;
pub use read::{Policy, read};
pub use write::write;

/// Group, version and kind.
pub const KINDS: &[&str] = &["networking.k8s.io/v1/NetworkPolicy"];

#[cfg(test)]
mod tests;
