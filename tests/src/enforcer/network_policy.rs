//! `NetworkPolicy` of `networking.k8s.io/v1`, by the API reference and by the page
//! concepts/services-networking/network-policies; what stands in quotation marks here is theirs.

use flowdrift::{event::Protocol, policy::Passage};
use serde_json::Value;

use super::{
    Enforcer, Site, Verdict,
    known::{KnownPod, entries, is_empty, is_with_itself, is_within, named_port, pod_of},
};

/// Enforces NetworkPolicies; a document of another kind is none of its business.
pub struct NetworkPolicies;

impl Enforcer for NetworkPolicies {
    fn verdict(&self, site: Site<'_>, documents: &[Value], passage: &Passage<'_>) -> Verdict {
        let Some(own) = pod_of(site, &passage.party) else { return Verdict::NotGoverned };
        let applying: Vec<&Value> =
            documents.iter().filter(|document| applies(document, &own, passage.is_egress)).collect();
        if applying.is_empty() {
            // "By default, a pod is non-isolated …; all … connections are allowed."
            Verdict::NotGoverned
        } else if cannot_be_blocked(passage) {
            Verdict::Beyond
        } else if applying.iter().any(|document| allows(site, document, passage)) {
            // "Network policies do not conflict; they are additive."
            Verdict::Allowed
        } else {
            Verdict::Denied
        }
    }
}

/// "A pod is isolated for egress if there is any NetworkPolicy that both selects the pod and has "Egress" in
/// its `policyTypes`; we say that such a policy applies to the pod for egress." And so for ingress.
fn applies(document: &Value, own: &KnownPod<'_>, is_egress: bool) -> bool {
    document["apiVersion"] == "networking.k8s.io/v1"
        && document["kind"] == "NetworkPolicy"
        && namespace(document) == own.pod.workload.namespace
        // Of any namespace by its labels, for that is asked above. "If it is not specified, it defaults to an
        // empty selector."
        && own.is_in(&Value::Null, &document["spec"]["podSelector"])
        && is_for(&document["spec"], is_egress)
}

/// "An empty namespace is equivalent to the "default" namespace" (ObjectMeta).
fn namespace(document: &Value) -> &str {
    document["metadata"]["namespace"].as_str().filter(|name| !name.is_empty()).unwrap_or("default")
}

/// "If no `policyTypes` are specified on a NetworkPolicy then by default `Ingress` will always be set and
/// `Egress` will be set if the NetworkPolicy has any egress rules."
fn is_for(spec: &Value, is_egress: bool) -> bool {
    let wanted = if is_egress { "Egress" } else { "Ingress" };
    if is_empty(&spec["policyTypes"]) {
        !is_egress || !is_empty(&spec["egress"])
    } else {
        entries(&spec["policyTypes"]).any(|one| one == wanted)
    }
}

/// "When a pod is isolated for ingress, the only allowed connections into the pod are those from the pod's
/// node and those allowed by the `ingress` list"; "a pod cannot block access to itself".
///
/// Of what goes to its own node the page's first lines say "traffic to and from the node where a Pod is running is
/// always allowed"; its paragraph on isolation for egress and the reference do not, and enforcers differ.
fn cannot_be_blocked(passage: &Passage<'_>) -> bool {
    passage.is_with_own_node() || is_with_itself(passage)
}

/// Whether a rule of a policy that applies lets the packet pass: it "allows traffic which matches both the
/// `from` and `ports` sections". An empty list of rules has none.
fn allows(site: Site<'_>, document: &Value, passage: &Passage<'_>) -> bool {
    let (rules, peers) = if passage.is_egress { ("egress", "to") } else { ("ingress", "from") };
    entries(&document["spec"][rules]).any(|rule| {
        // "If this field is empty or missing, this rule matches all sources", or destinations.
        let is_of_peers = is_empty(&rule[peers])
            || entries(&rule[peers]).any(|peer| is_peer(site, namespace(document), peer, passage));
        // "If this field is empty or missing, this rule matches all ports". Of ICMP the page says only that
        // "the behaviour is undefined"; here it passes where ports do not matter, and otherwise not.
        let is_of_ports =
            is_empty(&rule["ports"]) || entries(&rule["ports"]).any(|port| is_port(site, port, passage));
        is_of_peers && is_of_ports
    })
}

