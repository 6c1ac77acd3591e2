//! The specification's own examples.

use super::*;
use crate::enforcer::example::{Example, documents};

use Verdict::{Allowed, Beyond, Denied, NotGoverned};

fn arrive(example: &Example, texts: &[&str], expected: &[(&str, Verdict)]) {
    judge(texts, expected, |documents, packet| example.arrives(&Calico, documents, packet));
}

fn leave(example: &Example, texts: &[&str], expected: &[(&str, Verdict)]) {
    judge(texts, expected, |documents, packet| example.leaves(&Calico, documents, packet));
}

fn judge(texts: &[&str], expected: &[(&str, Verdict)], verdict: impl Fn(&[Value], &str) -> Verdict) {
    let documents: Vec<Value> = texts.iter().flat_map(|text| documents([text])).collect();
    for (packet, expected) in expected {
        assert_eq!(verdict(&documents, packet), *expected, "{packet}");
    }
}

fn global(name: &str, spec: &str) -> String {
    format!("{{kind: GlobalNetworkPolicy, metadata: {{name: {name}}}, spec: {{{spec}}}}}")
}

fn production(spec: &str) -> String {
    format!("{{kind: NetworkPolicy, metadata: {{name: p, namespace: production}}, spec: {{{spec}}}}}")
}

/// The sample of the reference of NetworkPolicy.
#[test]
fn a_policy_is_for_its_namespace_and_speaks_of_it() {
    let policy = production(
        "selector: role == 'database', types: [Ingress, Egress],
        ingress: [{action: Allow, metadata: {annotations: {from: frontend}}, protocol: TCP,
            source: {selector: role == 'frontend'}, destination: {ports: [6379]}}],
        egress: [{action: Allow}]",
    );
    let pods = [
        ("production/database", "role=database"),
        ("production/frontend", "role=frontend"),
        ("far/database", "role=database"),
        ("far/frontend", "role=frontend"),
    ];
    let example = Example::new(&pods);
    arrive(
        &example,
        &[&policy],
        &[
            ("production/frontend → production/database 6379/tcp", Allowed),
            ("production/frontend → production/database 6379/udp", Denied),
            ("production/frontend → production/database 6380/tcp", Denied),
            ("far/frontend → production/database 6379/tcp", Denied),
            ("production/database → production/database 6379/tcp", Denied),
            ("far/frontend → far/database 6379/tcp", NotGoverned),
            ("production/database → production/frontend 6379/tcp", NotGoverned),
        ],
    );
    leave(
        &example,
        &[&policy],
        &[
            ("production/database → 192.0.2.1 443/tcp", Allowed),
            ("production/frontend → 192.0.2.1 443/tcp", NotGoverned),
        ],
    );
}

/// policy-rules/namespace-policy.
#[test]
fn a_namespace_selector_goes_by_the_labels_of_namespaces() {
    let policy = production(
        "selector: color == 'red', ingress: [{action: Allow, protocol: TCP,
            source: {selector: color == 'blue', namespaceSelector: shape == 'circle'}, destination: {ports: [6379]}}]",
    );
    let pods = [
        ("production/red", "color=red"),
        ("production/blue", "color=blue"),
        ("round/blue", "color=blue"),
        ("round/green", "color=green"),
        ("dev/one", ""),
    ];
    let example = Example::new(&pods);
    arrive(
        &example,
        &[&policy],
        &[
            ("round/blue → production/red 6379/tcp", Allowed),
            ("round/green → production/red 6379/tcp", Denied),
            ("production/blue → production/red 6379/tcp", Denied),
        ],
    );
    let development = global(
        "restrict-development-access",
        "namespaceSelector: 'environment == \"development\"',
        ingress: [{action: Allow, source: {namespaceSelector: 'environment == \"development\"'}}],
        egress: [{action: Allow, destination: {namespaceSelector: 'environment == \"development\"'}}]",
    );
    arrive(
        &example,
        &[&development],
        &[
            ("dev/one → dev/one 80/tcp", Allowed),
            ("round/blue → dev/one 80/tcp", Denied),
            ("n2 → dev/one 80/tcp", Denied),
            ("192.0.2.1 → n1 80/tcp", NotGoverned),
        ],
    );
    leave(
        &example,
        &[&development],
        &[("dev/one → round/blue 80/tcp", Denied), ("round/blue → dev/one 80/tcp", NotGoverned)],
    );
}

