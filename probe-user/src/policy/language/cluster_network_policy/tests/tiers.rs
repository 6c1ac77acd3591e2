//! Who is asked first.

use super::*;
use crate::policy::language::{
    Document, Enforced,
    site::{NODE, OUTSIDE, WEB},
};
use crate::policy::prove;

const FROM_PODS: &str = "from: [{namespaces: {}}]";

fn ingress(name: &str, tier: &str, priority: u16, action: &str) -> String {
    of_shop(name, tier, priority, &format!("ingress: [{{action: {action}, {FROM_PODS}}}]"))
}

/// A NetworkPolicy of `shop` that lets nobody in, or `web`.
fn namespaced(lets_web_in: bool) -> String {
    let rules = if lets_web_in { "[{from: [{podSelector: {matchLabels: {app: web}}}]}]" } else { "[]" };
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: n, namespace: shop}}\nspec: {{podSelector: {{}}, policyTypes: [Ingress], ingress: {rules}}}\n"
    )
}

#[test]
fn admin_goes_before_network_policies_and_these_before_baseline() {
    let of = |documents: &[String]| decide(documents, WEB, false);
    let admin = |action| ingress("a", "Admin", 5, action);
    let baseline = |action| ingress("b", "Baseline", 5, action);
    assert_eq!(allowed_by(&of(&[admin("Accept"), namespaced(false)])), ["run/a[0]"]);
    assert_eq!(of(&[admin("Deny"), namespaced(true), baseline("Accept")]), Decision::Denied);
    assert_eq!(of(&[admin("Pass"), namespaced(false), baseline("Accept")]), Decision::Denied);
    assert_eq!(allowed_by(&of(&[namespaced(true), baseline("Deny")])), ["run/shop/n[0]"]);
    assert_eq!(of(&[admin("Pass"), baseline("Deny")]), Decision::Denied);
    assert_eq!(of(&[baseline("Deny")]), Decision::Denied);
    assert_eq!(allowed_by(&of(&[baseline("Accept")])), ["run/b[0]"]);
    assert_eq!(allowed_by(&of(&[admin("Pass")])), ["run/a[0]"]);
}

#[test]
fn what_is_passed_on_and_allowed_later_needs_a_rule_of_each() {
    for (documents, later) in [
        ([ingress("a", "Admin", 5, "Pass"), namespaced(true)], "run/shop/n"),
        ([ingress("a", "Admin", 5, "Pass"), ingress("b", "Baseline", 5, "Accept")], "run/b"),
    ] {
        let Decision::AllowedInTurn(turns) = decide(&documents, WEB, false) else { panic!("{documents:?}") };
        let names: Vec<&str> = turns.iter().flatten().map(|rule| rule.document.as_str()).collect();
        assert_eq!(names, ["run/a", later]);
    }
    // None of them is one that nothing needs.
    let site = Site::new();
    let world = site.world();
    let documents = [ingress("a", "Admin", 5, "Pass"), namespaced(true)];
    let passages = [passage(&world, (DB, WEB), false, 80, Protocol::Tcp)];
    let policies = enforced(&world, &documents).expect("they are right");
    let proof = prove(&policies, passages);
    assert_eq!((proof.allowed, proof.slack), (1, Vec::new()));
}

#[test]
fn they_are_enforced_with_network_policies_and_with_no_other_language() {
    let site = Site::new();
    let world = site.world();
    let document =
        |name: &str, text: String| Document { cluster: "run".to_owned(), name: name.to_owned(), text };
    let mut documents = vec![
        document("n.yaml", namespaced(true)),
        document("a.yaml", ingress("a", "Admin", 5, "Pass")),
        // Both kinds in one file.
        document(
            "b.yaml",
            format!(
                "{}---\n{}",
                ingress("b", "Baseline", 5, "Deny"),
                namespaced(true).replace("name: n,", "name: m,")
            ),
        ),
    ];
    let enforced = Enforced::read(&world, &documents).unwrap_or_else(|faults| panic!("{faults}"));
    let web = enforced.decide(&passage(&world, (DB, WEB), false, 80, Protocol::Tcp));
    assert!(matches!(&web, Decision::AllowedInTurn(turns) if turns[1].len() == 2), "{web:?}");
    assert_eq!(enforced.decide(&passage(&world, (DB, OUTSIDE), false, 80, Protocol::Tcp)), Decision::Denied);
    drop(enforced);
    let other = "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: c}\nspec: {endpointSelector: {}, ingress: [{}]}\n";
    documents.push(document("c.yaml", other.to_owned()));
    let faults =
        Enforced::read(&world, &documents).err().map(|faults| faults.to_string()).unwrap_or_default();
    assert!(faults.contains("expected one language"), "{faults}");
}

