//! Whom rules hold.

use super::*;
use crate::policy::language::site::{LAB, NODE, OTHER_NODE, OUTSIDE, STRANGER, WEB};

/// Who of everybody is denied by one rule with these peers.
fn held(key: &str, peers: &str) -> Vec<&'static str> {
    let is_egress = key == "to";
    let direction = if is_egress { "egress" } else { "ingress" };
    let rules = format!(
        "{direction}: [{{action: Accept, {key}: [{peers}]}}, {{action: Deny, {key}: [{{namespaces: {{}}}}]}}]"
    );
    let document = [of_shop("p", "Admin", 1, &rules)];
    let everybody = [WEB, LAB, STRANGER, NODE, OTHER_NODE, OUTSIDE];
    let is_held =
        |peer: &&str| matches!(decide(&document, peer, is_egress), Decision::Allowed(by) if !by.is_empty());
    everybody.into_iter().filter(is_held).collect()
}

#[test]
fn peers_are_pods_namespaces_nodes_networks_and_names() {
    for (peers, both, egress) in [
        // Of a pod that nobody lists nothing is known but that it is one.
        ("{namespaces: {}}", true, vec![WEB, LAB, STRANGER]),
        ("{namespaces: {matchLabels: {team: b}}}", true, vec![LAB]),
        ("{namespaces: {matchExpressions: [{key: team, operator: NotIn, values: [a]}]}}", true, vec![LAB]),
        ("{pods: {podSelector: {matchLabels: {app: web}}}}", true, vec![WEB, LAB]),
        ("{pods: {podSelector: {}}}", true, vec![WEB, LAB, STRANGER]),
        (
            "{pods: {namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: shop}}, podSelector: {matchLabels: {app: web}}}}",
            true,
            vec![WEB],
        ),
        (
            "{namespaces: {matchLabels: {team: b}}}, {pods: {podSelector: {matchLabels: {tier: front}}}}",
            true,
            vec![WEB, LAB],
        ),
        ("{nodes: {}}", false, vec![NODE, OTHER_NODE]),
        ("{nodes: {matchLabels: {role: edge}}}", false, vec![NODE]),
        ("{networks: [10.0.0.0/30, 172.16.0.2/32]}", false, vec![WEB, LAB, OTHER_NODE]),
        ("{networks: ['::/0']}", false, vec![]),
        ("{networks: [0.0.0.0/0]}", false, vec![WEB, LAB, STRANGER, NODE, OTHER_NODE, OUTSIDE]),
        ("{domainNames: [git.example.com]}", false, vec![OUTSIDE]),
        ("{domainNames: [GIT.example.com.]}", false, vec![OUTSIDE]),
        ("{domainNames: ['*.example.com']}", false, vec![OUTSIDE]),
        ("{domainNames: ['*.git.example.com', example.com]}", false, vec![]),
    ] {
        assert_eq!(held("to", peers), egress, "{peers}");
        if both {
            assert_eq!(held("from", peers), egress, "{peers}");
        }
    }
}

#[test]
fn names_hold_as_the_api_says() {
    use super::domain::DomainName;
    let holds = |name: &str, host: &str| DomainName::new(name).expect("a name").holds(host);
    for (name, host, expected) in [
        ("kubernetes.io", "kubernetes.io", true),
        ("kubernetes.io", "www.kubernetes.io", false),
        ("kubernetes.io", "my-kubernetes.io", false),
        ("blog.kubernetes.io", "kubernetes.io", false),
        ("*.kubernetes.io", "www.kubernetes.io", true),
        ("*.kubernetes.io", "latest.blog.kubernetes.io", true),
        ("*.kubernetes.io", "kubernetes.io", false),
        ("*.kubernetes.io", ".kubernetes.io", false),
        ("*.kubernetes.io", "my-kubernetes.io", false),
        ("*.kubernetes.io", "wikipedia.org", false),
        ("*.kubernetes.io", "*.kubernetes.io", true),
    ] {
        assert_eq!(holds(name, host), expected, "{name} {host}");
    }
    for wrong in
        ["", "localhost", "*", "*.io", "a.*.io", "*a.b.io", "a..io", "-a.io", "a-.io", "a b.io", "a.io.."]
    {
        assert_eq!(DomainName::new(wrong), None, "{wrong}");
    }
}

