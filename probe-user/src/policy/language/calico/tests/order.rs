//! Which policy is asked, and when.

use super::*;
use crate::policy::language::site::{LAB, NODE, OTHER_NODE, OUTSIDE, WEB};

const ALLOW: &str = "ingress: [{action: Allow}]";
const DENY: &str = "ingress: [{action: Deny}]";

#[test]
fn types_default_to_what_there_are_rules_for_and_to_ingress() {
    for (spec, ingress, egress) in [
        ("{}", Decision::Denied, Decision::NotGoverned),
        ("{ingress: [], egress: []}", Decision::Denied, Decision::NotGoverned),
        ("{types: []}", Decision::Denied, Decision::NotGoverned),
        ("{ingress: [{action: Deny}]}", Decision::Denied, Decision::NotGoverned),
        ("{egress: [{action: Deny}]}", Decision::NotGoverned, Decision::Denied),
        ("{ingress: [{action: Deny}], egress: [{action: Deny}]}", Decision::Denied, Decision::Denied),
        ("{types: [Egress]}", Decision::NotGoverned, Decision::Denied),
        ("{types: [Ingress, Egress]}", Decision::Denied, Decision::Denied),
        ("{types: [Ingress], egress: [{action: Deny}]}", Decision::Denied, Decision::NotGoverned),
        ("{selector: app == 'web'}", Decision::NotGoverned, Decision::NotGoverned),
        ("{selector: app == 'db' && pcns.team == 'a'}", Decision::Denied, Decision::NotGoverned),
    ] {
        let documents = [policy("p", spec)];
        assert_eq!(decide(&documents, of_db(WEB, false)), ingress, "{spec}");
        assert_eq!(decide(&documents, of_db(WEB, true)), egress, "{spec}");
    }
    let elsewhere = [policy("p", "{}").replace("shop", "lab")];
    assert_eq!(decide(&elsewhere, of_db(WEB, false)), Decision::NotGoverned);
}

#[test]
fn the_first_rule_of_the_lowest_order_decides() {
    for (first, second, passes_it) in [
        // By order; by name between equals; without an order last.
        (("a", "order: 2", DENY), ("b", "order: 1", ALLOW), true),
        (("a", "order: 1", DENY), ("b", "order: 2", ALLOW), false),
        (("a", "order: 1", DENY), ("b", "order: 1", ALLOW), false),
        (("b", "order: 1", DENY), ("a", "order: 1", ALLOW), true),
        (("a", "tier: default", DENY), ("b", "order: 1.5", ALLOW), true),
        (("a", "order: -1", DENY), ("b", "order: 0", ALLOW), false),
        (("b", "tier: default", DENY), ("a", "tier: default", ALLOW), true),
        // A policy without a rule for it leaves it to the next.
        (("a", "order: 1", "types: [Ingress]"), ("b", "order: 2", ALLOW), true),
        (("a", "order: 1", "ingress: [{action: Log}]"), ("b", "order: 2", ALLOW), true),
        (("a", "order: 1", "ingress: [{action: Log}]"), ("b", "order: 2", "types: [Ingress]"), false),
    ] {
        let write = |(name, order, rules): (&str, &str, &str)| policy(name, &format!("{{{order}, {rules}}}"));
        let documents = [write(first), write(second)];
        assert_eq!(passes(&documents, of_db(WEB, false)), passes_it, "{documents:?}");
    }
    let rules = "{ingress: [{action: Log}, {action: Allow, source: {nets: [10.0.0.1/32]}}, {action: Deny}, {action: Allow}]}";
    assert!(passes(&[policy("p", rules)], of_db(WEB, false)));
    assert!(!passes(&[policy("p", rules)], of_db(OUTSIDE, false)));
}

