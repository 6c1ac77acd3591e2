mod order;
mod peers;
mod reading;
mod writing;

use super::*;
use crate::{
    event::Protocol,
    policy::language::{
        Decision, Evaluator,
        site::{DB, Site, passage},
    },
};

/// A policy of `shop`.
fn policy(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: projectcalico.org/v3\nkind: NetworkPolicy\nmetadata: {{name: {name}, namespace: shop}}\nspec: {spec}\n"
    )
}

/// A resource of no namespace.
fn global(kind: &str, name: &str, spec: &str) -> String {
    format!("apiVersion: projectcalico.org/v3\nkind: {kind}\nmetadata: {{name: {name}}}\nspec: {spec}\n")
}

/// What passes: the other end, and whether it is asked.
#[derive(Clone, Copy)]
struct Asked<'t> {
    own: &'t str,
    peer: &'t str,
    is_egress: bool,
    port: u16,
    protocol: Protocol,
}

/// From `db`, or to it.
fn of_db(peer: &str, is_egress: bool) -> Asked<'_> {
    Asked { own: DB, peer, is_egress, port: 80, protocol: Protocol::Tcp }
}

fn decide(documents: &[String], asked: Asked<'_>) -> Decision {
    let Asked { own, peer, is_egress, port, protocol } = asked;
    let site = Site::new();
    let world = site.world();
    let resources = read(&documents.join("---\n"), "p.yaml").unwrap_or_else(|faults| panic!("{faults}"));
    let calico = Calico::new(&world, "run", resources).unwrap_or_else(|faults| panic!("{faults:?}"));
    calico.decide(&passage(&world, (own, peer), is_egress, port, protocol))
}

/// Whether it passes; somebody must govern it.
fn passes(documents: &[String], asked: Asked<'_>) -> bool {
    let decision = decide(documents, asked);
    assert_ne!(decision, Decision::NotGoverned, "{documents:?}");
    decision != Decision::Denied
}

/// The names of what allows it.
fn allowed_by(decision: &Decision) -> Vec<String> {
    let Decision::Allowed(by) = decision else { panic!("{decision:?}") };
    by.iter().map(|rule| format!("{}[{}]", rule.document, rule.index)).collect()
}
