//! What is refused, and where.

use super::*;

#[test]
fn every_fault_is_told_with_its_line_and_place() {
    let text = "apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {namespace: shop}
spec:
  types: [Inbound]
  selector: app = 'web'
  serviceAccountSelector: has(role)
  performanceHints: [Fast]
  doNotTrack: true
  stagedAction: Set
  ingress:
  - action: Reject
    protocol: IPX
    source: {nets: [192.0.2.0/33], selector: global(), ports: [80]}
  - action: Allow
    ipVersion: 5
    notProtocol: 256
    destination: {ports: [70000, 9:8, ''], notSelector: has(}
  - action: Allow
    http: {methods: [GET]}
    source: {nets: [192.0.2.0/24], notNets: ['2001:db8::/32']}
    destination:
      serviceAccounts: {names: [x]}
  egress:
  - action: Allow
    protocol: ICMP
    icmp: {type: 8}
    notICMP: {type: 8}
    destination:
      services: {name: x}
      namespaceSelector: pcsa.role == 'x'
  - action: Allow
    ipVersion: 6
    destination: {nets: [192.0.2.1]}
";
    let faults = read(text, "p.yaml").expect_err("it is faulty");
    let told: Vec<(u32, &str)> =
        faults.faults.iter().map(|fault| (fault.line, fault.path.as_str())).collect();
    let expected = [
        (1, "metadata.name"),
        (5, "spec.types[0]"),
        (6, "spec.selector"),
        (7, "spec.serviceAccountSelector"),
        (8, "spec.performanceHints[0]"),
        (9, "spec"),
        (9, "spec.doNotTrack"),
        (10, "spec"),
        (12, "spec.ingress[0].action"),
        (13, "spec.ingress[0].protocol"),
        (14, "spec.ingress[0].source.nets[0]"),
        (14, "spec.ingress[0].source.ports[0]"),
        (14, "spec.ingress[0].source.selector"),
        (16, "spec.ingress[1].ipVersion"),
        (17, "spec.ingress[1].notProtocol"),
        (18, "spec.ingress[1].destination.notSelector"),
        (18, "spec.ingress[1].destination.ports[0]"),
        (18, "spec.ingress[1].destination.ports[0]"),
        (18, "spec.ingress[1].destination.ports[1]"),
        (18, "spec.ingress[1].destination.ports[2]"),
        (20, "spec.ingress[2].http"),
        (1, "spec.ingress[2]"),
        (23, "spec.ingress[2].destination.serviceAccounts"),
        (27, "spec.egress[0].icmp"),
        (28, "spec.egress[0].notICMP"),
        (30, "spec.egress[0].destination.services"),
        (31, "spec.egress[0].destination.namespaceSelector"),
        (1, "spec.egress[1]"),
    ];
    let sorted = |mut all: Vec<(u32, &str)>| {
        all.sort_by_key(|(line, path)| ((*path).to_owned(), *line));
        all.iter().map(|(line, path)| format!("{line} {path}")).collect::<Vec<_>>()
    };
    assert_eq!(sorted(told), sorted(expected.to_vec()), "{faults}");
    let text = faults.to_string();
    for words in [
        "p.yaml:6: spec.selector: character 5: found `=`, expected `==`",
        "valid, and not evaluated here: no recording tells a pod's service account",
        "valid, and not evaluated here: no recording tells the port that a client has",
        "unknown key `stagedAction`: only staged policies have it",
        "found IPv4 and IPv6 in one rule",
    ] {
        assert!(text.contains(words), "{words} in {text}");
    }
}

#[test]
fn keys_that_no_kind_has_and_kinds_that_nobody_knows_are_faults() {
    for (document, told) in [
        (policy("p", "{selectr: all()}"), "unknown key `selectr` (did you mean `selector`?)"),
        (
            policy("p", "{egress: [{action: Allow, destination: {domains: [example.com]}}]}"),
            "unknown key `domains`",
        ),
        (policy("p", "{egress: [{protocol: TCP}]}"), "key `action` is missing"),
        (
            policy("p", "{namespaceSelector: all()}"),
            "unknown key `namespaceSelector`: only global policies have it",
        ),
        (
            global("GlobalNetworkPolicy", "p", "{namespaceSelector: global()}"),
            "expected it only in the namespaceSelector of a rule",
        ),
        (
            global("GlobalNetworkPolicy", "p", "{preDNAT: true}"),
            "what happens before a service's address is translated",
        ),
        (global("GlobalNetworkPolicy", "p", "{applyOnForward: true}"), "what a node forwards for others"),
        (
            global("StagedGlobalNetworkPolicy", "p", "{stagedAction: Try}"),
            "expected Set or Delete or Learn or Ignore",
        ),
        (global("Tier", "t", "{defaultAction: Allow}"), "expected Deny or Pass"),
        (
            global("GlobalNetworkSet", "s", "{nets: [example.com]}"),
            "found `example.com`, expected a block or an address",
        ),
        (
            global("HostEndpoint", "h", "{}"),
            "found `projectcalico.org/v3/HostEndpoint`, expected projectcalico.org/v3/NetworkPolicy",
        ),
        (
            policy("p", "{ingress: [{action: Allow, destination: {ports: [80]}}]}"),
            "expected none unless protocol is TCP, UDP or SCTP",
        ),
    ] {
        let faults = read(&document, "p.yaml").expect_err(told).to_string();
        assert!(faults.contains(told), "{told} in {faults}");
    }
    // What is written and asks for nothing is no fault.
    for document in [
        global(
            "GlobalNetworkPolicy",
            "p",
            "{doNotTrack: false, preDNAT: false, applyOnForward: false, serviceAccountSelector: '', performanceHints: [AssumeNeededOnEveryNode]}",
        ),
        policy("p", "{ingress: [{action: Allow, metadata: {annotations: {a: b}}}]}"),
    ] {
        read(&document, "p.yaml").unwrap_or_else(|faults| panic!("{faults}"));
    }
}

#[test]
fn documents_that_contradict_each_other_are_refused() {
    let site = Site::new();
    let world = site.world();
    for (documents, told) in [
        (
            vec![policy("p", "{}"), policy("p", "{types: [Egress]}")],
            Some("run: found the policy shop/p twice"),
        ),
        (vec![policy("p", "{}"), policy("p", "{}")], None),
        (vec![policy("p", "{}"), policy("p", "{}").replace("shop", "lab")], None),
        (vec![policy("p", "{}"), policy("p", "{}").replace("NetworkPolicy", "StagedNetworkPolicy")], None),
        (vec![policy("p", "{tier: guard}")], Some("run: found policies of the tier guard, and no Tier")),
        (vec![policy("p", "{tier: guard}"), global("Tier", "guard", "{order: 1}")], None),
    ] {
        let resources = read(&documents.join("---\n"), "p.yaml").unwrap_or_else(|faults| panic!("{faults}"));
        match (Calico::new(&world, "run", resources), told) {
            (Ok(_), None) => {}
            (Err(faults), Some(told)) => assert!(faults[0].starts_with(told), "{faults:?}"),
            (found, told) => panic!("{documents:?}: {:?}, expected {told:?}", found.err()),
        }
    }
}
