//! What is right, and what the API server would refuse.

use super::*;

/// Paths of what is wrong.
fn faults(text: &str) -> Vec<String> {
    let faults = read(text, "p.yaml").expect_err("it is faulty");
    faults.faults.iter().map(|fault| fault.path.clone()).collect()
}

fn with_rule(direction: &str, rule: &str) -> String {
    of_shop("p", "Admin", 1, &format!("{direction}: [{rule}]"))
}

#[test]
fn every_fault_is_told_with_its_place() {
    let spec = "
  tier: Middle
  priority: 1001
  subject: {}
  ingress:
  - {action: Allow, from: [{}]}
  - {action: Deny, from: []}
  - {action: Deny, from: [{namespaces: {}, pods: {podSelector: {}}}]}
  egress:
  - action: Deny
    to: [{networks: [192.0.2.0]}, {networks: []}, {domainNames: [a.example.com]}]
    protocols: [{}, {tcp: {}}, {tcp: {destinationPort: {}}}, {udp: {destinationPort: {number: 0}}}]
  - action: Accept
    to: [{domainNames: [localhost]}]
    protocols: [{destinationNamedPort: http}, {sctp: {destinationPort: {range: {start: 9, end: 9}}}}]
";
    assert_eq!(
        faults(&policy("p", spec)),
        [
            "spec.tier",
            "spec.priority",
            "spec.subject",
            "spec.ingress[0].action",
            "spec.ingress[0].from[0]",
            "spec.ingress[1].from",
            "spec.ingress[2].from[0]",
            "spec.egress[0].to[0].networks[0]",
            "spec.egress[0].to[1].networks",
            "spec.egress[0].to[2].domainNames",
            "spec.egress[0].protocols[0]",
            "spec.egress[0].protocols[1].tcp",
            "spec.egress[0].protocols[2].tcp.destinationPort",
            "spec.egress[0].protocols[3].udp.destinationPort",
            "spec.egress[1].to[0].domainNames[0]",
            "spec.egress[1].protocols[0].destinationNamedPort",
            "spec.egress[1].protocols[1].sctp.destinationPort",
        ]
    );
}

#[test]
fn a_fault_has_its_line() {
    let text = "apiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\nmetadata: {name: p}\nspec:\n  tier: Admin\n  priority: -1\n  subject: {namespaces: {}}\n  ingres: []\n";
    let faults = read(text, "p.yaml").expect_err("it is faulty").to_string();
    assert!(faults.contains("p.yaml:8: spec: unknown key `ingres` (did you mean `ingress`?)"), "{faults}");
    let text = text.replace("  ingres: []\n", "");
    let faults = read(&text, "p.yaml").expect_err("it is faulty").to_string();
    assert!(
        faults.contains("p.yaml:6: spec.priority: found -1, expected a priority from 0 to 1000"),
        "{faults}"
    );
}

#[test]
fn keys_that_only_the_other_direction_has_are_unknown() {
    for (direction, rule) in [
        ("ingress", "{action: Deny, from: [{networks: [0.0.0.0/0]}]}"),
        ("ingress", "{action: Deny, from: [{nodes: {}}]}"),
        ("ingress", "{action: Accept, from: [{domainNames: [a.example.com]}]}"),
        ("ingress", "{action: Deny, to: [{namespaces: {}}]}"),
        ("egress", "{action: Deny, from: [{namespaces: {}}]}"),
    ] {
        assert!(read(&with_rule(direction, rule), "p.yaml").is_err(), "{direction} {rule}");
    }
}

#[test]
fn lists_are_as_long_as_the_api_lets_them_be() {
    let times = |one: &str, count: usize| vec![one; count].join(", ");
    let rule = "{action: Deny, to: [{namespaces: {}}]}";
    let lists: [(&str, &dyn Fn(usize) -> String); 4] = [
        ("spec.egress", &|count| times(rule, count)),
        ("spec.egress[0].to", &|count| {
            format!("{{action: Deny, to: [{}]}}", times("{namespaces: {}}", count))
        }),
        ("spec.egress[0].to[0].networks", &|count| {
            format!("{{action: Deny, to: [{{networks: [{}]}}]}}", times("10.0.0.0/8", count))
        }),
        ("spec.egress[0].protocols", &|count| {
            format!(
                "{{action: Deny, to: [{{namespaces: {{}}}}], protocols: [{}]}}",
                times("{tcp: {destinationPort: {number: 1}}}", count)
            )
        }),
    ];
    for (path, rules) in lists {
        assert!(read(&with_rule("egress", &rules(25)), "p.yaml").is_ok(), "{path}");
        assert_eq!(faults(&with_rule("egress", &rules(26))), [path]);
    }
    let named =
        |length: usize| format!("{{name: {}, action: Deny, to: [{{namespaces: {{}}}}]}}", "ä".repeat(length));
    assert!(read(&with_rule("egress", &named(100)), "p.yaml").is_ok());
    assert_eq!(faults(&with_rule("egress", &named(101))), ["spec.egress[0].name"]);
}

#[test]
fn it_has_a_name_and_no_namespace_and_other_kinds_are_faults() {
    let right = with_rule("egress", "{action: Deny, to: [{namespaces: {}}]}");
    assert_eq!(faults(&right.replace("{name: p}", "{}")), ["metadata.name"]);
    assert_eq!(faults(&right.replace("{name: p}", "{name: p, namespace: shop}")), ["metadata.namespace"]);
    assert_eq!(faults(&right.replace("v1alpha2", "v1alpha1")), ["kind"]);
    let status = format!("{right}status: {{conditions: []}}\n");
    assert_eq!(read(&status, "p.yaml").map(|found| found.len()), Ok(1));
}
