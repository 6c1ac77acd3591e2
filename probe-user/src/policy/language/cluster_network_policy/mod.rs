//! `ClusterNetworkPolicy` of `policy.networking.k8s.io/v1alpha2`.
//!
//! Facts are those of the API's own types (apis/v1alpha2 of kubernetes-sigs/network-policy-api) and of its enhancement
//! proposals, of which 133 is about names:
//!
//! - The tier Admin is asked first, then NetworkPolicies, then the tier Baseline; what nobody decides passes. Within a tier
//!   the lower priority goes first, within a policy the rule above; the first rule that holds something decides. A policy
//!   without rules for a direction says nothing of it.
//! - Rules for ingress know pods of the cluster and nobody else: who comes from outside, from a node, or from a pod on a
//!   node's network passes whatever they say. Blocks of addresses, nodes and names are for egress, and a block holds the
//!   cluster's own pods and nodes, too.
//! - Of a pod's own node the API says nothing: the kubelet's probes come from whom ingress does not know, and what leaves for
//!   the node is held like anything else. Enforcers that always let it pass let pass more.
//! - Names (`domainNames`) and `nodes` are of the API's experimental channel. A name is only for Accept, grants no DNS, and
//!   stands for what DNS answered; who has one is here what the inventory says.
//!
//! What is written goes to the tier Admin: a Deny of the tier Baseline is no limit, since any NetworkPolicy that selects a
//! pod takes the decision from it. What may pass is not accepted but passed on (Pass): an Accept of the tier Admin would open
//! what a namespace's own NetworkPolicy closes, and a tool that is asked for the least must open nothing. So the documents
//! only ever take away, and NetworkPolicies still hold below them. Only names are accepted: the API has no other way.
//!
//! Its priority is 900: guard rails with a lower one go first, and lists that are longer than the API lets one policy have go
//! on in further policies behind it, up to 1000. Policies of different workloads share a number; no pod is in two of them.

mod domain;
mod evaluate;
mod model;
mod read;
mod wire;
mod write;

pub use evaluate::ClusterNetworkPolicies;
pub use model::Resource;
pub use read::read;
pub use write::write;

/// Group, version and kind.
pub const KINDS: &[&str] = &["policy.networking.k8s.io/v1alpha2/ClusterNetworkPolicy"];

/// More rules, peers of a rule, blocks or names of a peer, or protocols of a rule than this the API refuses.
const MOST: usize = 25;

/// The highest priority, which is asked last.
const LAST_PRIORITY: u16 = 1000;

#[cfg(test)]
mod tests;
