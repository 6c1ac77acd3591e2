use super::*;
use crate::{
    event::Protocol,
    policy::language::{
        Decision, Evaluator,
        site::{DB, LAB, NODE, OUTSIDE, Site, WEB, passage},
    },
};

/// Of the inventory's `*.example.org`.
const PARTNER: &str = "198.51.100.7";
/// Outside, and nobody's.
const NOBODY: &str = "203.0.113.9";

/// An entry of `shop`.
fn entry(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: {VERSION}\nkind: ServiceEntry\nmetadata: {{name: {name}, namespace: shop}}\nspec: {spec}\n"
    )
}

/// One with a host and a port, and what else it has.
fn of(host: &str, port: u16, protocol: &str, rest: &str) -> String {
    entry(
        "e",
        &format!(
            "{{hosts: [\"{host}\"], ports: [{{number: {port}, name: p, protocol: {protocol}}}], {rest}}}"
        ),
    )
}

fn decide(
    documents: &[String],
    ends: (&str, &str),
    is_egress: bool,
    port: u16,
    protocol: Protocol,
) -> Decision {
    let site = Site::new();
    let world = site.world();
    let entries =
        documents.iter().flat_map(|text| read(text, "e.yaml").unwrap_or_else(|faults| panic!("{faults}")));
    let entries = ServiceEntries::new(&world, "run", entries.collect());
    entries.decide(&passage(&world, ends, is_egress, port, protocol))
}

fn passes(document: &str, to: &str, port: u16) -> bool {
    let decision = decide(&[document.to_owned()], (WEB, to), true, port, Protocol::Tcp);
    assert_ne!(decision, Decision::NotGoverned);
    matches!(decision, Decision::Allowed(_))
}

#[test]
fn what_is_not_in_the_registry_does_not_leave_a_namespace_that_sees_an_entry() {
    let git = of("git.example.com", 443, "TLS", "resolution: DNS");
    assert!(passes(&git, OUTSIDE, 443));
    assert!(!passes(&git, OUTSIDE, 80));
    assert!(!passes(&git, NOBODY, 443));
}

#[test]
fn what_stays_in_the_cluster_comes_from_elsewhere_or_is_no_tcp_is_not_governed() {
    let documents = [of("git.example.com", 443, "TLS", "exportTo: ['*']")];
    for (ends, is_egress, protocol) in [
        ((WEB, DB), true, Protocol::Tcp),
        ((WEB, NODE), true, Protocol::Tcp),
        ((WEB, OUTSIDE), false, Protocol::Tcp),
        ((WEB, OUTSIDE), true, Protocol::Udp),
        ((NODE, OUTSIDE), true, Protocol::Tcp),
    ] {
        let found = decide(&documents, ends, is_egress, 443, protocol);
        assert_eq!(found, Decision::NotGoverned, "{ends:?} {protocol}");
    }
}

#[test]
fn an_entry_is_for_those_who_see_it() {
    let lab = |export_to: &str| {
        let documents = [of("git.example.com", 443, "TLS", export_to)];
        decide(&documents, (LAB, OUTSIDE), true, 443, Protocol::Tcp)
    };
    for everybody in ["", "exportTo: ['*']", "exportTo: [lab]", "exportTo: ['.', lab]"] {
        assert!(matches!(lab(everybody), Decision::Allowed(_)), "{everybody}");
    }
    for others in ["exportTo: ['.']", "exportTo: [shop]"] {
        assert_eq!(lab(others), Decision::NotGoverned, "{others}");
    }
}

#[test]
fn plain_tcp_goes_by_addresses_and_without_them_by_the_port_alone() {
    let somewhere = of("any.example.com", 5432, "TCP", "addresses: [203.0.113.0/28, 192.0.2.7]");
    for (to, expected) in [(NOBODY, true), (OUTSIDE, true), (PARTNER, false)] {
        assert_eq!(passes(&somewhere, to, 5432), expected, "{to}");
    }
    // What is led to the entry's own servers does not come where it was sent.
    let led = of("git.example.com", 5432, "TCP", "resolution: DNS");
    assert!(passes(&led, OUTSIDE, 5432) && !passes(&led, PARTNER, 5432));
    let anywhere = of("any.example.com", 5432, "TCP", "");
    assert!(passes(&anywhere, PARTNER, 5432) && !passes(&anywhere, PARTNER, 5433));
    let unsaid = entry("e", "{hosts: [any.example.com], ports: [{number: 5432, name: p}]}");
    assert!(passes(&unsaid, PARTNER, 5432));
}

