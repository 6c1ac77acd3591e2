//! Policies in the order in which Calico asks them.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    DEFAULT_TIER, NAMESPACE,
    model::{NetworkSet, Policy, Resource, Scope, Selected, Staged, Tier},
};
use crate::policy::language::index::ByLabel;

/// Tiers that Calico makes by itself: name, order, and whether they pass on what no rule holds (the guide to tiers).
const BUILT_IN: [(&str, f64, bool); 5] = [
    (DEFAULT_TIER, 1_000_000.0, false),
    ("adminnetworkpolicy", 1_000.0, true),
    ("baselineadminnetworkpolicy", 10_000_000.0, true),
    ("kube-admin", 1_000.0, true),
    ("kube-baseline", 10_000_000.0, true),
];

/// A tier with its policies, in their order.
pub(super) struct Filled {
    pub(super) passes_on: bool,
    pub(super) policies: ByLabel<Policy>,
}

/// What a cluster has once everything that is staged is adopted.
pub(super) struct Adopted {
    /// Tiers, in their order.
    pub(super) tiers: Vec<Filled>,
    /// Network sets.
    pub(super) sets: Vec<NetworkSet>,
}

impl Adopted {
    /// Of these resources.
    ///
    /// # Errors
    /// Names that two have, and tiers of which nobody knows when they are asked.
    pub(super) fn of(resources: Vec<Resource>) -> Result<Self, Vec<String>> {
        let (mut policies, mut sets, mut tiers) = (Vec::new(), Vec::new(), BTreeMap::new());
        let (mut by_name, mut faults) = (BTreeMap::new(), Vec::new());
        for resource in resources {
            let name = called(&resource);
            // Two folders may bring the same network set.
            match by_name.get(&name) {
                Some(known) if *known != resource => {
                    faults.push(format!("found {name} twice and not the same, expected it once"));
                }
                _ => drop(by_name.insert(name, resource)),
            }
        }
        for resource in by_name.into_values() {
            match resource {
                Resource::Policy(policy) => policies.push(policy),
                Resource::Set(set) => sets.push(set),
                Resource::Tier(tier) => drop(tiers.insert(tier.name.clone(), tier)),
            }
        }
        for (name, order, passes_on) in BUILT_IN {
            tiers.entry(name.to_owned()).or_insert_with(|| Tier { name: name.to_owned(), order, passes_on });
        }
        let policies = adopt(policies);
        let unknown: BTreeSet<&str> = policies
            .iter()
            .map(|policy| policy.tier.as_str())
            .filter(|tier| !tiers.contains_key(*tier))
            .collect();
        faults.extend(unknown.iter().map(|tier| {
            format!(
                "found policies of the tier {tier}, and no Tier that says when it is asked: give it with them"
            )
        }));
        if !faults.is_empty() {
            return Err(faults);
        }
        let mut tiers: Vec<Tier> = tiers.into_values().collect();
        // A name decides between equals, here as below (`TierLess` in felix/calc).
        tiers.sort_by(|left, right| left.order.total_cmp(&right.order).then(left.name.cmp(&right.name)));
        let mut by_tier: BTreeMap<String, Vec<Policy>> = BTreeMap::new();
        for policy in policies {
            by_tier.entry(policy.tier.clone()).or_default().push(policy);
        }
        let filled = |tier: Tier| {
            let mut policies = by_tier.remove(&tier.name).unwrap_or_default();
            policies.sort_by(|left, right| {
                left.order.total_cmp(&right.order).then_with(|| tie(left).cmp(&tie(right)))
            });
            Filled { passes_on: tier.passes_on, policies: ByLabel::new(policies, needed) }
        };
        Ok(Self { tiers: tiers.into_iter().map(filled).collect(), sets })
    }
}

/// What decides between policies of one order: name, namespace and kind in one text (`PolKVLess` in felix/calc of Calico's master
/// in 2026; earlier ones compare other keys).
fn tie(policy: &Policy) -> String {
    let (namespace, kind) = match &policy.namespace {
        Some(namespace) => (namespace.as_str(), "NetworkPolicy"),
        None => ("", "GlobalNetworkPolicy"),
    };
    format!("{}/{namespace}/{kind}", policy.name)
}

/// Staged policies in the place of those that they would replace or take away.
fn adopt(policies: Vec<Policy>) -> Vec<Policy> {
    let key = |policy: &Policy| (policy.namespace.clone(), policy.name.clone());
    let (staged, mut adopted): (Vec<_>, Vec<_>) =
        policies.into_iter().partition(|policy| policy.staged.is_some());
    let replaced: BTreeSet<_> =
        staged.iter().filter(|policy| policy.staged != Some(Staged::Nothing)).map(key).collect();
    adopted.retain(|policy| !replaced.contains(&key(policy)));
    adopted.extend(staged.into_iter().filter(|policy| policy.staged == Some(Staged::Set)));
    adopted
}

fn needed(policy: &Policy) -> Vec<(String, String)> {
    let Selected { scope, labels } = &policy.endpoints;
    let namespace = match scope {
        Scope::Namespace(name) => Some((NAMESPACE.to_owned(), name.clone())),
        Scope::Everywhere | Scope::Namespaces(_) => None,
    };
    labels.needed().into_iter().chain(namespace).collect()
}

fn called(resource: &Resource) -> String {
    let (kind, namespace, name) = match resource {
        Resource::Policy(policy) => {
            let staged = if policy.staged.is_some() { "staged policy" } else { "policy" };
            (staged, policy.namespace.as_deref(), &policy.name)
        }
        Resource::Set(set) => ("network set", set.namespace.as_deref(), &set.name),
        Resource::Tier(tier) => ("tier", None, &tier.name),
    };
    format!("the {kind} {}{name}", namespace.map(|namespace| format!("{namespace}/")).unwrap_or_default())
}
