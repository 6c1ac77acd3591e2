//! The specification's own examples.

use super::*;
use crate::enforcer::example::{Example, documents};

use Verdict::{Allowed, Beyond, Denied, NotGoverned};

fn arrive(example: &Example, texts: &[&str], expected: &[(&str, Verdict)]) {
    judge(texts, expected, |documents, packet| example.arrives(&Cilium, documents, packet));
}

fn leave(example: &Example, texts: &[&str], expected: &[(&str, Verdict)]) {
    judge(texts, expected, |documents, packet| example.leaves(&Cilium, documents, packet));
}

fn judge(texts: &[&str], expected: &[(&str, Verdict)], verdict: impl Fn(&[Value], &str) -> Verdict) {
    let documents: Vec<Value> = texts.iter().flat_map(|text| documents([text])).collect();
    for (packet, expected) in expected {
        assert_eq!(verdict(&documents, packet), *expected, "{packet}");
    }
}

/// layer3.rst, "Simple Ingress Allow".
#[test]
fn endpoints_are_known_by_labels_in_the_namespace_of_the_policy() {
    let pods = [
        ("default/frontend", "role=frontend"),
        ("default/backend", "role=backend"),
        ("default/other", "role=other"),
        ("far/frontend", "role=frontend"),
    ];
    let policy = "
        {apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: l3-rule}, spec: {
            endpointSelector: {matchLabels: {role: backend}},
            ingress: [{fromEndpoints: [{matchLabels: {role: frontend}}]}]}}";
    let example = Example::new(&pods);
    arrive(
        &example,
        &[policy],
        &[
            ("default/frontend → default/backend 80/tcp", Allowed),
            ("default/frontend → default/backend 0/icmp", Allowed),
            ("default/other → default/backend 80/tcp", Denied),
            ("far/frontend → default/backend 80/tcp", Denied),
            ("203.0.113.1 → default/backend 80/tcp", Denied),
            ("default/backend → default/frontend 80/tcp", NotGoverned),
        ],
    );
    leave(&example, &[policy], &[("default/backend → default/frontend 80/tcp", NotGoverned)]);
}

/// layer3.rst, "Ingress Allow All Endpoints", "Ingress/Egress Default Deny"; pull request 29608 for the empty list.
#[test]
fn everybody_is_everybody_of_the_namespace_and_nobody_is_nobody() {
    let pods = [("default/victim", "role=victim"), ("default/one", "role=restricted"), ("far/one", "")];
    let example = Example::new(&pods);
    let policy = |rules: &str| {
        format!(
            "{{kind: CiliumNetworkPolicy, metadata: {{name: p}}, spec: {{endpointSelector: {{}}, {rules}}}}}"
        )
    };
    arrive(
        &example,
        &[&policy("ingress: [{fromEndpoints: [{}]}]")],
        &[
            ("default/one → default/victim 80/tcp", Allowed),
            ("far/one → default/victim 80/tcp", Denied),
            ("n2 → default/victim 80/tcp", Denied),
        ],
    );
    for (rules, verdict) in [
        ("ingress: [{}]", Denied),
        ("ingress: []", NotGoverned),
        ("ingress: [{fromEndpoints: [], toPorts: [{ports: [{port: '80'}]}]}]", Denied),
        ("ingress: [{toPorts: [{ports: [{port: '80'}]}]}]", Allowed),
        ("ingress: [{}], enableDefaultDeny: {ingress: false}", NotGoverned),
        ("egress: [{}]", NotGoverned),
    ] {
        arrive(&example, &[&policy(rules)], &[("far/one → default/victim 80/tcp", verdict)]);
    }
}

/// layer3.rst, "Simple Egress Deny".
#[test]
fn what_denies_goes_before_what_allows() {
    let pods =
        [("default/frontend", "role=frontend"), ("default/backend", "role=backend"), ("default/one", "")];
    let policy = "
        {kind: CiliumNetworkPolicy, metadata: {name: deny-egress-example}, spec: {
            endpointSelector: {matchLabels: {role: frontend}},
            egress: [{toEntities: [all]}],
            egressDeny: [{toEndpoints: [{matchLabels: {role: backend}}]}]}}";
    leave(
        &Example::new(&pods),
        &[policy],
        &[
            ("default/frontend → default/backend 80/tcp", Denied),
            ("default/frontend → default/one 80/tcp", Allowed),
            ("default/frontend → 192.0.2.1 80/tcp", Allowed),
            ("default/one → default/backend 80/tcp", NotGoverned),
        ],
    );
}