#[test]
fn pass_goes_to_the_next_tier_and_the_end_of_a_tier_denies() {
    let tier = |name: &str, spec: &str| global("Tier", name, spec);
    let first = |rules: &str| policy("p", &format!("{{tier: first, {rules}}}"));
    let order = "{order: 10}";
    for (documents, passes_it) in [
        (
            vec![
                tier("first", order),
                first("ingress: [{action: Pass}]"),
                policy("q", "{ingress: [{action: Allow}]}"),
            ],
            true,
        ),
        (vec![tier("first", order), first("ingress: [{action: Pass}]"), policy("q", "{}")], false),
        (vec![tier("first", order), first(DENY), policy("q", "{ingress: [{action: Allow}]}")], false),
        (
            vec![
                tier("first", order),
                first("types: [Ingress]"),
                policy("q", "{ingress: [{action: Allow}]}"),
            ],
            false,
        ),
        (
            vec![
                tier("first", "{order: 10, defaultAction: Pass}"),
                first("types: [Ingress]"),
                policy("q", "{ingress: [{action: Allow}]}"),
            ],
            true,
        ),
        // Behind the tier `default`, which is at 1,000,000; and one that has no order is last of all.
        (
            vec![tier("first", "{order: 2000000}"), first(DENY), policy("q", "{ingress: [{action: Allow}]}")],
            true,
        ),
        (vec![tier("first", "{}"), first(DENY), policy("q", "{ingress: [{action: Allow}]}")], true),
        // What is passed on to nobody passes.
        (vec![policy("p", "{ingress: [{action: Pass}]}")], true),
        (vec![policy("p", "{tier: kube-admin}"), policy("q", "{ingress: [{action: Allow}]}")], true),
        (
            vec![
                policy("p", "{tier: kube-baseline, ingress: [{action: Deny}]}"),
                policy("q", "{ingress: [{action: Allow}]}"),
            ],
            true,
        ),
    ] {
        assert_eq!(passes(&documents, of_db(WEB, false)), passes_it, "{documents:?}");
    }
}

#[test]
fn what_allows_it_is_named_with_what_else_would() {
    let documents = [
        policy(
            "a",
            "{order: 1, ingress: [{action: Log}, {action: Allow}, {action: Allow, source: {nets: [10.0.0.9]}}, {action: Allow}]}",
        ),
        policy("b", "{order: 2, ingress: [{action: Allow}, {action: Deny}, {action: Allow}]}"),
    ];
    let decision = decide(&documents, of_db(WEB, false));
    assert_eq!(allowed_by(&decision), ["run/shop/a[1]", "run/shop/a[3]", "run/shop/b[0]"]);
    let site = Site::new();
    let world = site.world();
    let resources = read(&documents.join("---\n"), "p.yaml").expect("they are read");
    let calico = Calico::new(&world, "run", resources).expect("they agree");
    assert_eq!(calico.rules().len(), 5, "only what allows can be superfluous");
}

/// `-` stands before `/` in ASCII, and so `web-allow` before `web`.
#[test]
fn between_policies_of_one_order_name_namespace_and_kind_decide_as_one_text() {
    let deny = "{selector: all(), ingress: [{action: Deny}]}";
    let allow = "{selector: all(), ingress: [{action: Allow}]}";
    let everywhere = |name: &str, spec: &str| global("GlobalNetworkPolicy", name, spec);
    for (documents, is_passing) in [
        ([everywhere("web", deny), everywhere("web-allow", allow)], true),
        ([everywhere("web", allow), everywhere("web-deny", deny)], false),
        ([policy("a", deny), everywhere("b", allow)], false),
        ([policy("b", deny), everywhere("a", allow)], true),
        ([policy("a", deny), everywhere("a", allow)], true),
    ] {
        assert_eq!(passes(&documents, of_db(WEB, false)), is_passing, "{documents:?}");
        let told = notes(&documents);
        assert!(told.iter().any(|note| note.contains("have one order")), "{told:?}");
    }
    for documents in [
        vec![policy("a", allow), everywhere("a", allow)],
        vec![policy("a", deny), everywhere("a", "{order: 5, ingress: [{action: Allow}]}")],
        vec![policy("a", deny), everywhere("a", "{selector: app == 'nobody', ingress: [{action: Allow}]}")],
        vec![policy("a", deny), everywhere("a", "{types: [Egress], egress: [{action: Allow}]}")],
    ] {
        let told = notes(&documents);
        assert!(!told.iter().any(|note| note.contains("have one order")), "{documents:?}: {told:?}");
    }
}

