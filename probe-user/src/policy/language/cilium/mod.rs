//! `CiliumNetworkPolicy` and `CiliumClusterwideNetworkPolicy` of `cilium.io/v2`.
//!
//! Facts are those of Cilium's documentation (Documentation/security/policy) and of its API (pkg/policy/api, and what
//! pkg/k8s/apis/cilium.io/utils makes of it):
//!
//! - Policies add up, and what denies goes before what allows. A direction is closed as soon as one policy that has rules for
//!   it selects the endpoint, unless `enableDefaultDeny` says otherwise; a rule without anybody in it holds nobody.
//! - Cilium knows its endpoints by labels, and nodes by entities: a block of addresses holds neither of them
//!   (`policy-cidr-match-mode` without `nodes`, the default). A single node can only be named where the agent runs with
//!   `enable-node-selector-labels`, which is not the default, either.
//! - What a pod's own node sends it always arrives (`allow-localhost`); what it sends to its node is governed.
//! - Names are learnt from the answers that Cilium's DNS proxy sees, which a rule with `rules: dns` sends through it.
//! - Policies for nodes are the host firewall's, which must be enabled, and select by those labels that the agent keeps.

mod dns;
mod entries;
mod evaluate;
mod identity;
mod labels;
mod model;
mod name;
mod nodes;
mod read;
mod read_rule;
mod wire;
mod write;
mod written;

pub use evaluate::Cilium;
pub use model::Policy;
pub use read::read;
pub use write::write;

/// Group, version and kind.
pub const KINDS: &[&str] =
    &["cilium.io/v2/CiliumNetworkPolicy", "cilium.io/v2/CiliumClusterwideNetworkPolicy"];

#[cfg(test)]
mod tests;
