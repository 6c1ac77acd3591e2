//! The specification's own examples.

use serde_json::json;

use super::*;
use crate::enforcer::{
    Verdict::{Allowed, Beyond, Denied, NotGoverned},
    kubernetes_example::check,
};

fn policy(namespace: &str, spec: &Value) -> Value {
    json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": "policy", "namespace": namespace}, "spec": spec})
}

fn holds(documents: &[Value], expected: &[(&str, Verdict)]) {
    check(&NetworkPolicies, documents, expected);
}

/// `networkpolicy.yaml` of the concepts page.
fn first_example() -> Value {
    policy(
        "default",
        &json!({
            "podSelector": {"matchLabels": {"role": "db"}},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{
                "from": [
                    {"ipBlock": {"cidr": "172.17.0.0/16", "except": ["172.17.1.0/24"]}},
                    {"namespaceSelector": {"matchLabels": {"project": "myproject"}}},
                    {"podSelector": {"matchLabels": {"role": "frontend"}}},
                ],
                "ports": [{"protocol": "TCP", "port": 6379}],
            }],
            "egress": [{
                "to": [{"ipBlock": {"cidr": "10.0.0.0/24"}}],
                "ports": [{"protocol": "TCP", "port": 5978}],
            }],
        }),
    )
}

#[test]
fn the_first_example_lets_in_its_three_sources_on_its_port() {
    holds(
        &[first_example()],
        &[
            // "any pod in the `default` namespace with the label `role=frontend`"
            ("default/db ← default/frontend 6379/tcp", Allowed),
            ("default/db ← default/client 6379/tcp", Denied),
            // That pod's namesake is elsewhere.
            ("default/db ← shop/frontend 6379/tcp", Denied),
            ("default/db ← 10.1.0.2 6379/tcp", Denied),
            // "any pod in a namespace with the label `project=myproject`"
            ("default/db ← work/client 6379/tcp", Allowed),
            // "172.17.0.0–172.17.0.255 and 172.17.2.0–172.17.255.255"
            ("default/db ← 172.17.0.255 6379/tcp", Allowed),
            ("default/db ← 172.17.1.0 6379/tcp", Denied),
            ("default/db ← 172.17.1.255 6379/tcp", Denied),
            ("default/db ← 172.17.2.0 6379/tcp", Allowed),
            ("default/db ← 172.18.0.0 6379/tcp", Denied),
            // "on TCP port 6379"
            ("default/db ← default/frontend 6380/tcp", Denied),
            ("default/db ← default/frontend 6379/udp", Denied),
            ("default/db ← default/frontend 6379/sctp", Denied),
            ("default/db ← default/frontend 0/icmp", Denied),
        ],
    );
}

#[test]
fn the_first_example_lets_out_to_its_block_alone_and_is_for_nobody_else() {
    holds(
        &[first_example()],
        &[
            ("default/db → 10.0.0.77 5978/tcp", Allowed),
            // A block is of addresses, whoever has them.
            ("default/db → default/frontend 5978/tcp", Allowed),
            ("default/db → 10.0.1.1 5978/tcp", Denied),
            ("default/db → 10.0.0.77 5979/tcp", Denied),
            ("default/frontend → 10.0.1.1 1/tcp", NotGoverned),
            ("default/frontend ← 192.0.2.1 1/tcp", NotGoverned),
            // It has the labels, in another namespace, and in another cluster.
            ("shop/db ← 192.0.2.1 1/tcp", NotGoverned),
            ("10.1.0.1 ← 192.0.2.1 1/tcp", NotGoverned),
            // No policy for pods is for a node or for whoever else has an address.
            ("n1 ← default/db 1/tcp", NotGoverned),
            ("192.0.2.1 → default/db 1/tcp", NotGoverned),
        ],
    );
}

#[test]
fn selectors_of_one_element_must_both_hold_and_of_two_either() {
    let (namespaces, pods) =
        (json!({"matchLabels": {"user": "alice"}}), json!({"matchLabels": {"role": "client"}}));
    let of = |from: Value| [policy("default", &json!({"podSelector": {}, "ingress": [{"from": from}]}))];
    holds(
        &of(json!([{"namespaceSelector": namespaces, "podSelector": pods}])),
        &[
            ("default/db ← work/client 1/tcp", Allowed),
            ("default/db ← work/server 1/tcp", Denied),
            ("default/db ← default/client 1/tcp", Denied),
            ("default/db ← shop/client 1/tcp", Denied),
        ],
    );
    holds(
        &of(json!([{"namespaceSelector": namespaces}, {"podSelector": pods}])),
        &[
            ("default/db ← work/client 1/tcp", Allowed),
            ("default/db ← work/server 1/tcp", Allowed),
            ("default/db ← default/client 1/tcp", Allowed),
            ("default/db ← shop/client 1/tcp", Denied),
        ],
    );
}