/// deny.rst, the table, column by column: 81/tcp, 80/tcp, and a ping.
#[test]
fn allow_and_deny_meet_as_in_the_table_of_the_guide() {
    let example = Example::new(&[("default/client", "app=client"), ("default/server", "app=server")]);
    let allows = "ingress: [{fromEndpoints: [{matchLabels: {app: client}}]}]";
    let port = "ingressDeny: [{toPorts: [{ports: [{port: '80', protocol: TCP}]}]}]";
    let client = "ingressDeny: [{fromEndpoints: [{matchLabels: {app: client}}]}]";
    let columns = [
        (vec![allows], [Allowed, Allowed, Allowed]),
        (vec![allows, port], [Allowed, Denied, Allowed]),
        (vec![allows, client], [Denied, Denied, Denied]),
        (vec![allows, port, client], [Denied, Denied, Denied]),
        (vec![port], [Denied, Denied, Denied]),
    ];
    for (rules, [other, http, ping]) in columns {
        let policies: Vec<String> = rules
            .iter()
            .map(|rules| {
                format!(
                    "{{kind: CiliumNetworkPolicy, metadata: {{name: p}}, spec: {{endpointSelector: {{matchLabels: {{app: server}}}}, {rules}}}}}"
                )
            })
            .collect();
        let policies: Vec<&str> = policies.iter().map(String::as_str).collect();
        arrive(
            &example,
            &policies,
            &[
                ("default/client → default/server 81/tcp", other),
                ("default/client → default/server 80/tcp", http),
                ("default/client → default/server 0/icmp", ping),
            ],
        );
    }
}

/// layer3.rst, "Access to/from kube-apiserver", "… local host", "… all nodes in the cluster".
#[test]
fn nodes_are_entities() {
    let example = Example::new(&[("default/dev", "env=dev")]);
    let policy = |rules: &str| {
        format!(
            "{{kind: CiliumNetworkPolicy, metadata: {{name: p}}, spec: {{endpointSelector: {{matchLabels: {{env: dev}}}}, {rules}}}}}"
        )
    };
    leave(
        &example,
        &[&policy("egress: [{toEntities: [kube-apiserver]}]")],
        &[
            ("default/dev → n2 6443/tcp", Allowed),
            ("default/dev → 203.0.113.99 6443/tcp", Allowed),
            ("default/dev → n1 6443/tcp", Denied),
        ],
    );
    leave(
        &example,
        &[&policy("egress: [{toEntities: [host]}]")],
        &[("default/dev → n1 80/tcp", Allowed), ("default/dev → n2 80/tcp", Denied)],
    );
    arrive(
        &example,
        &[&policy("ingress: [{fromEntities: [host, remote-node]}]")],
        &[
            ("n1 → default/dev 80/tcp", Beyond),
            ("n2 → default/dev 80/tcp", Allowed),
            ("192.0.2.1 → default/dev 80/tcp", Denied),
        ],
    );
    arrive(&example, &[&policy("ingress: [{}]")], &[("n1 → default/dev 80/tcp", Beyond)]);
    arrive(&example, &[&policy("egress: [{}]")], &[("n1 → default/dev 80/tcp", NotGoverned)]);
    leave(
        &example,
        &[&policy("egress: [{toEntities: [cluster]}]")],
        &[
            ("default/dev → n1 80/tcp", Allowed),
            ("default/dev → n2 80/tcp", Allowed),
            ("default/dev → 192.0.2.1 80/tcp", Denied),
        ],
    );
}

