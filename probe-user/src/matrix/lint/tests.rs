use super::*;
use crate::matrix::read_inventory;
use crate::matrix::tests::of_rows as matrix;

/// Rule, rows and message of each finding.
fn found(rows: &str) -> Vec<String> {
    let told = |finding: Finding| {
        let ids: Vec<String> = finding.rows.into_iter().map(|place| place.id).collect();
        format!("{} {}: {}", finding.rule.id(), ids.join(" "), finding.message)
    };
    lint(&[matrix(rows)], None).into_iter().map(told).collect()
}

#[test]
fn a_row_that_repeats_another_is_a_duplicate_and_one_with_another_purpose_shares_its_credit() {
    assert_eq!(
        found(
            "- {id: a, from: [x], to: [y], ports: [443/tcp], purpose: one}\n\
             - {id: b, from: [X cluster], to: [y], ports: [443/tcp], purpose: One}\n\
             - {id: c, from: [x], to: [y], ports: [443/tcp], purpose: two}\n"
        ),
        [
            "credit-group a c: a connection from `x` to `y` cannot tell 2 rows apart: a, c",
            "duplicate-row b a: says what `a` says on line 5",
        ]
    );
}

#[test]
fn a_wider_row_contains_a_narrower_one() {
    assert_eq!(
        found(
            "- {id: narrow, from: [x], to: [y], ports: [8080/tcp]}\n\
             - {id: wide, from: [x, z], to: [y], ports: [8000-8090/tcp]}\n\
             - {id: other, from: [x], to: [y], ports: [8080/udp]}\n"
        ),
        [
            "contained-row narrow wide: `wide` on line 6 allows all of it, and more",
            "credit-group narrow wide: a connection from `x` to `y` cannot tell 2 rows apart: narrow, wide",
        ]
    );
}

#[test]
fn one_port_under_two_protocols_is_a_contradiction() {
    assert_eq!(
        found(
            "- {id: a, from: [x], to: [y], ports: [8443/tcp], app: HTTPS}\n\
             - {id: b, from: [z], to: [y], ports: [8443/tcp], app: grpc}\n\
             - {id: c, from: [w], to: [y], ports: [8443/tcp], app: 'https, grpc'}\n"
        ),
        ["contradiction b a: 8443/tcp of `y` is grpc here and https on line 5"]
    );
}

#[test]
fn transports_and_ports_that_do_not_fit_are_told() {
    assert_eq!(
        found(
            "- {id: ldap, from: [x], to: [a], ports: [389/udp]}\n\
             - {id: dhcp, from: [x], to: [b], ports: [67/tcp]}\n\
             - {id: web, from: [x], to: [c], ports: [80/tcp], app: HTTPS}\n\
             - {id: dns, from: [x], to: [d], ports: [53/udp, 53/tcp]}\n\
             - {id: all, from: [x], to: [e], ports: [any/tcp]}\n"
        ),
        [
            "transport-misfit ldap: 389/udp is LDAP's port over another transport than its usual tcp",
            "transport-misfit dhcp: 67/tcp is DHCP's port over another transport than its usual udp",
            "transport-misfit web: https on 80, which is HTTP's port",
            "wide-ports all: any/tcp are 65536 ports",
        ]
    );
}

#[test]
fn a_name_that_is_nearly_another_is_told() {
    assert_eq!(
        found(
            "- {id: a, from: [x], to: [vRealize Log Insight], ports: [514/udp]}\n\
             - {id: b, from: [x], to: [vRealzie Log Insight Cloud], ports: [443/tcp]}\n\
             - {id: c, from: [service, route-sync], to: [services, router], ports: [1/tcp]}\n\
             - {id: d, from: [node-a1], to: [node-b1], ports: [1/tcp]}\n"
        ),
        ["likely-misspelling b a: `vRealzie Log Insight Cloud` is nearly `vRealize Log Insight` on line 5"]
    );
}

#[test]
fn ports_that_the_inventory_gives_for_no_row_are_told() {
    let rows = "- {id: a, from: [any], to: [any], ports: [varies]}\n- {id: b, from: [any], to: [any], ports: [1/tcp]}\n";
    let inventory = "apiVersion: flowdrift/v1\nkind: Inventory\nvaries: {a: [8080/tcp], b: [2/tcp], c: []}\n";
    let inventory = read_inventory(inventory, "i.yaml").unwrap_or_else(|faults| panic!("{faults}"));
    let found = lint(&[matrix(rows)], Some(&inventory));
    let unused = found.iter().filter(|finding| finding.rule == Rule::UnusedBinding);
    assert_eq!(
        unused.map(|finding| finding.message.as_str()).collect::<Vec<_>>(),
        ["the row `b` names its own ports, and these do not count", "no matrix has a row `c`"]
    );
}

#[test]
fn endpoints_that_nobody_has_filled_in_are_told_once() {
    let rows =
        "- {id: a, from: [x], to: [y], ports: [1/tcp]}\n- {id: b, from: [y], to: [x], ports: [2/tcp]}\n";
    let inventory =
        "apiVersion: flowdrift/v1\nkind: Inventory\nendpoints: {x: {cidrs: []}, y: {cidrs: [192.0.2.1]}}\n";
    let inventory = read_inventory(inventory, "i.yaml").unwrap_or_else(|faults| panic!("{faults}"));
    let found = lint(&[matrix(rows)], Some(&inventory));
    assert_eq!(
        found.iter().map(|finding| (finding.severity, finding.message.as_str())).collect::<Vec<_>>(),
        [(Severity::Warning, "the inventory has `x` and does not say what it is")]
    );
}

#[test]
fn sarif_names_every_rule_and_place() {
    let findings = lint(&[matrix("- {id: a, from: [x], to: [y], ports: [389/udp]}\n")], None);
    let sarif = sarif(&findings, "1.0");
    let run = &sarif["runs"][0];
    assert_eq!(run["tool"]["driver"]["rules"].as_array().map(Vec::len), Some(Rule::ALL.len()));
    let result = &run["results"][0];
    assert_eq!((&result["ruleId"], &result["level"]), (&"transport-misfit".into(), &"warning".into()));
    let place = &result["locations"][0]["physicalLocation"];
    assert_eq!(
        (&place["artifactLocation"]["uri"], &place["region"]["startLine"]),
        (&"m.yaml".into(), &5.into())
    );
}
