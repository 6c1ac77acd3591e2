//! The specification's own examples.

use std::slice::from_ref;

use serde_json::json;

use super::*;
use crate::enforcer::{
    Verdict::{Allowed, Beyond, Denied, NotGoverned},
    kubernetes_example::{Example, check},
};

fn policy(tier: &str, priority: u32, spec: &Value) -> Value {
    let mut whole = json!({"apiVersion": "policy.networking.k8s.io/v1alpha2", "kind": "ClusterNetworkPolicy",
        "metadata": {"name": "policy"}, "spec": {"tier": tier, "priority": priority}});
    for (field, value) in spec.as_object().expect("a spec's fields") {
        whole["spec"][field] = value.clone();
    }
    whole
}

/// Of every pod, with rules in one direction.
fn everywhere(tier: &str, priority: u32, rules: (&str, Value)) -> Value {
    policy(tier, priority, &json!({"subject": {"namespaces": {}}, (rules.0): rules.1}))
}

fn network_policy(namespace: &str, spec: &Value) -> Value {
    json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": "policy", "namespace": namespace}, "spec": spec})
}

fn named(namespace: &str) -> Value {
    json!({"matchLabels": {"kubernetes.io/metadata.name": namespace}})
}

fn holds(documents: &[Value], expected: &[(&str, Verdict)]) {
    check(&ClusterNetworkPolicies, documents, expected);
}

#[test]
fn story_1_denies_all_pods_and_nobody_else() {
    let ingress = json!([{"action": "Deny", "from": [{"namespaces": {"matchLabels": {}}}]}]);
    let deny = policy("Admin", 10, &json!({"subject": {"namespaces": named("shop")}, "ingress": ingress}));
    holds(
        from_ref(&deny),
        &[
            ("shop/db ← default/client 1/tcp", Denied),
            ("shop/db ← shop/client 1/tcp", Denied),
            ("shop/db ← shop/client 0/icmp", Denied),
            ("default/db ← shop/client 1/tcp", NotGoverned),
            // "CNPs with no egress rules do not affect egress traffic."
            ("shop/db → default/client 1/tcp", NotGoverned),
            // No pods of this cluster: "there will not be any implicit isolation effects".
            ("shop/db ← 192.0.2.1 1/tcp", NotGoverned),
            ("shop/db ← n1 1/tcp", NotGoverned),
            ("shop/db ← n2 1/tcp", NotGoverned),
            ("shop/db ← 10.1.0.1 1/tcp", NotGoverned),
            // It is for pods of this cluster.
            ("n1 ← default/db 1/tcp", NotGoverned),
            ("10.1.0.3 ← default/db 1/tcp", NotGoverned),
        ],
    );
    // "cannot be overridden in the other tiers"
    let allow = network_policy("shop", &json!({"podSelector": {}, "ingress": [{}]}));
    holds(
        &[allow, deny],
        &[("shop/db ← default/client 1/tcp", Denied), ("shop/db ← 192.0.2.1 1/tcp", Allowed)],
    );
}

#[test]
fn story_2_accepts_whatever_a_network_policy_denies() {
    let dns = json!({"namespaceSelector": named("kube-system"), "podSelector": {"matchLabels": {"app": "kube-dns"}}});
    let accept = policy(
        "Admin",
        30,
        &json!({
            "subject": {"namespaces": {}},
            "ingress": [{"action": "Accept", "from": [{"namespaces": named("monitoring-ns")}]}],
            "egress": [{"action": "Accept", "to": [{"pods": dns}]}],
        }),
    );
    let deny = network_policy("default", &json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}));
    holds(
        &[accept, deny],
        &[
            ("default/db ← monitoring-ns/prober 9100/tcp", Allowed),
            ("default/db ← shop/client 9100/tcp", Denied),
            ("default/db → kube-system/kube-dns 53/udp", Allowed),
            // Its neighbour has another label.
            ("default/db → kube-system/proxy 53/udp", Denied),
            ("default/db → monitoring-ns/prober 53/udp", Denied),
            ("shop/db ← monitoring-ns/prober 1/tcp", Allowed),
            ("shop/db ← default/client 1/tcp", NotGoverned),
        ],
    );
}