/// layer3.rst, "Node based".
#[test]
fn a_node_is_known_by_its_labels_where_that_is_enabled() {
    let policy = "
        {kind: CiliumNetworkPolicy, metadata: {name: to-prod-from-control-plane-nodes}, spec: {
            endpointSelector: {matchLabels: {env: prod}},
            ingress: [{fromNodes: [{matchLabels: {node-role.kubernetes.io/control-plane: ''}}]}],
            egress: [{toNodes: [{matchLabels: {type: worker}}]}]}}";
    let example = Example::new(&[("default/prod", "env=prod")]);
    arrive(
        &example,
        &[policy],
        &[("n2 → default/prod 80/tcp", Allowed), ("192.0.2.1 → default/prod 80/tcp", Denied)],
    );
    leave(
        &example,
        &[policy],
        &[
            ("default/prod → n2 80/tcp", Denied),
            // It is of remote nodes only.
            ("default/prod → n1 80/tcp", Denied),
        ],
    );
}

/// deny.rst, `from_world_deny.yaml`.
#[test]
fn the_world_is_whoever_is_neither_pod_nor_node() {
    let policy = "
        {kind: CiliumClusterwideNetworkPolicy, metadata: {name: external-lockdown}, spec: {
            endpointSelector: {}, ingressDeny: [{fromEntities: [world]}], ingress: [{fromEntities: [all]}]}}";
    arrive(
        &Example::new(&[("default/one", ""), ("far/one", "")]),
        &[policy],
        &[
            ("192.0.2.1 → default/one 80/tcp", Denied),
            ("10.9.9.9 → default/one 80/tcp", Denied),
            ("2001:db8::1 → default/one 80/tcp", Denied),
            ("far/one → default/one 80/tcp", Allowed),
            ("n2 → far/one 80/tcp", Allowed),
            // A policy with endpointSelector is for no node.
            ("192.0.2.1 → n1 80/tcp", NotGoverned),
        ],
    );
}

/// layer3.rst, "Allow to external CIDR block"; "CIDR rules do not apply to traffic where both sides of the connection are
/// either managed by Cilium or use an IP belonging to a node in the cluster".
#[test]
fn blocks_hold_neither_pods_nor_nodes() {
    let policy = "
        {kind: CiliumNetworkPolicy, metadata: {name: cidr-rule}, spec: {
            endpointSelector: {matchLabels: {app: myService}},
            egress: [
                {toCIDR: [20.1.1.1/32]},
                {toCIDRSet: [{cidr: 10.0.0.0/8, except: [10.96.0.0/12]}, {cidr: 172.16.0.0/12}]}]}}";
    let example = Example::new(&[("default/one", "app=myService"), ("default/other", "")]);
    leave(
        &example,
        &[policy],
        &[
            ("default/one → 20.1.1.1 80/tcp", Allowed),
            ("default/one → 20.1.1.2 80/tcp", Denied),
            ("default/one → 10.9.9.9 80/tcp", Allowed),
            ("default/one → 10.96.0.1 80/tcp", Denied),
            ("default/one → default/other 80/tcp", Denied),
            ("default/one → n2 80/tcp", Denied),
            ("default/one → n1 80/tcp", Denied),
        ],
    );
}

