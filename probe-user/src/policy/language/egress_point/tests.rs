use super::*;
use crate::{
    event::Protocol,
    policy::language::{
        Decision, Evaluator,
        site::{DB, LAB, NODE, OUTSIDE, Site, WEB, passage},
    },
};

/// A resource of `shop`.
fn point(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: {VERSION}\nkind: EgressPoint\nmetadata: {{name: {name}, namespace: shop}}\nspec: {spec}\n"
    )
}

fn target(host: &str, port: u16, protocol: &str) -> String {
    format!("{{hosts: [\"{host}\"], port: {{number: {port}, protocol: {protocol}}}}}")
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
    let points =
        documents.iter().flat_map(|text| read(text, "p.yaml").unwrap_or_else(|faults| panic!("{faults}")));
    let points =
        EgressPoints::new(&world, "run", points.collect()).unwrap_or_else(|faults| panic!("{faults:?}"));
    points.decide(&passage(&world, ends, is_egress, port, protocol))
}

fn passes(documents: &[String], ends: (&str, &str), port: u16) -> bool {
    matches!(decide(documents, ends, true, port, Protocol::Tcp), Decision::Allowed(_))
}

#[test]
fn what_is_not_listed_is_denied_in_a_space_that_has_any() {
    let documents = [point("p", &format!("{{targets: [{}]}}", target(OUTSIDE, 443, "TCP")))];
    assert!(passes(&documents, (WEB, OUTSIDE), 443));
    assert_eq!(decide(&documents, (WEB, OUTSIDE), true, 80, Protocol::Tcp), Decision::Denied);
    assert_eq!(decide(&documents, (WEB, "192.0.2.8"), true, 443, Protocol::Tcp), Decision::Denied);
    assert_eq!(decide(&documents, (WEB, OUTSIDE), true, 443, Protocol::Udp), Decision::Denied);
}

#[test]
fn hosts_and_sources_that_nobody_knows_are_said() {
    let notes = |spec: &str| {
        let site = Site::new();
        let world = site.world();
        let points = read(&point("p", spec), "p.yaml").unwrap_or_else(|faults| panic!("{faults}"));
        EgressPoints::new(&world, "run", points)
            .unwrap_or_else(|faults| panic!("{faults:?}"))
            .notes()
            .join("\n")
    };
    let told = notes(&format!("{{targets: [{}]}}", target("api.example.org", 443, "TLS")));
    assert!(told.contains("the inventory gives api.example.org no address"), "{told}");
    for host in [OUTSIDE, "*"] {
        let told = notes(&format!("{{targets: [{}]}}", target(host, 443, "TCP")));
        assert!(!told.contains("no address"), "{told}");
    }
    let source = "sourceRef: {apiGroup: apps.tanzu.vmware.com, kind: ContainerApp, name: web}";
    let told = notes(&format!("{{{source}, targets: [{}]}}", target("*", 443, "TLS")));
    assert!(told.contains("run/shop/p: which pods are its ContainerApp's is not known"), "{told}");
    let spaced = [point("p", &format!("{{targets: [{}]}}", target(&format!(" {OUTSIDE} "), 443, "TCP")))];
    assert!(passes(&spaced, (WEB, OUTSIDE), 443), "blanks are no part of a host");
}

#[test]
fn what_does_not_leave_and_who_has_none_is_not_governed() {
    let documents = [point("p", &format!("{{targets: [{}]}}", target(OUTSIDE, 443, "TCP")))];
    for (ends, is_egress) in [
        ((WEB, DB), true),
        ((WEB, NODE), true),
        ((WEB, "10.9.9.9"), true),
        ((WEB, OUTSIDE), false),
        ((LAB, OUTSIDE), true),
    ] {
        assert_eq!(
            decide(&documents, ends, is_egress, 443, Protocol::Tcp),
            Decision::NotGoverned,
            "{ends:?}"
        );
    }
}

#[test]
fn a_source_is_for_its_workload_and_adds_to_what_the_space_may() {
    let source = |kind: &str| {
        format!(
            "{{sourceRef: {{apiGroup: apps, kind: {kind}, name: web}}, targets: [{}]}}",
            target(OUTSIDE, 443, "TCP")
        )
    };
    // The pods of the site are of nobody but themselves: no Deployment has them.
    let documents = [
        point("a", &source("Deployment")),
        point("b", &format!("{{targets: [{}]}}", target(OUTSIDE, 80, "TCP"))),
    ];
    assert!(!passes(&documents, (WEB, OUTSIDE), 443));
    assert!(passes(&documents, (WEB, OUTSIDE), 80));
    assert!(passes(&documents, (DB, OUTSIDE), 80));
}

#[test]
fn a_star_is_everybody() {
    let documents = [point("p", &format!("{{targets: [{}]}}", target("*", 443, "TLS")))];
    assert!(passes(&documents, (WEB, OUTSIDE), 443));
    assert!(!passes(&documents, (WEB, OUTSIDE), 444));
}

#[test]
fn what_the_reference_does_not_have_is_a_fault() {
    let faults = |spec: &str| {
        read(&point("p", spec), "p.yaml").err().map(|faults| faults.to_string()).unwrap_or_default()
    };
    let of = |host: &str, port: u16, protocol: &str| {
        faults(&format!("{{targets: [{}]}}", target(host, port, protocol)))
    };
    assert_eq!(of("www.example.com", 443, "HTTPS"), "");
    for (found, part) in [
        (of("192.0.2.7", 443, "HTTPS"), "under TCP only"),
        (of("192.0.2.0/24", 443, "TCP"), "found the host"),
        (of("a.example.com", 443, "UDP"), "found the protocol `UDP`"),
        (of("a.example.com", 0, "TCP"), "port 0"),
        (faults("{targets: []}"), "found no target"),
        (faults("{targets: [{hosts: [], port: {number: 1, protocol: TCP}}]}"), "found no host"),
        (faults("{targets: [{hosts: [a], ports: [{number: 1, protocol: TCP}]}]}"), "ports"),
        (faults("{targets: [{hosts: [a], port: {number: 1, protocol: TCP}}], egress: []}"), "egress"),
        (
            faults(
                "{sourceRef: {apiGroup: apps, kind: StatefulSet, name: db}, targets: [{hosts: [a], port: {number: 1, protocol: TCP}}]}",
            ),
            "found the source `StatefulSet.apps`",
        ),
    ] {
        assert!(found.contains(part), "{part}: {found}");
    }
}

#[test]
fn a_host_and_port_of_a_space_stand_under_one_protocol() {
    let site = Site::new();
    let world = site.world();
    let two = |protocol: &str| {
        [("a", "TCP"), ("b", protocol)].map(|(name, protocol)| {
            point(name, &format!("{{targets: [{}]}}", target("a.example.com", 443, protocol)))
        })
    };
    let read =
        |documents: [String; 2]| documents.iter().flat_map(|text| read(text, "p").expect("valid")).collect();
    assert!(EgressPoints::new(&world, "run", read(two("TCP"))).is_ok());
    assert!(EgressPoints::new(&world, "run", read(two("TLS"))).is_err_and(|faults| faults.len() == 1));
}