#[test]
fn story_3_passes_to_whoever_says_more() {
    let service =
        json!({"namespaceSelector": named("bar-ns-1"), "podSelector": {"matchLabels": {"app": "svc-pub"}}});
    let protocols = json!([
        {"tcp": {"destinationPort": {"number": 8080}}},
        {"destinationNamedPort": "web-alt"},
        {"udp": {"destinationPort": {"number": 53}}},
    ]);
    let pass = json!([{"action": "Pass", "to": [{"pods": service}], "protocols": protocols}]);
    let pass = everywhere("Admin", 20, ("egress", pass));
    let deny =
        |tier| everywhere(tier, 21, ("egress", json!([{"action": "Deny", "to": [{"namespaces": {}}]}])));
    let delegated = [
        "default/db → bar-ns-1/svc-pub 8080/tcp",
        "default/db → bar-ns-1/svc-pub 8081/tcp",
        "default/db → bar-ns-1/svc-pub 53/udp",
    ];
    let rest = [
        "default/db → bar-ns-1/svc-pub 8080/udp",
        "default/db → bar-ns-1/svc-pub 8081/udp",
        "default/db → bar-ns-1/svc-pub 8082/tcp",
        "default/db → bar-ns-1/svc-pub 53/tcp",
        "default/db → bar-ns-1/svc-pub 0/icmp",
        "default/db → bar-ns-1/other 8080/tcp",
    ];
    let all = |documents: &[Value], at_delegated, at_rest| {
        holds(documents, &delegated.map(|packet| (packet, at_delegated)));
        holds(documents, &rest.map(|packet| (packet, at_rest)));
    };
    // "If no k8s network policies match the delegated traffic, the traffic will be allowed."
    all(&[deny("Admin"), pass.clone()], NotGoverned, Denied);
    let types = ["Egress"];
    let shut = network_policy("default", &json!({"podSelector": {}, "policyTypes": types}));
    all(&[deny("Admin"), pass.clone(), shut], Denied, Denied);
    let open = network_policy("default", &json!({"podSelector": {}, "policyTypes": types, "egress": [{}]}));
    all(&[deny("Admin"), pass.clone(), open], Allowed, Denied);
    // "or if there is no `NetworkPolicy` match, `Baseline` policies will be evaluated"
    all(&[deny("Admin"), pass, deny("Baseline")], Denied, Denied);
}

#[test]
fn story_5_is_overridden_by_any_network_policy_of_that_direction() {
    let baseline =
        everywhere("Baseline", 10, ("ingress", json!([{"action": "Deny", "from": [{"namespaces": {}}]}])));
    holds(
        from_ref(&baseline),
        &[
            ("default/db ← shop/client 1/tcp", Denied),
            ("default/db ← 192.0.2.1 1/tcp", NotGoverned),
            ("default/db → shop/client 1/tcp", NotGoverned),
        ],
    );
    let from = json!([{"namespaceSelector": named("shop")}]);
    let selector = json!({"matchLabels": {"role": "db"}});
    let own = network_policy("default", &json!({"podSelector": selector, "ingress": [{"from": from}]}));
    holds(
        &[baseline.clone(), own],
        &[
            ("default/db ← shop/client 1/tcp", Allowed),
            ("default/db ← work/client 1/tcp", Denied),
            ("default/db ← 192.0.2.1 1/tcp", Denied),
            ("default/frontend ← shop/client 1/tcp", Denied),
            // The pod's own node, which a NetworkPolicy cannot block and no rule of the others names.
            ("default/db ← n1 1/tcp", Beyond),
            ("default/frontend ← n1 1/tcp", NotGoverned),
        ],
    );
    // One that does not apply in this direction decides nothing there.
    let other = network_policy("default", &json!({"podSelector": {}, "policyTypes": ["Egress"]}));
    holds(
        &[baseline, other],
        &[("default/db ← shop/client 1/tcp", Denied), ("default/db → shop/client 1/tcp", Denied)],
    );
}

#[test]
fn the_lower_priority_value_goes_first() {
    let both = |house: &str| json!([{"pods": {"namespaceSelector": named(house), "podSelector": {}}}]);
    let of = |priority, action: &str| {
        let (from, to) = (both("shop"), both("shop"));
        let rules = json!({
            "subject": {"pods": {"namespaceSelector": named("default"), "podSelector": {"matchLabels": {"role": "db"}}}},
            "ingress": [{"action": action, "from": from}],
            "egress": [{"action": action, "to": to}],
        });
        policy("Admin", priority, &rules)
    };
    let baseline = |documents: &mut Vec<Value>| {
        let accept = json!([{"action": "Accept", "from": both("shop")}]);
        documents.push(everywhere("Baseline", 10, ("ingress", accept)));
    };
    for (pass, ingress, egress) in [(60, Denied, Denied), (40, Allowed, NotGoverned)] {
        let mut documents = vec![of(50, "Deny"), of(pass, "Pass")];
        baseline(&mut documents);
        for _ in 0..documents.len() {
            documents.rotate_left(1);
            holds(
                &documents,
                &[
                    ("default/db ← shop/client 1/tcp", ingress),
                    ("default/db → shop/client 1/tcp", egress),
                    ("default/frontend → shop/client 1/tcp", NotGoverned),
                ],
            );
        }
    }
    // Ten comes after nine, and nought before everything.
    holds(&[of(10, "Accept"), of(9, "Deny")], &[("default/db ← shop/client 1/tcp", Denied)]);
    holds(&[of(1, "Deny"), of(0, "Accept")], &[("default/db ← shop/client 1/tcp", Allowed)]);
}