#[test]
fn default_policies_deny_or_allow_everything_in_their_directions() {
    let of = |spec: Value| [policy("default", &spec)];
    for (spec, ingress, egress) in [
        (json!({"podSelector": {}, "policyTypes": ["Ingress"]}), Denied, NotGoverned),
        (json!({"podSelector": {}, "ingress": [{}], "policyTypes": ["Ingress"]}), Allowed, NotGoverned),
        (json!({"podSelector": {}, "policyTypes": ["Egress"]}), NotGoverned, Denied),
        (json!({"podSelector": {}, "egress": [{}], "policyTypes": ["Egress"]}), NotGoverned, Allowed),
        (json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}), Denied, Denied),
    ] {
        for peer in ["default/client", "shop/client", "n2", "192.0.2.1", "2001:db8::1"] {
            let (from, to) = (format!("default/db ← {peer} 1/udp"), format!("default/db → {peer} 1/udp"));
            holds(&of(spec.clone()), &[(&from, ingress), (&to, egress)]);
        }
        holds(&of(spec), &[("shop/db ← shop/client 1/tcp", NotGoverned)]);
    }
}

#[test]
fn policy_types_default_by_the_rules() {
    let of = |spec: Value| [policy("default", &spec)];
    for (spec, ingress, egress) in [
        (json!({"podSelector": {}}), Denied, NotGoverned),
        (json!({}), Denied, NotGoverned),
        (json!({"podSelector": null, "policyTypes": []}), Denied, NotGoverned),
        (json!({"podSelector": {}, "egress": []}), Denied, NotGoverned),
        // An egress rule alone isolates for ingress, too.
        (json!({"podSelector": {}, "egress": [{}]}), Denied, Allowed),
        (json!({"podSelector": {}, "policyTypes": ["Egress"], "egress": [{}]}), NotGoverned, Allowed),
        // Rules of a direction that it does not affect count for nothing.
        (json!({"podSelector": {}, "policyTypes": ["Egress"], "ingress": [{}]}), NotGoverned, Denied),
    ] {
        let expected = [("default/db ← shop/db 1/tcp", ingress), ("default/db → shop/db 1/tcp", egress)];
        holds(&of(spec), &expected);
    }
}

#[test]
fn a_range_of_ports_is_inclusive() {
    let ports = json!([{"protocol": "TCP", "port": 32000, "endPort": 32768}]);
    let egress = json!([{"to": [{"ipBlock": {"cidr": "10.0.0.0/24"}}], "ports": ports}]);
    let selector = json!({"matchLabels": {"role": "db"}});
    holds(
        &[policy("default", &json!({"podSelector": selector, "policyTypes": ["Egress"], "egress": egress}))],
        &[
            ("default/db → 10.0.0.77 31999/tcp", Denied),
            ("default/db → 10.0.0.77 32000/tcp", Allowed),
            ("default/db → 10.0.0.77 32768/tcp", Allowed),
            ("default/db → 10.0.0.77 32769/tcp", Denied),
            ("default/db → 10.0.0.77 32000/udp", Denied),
            ("default/db → 10.0.2.1 32000/tcp", Denied),
        ],
    );
}

#[test]
fn a_port_without_number_is_any_of_its_protocol_which_is_tcp_unless_it_says_so() {
    let of = |ports: Value| [policy("default", &json!({"podSelector": {}, "ingress": [{"ports": ports}]}))];
    for (ports, tcp, udp, sctp) in [
        (json!([{}]), Allowed, Denied, Denied),
        (json!([{"port": 53}]), Allowed, Denied, Denied),
        (json!([{"protocol": "UDP"}]), Denied, Allowed, Denied),
        (json!([{"protocol": "SCTP", "port": 53}]), Denied, Denied, Allowed),
        (json!([{"port": 53}, {"protocol": "UDP", "port": 53}]), Allowed, Allowed, Denied),
        (json!([]), Allowed, Allowed, Allowed),
        (Value::Null, Allowed, Allowed, Allowed),
    ] {
        holds(
            &of(ports),
            &[
                ("default/db ← n2 53/tcp", tcp),
                ("default/db ← n2 53/udp", udp),
                ("default/db ← n2 53/sctp", sctp),
            ],
        );
    }
}

#[test]
fn a_named_port_is_what_the_server_s_pod_calls_so() {
    let rules = json!([{"ports": [{"port": "redis"}, {"port": "dns", "protocol": "UDP"}]}]);
    let types = ["Ingress", "Egress"];
    holds(
        &[policy(
            "default",
            &json!({"podSelector": {}, "policyTypes": types, "ingress": rules, "egress": rules}),
        )],
        &[
            ("default/db ← shop/client 6379/tcp", Allowed),
            ("default/db ← shop/client 6380/tcp", Denied),
            ("default/db ← shop/client 6379/udp", Denied),
            // This one has no port of that name, whatever its client has.
            ("default/client ← default/db 6379/tcp", Denied),
            ("default/client → default/db 6379/tcp", Allowed),
            // The same name, another number.
            ("default/client → shop/db 6380/tcp", Allowed),
            ("default/client → shop/db 6379/tcp", Denied),
            ("default/client → kube-system/kube-dns 53/udp", Allowed),
            ("default/client → kube-system/kube-dns 53/tcp", Denied),
            // Who is no pod of this cluster has no names.
            ("default/client → 192.0.2.1 6379/tcp", Denied),
            ("default/client → n2 6379/tcp", Denied),
            ("default/client → 10.1.0.1 6379/tcp", Denied),
        ],
    );
}