#[test]
fn a_network_policy_decides_only_in_the_directions_of_its_types() {
    let baseline = of_shop("b", "Baseline", 5, "egress: [{action: Deny, to: [{namespaces: {}}]}]");
    assert_eq!(decide(&[namespaced(true), baseline], WEB, true), Decision::Denied);
}

#[test]
fn a_lower_priority_goes_first_and_then_the_rule_above() {
    let of = |first: u16, second: u16| {
        let documents = [ingress("a", "Admin", first, "Deny"), ingress("b", "Admin", second, "Accept")];
        decide(&documents, WEB, false)
    };
    assert_eq!(of(3, 20), Decision::Denied);
    assert_eq!(allowed_by(&of(20, 3)), ["run/b[0]"]);
    let rules = |first: &str, second: &str| {
        let rules = format!("ingress: [{{action: {first}, {FROM_PODS}}}, {{action: {second}, {FROM_PODS}}}]");
        decide(&[of_shop("a", "Admin", 1, &rules)], WEB, false)
    };
    assert_eq!(rules("Deny", "Accept"), Decision::Denied);
    // The second one is enough, too.
    assert_eq!(allowed_by(&rules("Accept", "Accept")), ["run/a[0]", "run/a[1]"]);
    assert_eq!(allowed_by(&rules("Accept", "Deny")), ["run/a[0]"]);
}

#[test]
fn two_policies_with_one_priority_are_told_where_both_are_for_a_pod() {
    let site = Site::new();
    let world = site.world();
    let notes = |other: String| {
        let documents = [ingress("z", "Admin", 5, "Deny"), other];
        enforced(&world, &documents).expect("they are right").notes()
    };
    let told = notes(ingress("a", "Admin", 5, "Accept"));
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("run/z: has the priority 5 like a"), "{told:?}");
    let lab = ingress("a", "Admin", 5, "Accept").replace("name: shop", "name: lab");
    let egress = of_shop("a", "Admin", 5, "egress: [{action: Deny, to: [{namespaces: {}}]}]");
    for other in [ingress("a", "Admin", 6, "Accept"), ingress("a", "Baseline", 5, "Accept"), lab, egress] {
        assert_eq!(notes(other.clone()), [""; 0], "{other}");
    }
    // The name decides here.
    let documents = [ingress("z", "Admin", 5, "Deny"), ingress("a", "Admin", 5, "Accept")];
    assert_eq!(allowed_by(&decide(&documents, WEB, false)), ["run/a[0]"]);
}

#[test]
fn what_nobody_decides_passes_and_who_is_selected_by_none_is_not_governed() {
    let to_nobody = of_shop("a", "Admin", 5, "egress: [{action: Deny, to: [{networks: [203.0.113.0/24]}]}]");
    let documents = [to_nobody];
    assert_eq!(decide(&documents, WEB, true), Decision::Allowed(Vec::new()));
    // It has no rules for the other direction, and is for no other namespace, nor for nodes.
    assert_eq!(decide(&documents, WEB, false), Decision::NotGoverned);
    let of = |own| decide_port(&documents, (own, OUTSIDE), true, (80, Protocol::Tcp));
    assert_eq!(of(crate::policy::language::site::LAB), Decision::NotGoverned);
    assert_eq!(of(NODE), Decision::NotGoverned);
}

#[test]
fn who_is_no_pod_is_beyond_rules_of_ingress_and_not_beyond_network_policies() {
    let deny = ingress("a", "Admin", 5, "Deny");
    for peer in [OUTSIDE, NODE] {
        assert_eq!(decide(std::slice::from_ref(&deny), peer, false), Decision::BeyondPolicies, "{peer}");
    }
    assert_eq!(decide(&[deny.clone(), namespaced(true)], OUTSIDE, false), Decision::Denied);
    // A NetworkPolicy always lets a pod's own node in.
    assert_eq!(decide(&[deny, namespaced(true)], NODE, false), Decision::BeyondPolicies);
}