#[test]
fn the_rule_at_the_top_goes_first() {
    let rules = json!([
        {"action": "Accept", "to": [{"networks": ["192.0.2.0/30"]}], "protocols": [{"tcp": {"destinationPort": {"number": 443}}}]},
        {"action": "Pass", "to": [{"namespaces": {}}]},
        {"action": "Deny", "to": [{"networks": ["0.0.0.0/0"]}]},
        {"action": "Accept", "to": [{"networks": ["0.0.0.0/0", "::/0"]}]},
    ]);
    holds(
        &[everywhere("Admin", 1, ("egress", rules))],
        &[
            ("default/db → 192.0.2.3 443/tcp", Allowed),
            ("default/db → 192.0.2.3 80/tcp", Denied),
            ("default/db → 192.0.2.4 443/tcp", Denied),
            // "If you don't want that, add a rule that Passes all pod traffic before the Networks rule."
            ("default/db → shop/client 443/tcp", NotGoverned),
            ("default/db → 10.0.0.77 443/tcp", Denied),
            ("default/db → n2 443/tcp", Denied),
            // "a Networks entry of "0.0.0.0/0" will match both IPv4 and ICMP traffic"
            ("default/db → 192.0.2.3 0/icmp", Denied),
            ("default/db → 2001:db8::1 443/tcp", Allowed),
            ("default/db → 2001:db8::1 0/icmp", Allowed),
        ],
    );
}

#[test]
fn nodes_are_told_by_their_labels_and_known_by_their_addresses() {
    let of = |selector: Value| {
        [everywhere("Admin", 1, ("egress", json!([{"action": "Deny", "to": [{"nodes": selector}]}])))]
    };
    let other = [
        ("default/db → shop/client 443/tcp", NotGoverned),
        ("default/db → 192.0.2.1 443/tcp", NotGoverned),
        // A node of another cluster.
        ("default/db → m1 443/tcp", NotGoverned),
    ];
    for (selector, [n1, n2, n3]) in [
        (json!({}), [Denied; 3]),
        (json!({"matchLabels": {"kubernetes.io/os": "linux"}}), [Denied, Denied, NotGoverned]),
        (
            json!({"matchLabels": {"node-role.kubernetes.io/control-plane": ""}}),
            [Denied, NotGoverned, NotGoverned],
        ),
        (
            json!({"matchExpressions": [{"key": "kubernetes.io/os", "operator": "DoesNotExist"}]}),
            [NotGoverned, NotGoverned, Denied],
        ),
    ] {
        holds(&of(selector.clone()), &other);
        // The pod's own node is a node, and pods on the host network are theirs.
        let all = [
            ("default/db → n1 443/tcp", n1),
            ("default/db → n2 443/tcp", n2),
            ("default/db → n3 443/tcp", n3),
        ];
        holds(&of(selector), &all);
    }
    // They are no pods.
    let pods = json!([{"action": "Deny", "to": [{"namespaces": {}}]}]);
    holds(&[everywhere("Admin", 1, ("egress", pods))], &[("default/db → n2 443/tcp", NotGoverned)]);
}

#[test]
fn domain_names_are_matched_as_the_description_s_examples_say() {
    let of = |name: &str| {
        let accept = json!({"action": "Accept", "to": [{"domainNames": [name]}]});
        let deny = json!({"action": "Deny", "to": [{"networks": ["0.0.0.0/0"]}]});
        [everywhere("Admin", 1, ("egress", json!([accept, deny])))]
    };
    // kubernetes.io, blog.kubernetes.io, latest.blog.kubernetes.io, my-kubernetes.io, wikipedia.org,
    // *.kubernetes.io
    for (name, passing) in [
        ("kubernetes.io", [1].as_slice()),
        ("Kubernetes.IO.", &[1]),
        ("blog.kubernetes.io", &[2]),
        ("*.kubernetes.io", &[2, 3, 6]),
        ("*.blog.kubernetes.io", &[3]),
        ("*.org", &[5]),
        ("www.kubernetes.io", &[]),
    ] {
        for last in 1..=7 {
            let packet = format!("default/db → 192.0.2.{last} 443/tcp");
            let expected = if passing.contains(&last) { Allowed } else { Denied };
            holds(&of(name), &[(&packet, expected)]);
        }
    }
}