#[test]
fn what_policies_do_not_tell_is_said() {
    let everywhere = |spec: &str| global("GlobalNetworkPolicy", "g", spec);
    let has = |documents: &[String], words: &str| notes(documents).iter().any(|note| note.contains(words));
    assert!(has(&[policy("p", "{}")], "as if no node had a host endpoint"));
    assert!(!has(&[policy("p", "{}")], "is for nodes, too"));
    for (selector, is_for_nodes) in
        [("all()", true), ("\"!has(projectcalico.org/orchestrator)\"", true), ("app == 'db'", false)]
    {
        assert_eq!(
            has(&[everywhere(&format!("{{selector: {selector}}}"))], "run/g: is for nodes, too"),
            is_for_nodes,
            "{selector}"
        );
    }
    let spaces = everywhere("{namespaceSelector: team == 'a'}");
    assert!(!has(&[spaces], "is for nodes, too"), "a namespace's policy is for no host");
    let empty = everywhere("{namespaceSelector: ''}");
    assert!(has(&[empty], "is for nodes, too"), "an empty selector is none");
    let of_hosts = everywhere("{selector: has(kubernetes.io/hostname)}");
    assert!(has(&[of_hosts], "as if each node had an automatic host endpoint"));
    let staged = policy("p", "{}").replace("NetworkPolicy", "StagedNetworkPolicy");
    assert!(has(&[staged], "as if they were adopted"));
}

fn notes(documents: &[String]) -> Vec<String> {
    let site = Site::new();
    let world = site.world();
    let resources = read(&documents.join("---\n"), "p.yaml").unwrap_or_else(|faults| panic!("{faults}"));
    Calico::new(&world, "run", resources).unwrap_or_else(|faults| panic!("{faults:?}")).notes()
}

#[test]
fn staged_policies_are_evaluated_as_if_they_were_adopted() {
    let staged = |name: &str, spec: &str| policy(name, spec).replace("NetworkPolicy", "StagedNetworkPolicy");
    for (documents, decision) in [
        (vec![staged("p", "{}")], Decision::Denied),
        (vec![staged("p", "{stagedAction: Set}")], Decision::Denied),
        (vec![staged("p", "{stagedAction: Ignore}")], Decision::NotGoverned),
        (vec![staged("p", "{stagedAction: Learn}")], Decision::NotGoverned),
        (vec![policy("p", "{}"), staged("p", "{stagedAction: Delete}")], Decision::NotGoverned),
        (vec![policy("p", "{}"), staged("q", "{stagedAction: Delete}")], Decision::Denied),
        (vec![policy("p", "{}"), staged("p", "{stagedAction: Ignore}")], Decision::Denied),
        (vec![policy("p", "{}"), staged("p", "{types: [Egress]}")], Decision::NotGoverned),
        (vec![global("StagedGlobalNetworkPolicy", "p", "{}")], Decision::Denied),
        (
            vec![global("GlobalNetworkPolicy", "p", "{}"), staged("p", "{stagedAction: Delete}")],
            Decision::Denied,
        ),
    ] {
        assert_eq!(decide(&documents, of_db(WEB, false)), decision, "{documents:?}");
    }
}

