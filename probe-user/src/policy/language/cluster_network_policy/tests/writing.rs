//! What rules become.

use super::{
    super::model::{Action, Peer as ReadPeer, Policy, Port, Tier},
    *,
};
use crate::{
    matrix::EndpointName,
    policy::{
        gather::{Policies, SubjectPolicy},
        language::{Written, number::Number},
        rule::{Evidence, Flow, Peer, PortRange, RowRef, Rule},
        world::Subject,
    },
    workload::Workload,
};

fn workload(namespace: &str, name: &str) -> Peer {
    Peer::Workload(Workload {
        namespace: namespace.to_owned(),
        kind: "Pod".to_owned(),
        name: name.to_owned(),
    })
}

fn address(text: &str) -> Peer {
    Peer::Address(text.parse().expect("an address"))
}

fn blocks(blocks: &[&str]) -> Peer {
    let blocks = blocks.iter().map(|block| block.parse().expect("a block")).collect();
    Peer::Blocks { name: "some".to_owned(), blocks }
}

fn git(block: &str) -> Peer {
    let blocks = vec![block.parse().expect("a block")];
    Peer::Endpoint { name: EndpointName::new("git"), hosts: vec!["git.example.com".to_owned()], blocks }
}

fn rule(peer: Peer, protocol: Protocol, (first, last): (u16, u16)) -> Rule {
    Rule { flow: Flow { peer, ports: PortRange { protocol, first, last } }, evidence: Evidence::default() }
}

fn to_443(peer: Peer) -> Rule {
    rule(peer, Protocol::Tcp, (443, 443))
}

/// For `db`.
fn written(ingress: Option<Vec<Rule>>, egress: Option<Vec<Rule>>) -> Written {
    let workload = Workload { namespace: "shop".to_owned(), kind: "Pod".to_owned(), name: "db".to_owned() };
    let subject = Subject::Workload { cluster: "run".to_owned(), workload };
    let policies = Policies {
        subjects: vec![SubjectPolicy { subject, ingress, egress, own_nodes: Vec::new() }],
        quarantine: Vec::new(),
        withheld: Vec::new(),
        left_out: Vec::new(),
        passages: Vec::new(),
    };
    write(&Site::new().world(), &policies).expect("it is YAML")
}

fn read_back(written: &Written) -> Vec<Policy> {
    let [file] = written.files.as_slice() else { panic!("{written:#?}") };
    assert_eq!(file.name, "run/shop/pod-db.yaml");
    let read = read(&file.text, &file.name).unwrap_or_else(|faults| panic!("{faults}\n{}", file.text));
    let policy = |resource| match resource {
        Resource::Cluster(policy) => policy,
        Resource::Namespaced(policy) => panic!("{policy:?}"),
    };
    read.into_iter().map(policy).collect()
}

fn networks(blocks: &[&str]) -> ReadPeer {
    ReadPeer::Networks(blocks.iter().map(|block| block.parse().expect("a block")).collect())
}

fn port(protocol: Protocol, first: u16, last: u16) -> Option<Vec<Port>> {
    Some(vec![Port { protocol: Some(protocol), number: Number::Range(first, last) }])
}

#[test]
fn what_is_written_is_what_is_read_and_a_deny_is_behind_it() {
    let rules = vec![
        rule(workload("lab", "web"), Protocol::Tcp, (1, 59)),
        rule(blocks(&["192.0.2.0/28", "2001:db8::/64"]), Protocol::Sctp, (0, u16::MAX)),
    ];
    let policies = read_back(&written(Some(rules[..1].to_vec()), Some(rules)));
    let [Policy { name, tier, priority, subject, ingress, egress }] = policies.as_slice() else {
        panic!("{policies:#?}")
    };
    assert_eq!((name.as_str(), *tier, *priority), ("shop.pod-db", Tier::Admin, 900));
    let whom = |namespace: &str, app: &str| {
        let of = |key: &str, value: &str| {
            format!(
                "{{tier: Admin, priority: 0, subject: {{pods: {{namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: {key}}}}}, podSelector: {{matchLabels: {value}}}}}}}}}"
            )
        };
        let read = read(&policy("x", &of(namespace, app)), "x").unwrap_or_else(|faults| panic!("{faults}"));
        let [Resource::Cluster(Policy { subject, .. })] = read.as_slice() else { panic!("{read:?}") };
        subject.clone()
    };
    assert_eq!(*subject, whom("shop", "{app: db}"));
    let lab = ReadPeer::Pods(whom("lab", "{app: web}"));
    let told = |rules: &[model::Rule]| -> Vec<_> {
        rules.iter().map(|rule| (rule.action, rule.peers.clone(), rule.ports.clone())).collect()
    };
    let everybody = ReadPeer::Pods(model::Pods { namespaces: Default::default(), pods: Default::default() });
    let to_lab = (Action::Pass, vec![lab], port(Protocol::Tcp, 1, 59));
    assert_eq!(told(ingress), [to_lab.clone(), (Action::Deny, vec![everybody], None)]);
    assert_eq!(
        told(egress),
        [
            to_lab,
            (
                Action::Pass,
                vec![networks(&["192.0.2.0/28", "2001:db8::/64"])],
                port(Protocol::Sctp, 1, u16::MAX)
            ),
            (Action::Deny, vec![networks(&["0.0.0.0/0", "::/0"])], None),
        ]
    );
}