#[test]
fn namespaces_are_targeted_by_their_labels_and_by_their_name() {
    let of = |selector: Value| {
        let egress = json!([{"to": [{"namespaceSelector": selector}]}]);
        [policy("default", &json!({"podSelector": {}, "policyTypes": ["Egress"], "egress": egress}))]
    };
    let either = json!([{"key": "project", "operator": "In", "values": ["myproject", "otherproject"]}]);
    for (selector, work, shop, own) in [
        (json!({"matchExpressions": either}), Allowed, Denied, Denied),
        (json!({"matchLabels": {"kubernetes.io/metadata.name": "shop"}}), Denied, Allowed, Denied),
        (json!({"matchLabels": {"kubernetes.io/metadata.name": "default"}}), Denied, Denied, Allowed),
        (json!({}), Allowed, Allowed, Allowed),
    ] {
        holds(
            &of(selector),
            &[
                ("default/db → work/client 1/tcp", work),
                ("default/db → shop/client 1/tcp", shop),
                ("default/db → default/client 1/tcp", own),
                // All pods of all namespaces are not everybody.
                ("default/db → 192.0.2.1 1/tcp", Denied),
                ("default/db → 10.0.0.77 1/tcp", Denied),
                ("default/db → 10.1.0.1 1/tcp", Denied),
            ],
        );
    }
}

#[test]
fn neither_the_own_node_nor_the_pod_itself_can_be_blocked() {
    let all = policy("default", &json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}));
    holds(
        &[all],
        &[
            ("default/db ← n1 6379/tcp", Beyond),
            ("default/db ← n2 6379/tcp", Denied),
            ("default/db → n1 6379/tcp", Beyond),
            ("default/db → n2 6379/tcp", Denied),
            ("default/db → default/db 6379/tcp", Beyond),
            ("default/db ← default/db 6379/tcp", Beyond),
        ],
    );
    let none = policy("shop", &json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}));
    let free = [("default/db ← n1 6379/tcp", NotGoverned), ("default/db → default/db 6379/tcp", NotGoverned)];
    holds(&[none], &free);
    // Every rule that lets it in is as good as none.
    let open = policy("default", &json!({"podSelector": {}, "ingress": [{}]}));
    holds(&[open], &[("default/db ← n1 6379/tcp", Beyond), ("default/db ← n2 6379/tcp", Allowed)]);
}

#[test]
fn pods_on_the_host_network_are_their_node() {
    // default/agent, role=frontend, runs on the network of n2.
    let of = |from: Value| [policy("default", &json!({"podSelector": {}, "ingress": [{"from": [from]}]}))];
    let frontend = json!({"podSelector": {"matchLabels": {"role": "frontend"}}});
    holds(
        &of(frontend),
        &[("default/db ← n2 1/tcp", Denied), ("default/db ← default/frontend 1/tcp", Allowed)],
    );
    let block = json!({"ipBlock": {"cidr": "172.16.0.2/32"}});
    holds(&of(block), &[("default/db ← n2 1/tcp", Allowed), ("default/db ← n3 1/tcp", Denied)]);
}

#[test]
fn what_one_policy_allows_no_other_takes_away() {
    let deny = policy("default", &json!({"podSelector": {}}));
    let allow = |peer: &str| {
        let from = json!([{"podSelector": {"matchLabels": {"role": peer}}}]);
        let selector = json!({"matchLabels": {"role": "db"}});
        policy("default", &json!({"podSelector": selector, "ingress": [{"from": from}]}))
    };
    for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2]] {
        let all = [deny.clone(), allow("client"), allow("frontend")];
        let documents: Vec<Value> = order.iter().map(|index| all[*index].clone()).collect();
        holds(
            &documents,
            &[
                ("default/db ← default/client 1/tcp", Allowed),
                ("default/db ← default/frontend 1/tcp", Allowed),
                ("default/db ← shop/client 1/tcp", Denied),
                ("default/frontend ← default/client 1/tcp", Denied),
            ],
        );
    }
}

#[test]
fn a_block_is_of_one_family() {
    let from = json!([{"ipBlock": {"cidr": "2001:db8::/64", "except": ["2001:db8::8/125"]}}]);
    holds(
        &[policy("default", &json!({"podSelector": {}, "ingress": [{"from": from}]}))],
        &[
            ("default/db ← 2001:db8::1 1/tcp", Allowed),
            ("default/db ← 2001:db8::9 1/tcp", Denied),
            ("default/db ← 2001:db8:0:1::1 1/tcp", Denied),
            ("default/db ← 192.0.2.1 1/tcp", Denied),
        ],
    );
}
