//! What is wrong with policies, and what of them cannot be evaluated.

use super::*;

fn faults(text: &str) -> Vec<(String, String)> {
    let faults = read(text, "p.yaml").expect_err("it is faulty");
    faults.faults.iter().map(|fault| (fault.path.clone(), fault.message.clone())).collect()
}

#[test]
fn every_fault_is_told_with_its_place() {
    let wrong = "{endpointSelector: {}, nodeSelector: {}, ingress: [\
        {fromCIDR: [192.0.2.0/33], toPorts: [{ports: [{port: '70000'}, {port: '90', endPort: 80}, {port: '80', protocol: ICMP}, {port: 'a_b'}]}]}, \
        {fromCIDRSet: [{cidr: 192.0.2.0/24, except: [10.0.0.0/8]}, {}]}, \
        {fromEntities: [nobody]}, \
        {fromEndpoints: [{}], fromCIDR: [192.0.2.1]}, \
        {fromEndpoints: [{}], toPorts: [{ports: [{port: '80'}]}], icmps: [{fields: [{type: 8}]}]}, \
        {toPorts: [{}]}], \
        egress: [{toFQDNs: [{}, {matchName: '*'}]}], egressDeny: [{toFQDNs: [{matchName: a}]}]}";
    let text = format!(
        "{}---\napiVersion: v1\nkind: Pod\n---\n{}",
        policy(wrong),
        named("''", "{endpointSelector: {}}")
    );
    let found = faults(&text);
    let paths: Vec<&str> = found.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "spec",
            "spec.ingress[0].fromCIDR[0]",
            "spec.ingress[0].toPorts[0].ports[0]",
            "spec.ingress[0].toPorts[0].ports[1]",
            "spec.ingress[0].toPorts[0].ports[2]",
            "spec.ingress[0].toPorts[0].ports[3]",
            "spec.ingress[1].fromCIDRSet[0].except",
            "spec.ingress[1].fromCIDRSet[1]",
            "spec.ingress[2].fromEntities[0]",
            "spec.ingress[3]",
            "spec.ingress[4]",
            "spec.ingress[5].toPorts[0].ports",
            "spec.egress[0].toFQDNs[0]",
            "spec.egress[0].toFQDNs[1]",
            "spec.egressDeny[0]",
            "kind",
            "metadata.name",
            "spec",
        ],
        "{found:#?}"
    );
}

#[test]
fn unknown_keys_are_faults_with_their_line() {
    let text = policy(
        "\n  endpointSelector: {}\n  ingress:\n  - fromEndpoint: [{}]\n  - toEndpoints: [{}]\n  - toPorts: [{port: '80'}]",
    );
    let faults = read(&text, "p.yaml").expect_err("it is faulty").to_string();
    for told in [
        "p.yaml:7: spec.ingress[0]: unknown key `fromEndpoint` (did you mean `fromEndpoints`?)",
        "p.yaml:8: spec.ingress[1]: unknown key `toEndpoints`",
        "p.yaml:9: spec.ingress[2].toPorts[0]: unknown key `port`",
    ] {
        assert!(faults.contains(told), "{told}\n{faults}");
    }
}

