//! What is longer than the API lets it be.

use super::{
    super::model::Peer as ReadPeer,
    writing::{address, blocks, read_back, rule, to_443, written},
    *,
};
use crate::policy::rule::{Evidence, Peer, RowRef, Rule};

/// A rule that rests on a row.
fn of_row(row: &str, peer: Peer, port: u16) -> Rule {
    let row =
        RowRef { id: row.to_owned(), file: "m.yaml".to_owned(), line: 1, app: None, is_of_baseline: false };
    let evidence = Evidence { rows: [row].into(), ..Evidence::default() };
    Rule { evidence, ..rule(peer, Protocol::Tcp, (port, port)) }
}

fn hosts(count: u8) -> impl Iterator<Item = Peer> {
    (1..=count).map(|last| address(&format!("203.0.113.{last}")))
}

#[test]
fn rules_go_together_only_where_they_are_too_many() {
    let egress = |count: u8| {
        let rules = hosts(count).map(|host| of_row("r", host, 443)).collect();
        read_back(&written(None, Some(rules)))
    };
    let apart = egress(24);
    assert_eq!((apart.len(), apart[0].egress.len()), (1, 25));
    let together = egress(25);
    assert_eq!((together.len(), together[0].egress.len()), (1, 2));
    let together = egress(200);
    // 200 blocks are eight peers of one rule.
    assert_eq!((together.len(), together[0].egress.len()), (1, 2));
    let sizes: Vec<usize> = together[0].egress[0]
        .peers
        .iter()
        .map(|peer| match peer {
            ReadPeer::Networks(blocks) => blocks.len(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(sizes, [25; 8]);
}

#[test]
fn what_is_longer_goes_on_in_further_policies_and_the_deny_is_last() {
    let rules: Vec<Rule> = (1..=60).map(|port| of_row("r", address("203.0.113.1"), port)).collect();
    let made = written(Some(Vec::new()), Some(rules));
    let policies = read_back(&made);
    let told: Vec<(&str, u16, usize, usize)> = policies
        .iter()
        .map(|one| (one.name.as_str(), one.priority, one.ingress.len(), one.egress.len()))
        .collect();
    assert_eq!(
        told,
        [("shop.pod-db", 900, 1, 25), ("shop.2.pod-db", 901, 0, 25), ("shop.3.pod-db", 902, 0, 11)]
    );
    let document = [made.files[0].text.clone()];
    let decide = |port| decide_port(&document, (DB, "203.0.113.1"), true, (port, Protocol::Tcp));
    assert_eq!(allowed_by(&decide(1)), ["run/shop.pod-db[0]"]);
    assert_eq!(allowed_by(&decide(60)), ["run/shop.3.pod-db[9]"]);
    assert_eq!(decide(61), Decision::Denied);
}

#[test]
fn a_wide_endpoint_is_spread_over_several_rules() {
    // One more block than 25 peers of 25 blocks hold.
    let all: Vec<String> =
        (0..626).map(|index| format!("203.{}.{}.0/24", index / 250, index % 250)).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let policies = read_back(&written(None, Some(vec![to_443(blocks(&all))])));
    let peers: Vec<usize> = policies[0].egress.iter().map(|rule| rule.peers.len()).collect();
    assert_eq!(peers, [25, 1, 1]);
}

#[test]
fn what_has_no_priority_left_is_left_out_and_told() {
    let rules = |count: u16| (1..=count).map(|port| of_row("r", address("203.0.113.1"), port)).collect();
    // 101 priorities of 25 rules, of which one is the Deny.
    assert_eq!(read_back(&written(None, Some(rules(2524)))).len(), 101);
    let made = written(None, Some(rules(2525)));
    assert!(made.files.is_empty());
    assert_eq!(made.warnings.len(), 1, "{:?}", made.warnings);
    assert!(made.warnings[0].contains("no policy is written"), "{:?}", made.warnings);
}

#[test]
fn rules_of_other_rows_or_ports_stay_apart() {
    let by_row = |(index, host): (usize, Peer)| of_row(["r", "s"][index % 2], host, 443);
    let rules: Vec<Rule> = hosts(40).enumerate().map(by_row).collect();
    assert_eq!(read_back(&written(None, Some(rules)))[0].egress.len(), 3);
    let by_port = |(index, host): (usize, Peer)| of_row("r", host, [443, 80, 22][index % 3]);
    let rules: Vec<Rule> = hosts(40).enumerate().map(by_port).collect();
    assert_eq!(read_back(&written(None, Some(rules)))[0].egress.len(), 4);
}

#[test]
fn a_rule_has_the_name_of_its_row_where_the_api_lets_it() {
    let text = |row: &str| {
        let made = written(None, Some(vec![of_row(row, address("203.0.113.1"), 443)]));
        read_back(&made);
        made.files[0].text.clone()
    };
    assert!(text("web-to-git").contains("- name: web-to-git\n"));
    let long = "x".repeat(101);
    assert!(!text(&long).contains(&format!("name: {long}")));
}