/// Whether the other end is one of whom a `NetworkPolicyPeer` speaks.
fn is_peer(site: Site<'_>, namespace: &str, peer: &Value, passage: &Passage<'_>) -> bool {
    let block = &peer["ipBlock"];
    if !block.is_null() {
        // "These should be cluster-external IPs" – should, for pods' addresses pass away; nothing exempts
        // them. Pods on the host network have their node's: "you can allow traffic from a `hostNetwork` Pod
        // using an `ipBlock` rule".
        let address = passage.peer.address();
        return is_within(&block["cidr"], address)
            && !entries(&block["except"]).any(|except| is_within(except, address));
    }
    // "The network plugin cannot properly distinguish `hostNetwork` pod traffic, and so it ignores
    // `hostNetwork` pods when matching `podSelector` and `namespaceSelector`. … (This is the most common
    // implementation.)"
    let Some(pod) = pod_of(site, &passage.peer) else { return false };
    let (namespaces, pods) = (&peer["namespaceSelector"], &peer["podSelector"]);
    if namespaces.is_null() {
        // "Otherwise it selects the pods matching podSelector in the policy's own namespace."
        pod.pod.workload.namespace == namespace && pod.is_in(namespaces, pods)
    } else {
        // "Otherwise it selects all pods in the namespaces selected by namespaceSelector."
        pod.is_in(namespaces, pods)
    }
}

/// Whether the server's port is one of which a `NetworkPolicyPort` speaks: "only traffic on the specified
/// protocol AND port".
fn is_port(site: Site<'_>, port: &Value, passage: &Passage<'_>) -> bool {
    // "If not specified, this field defaults to TCP."
    let protocol = match port["protocol"].as_str() {
        None | Some("TCP") => Protocol::Tcp,
        Some("UDP") => Protocol::Udp,
        Some("SCTP") => Protocol::Sctp,
        Some(other) => panic!("no policy has the protocol {other}"),
    };
    let own = u64::from(passage.port);
    protocol == passage.protocol
        && match (&port["port"], port["endPort"].as_u64()) {
            // "If this field is not provided, this matches all port names and numbers."
            (Value::Null, _) => true,
            // "a numerical or named port on a pod"
            (Value::String(name), _) => named_port(site, passage, name) == Some(passage.port),
            (number, None) => number.as_u64() == Some(own),
            // "the range of ports from port to endPort if set, inclusive"
            (first, Some(last)) => first.as_u64().is_some_and(|first| (first..=last).contains(&own)),
        }
}

#[cfg(test)]
mod tests {
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
            &[policy(
                "default",
                &json!({"podSelector": selector, "policyTypes": ["Egress"], "egress": egress}),
            )],
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
        let of =
            |ports: Value| [policy("default", &json!({"podSelector": {}, "ingress": [{"ports": ports}]}))];
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
        let free =
            [("default/db ← n1 6379/tcp", NotGoverned), ("default/db → default/db 6379/tcp", NotGoverned)];
        holds(&[none], &free);
        // Every rule that lets it in is as good as none.
        let open = policy("default", &json!({"podSelector": {}, "ingress": [{}]}));
        holds(&[open], &[("default/db ← n1 6379/tcp", Beyond), ("default/db ← n2 6379/tcp", Allowed)]);
    }

    #[test]
    fn pods_on_the_host_network_are_their_node() {
        // default/agent, role=frontend, runs on the network of n2.
        let of =
            |from: Value| [policy("default", &json!({"podSelector": {}, "ingress": [{"from": [from]}]}))];
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
}