#[test]
fn ports_are_numbers_ranges_and_names() {
    for (protocols, port, protocol, holds) in [
        ("", 9, Protocol::Icmp, true),
        ("protocols: [{tcp: {destinationPort: {number: 80}}}]", 80, Protocol::Tcp, true),
        ("protocols: [{tcp: {destinationPort: {number: 80}}}]", 81, Protocol::Tcp, false),
        ("protocols: [{tcp: {destinationPort: {number: 80}}}]", 80, Protocol::Udp, false),
        ("protocols: [{udp: {destinationPort: {range: {start: 80, end: 90}}}}]", 90, Protocol::Udp, true),
        ("protocols: [{udp: {destinationPort: {range: {start: 80, end: 90}}}}]", 91, Protocol::Udp, false),
        (
            "protocols: [{sctp: {destinationPort: {number: 7}}}, {tcp: {destinationPort: {number: 8}}}]",
            7,
            Protocol::Sctp,
            true,
        ),
        // The name is the server's.
        ("protocols: [{destinationNamedPort: http}]", 8080, Protocol::Tcp, true),
        ("protocols: [{destinationNamedPort: http}]", 8080, Protocol::Udp, false),
        ("protocols: [{destinationNamedPort: http}]", 80, Protocol::Tcp, false),
    ] {
        for (direction, key) in [("ingress", "from"), ("egress", "to")] {
            let rules =
                format!("{direction}: [{{action: Deny, {key}: [{{namespaces: {{}}}}], {protocols}}}]");
            let document = [of_shop("p", "Admin", 1, &rules)];
            let decision = decide_port(&document, (DB, WEB), key == "to", (port, protocol));
            assert_eq!(decision == Decision::Denied, holds, "{direction} {protocols} {port}/{protocol}");
        }
    }
}

#[test]
fn subjects_are_pods_or_whole_namespaces() {
    let of = |subject: &str| {
        let spec = format!(
            "{{tier: Admin, priority: 0, subject: {subject}, egress: [{{action: Deny, to: [{{networks: [0.0.0.0/0]}}]}}]}}"
        );
        let document = [policy("p", &spec)];
        let is_denied = |own: &&str| {
            decide_port(&document, (own, OUTSIDE), true, (80, Protocol::Tcp)) == Decision::Denied
        };
        [DB, WEB, LAB].into_iter().filter(is_denied).collect::<Vec<_>>()
    };
    assert_eq!(of("{namespaces: {}}"), [DB, WEB, LAB]);
    assert_eq!(of("{namespaces: {matchLabels: {team: b}}}"), [LAB]);
    assert_eq!(of("{pods: {podSelector: {matchLabels: {app: web}}}}"), [WEB, LAB]);
    assert_eq!(
        of("{pods: {namespaceSelector: {matchLabels: {team: a}}, podSelector: {matchLabels: {app: web}}}}"),
        [WEB]
    );
}

#[test]
fn a_pods_own_node_is_held_by_rules_of_egress_like_anybody() {
    let deny = of_shop("p", "Admin", 1, "egress: [{action: Deny, to: [{networks: [172.16.0.0/24]}]}]");
    assert_eq!(decide(&[deny], NODE, true), Decision::Denied);
}

#[test]
fn nodes_without_labels_are_faults() {
    let site = Site::new();
    let world = site.world();
    let faults = |documents: &[String]| enforced(&world, documents).err().unwrap_or_default();
    let to = |nodes: &str| {
        of_shop("p", "Admin", 1, &format!("egress: [{{action: Deny, to: [{{nodes: {nodes}}}]}}]"))
    };
    let told = faults(&[to("{matchLabels: {role: edge}}")]);
    assert_eq!(told, ["run/p: its peers `nodes` cannot be evaluated: nothing tells the labels of n2"]);
    assert_eq!(faults(&[to("{}")]), [""; 0]);
}

#[test]
fn every_rule_that_lets_something_through_is_told() {
    let site = Site::new();
    let world = site.world();
    let rules = "ingress: [{action: Deny, from: [{namespaces: {}}]}, {action: Pass, from: [{namespaces: {}}]}], egress: [{action: Accept, to: [{nodes: {}}]}]";
    let documents = [of_shop("b", "Baseline", 1, rules), of_shop("a", "Admin", 1, rules)];
    let told = enforced(&world, &documents).expect("they are right").rules();
    let told: Vec<String> =
        told.iter().map(|rule| format!("{} {} {}", rule.document, rule.is_egress, rule.index)).collect();
    assert_eq!(told, ["run/a false 1", "run/a true 0", "run/b false 1", "run/b true 0"]);
}