#[test]
fn what_is_right_and_cannot_be_evaluated_is_told() {
    for (rule, path) in [
        ("egress: [{toServices: [{k8sService: {serviceName: a, namespace: b}}]}]", "egress[0].toServices"),
        ("egress: [{toGroups: [{aws: {region: a}}]}]", "egress[0].toGroups"),
        ("egress: [{toNodes: [{}]}]", "egress[0].toNodes"),
        ("ingress: [{fromNodes: [{}]}]", "ingress[0].fromNodes"),
        ("ingressDeny: [{fromGroups: []}]", "ingressDeny[0].fromGroups"),
        ("ingress: [{fromCIDRSet: [{cidrGroupRef: a}]}]", "ingress[0].fromCIDRSet[0]"),
        ("ingress: [{fromCIDRSet: [{cidrGroupSelector: {}}]}]", "ingress[0].fromCIDRSet[0]"),
        ("ingress: [{fromEntities: [health]}]", "ingress[0].fromEntities[0]"),
        ("ingress: [{fromEndpoints: []}]", "ingress[0].fromEndpoints"),
        ("ingress: [{fromEndpoints: [{matchLabels: {'container:a': b}}]}]", "ingress[0].fromEndpoints[0]"),
        (
            "ingress: [{fromEndpoints: [{matchLabels: {'k8s:io.cilium.k8s.policy.serviceaccount': b}}]}]",
            "ingress[0].fromEndpoints[0]",
        ),
        (
            "ingress: [{fromRequires: [{matchLabels: {io.cilium.k8s.policy.cluster: b}}]}]",
            "ingress[0].fromRequires[0]",
        ),
        ("ingress: [{authentication: {mode: test-always-fail}}]", "ingress[0]"),
    ] {
        let found = faults(&policy(&format!("{{endpointSelector: {{}}, {rule}}}")));
        let [(at, message)] = found.as_slice() else { panic!("{rule}: {found:?}") };
        assert_eq!(*at, format!("spec.{path}"));
        assert!(message.contains("cannot be evaluated"), "{rule}: {message}");
    }
    // Only a clusterwide policy is for nodes.
    assert_eq!(faults(&policy("{nodeSelector: {}, ingress: [{}]}"))[0].0, "spec.nodeSelector");
}

#[test]
fn what_is_in_a_connection_is_noted_and_not_compared() {
    for port in [
        "rules: {http: [{method: GET, path: /a}]}",
        "rules: {kafka: [{topic: a}]}",
        "rules: {l7proto: a, l7: [{b: c}]}",
        "serverNames: [a.example.com]",
        "listener: {name: a, envoyConfig: {name: b}}",
    ] {
        let text = policy(&format!(
            "{{endpointSelector: {{}}, ingress: [{{toPorts: [{{ports: [{{port: '80', protocol: TCP}}], {port}}}]}}]}}"
        ));
        let policies = read(&text, "p.yaml").unwrap_or_else(|faults| panic!("{faults}"));
        assert_eq!(policies[0].notes.len(), 1, "{port}");
        assert_eq!(Site::new().decide(&text, DB, false, WEB, 80, Protocol::Tcp), allowed());
        assert_eq!(Site::new().decide(&text, DB, false, WEB, 81, Protocol::Tcp), Decision::Denied);
    }
    let mixed = "{endpointSelector: {}, ingress: [{toPorts: [{ports: [{port: '80'}], rules: {http: [], kafka: []}}]}]}";
    assert_eq!(faults(&policy(mixed))[0].0, "spec.ingress[0].toPorts[0].rules");
    let denying =
        "{endpointSelector: {}, ingressDeny: [{toPorts: [{ports: [{port: '80'}], rules: {http: []}}]}]}";
    assert_eq!(faults(&policy(denying))[0].0, "spec.ingressDeny[0].toPorts[0]");
}

fn allowed() -> Decision {
    let document = "run/shop/p".to_owned();
    Decision::Allowed(vec![crate::policy::language::RuleId { document, is_egress: false, index: 0 }])
}

#[test]
fn several_specifications_are_several_policies() {
    let text = "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: p}\nspecs:\n- {endpointSelector: {}, ingress: [{}]}\n- {endpointSelector: {}, egress: [{}]}\n";
    let policies = read(text, "p.yaml").unwrap_or_else(|faults| panic!("{faults}"));
    let documents: Vec<&str> = policies.iter().map(|policy| policy.document.as_str()).collect();
    assert_eq!(documents, ["default/p specs[0]", "default/p specs[1]"]);
    assert_eq!(
        faults("apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: p}\n")[0].1,
        "found neither spec nor specs"
    );
}