/// layer7.rst, "DNS Policy and IP Discovery".
#[test]
fn a_name_is_known_by_the_answers_that_the_proxy_reads() {
    let rules = |questions: &str| {
        format!(
            "{{kind: CiliumNetworkPolicy, metadata: {{name: dns}}, spec: {{endpointSelector: {{matchLabels: {{any:org: alliance}}}},
            egress: [
                {{toEndpoints: [{{matchLabels: {{'k8s:io.kubernetes.pod.namespace': kube-system, 'k8s:k8s-app': kube-dns}}}}],
                    toPorts: [{{ports: [{{port: '53', protocol: ANY}}]{questions}}}]}},
                {{toFQDNs: [{{matchName: cilium.io}}, {{matchName: sub.cilium.io}}, {{matchName: service1.api.cilium.io}},
                        {{matchPattern: special*service.api.cilium.io}}],
                    toPorts: [{{ports: [{{port: '80', protocol: TCP}}]}}]}}]}}}}"
        )
    };
    let example = Example::new(&[("default/one", "org=alliance"), ("kube-system/dns", "k8s-app=kube-dns")]);
    let asks = ", rules: {dns: [{matchName: cilium.io}, {matchPattern: '*.cilium.io'}, {matchPattern: '*.api.cilium.io'}]}";
    leave(
        &example,
        &[&rules(asks)],
        &[
            ("default/one → kube-system/dns 53/udp", Allowed),
            ("default/one → 203.0.113.2 80/tcp", Allowed),
            ("default/one → 203.0.113.2 443/tcp", Denied),
            ("default/one → 203.0.113.3 80/tcp", Allowed),
            ("default/one → 203.0.113.4 80/tcp", Denied),
            ("default/one → 203.0.113.5 80/tcp", Allowed),
            ("default/one → 203.0.113.6 80/tcp", Denied),
        ],
    );
    let others = ", rules: {dns: [{matchName: sub.cilium.io}]}";
    leave(
        &example,
        &[&rules(others)],
        &[("default/one → 203.0.113.2 80/tcp", Denied), ("default/one → 203.0.113.3 80/tcp", Allowed)],
    );
    leave(&example, &[&rules("")], &[("default/one → 203.0.113.2 80/tcp", Denied)]);
}

/// layer4.rst, "Limit ingress/egress ports", "Example Port Ranges".
#[test]
fn ports_without_anybody_are_to_anybody() {
    let policy = |port: &str| {
        format!(
            "{{kind: CiliumNetworkPolicy, metadata: {{name: l4}}, spec: {{endpointSelector: {{matchLabels: {{app: myService}}}},
            egress: [{{toPorts: [{{ports: [{port}]}}]}}]}}}}"
        )
    };
    let example = Example::new(&[("default/one", "app=myService"), ("far/one", "")]);
    leave(
        &example,
        &[&policy("{port: '80', protocol: TCP}")],
        &[
            ("default/one → far/one 80/tcp", Allowed),
            ("default/one → 192.0.2.1 80/tcp", Allowed),
            ("default/one → 192.0.2.1 81/tcp", Denied),
            ("default/one → 192.0.2.1 80/udp", Denied),
            ("default/one → 192.0.2.1 0/icmp", Denied),
        ],
    );
    leave(
        &example,
        &[&policy("{port: '80', endPort: 444, protocol: TCP}")],
        &[
            ("default/one → 192.0.2.1 79/tcp", Denied),
            ("default/one → 192.0.2.1 80/tcp", Allowed),
            ("default/one → 192.0.2.1 444/tcp", Allowed),
            ("default/one → 192.0.2.1 445/tcp", Denied),
        ],
    );
    leave(
        &example,
        &[&policy("{port: http}")],
        &[
            ("default/one → far/one 8080/tcp", Allowed),
            ("default/one → far/one 80/tcp", Denied),
            ("default/one → 192.0.2.1 8080/tcp", Denied),
        ],
    );
}

/// layer4.rst, "Labels-dependent Layer 4 rule", "CIDR-dependent Layer 4 Rule".
#[test]
fn somebody_and_a_port_must_both_match() {
    let pods = [
        ("default/frontend", "role=frontend"),
        ("default/backend", "role=backend"),
        ("default/crawler", "role=crawler"),
    ];
    let example = Example::new(&pods);
    let labels = "
        {kind: CiliumNetworkPolicy, metadata: {name: l4-rule}, spec: {endpointSelector: {matchLabels: {role: backend}},
            ingress: [{fromEndpoints: [{matchLabels: {role: frontend}}], toPorts: [{ports: [{port: '80', protocol: TCP}]}]}]}}";
    arrive(
        &example,
        &[labels],
        &[
            ("default/frontend → default/backend 80/tcp", Allowed),
            ("default/frontend → default/backend 81/tcp", Denied),
            ("default/crawler → default/backend 80/tcp", Denied),
        ],
    );
    let block = "
        {kind: CiliumNetworkPolicy, metadata: {name: cidr-l4-rule}, spec: {endpointSelector: {matchLabels: {role: crawler}},
            egress: [{toCIDR: [192.0.2.0/24], toPorts: [{ports: [{port: '80', protocol: TCP}]}]}]}}";
    leave(
        &example,
        &[block],
        &[
            ("default/crawler → 192.0.2.1 80/tcp", Allowed),
            ("default/crawler → 192.0.2.1 443/tcp", Denied),
            ("default/crawler → 198.51.100.1 80/tcp", Denied),
            ("default/frontend → 192.0.2.1 80/tcp", NotGoverned),
        ],
    );
}

