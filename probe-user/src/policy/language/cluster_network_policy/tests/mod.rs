//! What the API's types and proposals say, in cases.

mod evaluating;
mod limits;
mod reading;
mod tiers;
mod writing;

use super::*;
use crate::{
    event::Protocol,
    policy::language::{
        Decision, Evaluator,
        site::{DB, Site, passage},
    },
};

/// A policy of the cluster.
fn policy(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\nmetadata: {{name: {name}}}\nspec: {spec}\n"
    )
}

/// One of `shop` with rules of a direction.
fn of_shop(name: &str, tier: &str, priority: u16, rules: &str) -> String {
    let subject = "{namespaces: {matchLabels: {kubernetes.io/metadata.name: shop}}}";
    policy(name, &format!("{{tier: {tier}, priority: {priority}, subject: {subject}, {rules}}}"))
}

fn enforced<'w>(
    world: &'w crate::policy::World<'w>,
    documents: &[String],
) -> Result<ClusterNetworkPolicies<'w>, Vec<String>> {
    let resources = read(&documents.join("---\n"), "p.yaml").unwrap_or_else(|faults| panic!("{faults}"));
    ClusterNetworkPolicies::new(world, "run", resources)
}

/// What becomes of TCP to port 80, from `db` or to it.
fn decide(documents: &[String], peer: &str, is_egress: bool) -> Decision {
    decide_port(documents, (DB, peer), is_egress, (80, Protocol::Tcp))
}

fn decide_port(
    documents: &[String],
    ends: (&str, &str),
    is_egress: bool,
    (port, protocol): (u16, Protocol),
) -> Decision {
    let mut site = Site::new();
    let nodes = &mut site.clusters.get_mut("run").expect("it is there").nodes;
    nodes.insert("n2".to_owned(), [("role".to_owned(), "core".to_owned())].into());
    let world = site.world();
    let policies = enforced(&world, documents).unwrap_or_else(|faults| panic!("{faults:?}"));
    policies.decide(&passage(&world, ends, is_egress, port, protocol))
}

/// The names of what allows it.
fn allowed_by(decision: &Decision) -> Vec<String> {
    let Decision::Allowed(by) = decision else { panic!("{decision:?}") };
    by.iter().map(|rule| format!("{}[{}]", rule.document, rule.index)).collect()
}