#[test]
fn http_and_tls_go_by_names() {
    for (protocol, beside) in [("HTTP", true), ("GRPC", true), ("tls", false), ("HTTPS", false)] {
        let wild = of("*.example.org", 443, protocol, "");
        assert!(passes(&wild, PARTNER, 443) && !passes(&wild, OUTSIDE, 443), "{protocol}");
        // Requests may ask for an address as their host; a handshake names no address.
        let placed = of("git.example.com", 443, protocol, "addresses: [203.0.113.0/28]");
        assert_eq!(passes(&placed, NOBODY, 443), beside, "{protocol}");
    }
    // At an address of its own the handshake is not asked.
    let own = of("git.example.com", 443, "TLS", "addresses: [203.0.113.9]");
    assert!(passes(&own, NOBODY, 443) && !passes(&own, OUTSIDE, 443));
    let nowhere = of("git.example.com", 443, "UDP", "");
    assert!(!passes(&nowhere, OUTSIDE, 443));
}

#[test]
fn a_sidecar_that_goes_there_itself_is_let_through() {
    let fixed = of(
        "db.example.com",
        5432,
        "TCP",
        "resolution: STATIC, addresses: [240.0.0.1], endpoints: [{address: 203.0.113.9, ports: {p: 15432}}, {address: 198.51.100.7}]",
    );
    for (to, port, expected) in [
        (NOBODY, 15432, true),
        (NOBODY, 5432, false),
        (PARTNER, 5432, true),
        (PARTNER, 15432, false),
        ("240.0.0.1", 5432, true),
    ] {
        assert_eq!(passes(&fixed, to, port), expected, "{to} {port}");
    }
    let moved = entry(
        "e",
        "{hosts: [git.example.com], resolution: DNS, ports: [{number: 80, name: p, protocol: HTTP, targetPort: 443}]}",
    );
    assert!(passes(&moved, OUTSIDE, 443) && passes(&moved, OUTSIDE, 80) && !passes(&moved, OUTSIDE, 81));
}

#[test]
fn what_clients_asked_for_is_what_a_sidecar_sees() {
    let site = Site::new();
    let world = site.world();
    let text = of("any.example.com", 443, "TCP", "addresses: [203.0.113.9]");
    let entries = ServiceEntries::new(&world, "run", read(&text, "e.yaml").expect("valid"));
    let mut passed = passage(&world, (WEB, OUTSIDE), true, 8443, Protocol::Tcp);
    assert_eq!(entries.decide(&passed), Decision::Denied);
    passed.dialled = Some((NOBODY.parse().expect("an address"), 443));
    assert!(matches!(entries.decide(&passed), Decision::Allowed(_)));
    // A service of the cluster.
    passed.dialled = Some(("10.9.9.9".parse().expect("an address"), 443));
    assert_eq!(entries.decide(&passed), Decision::NotGoverned);
}

#[test]
fn what_the_reference_does_not_have_is_a_fault() {
    let faults = |spec: &str| {
        read(&entry("e", spec), "e.yaml").err().map(|faults| faults.to_string()).unwrap_or_default()
    };
    assert_eq!(faults("{hosts: [a.example.com], location: MESH_EXTERNAL, subjectAltNames: [b]}"), "");
    for (spec, part) in [
        ("{hosts: []}", "found no host"),
        ("{hosts: ['*']}", "found the host `*`"),
        ("{hosts: ['*.example.com'], resolution: DNS}", "nobody resolves"),
        ("{hosts: [a], resolution: SOMEHOW}", "found `SOMEHOW`"),
        ("{hosts: [a], resolution: DNS, addresses: [192.0.2.0/24]}", "found the block 192.0.2.0/24"),
        ("{hosts: [a], addresses: [192.0.2]}", "found `192.0.2`"),
        ("{hosts: [a], endpoints: [{address: 192.0.2.1}]}", "with a resolution of NONE"),
        ("{hosts: [a], resolution: STATIC, endpoints: [{}]}", "found no address"),
        (
            "{hosts: [a], resolution: STATIC, addresses: [192.0.2.7]}",
            "expected endpoints or a workloadSelector",
        ),
        (
            "{hosts: [a], resolution: STATIC, endpoints: [{address: 192.0.2.1}], workloadSelector: {}}",
            "found endpoints and a workloadSelector",
        ),
        ("{hosts: [a], ports: [{number: 0, name: p}]}", "found the port 0"),
        ("{hosts: [a], ports: [{number: 1, name: p, protocol: SCTP}]}", "found the protocol `SCTP`"),
        ("{hosts: [a], ports: [{number: 1, name: p}, {number: 1, name: q}]}", "found the port 1 twice"),
        ("{hosts: [a], ports: [{number: 1, name: p}, {number: 2, name: p}]}", "found the name `p` twice"),
        ("{hosts: [a], exportTo: ['']}", "found an empty namespace"),
        ("{hosts: [a], egress: []}", "egress"),
    ] {
        let found = faults(spec);
        assert!(found.contains(part), "{part}: {found}");
    }
    let many = |count: usize| format!("{{hosts: [{}a]}}", "a, ".repeat(count - 1));
    assert_eq!(faults(&many(256)), "");
    assert!(faults(&many(257)).contains("spec.hosts: found 257 of them, expected at most 256"));
}