/// kubernetes.rst, "Expose pods across namespaces"; "the endpointSelector always applies to pods in the namespace
/// associated with the CiliumNetworkPolicy resource itself".
#[test]
fn a_peer_may_be_of_another_namespace_and_a_subject_may_not() {
    let pods = [
        ("ns1/leia", "name=leia"),
        ("ns2/leia", "name=leia"),
        ("ns1/luke", "name=luke"),
        ("ns2/luke", "name=luke"),
        ("round/luke", "name=luke"),
    ];
    let policy = |subject: &str, peer: &str| {
        format!(
            "{{kind: CiliumNetworkPolicy, metadata: {{name: p, namespace: ns1}}, spec: {{endpointSelector: {{matchLabels: {{name: leia{subject}}}}},
            ingress: [{{fromEndpoints: [{{matchLabels: {{{peer}, name: luke}}}}]}}]}}}}"
        )
    };
    let example = Example::new(&pods);
    arrive(
        &example,
        &[&policy("", "'k8s:io.kubernetes.pod.namespace': ns2")],
        &[
            ("ns2/luke → ns1/leia 80/tcp", Allowed),
            ("ns1/luke → ns1/leia 80/tcp", Denied),
            ("ns2/luke → ns2/leia 80/tcp", NotGoverned),
        ],
    );
    arrive(
        &example,
        &[&policy(", 'k8s:io.kubernetes.pod.namespace': ns2", "io.kubernetes.pod.namespace: ns2")],
        &[("ns2/luke → ns1/leia 80/tcp", Allowed), ("ns2/luke → ns2/leia 80/tcp", NotGoverned)],
    );
    arrive(
        &example,
        &[&policy("", "'k8s:io.cilium.k8s.namespace.labels.shape': circle")],
        &[("round/luke → ns1/leia 80/tcp", Allowed), ("ns1/luke → ns1/leia 80/tcp", Denied)],
    );
    arrive(
        &example,
        &[&policy("", "'k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name': ns2")],
        &[("ns2/luke → ns1/leia 80/tcp", Allowed), ("round/luke → ns1/leia 80/tcp", Denied)],
    );
}

/// kubernetes.rst, "Allow all ingress to kube-dns".
#[test]
fn everybody_of_the_cluster_is_every_pod() {
    let policy = "
        {kind: CiliumClusterwideNetworkPolicy, description: for all, metadata: {name: wildcard-from-endpoints}, spec: {
            endpointSelector: {matchLabels: {'k8s:io.kubernetes.pod.namespace': kube-system, k8s-app: kube-dns}},
            ingress: [{fromEndpoints: [{}], toPorts: [{ports: [{port: '53', protocol: UDP}]}]}]}}";
    arrive(
        &Example::new(&[("kube-system/dns", "k8s-app=kube-dns"), ("far/one", "")]),
        &[policy],
        &[
            ("far/one → kube-system/dns 53/udp", Allowed),
            ("far/one → kube-system/dns 53/tcp", Denied),
            ("n2 → kube-system/dns 53/udp", Denied),
            ("10.9.9.9 → kube-system/dns 53/udp", Denied),
        ],
    );
}

