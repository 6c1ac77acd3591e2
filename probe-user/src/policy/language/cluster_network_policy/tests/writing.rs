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
        rule::{Evidence, Flow, Peer, PortRange, Rule},
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

pub(super) fn address(text: &str) -> Peer {
    Peer::Address(text.parse().expect("an address"))
}

pub(super) fn blocks(blocks: &[&str]) -> Peer {
    let blocks = blocks.iter().map(|block| block.parse().expect("a block")).collect();
    Peer::Blocks { name: "some".to_owned(), cluster: None, blocks }
}

fn git(block: &str) -> Peer {
    let blocks = [block.parse().expect("a block")].into_iter().collect();
    Peer::Endpoint { name: EndpointName::new("git"), hosts: vec!["git.example.com".to_owned()], blocks }
}

pub(super) fn rule(peer: Peer, protocol: Protocol, (first, last): (u16, u16)) -> Rule {
    Rule { flow: Flow { peer, ports: PortRange { protocol, first, last } }, evidence: Evidence::default() }
}

pub(super) fn to_443(peer: Peer) -> Rule {
    rule(peer, Protocol::Tcp, (443, 443))
}

/// For `db`.
pub(super) fn written(ingress: Option<Vec<Rule>>, egress: Option<Vec<Rule>>) -> Written {
    written_with(ingress, egress, Vec::new(), None)
}

fn written_with(
    ingress: Option<Vec<Rule>>,
    egress: Option<Vec<Rule>>,
    own_nodes: Vec<Rule>,
    stranger: Option<&str>,
) -> Written {
    written_in(&Site::new(), (ingress, egress), own_nodes, stranger)
}

fn written_in(
    site: &Site,
    (ingress, egress): (Option<Vec<Rule>>, Option<Vec<Rule>>),
    own_nodes: Vec<Rule>,
    stranger: Option<&str>,
) -> Written {
    let world = site.world();
    let workload = Workload { namespace: "shop".to_owned(), kind: "Pod".to_owned(), name: "db".to_owned() };
    let subject = Subject::Workload { cluster: "run".to_owned(), workload };
    let strangers = stranger.into_iter();
    let policies = Policies {
        subjects: vec![SubjectPolicy { subject, ingress, egress, own_nodes }],
        quarantine: strangers.map(|peer| passage(&world, (DB, peer), false, 80, Protocol::Tcp)).collect(),
        withheld: Vec::new(),
        left_out: Vec::new(),
    };
    write(&world, &policies).expect("it is YAML")
}

pub(super) fn read_back(written: &Written) -> Vec<Policy> {
    let [file] = written.files.as_slice() else { panic!("{written:#?}") };
    assert_eq!(file.name, "run/shop/pod-db.yaml");
    let read = read(&file.text, &file.name).unwrap_or_else(|faults| panic!("{faults}\n{}", file.text));
    let policy = |resource| match resource {
        Resource::Cluster(policy) => policy,
        Resource::Namespaced(policy) => panic!("{policy:?}"),
    };
    read.into_iter().map(policy).collect()
}

pub(super) fn networks(blocks: &[&str]) -> ReadPeer {
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

#[test]
fn what_goes_to_a_pods_own_node_has_a_rule_too() {
    let own_node = to_443(address("172.16.0.1"));
    let policies = read_back(&written_with(None, Some(Vec::new()), vec![own_node], None));
    assert_eq!(policies[0].egress[0].peers, [networks(&["172.16.0.1/32"])]);
}

#[test]
fn a_stranger_from_beyond_is_told_and_one_of_the_pods_is_denied() {
    let warnings = |stranger| written_with(Some(Vec::new()), None, Vec::new(), Some(stranger)).warnings.len();
    assert_eq!(warnings("192.0.2.7"), 1);
    assert_eq!(warnings("172.16.0.2"), 1);
    assert_eq!((warnings("10.0.0.3"), warnings("10.9.9.9")), (0, 0));
}

#[test]
fn a_name_that_the_api_does_not_have_is_written_as_addresses() {
    let block = "203.0.113.0/28".parse().expect("a block");
    let peer = |host: &str| Peer::Endpoint {
        name: EndpointName::new("x"),
        hosts: vec![host.to_owned()],
        blocks: [block].into_iter().collect(),
    };
    let actions = |host: &str| -> Vec<Action> {
        let rules = vec![to_443(peer(host)), rule(workload("lab", "web"), Protocol::Udp, (53, 53))];
        read_back(&written(None, Some(rules)))[0].egress.iter().map(|rule| rule.action).collect()
    };
    assert_eq!(actions("localhost"), [Action::Pass, Action::Pass, Action::Deny]);
    assert_eq!(actions("a.example.net"), [Action::Pass, Action::Accept, Action::Deny]);
}

#[test]
fn blocks_that_hold_only_some_of_the_pods_are_not_all_of_them() {
    let mut site = Site::new();
    let cluster = site.inventory.clusters.get_mut("run").expect("it is there");
    cluster.pods.push("fd00::/8".parse().expect("a block"));
    let files = |of: &[&str]| {
        let rules = Some(vec![to_443(blocks(of))]);
        written_in(&site, (rules, None), Vec::new(), None).files.len()
    };
    assert_eq!((files(&["10.0.0.0/8"]), files(&["10.0.0.0/8", "::/0"])), (0, 1));
}