/// calico-labels: both are "exactly equivalent".
#[test]
fn a_namespace_is_known_by_its_name_in_two_ways() {
    let by_namespace = global(
        "foo-and-bar",
        "namespaceSelector: 'projectcalico.org/name in {\"foo\", \"bar\"}', selector: color == \"red\", types: [Ingress],
        ingress: [{action: Allow, source: {namespaceSelector: projectcalico.org/name == \"baz\"}, destination: {ports: [8080]}}]",
    );
    let by_endpoint = global(
        "foo-and-bar",
        "selector: 'projectcalico.org/namespace in {\"foo\", \"bar\"} && color == \"red\"', types: [Ingress],
        ingress: [{action: Allow, source: {selector: projectcalico.org/namespace == \"baz\"}, destination: {ports: [8080]}}]",
    );
    let by_kubernetes = by_namespace.replace("projectcalico.org/name ", "kubernetes.io/metadata.name ");
    let example = Example::new(&[("foo/one", "color=red"), ("bar/one", ""), ("baz/one", "color=red")]);
    for policy in [by_namespace, by_endpoint, by_kubernetes] {
        arrive(
            &example,
            &[&policy],
            &[
                ("baz/one → foo/one 8080/tcp", Allowed),
                ("baz/one → foo/one 80/tcp", Denied),
                ("bar/one → foo/one 8080/tcp", Denied),
                ("baz/one → bar/one 8080/tcp", NotGoverned),
                ("foo/one → baz/one 8080/tcp", NotGoverned),
            ],
        );
    }
}

/// "Control traffic to/from endpoints independent of namespace", and the table of what `types` are by default.
#[test]
fn types_are_those_that_have_rules() {
    let pods = [("one/red", "color=red"), ("two/blue", "color=blue")];
    let example = Example::new(&pods);
    for (rules, arriving, leaving) in [
        ("order: 1", Denied, NotGoverned),
        ("ingress: [{action: Allow}]", Allowed, NotGoverned),
        ("egress: [{action: Allow}]", NotGoverned, Allowed),
        ("ingress: [{action: Allow}], egress: [{action: Deny}]", Allowed, Denied),
        ("types: [Ingress, Egress], ingress: [{action: Allow}]", Allowed, Denied),
        ("types: [Egress], ingress: [{action: Allow}]", NotGoverned, Denied),
        ("ingress: [], egress: []", Denied, NotGoverned),
    ] {
        let policy = global("p", &format!("selector: color == 'red', {rules}"));
        arrive(&example, &[&policy], &[("two/blue → one/red 80/tcp", arriving)]);
        leave(&example, &[&policy], &[("one/red → two/blue 80/tcp", leaving)]);
    }
}

/// "Apply network policies in specific order", "Generate logs for specific traffic".
#[test]
fn the_lowest_order_goes_first_and_none_is_the_last() {
    let example =
        Example::new(&[("production/database", "role=database"), ("production/frontend", "role=frontend")]);
    let drops = |order: &str| global("drop-other-ingress", &format!("{order} ingress: [{{action: Deny}}]"));
    let allows = global(
        "allow-cluster-internal-ingress",
        "order: 10, ingress: [{action: Log}, {action: Allow, source: {nets: [10.0.0.0/8]}}]",
    );
    for (order, inside) in
        [("order: 20,", Allowed), ("order: 5,", Denied), ("", Allowed), ("order: 10.5,", Allowed)]
    {
        arrive(
            &example,
            &[&drops(order), &allows],
            &[
                ("production/frontend → production/database 80/tcp", inside),
                ("192.0.2.1 → production/database 80/tcp", Denied),
            ],
        );
    }
    // Of two of one order, it is the name.
    let equal = [&*drops("order: 10,"), &*allows];
    arrive(&example, &equal, &[("production/frontend → production/database 80/tcp", Allowed)]);
}

/// tiered-policy: the policy of the tier `devops`, with and without what passes on, and with a tier that does.
#[test]
fn a_tier_decides_or_passes_on() {
    let stage = |rules: &str| {
        global(
            "devops.stage-env",
            &format!(
                "tier: devops, order: 255, selector: env == \"stage\", types: [Ingress],
                ingress: [{{action: Deny, source: {{selector: env != \"stage\"}}}}{rules}]"
            ),
        )
    };
    let tier = |action: &str| {
        format!("{{kind: Tier, metadata: {{name: devops}}, spec: {{order: 300, defaultAction: {action}}}}}")
    };
    let application =
        "{kind: NetworkPolicy, metadata: {name: p, namespace: production}, spec: {selector: app == 'db',
        ingress: [{action: Allow, destination: {ports: [5432]}, protocol: TCP}]}}";
    let pods = [
        ("production/db", "env=stage app=db"),
        ("production/web", "env=stage"),
        ("production/other", "env=live"),
    ];
    let example = Example::new(&pods);
    let cases = |through: Verdict, other: Verdict, ungoverned: Verdict| {
        [
            ("production/web → production/db 5432/tcp", through),
            ("production/web → production/db 80/tcp", other),
            ("production/other → production/db 5432/tcp", Denied),
            // A selector with != speaks of whom Calico knows, and of nobody else.
            ("192.0.2.1 → production/db 5432/tcp", through),
            ("production/db → production/web 80/tcp", ungoverned),
        ]
    };
    let (deny, pass) = (tier("Deny"), tier("Pass"));
    arrive(&example, &[&stage(", {action: Pass}"), &deny, application], &cases(Allowed, Denied, NotGoverned));
    arrive(&example, &[&stage(""), &deny, application], &cases(Denied, Denied, Denied));
    arrive(&example, &[&stage(""), &pass, application], &cases(Allowed, Denied, NotGoverned));
}

/// policy-rules/external-ips-policy.
#[test]
fn blocks_are_of_addresses_whoever_has_them() {
    let policy = |destination: &str| {
        production(&format!(
            "selector: color == 'red', types: [Egress], egress: [{{action: Allow, destination: {{{destination}}}}}]"
        ))
    };
    let example = Example::new(&[("production/red", "color=red"), ("production/blue", "")]);
    leave(
        &example,
        &[&policy("nets: [192.0.2.0/24]")],
        &[("production/red → 192.0.2.1 80/tcp", Allowed), ("production/red → 198.51.100.1 80/tcp", Denied)],
    );
    leave(
        &example,
        &[&policy("nets: [10.0.0.0/30, 172.16.0.2]")],
        &[
            ("production/red → production/blue 80/tcp", Allowed),
            ("production/red → n2 80/tcp", Allowed),
            ("production/red → n1 80/tcp", Denied),
        ],
    );
    leave(
        &example,
        &[&policy("notNets: [192.0.2.0/24]")],
        &[
            ("production/red → 192.0.2.1 80/tcp", Denied),
            ("production/red → 198.51.100.1 80/tcp", Allowed),
            ("production/red → 2001:db8::1 80/tcp", Denied),
        ],
    );
}

/// The samples of GlobalNetworkSet and NetworkSet.
#[test]
fn network_sets_have_labels_like_endpoints() {
    let set = "{kind: GlobalNetworkSet, metadata: {name: a, labels: {role: external-database}}, spec: {nets: [198.51.100.0/28, 203.0.113.0/24]}}";
    let own = "{kind: NetworkSet, metadata: {name: b, namespace: production, labels: {role: db}}, spec: {nets: [192.0.2.0/28]}}";
    let policy = |destination: &str| {
        production(&format!("types: [Egress], egress: [{{action: Allow, destination: {{{destination}}}}}]"))
    };
    let example = Example::new(&[("production/one", "role=db")]);
    let (outside, local) = ("production/one → 198.51.100.1 80/tcp", "production/one → 192.0.2.1 80/tcp");
    for (destination, of_outside, of_local) in [
        ("selector: role == 'external-database'", Denied, Denied),
        ("selector: role == 'external-database', namespaceSelector: global()", Allowed, Denied),
        ("namespaceSelector: global()", Allowed, Denied),
        ("selector: role == 'db'", Denied, Allowed),
        ("selector: all()", Denied, Allowed),
        ("namespaceSelector: all()", Denied, Allowed),
        ("notSelector: role == 'db', namespaceSelector: global()", Allowed, Denied),
    ] {
        let policy = policy(destination);
        leave(&example, &[set, own, &policy], &[(outside, of_outside), (local, of_local)]);
    }
    let everybody = global(
        "p",
        "types: [Egress], egress: [{action: Deny, destination: {selector: has(role)}}, {action: Allow}]",
    );
    leave(
        &example,
        &[set, own, &everybody],
        &[
            (outside, Denied),
            (local, Denied),
            ("production/one → production/one 80/tcp", Denied),
            ("production/one → 192.0.2.99 80/tcp", Allowed),
        ],
    );
}

/// `_entityrule.mdx`, "Understanding notSelector".
#[test]
fn what_is_not_selected_may_be_anybody() {
    let pods = [("one/foo", "foo=1"), ("one/bar", ""), ("one/server", "app=server")];
    let example = Example::new(&pods);
    let policy = |source: &str| {
        global("p", &format!("selector: app == 'server', ingress: [{{action: Allow, source: {{{source}}}}}]"))
    };
    arrive(
        &example,
        &[&policy("selector: '!has(foo)'")],
        &[
            ("one/bar → one/server 80/tcp", Allowed),
            ("one/foo → one/server 80/tcp", Denied),
            ("192.0.2.1 → one/server 80/tcp", Denied),
        ],
    );
    arrive(
        &example,
        &[&policy("notSelector: has(foo)")],
        &[
            ("one/bar → one/server 80/tcp", Allowed),
            ("one/foo → one/server 80/tcp", Denied),
            ("192.0.2.1 → one/server 80/tcp", Allowed),
        ],
    );
}

/// `_ports.mdx`.
#[test]
fn ports_are_numbers_ranges_and_names() {
    let policy = |port: &str| {
        production(&format!("ingress: [{{action: Allow, protocol: TCP, destination: {{{port}}}}}]"))
    };
    let example = Example::new(&[("production/one", "")]);
    let (http, other) = ("192.0.2.1 → production/one 8080/tcp", "192.0.2.1 → production/one 1300/tcp");
    for (port, of_http, of_other) in [
        ("ports: [8080, '1234:5678', named-port]", Allowed, Allowed),
        ("ports: ['1234:5678']", Denied, Allowed),
        ("ports: [http]", Allowed, Denied),
        ("notPorts: [http]", Denied, Allowed),
        ("ports: ['1:9000'], notPorts: ['1234:5678']", Allowed, Denied),
    ] {
        arrive(&example, &[&policy(port)], &[(http, of_http), (other, of_other)]);
    }
}

/// hosts/kubernetes-nodes, and the failsafe ports.
#[test]
fn nodes_have_host_endpoints_with_their_labels() {
    let policy = global(
        "ingress-k8s-masters",
        "selector: has(node-role.kubernetes.io/control-plane), ingress: [
            {action: Allow, protocol: TCP, destination: {ports: [443]}},
            {action: Allow, destination: {nets: [127.0.0.0/8]}},
            {action: Allow, protocol: TCP, source: {selector: environment == 'dev'}, destination: {ports: [10250]}}]",
    );
    let example = Example::new(&[("default/one", "")]);
    arrive(
        &example,
        &[&policy],
        &[
            ("192.0.2.1 → n2 443/tcp", Allowed),
            ("192.0.2.1 → n2 80/tcp", Denied),
            ("192.0.2.1 → n2 22/tcp", Beyond),
            ("192.0.2.1 → n2 53/udp", Denied),
            ("n1 → n2 10250/tcp", Allowed),
            ("192.0.2.1 → n2 10250/tcp", Denied),
            ("192.0.2.1 → n1 22/tcp", NotGoverned),
            ("192.0.2.1 → default/one 22/tcp", NotGoverned),
        ],
    );
    let written = global(
        "node-n1",
        "selector: kubernetes.io/hostname == 'n1' && projectcalico.org/created-by == 'calico-kube-controllers', types: [Egress]",
    );
    leave(
        &example,
        &[&written],
        &[
            ("n1 → 192.0.2.1 53/udp", Beyond),
            ("n1 → 192.0.2.1 22/tcp", Denied),
            ("n1 → default/one 80/tcp", Beyond),
            ("n2 → 192.0.2.1 22/tcp", NotGoverned),
        ],
    );
}

/// HostEndpoint, "Host to local workload traffic".
#[test]
fn a_pods_own_node_always_reaches_it() {
    let policy = global("deny", "types: [Ingress, Egress], selector: has(projectcalico.org/orchestrator)");
    let example = Example::new(&[("default/one", "")]);
    arrive(
        &example,
        &[&policy],
        &[
            ("n1 → default/one 80/tcp", Beyond),
            ("n2 → default/one 80/tcp", Denied),
            ("192.0.2.1 → n1 80/tcp", NotGoverned),
        ],
    );
    leave(&example, &[&policy], &[("default/one → n1 80/tcp", Denied)]);
    arrive(&example, &[], &[("n1 → default/one 80/tcp", NotGoverned)]);
}

/// StagedNetworkPolicy, its sample; `stagedAction` of the API.
#[test]
fn what_is_staged_is_taken_as_enforced() {
    let enforced = production("ingress: [{action: Allow}]");
    let staged = |action: &str| {
        enforced
            .replace("kind: ", "kind: Staged")
            .replace("Allow", "Deny")
            .replace("ingress", &format!("{action}ingress"))
    };
    let example = Example::new(&[("production/one", "")]);
    for (documents, verdict) in [
        (vec![enforced.clone()], Allowed),
        (vec![staged("")], Denied),
        (vec![staged("stagedAction: Set, "), enforced.clone()], Denied),
        (vec![staged("stagedAction: Delete, "), enforced.clone()], NotGoverned),
    ] {
        let documents: Vec<&str> = documents.iter().map(String::as_str).collect();
        arrive(&example, &documents, &[("192.0.2.1 → production/one 80/tcp", verdict)]);
    }
}

/// `_rule.mdx`: the fields of a rule.
#[test]
fn protocols_have_names_and_numbers() {
    let example = Example::new(&[("production/one", "")]);
    let (tcp, udp, ping) = (
        "192.0.2.1 → production/one 80/tcp",
        "192.0.2.1 → production/one 80/udp",
        "192.0.2.1 → production/one 0/icmp",
    );
    for (rule, verdicts) in [
        ("protocol: TCP", [Allowed, Denied, Denied]),
        ("protocol: 17", [Denied, Allowed, Denied]),
        ("protocol: ICMP", [Denied, Denied, Allowed]),
        ("protocol: ICMPv6", [Denied, Denied, Denied]),
        ("notProtocol: UDP", [Allowed, Denied, Allowed]),
        ("ipVersion: 6", [Denied, Denied, Denied]),
        ("ipVersion: 4", [Allowed, Allowed, Allowed]),
    ] {
        let policy = production(&format!("ingress: [{{action: Allow, {rule}}}]"));
        arrive(&example, &[&policy], &[(tcp, verdicts[0]), (udp, verdicts[1]), (ping, verdicts[2])]);
    }
}

/// Calico Enterprise, "Domain name matching".
#[test]
fn domains_are_names_of_addresses() {
    let policy = |domains: &str| {
        production(&format!(
            "types: [Egress], egress: [{{action: Allow, destination: {{domains: {domains}}}}}]"
        ))
    };
    let example = Example::new(&[("production/one", "")]);
    let (cilium, special) = ("production/one → 203.0.113.2 80/tcp", "production/one → 203.0.113.5 80/tcp");
    for (domains, verdicts) in [
        ("[cilium.io]", [Allowed, Denied]),
        ("['*.cilium.io']", [Denied, Allowed]),
        ("['*.io']", [Allowed, Allowed]),
        ("[google.com]", [Denied, Denied]),
    ] {
        leave(&example, &[&policy(domains)], &[(cilium, verdicts[0]), (special, verdicts[1])]);
    }
}

#[test]
#[should_panic(expected = "not covered: source.ports")]
fn what_is_not_covered_is_said() {
    let policy = production("ingress: [{action: Allow, protocol: TCP, source: {ports: [80]}}]");
    arrive(
        &Example::new(&[("production/one", "")]),
        &[&policy],
        &[("192.0.2.1 → production/one 80/tcp", Denied)],
    );
}