/// intro.rst, "Endpoint default policy".
#[test]
fn a_policy_may_allow_without_closing_anything() {
    let policy = "
        {kind: CiliumClusterwideNetworkPolicy, metadata: {name: intercept-all-dns}, spec: {
            endpointSelector: {matchExpressions: [
                {key: io.kubernetes.pod.namespace, operator: NotIn, values: [kube-system]},
                {key: k8s-app, operator: NotIn, values: [kube-dns]}]},
            enableDefaultDeny: {egress: false, ingress: false},
            egress: [{toEndpoints: [{matchLabels: {io.kubernetes.pod.namespace: kube-system, k8s-app: kube-dns}}],
                toPorts: [{ports: [{port: '53', protocol: TCP}, {port: '53', protocol: UDP}], rules: {dns: [{matchPattern: '*'}]}}]}]}}";
    let closing = "
        {kind: CiliumNetworkPolicy, metadata: {name: web}, spec: {endpointSelector: {matchLabels: {app: web}},
            egress: [{toFQDNs: [{matchName: my-remote-service.com}, {matchPattern: '*.example.org'}]}]}}";
    let pods = [("default/web", "app=web"), ("default/one", ""), ("kube-system/dns", "k8s-app=kube-dns")];
    let example = Example::new(&pods);
    let dns = ("default/web → kube-system/dns 53/udp", Allowed);
    leave(&example, &[policy], &[dns, ("default/web → 192.0.2.1 80/tcp", NotGoverned)]);
    leave(
        &example,
        &[policy, closing],
        &[
            dns,
            ("default/web → 192.0.2.1 80/tcp", Denied),
            ("default/web → 203.0.113.1 80/tcp", Allowed),
            ("default/web → 203.0.113.7 80/tcp", Allowed),
            ("default/one → 192.0.2.1 80/tcp", NotGoverned),
        ],
    );
}

/// host.rst.
#[test]
fn the_host_firewall_is_for_nodes() {
    let policy = "
        {kind: CiliumClusterwideNetworkPolicy, metadata: {name: lock-down-ingress-worker-node}, spec: {
            nodeSelector: {matchLabels: {type: worker}},
            ingress: [
                {fromEntities: [remote-node]},
                {toPorts: [{ports: [{port: '6443', protocol: TCP}, {port: '22', protocol: TCP}, {port: '8472', protocol: UDP}]}]}]}}";
    let example = Example::new(&[("default/one", "type=worker")]);
    arrive(
        &example,
        &[policy],
        &[
            ("192.0.2.1 → n1 22/tcp", Allowed),
            ("192.0.2.1 → n1 80/tcp", Denied),
            ("n2 → n1 80/tcp", Allowed),
            ("default/one → n1 80/tcp", Denied),
            ("192.0.2.1 → n2 80/tcp", NotGoverned),
            ("192.0.2.1 → default/one 80/tcp", NotGoverned),
        ],
    );
    leave(&example, &[policy], &[("n1 → 192.0.2.1 80/tcp", NotGoverned)]);
    let named = "
        {kind: CiliumClusterwideNetworkPolicy, metadata: {name: node-n2}, specs: [{
            nodeSelector: {matchLabels: {kubernetes.io/hostname: n2}}, egress: [{toEndpoints: [{}]}]}]}";
    leave(
        &example,
        &[named],
        &[("n2 → default/one 80/tcp", Allowed), ("n2 → n1 80/tcp", Denied), ("n1 → n2 80/tcp", NotGoverned)],
    );
}

/// identity-relevant-labels.rst.
#[test]
fn labels_that_make_no_identity_select_nobody() {
    let policy = "
        {kind: CiliumNetworkPolicy, metadata: {name: p}, spec: {endpointSelector: {matchLabels: {pod-template-hash: '1'}}, ingress: [{}]}}";
    let example = Example::new(&[("default/one", "pod-template-hash=1 app.kubernetes.io/name=one")]);
    arrive(&example, &[policy], &[("192.0.2.1 → default/one 80/tcp", NotGoverned)]);
    let policy = policy.replace("pod-template-hash: '1'", "app.kubernetes.io/name: one");
    arrive(&example, &[&policy], &[("192.0.2.1 → default/one 80/tcp", Denied)]);
}

#[test]
#[should_panic(expected = "not covered: rule.icmps")]
fn what_is_not_covered_is_said() {
    let policy = "{kind: CiliumNetworkPolicy, metadata: {name: p}, spec: {endpointSelector: {}, ingress: [{icmps: [{fields: [{type: 8}]}]}]}}";
    arrive(&Example::new(&[("default/one", "")]), &[policy], &[("192.0.2.1 → default/one 0/icmp", Denied)]);
}