#[test]
fn a_pods_own_node_reaches_it_and_is_reached_by_its_policies_only() {
    let documents = [policy(
        "p",
        "{types: [Ingress, Egress], egress: [{action: Allow, protocol: TCP, destination: {ports: [81]}}]}",
    )];
    assert_eq!(decide(&documents, of_db(NODE, false)), Decision::BeyondPolicies);
    assert_eq!(decide(&documents, of_db(OTHER_NODE, false)), Decision::Denied);
    assert_eq!(decide(&documents, of_db(NODE, true)), Decision::Denied);
    assert!(passes(&documents, Asked { port: 81, ..of_db(NODE, true) }));
    assert_eq!(decide(&[], of_db(NODE, false)), Decision::NotGoverned);
}

#[test]
fn nodes_are_governed_where_a_policy_names_their_endpoints() {
    let of = |selector: &str| {
        vec![global(
            "GlobalNetworkPolicy",
            "p",
            &format!("{{selector: \"{selector}\", types: [Ingress, Egress]}}"),
        )]
    };
    let node = |peer| Asked { own: NODE, ..of_db(peer, true) };
    for (selector, decision) in [
        ("all()", Decision::NotGoverned),
        ("role == 'edge'", Decision::NotGoverned),
        ("has(kubernetes.io/hostname)", Decision::Denied),
        ("kubernetes.io/hostname == 'n1.example.com'", Decision::Denied),
        ("kubernetes.io/hostname == 'n2'", Decision::NotGoverned),
        ("projectcalico.org/created-by == 'calico-kube-controllers' && role == 'edge'", Decision::Denied),
        ("has(kubernetes.io/hostname) && role == 'other'", Decision::NotGoverned),
    ] {
        assert_eq!(decide(&of(selector), node(OUTSIDE)), decision, "{selector}");
    }
    // A node that was not listed has its name.
    let other = Asked { own: OTHER_NODE, ..of_db(OUTSIDE, true) };
    assert_eq!(decide(&of("kubernetes.io/hostname == 'n2'"), other), Decision::Denied);
    // Policies of a namespace are for its pods only.
    let both = [of("has(kubernetes.io/hostname)"), vec![policy("q", "{types: [Egress]}")]].concat();
    assert_eq!(decide(&both, of_db(OUTSIDE, true)), Decision::Denied);
    let documents = of("has(kubernetes.io/hostname)");
    for (peer, is_egress, port, protocol, decision) in [
        // Its own pods, but not those of other clusters' or nodes' addresses.
        (LAB, true, 80, Protocol::Tcp, Decision::BeyondPolicies),
        (OTHER_NODE, true, 80, Protocol::Tcp, Decision::Denied),
        // Failsafe ports are others in each direction, and of one transport.
        (OUTSIDE, false, 22, Protocol::Tcp, Decision::BeyondPolicies),
        (OUTSIDE, true, 22, Protocol::Tcp, Decision::Denied),
        (OUTSIDE, true, 53, Protocol::Udp, Decision::BeyondPolicies),
        (OUTSIDE, true, 53, Protocol::Tcp, Decision::Denied),
        (OUTSIDE, false, 53, Protocol::Udp, Decision::Denied),
        (OUTSIDE, true, 6443, Protocol::Tcp, Decision::BeyondPolicies),
    ] {
        let asked = Asked { own: NODE, peer, is_egress, port, protocol };
        assert_eq!(decide(&documents, asked), decision, "{peer} {is_egress} {port}/{protocol}");
    }
    // No failsafe port is a pod's.
    let pods = [policy("q", "{types: [Ingress]}")];
    assert_eq!(decide(&pods, Asked { port: 22, ..of_db(OUTSIDE, false) }), Decision::Denied);
    // What a rule allows is that rule's, failsafe or not.
    let documents = [global(
        "GlobalNetworkPolicy",
        "p",
        "{selector: has(kubernetes.io/hostname), ingress: [{action: Allow}]}",
    )];
    let asked = Asked { own: NODE, port: 22, ..of_db(OUTSIDE, false) };
    assert_eq!(allowed_by(&decide(&documents, asked)), ["run/p[0]"]);
}