#[test]
fn what_is_not_understood_fails_closed() {
    for (action, peer, expected) in [
        ("Accept", json!({"services": {}}), NotGoverned),
        ("Deny", json!({"services": {}}), Denied),
        ("Pass", json!({"services": {}}), Denied),
        ("Deny", json!({"domainNames": ["kubernetes.io"]}), Denied),
        ("Pass", json!({"domainNames": ["kubernetes.io"]}), Denied),
    ] {
        let rules = json!([{"action": action, "to": [peer]}]);
        holds(
            &[everywhere("Admin", 1, ("egress", rules))],
            &[("default/db → shop/client 1/tcp", expected), ("default/db → 192.0.2.5 1/udp", expected)],
        );
    }
}

#[test]
fn protocols_are_matched_by_their_own_attributes() {
    let of = |protocols: Value| {
        let rules = json!([{"action": "Deny", "from": [{"namespaces": {}}], "protocols": protocols}]);
        [everywhere("Baseline", 1, ("ingress", rules))]
    };
    let range = json!({"destinationPort": {"range": {"start": 8080, "end": 9090}}});
    for (protocols, packets) in [
        (json!([{"tcp": range}]), ["8080/tcp", "8085/tcp", "9090/tcp"].as_slice()),
        (json!([{"udp": {"destinationPort": {"number": 8085}}}]), &["8085/udp"]),
        (
            json!([{"sctp": range}, {"tcp": {"destinationPort": {"number": 8079}}}]),
            &["8085/sctp", "8079/tcp"],
        ),
        // "If `destinationPort` is omitted, all ports for the specified protocol match."
        (json!([{"tcp": {}}]), &["8079/tcp", "8080/tcp", "8085/tcp", "9090/tcp", "9091/tcp", "6379/tcp"]),
        // The port of the pod that is reached.
        (json!([{"destinationNamedPort": "redis"}]), &["6379/tcp"]),
        (json!([{"destinationNamedPort": "dns"}]), &[]),
    ] {
        for packet in [
            "8079/tcp",
            "8080/tcp",
            "8085/tcp",
            "9090/tcp",
            "9091/tcp",
            "6379/tcp",
            "6379/udp",
            "8085/udp",
            "8086/udp",
            "8085/sctp",
            "0/icmp",
        ] {
            let expected = if packets.contains(&packet) { Denied } else { NotGoverned };
            holds(&of(protocols.clone()), &[(&format!("default/db ← shop/client {packet}"), expected)]);
        }
    }
}

#[test]
fn a_pod_that_reaches_itself_is_subject_only_through_a_service() {
    let deny = json!([{"action": "Deny", "to": [{"namespaces": {}}]}]);
    let documents = [everywhere("Admin", 1, ("egress", deny))];
    holds(&documents, &[("default/db → default/db 6379/tcp", NotGoverned)]);
    let example = Example::new();
    let world = example.world();
    let mut passage = example.passage(&world, "default/db → default/db 6379/tcp");
    passage.dialled = Some(([10, 96, 0, 1].into(), 80));
    let site = Site { world: &world, cluster: "run" };
    assert_eq!(ClusterNetworkPolicies.verdict(site, &documents, &passage), Denied);
}

#[test]
fn the_integration_of_all_tiers_is_that_of_the_conformance_tests() {
    let gress = |action: &str| {
        json!({
            "subject": {"namespaces": named("default")},
            "ingress": [{"action": action, "from": [{"namespaces": named("shop")}]}],
            "egress": [{"action": action, "to": [{"namespaces": named("shop")}]}],
        })
    };
    let (peers, types) = (json!([{"namespaceSelector": named("shop")}]), ["Ingress", "Egress"]);
    let own = network_policy(
        "default",
        &json!({"podSelector": null, "policyTypes": types, "ingress": [{"from": peers}], "egress": [{"to": peers}]}),
    );
    let baseline = policy("Baseline", 10, &gress("Deny"));
    let admin = |action: &str| policy("Admin", 10, &gress(action));
    for (documents, expected) in [
        (vec![admin("Deny"), own.clone(), baseline.clone()], Denied),
        (vec![admin("Pass"), own, baseline.clone()], Allowed),
        (vec![admin("Pass"), baseline], Denied),
    ] {
        holds(
            &documents,
            &[("default/db ← shop/client 80/tcp", expected), ("default/db → shop/client 80/tcp", expected)],
        );
    }
}