#[test]
fn a_direction_without_rules_has_only_the_deny_and_one_that_is_not_governed_has_nothing() {
    let policies = read_back(&written(Some(Vec::new()), None));
    let actions: Vec<Action> = policies[0].ingress.iter().map(|rule| rule.action).collect();
    assert_eq!((actions, policies[0].egress.len()), (vec![Action::Deny], 0));
}

#[test]
fn who_comes_from_outside_has_no_rule_and_is_told() {
    let made = written(Some(vec![to_443(address("192.0.2.7")), to_443(workload("lab", "web"))]), None);
    let policies = read_back(&made);
    assert_eq!(policies[0].ingress.len(), 2, "{made:#?}");
    assert!(made.files[0].text.contains("# 192.0.2.7 443/tcp"), "{made:#?}");
    assert_eq!(made.warnings.len(), 1, "{made:#?}");
    assert!(made.warnings[0].contains("who is no pod of the cluster passes"), "{made:#?}");
    // Nobody came from there.
    assert_eq!(written(Some(vec![to_443(workload("lab", "web"))]), None).warnings, [""; 0]);
}

#[test]
fn ingress_is_not_governed_where_a_pod_would_be_cut_that_no_rule_can_name() {
    for peer in [address("10.9.9.9"), blocks(&["10.9.0.0/16"]), workload("lab", "nobody")] {
        let made =
            written(Some(vec![to_443(peer.clone()), to_443(workload("lab", "web"))]), Some(Vec::new()));
        let policies = read_back(&made);
        assert_eq!((policies[0].ingress.len(), policies[0].egress.len()), (0, 1), "{made:#?}");
        assert!(made.files[0].text.contains("# ingress is NOT GOVERNED"), "{made:#?}");
        assert!(made.warnings[0].starts_with("run/shop/db: ingress is NOT GOVERNED"), "{made:#?}");
        // Then there is nothing to write at all.
        let alone = written(Some(vec![to_443(peer)]), None);
        assert_eq!((alone.files.len(), alone.warnings.len()), (0, 1), "{alone:#?}");
    }
    let made = written(Some(vec![to_443(blocks(&["0.0.0.0/0", "::/0"]))]), None);
    let rule = &read_back(&made)[0].ingress[0];
    let everybody = ReadPeer::Pods(model::Pods { namespaces: Default::default(), pods: Default::default() });
    assert_eq!((rule.action, rule.peers.as_slice()), (Action::Pass, [everybody].as_slice()));
}

#[test]
fn what_no_rule_can_say_is_left_alone_by_the_deny() {
    let made = written(
        None,
        Some(vec![rule(address("192.0.2.7"), Protocol::Icmp, (0, 0)), to_443(address("192.0.2.7"))]),
    );
    let decide =
        |protocol| decide_port(&[made.files[0].text.clone()], (DB, "192.0.2.7"), true, (8, protocol));
    assert_eq!(decide(Protocol::Icmp), Decision::Allowed(Vec::new()), "{made:#?}");
    for protocol in [Protocol::Tcp, Protocol::Udp, Protocol::Sctp] {
        assert_eq!(decide(protocol), Decision::Denied, "{made:#?}");
    }
    assert!(made.warnings[0].contains("no rule can say it"), "{made:#?}");
    let without = written(None, Some(vec![to_443(address("192.0.2.7"))]));
    let text = [without.files[0].text.clone()];
    assert_eq!(decide_port(&text, (DB, "192.0.2.7"), true, (8, Protocol::Icmp)), Decision::Denied);
}

#[test]
fn names_are_names_only_where_they_mean_no_more_and_somebody_asks_for_them() {
    let dns = || rule(workload("lab", "web"), Protocol::Udp, (53, 53));
    let first = |rules: Vec<Rule>| {
        let made = written(None, Some(rules));
        let rule = read_back(&made)[0]
            .egress
            .iter()
            .find(|rule| rule.ports == port(Protocol::Tcp, 443, 443))
            .cloned();
        let rule = rule.expect("it is written");
        (rule.action, matches!(rule.peers[0], ReadPeer::Names(_)), made.warnings.len())
    };
    assert_eq!(first(vec![to_443(git("192.0.2.0/28")), dns()]), (Action::Accept, true, 1));
    // Narrower than what the names stand for; and without answers.
    assert_eq!(first(vec![to_443(git("192.0.2.0/29")), dns()]), (Action::Pass, false, 0));
    assert_eq!(first(vec![to_443(git("192.0.2.0/28"))]), (Action::Pass, false, 0));
}

/// A rule that rests on a row.
fn of_row(row: &str, peer: Peer, port: u16) -> Rule {
    let row = RowRef { id: row.to_owned(), file: "m.yaml".to_owned(), line: 1 };
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
