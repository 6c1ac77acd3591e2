//! Policies of Calico: `projectcalico.org/v3`, open source.
//!
//! Facts are those of the reference's pages on NetworkPolicy, GlobalNetworkPolicy, the staged kinds, Tier, NetworkSet and
//! HostEndpoint, and where these are silent, of the code in `libcalico-go` and `felix` that is named beside them.
//!
//! What is written goes to the tier `default` with the order 1000, which is what Calico gives a Kubernetes NetworkPolicy
//! (`libcalico-go/lib/backend/k8s/conversion`). A policy without an order comes after all others of its tier, so that
//! somebody's catch-all Deny with an order would cut what its rules allow; at 1000, guard rails below go first, and catch-alls
//! above come last. Among each other the order is of no matter: they only allow, and no two of them are for the same pod.
//!
//! Blocks of an endpoint that two rules use, or that are more than four, or of both families, which Calico refuses in one
//! rule, are a GlobalNetworkSet that the rules select: it changes in one place, and takes no more of a node than one set.
//!
//! Staged policies decide nothing in a cluster, and are there to be watched. Evaluated are documents as they would be once
//! what is staged is adopted: a staged policy takes the place of the enforced one of its name, or takes it away.

mod evaluate;
mod expression;
mod model;
mod read;
mod tiers;
mod wire;
mod write;

pub use evaluate::Calico;
pub use model::Resource;
pub use read::read;
pub use write::write;

/// Group, version and kind of what is enforced, and of what both speak of.
pub const ENFORCED: &[&str] = &[
    "projectcalico.org/v3/NetworkPolicy",
    "projectcalico.org/v3/GlobalNetworkPolicy",
    "projectcalico.org/v3/NetworkSet",
    "projectcalico.org/v3/GlobalNetworkSet",
    "projectcalico.org/v3/Tier",
];

/// Those of what is only proposed.
pub const STAGED: &[&str] =
    &["projectcalico.org/v3/StagedNetworkPolicy", "projectcalico.org/v3/StagedGlobalNetworkPolicy"];

/// The tier of a policy that names none.
const DEFAULT_TIER: &str = "default";

/// The label of automatic host endpoints that tells them from others (the guide to protecting hosts).
const CREATED_BY: (&str, &str) = ("projectcalico.org/created-by", "calico-kube-controllers");

/// The label by which every node has its name.
const HOST_NAME: &str = "kubernetes.io/hostname";

/// The label by which every pod has its namespace.
const NAMESPACE: &str = "projectcalico.org/namespace";

#[cfg(test)]
mod tests;
