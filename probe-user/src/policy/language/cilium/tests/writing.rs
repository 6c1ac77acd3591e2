//! What becomes of rules: written, and read back.

use std::collections::BTreeSet;

use super::{
    super::model::{Entity, Peer as ReadPeer, Port, Reach, Rule as ReadRule},
    *,
};
use crate::{
    matrix::EndpointName,
    policy::{
        gather::{Policies, SubjectPolicy},
        language::{Written, number::Number, selector::Selector},
        passage::{Passage, Standing},
        rule::{Evidence, Flow, Peer, PortRange, Rule},
        world::Subject,
    },
    workload::Workload,
};

fn rule(peer: Peer, (protocol, first, last): (Protocol, u16, u16), seen: &[&str]) -> Rule {
    let addresses: BTreeSet<IpAddr> = seen.iter().map(|one| address(one)).collect();
    let evidence = Evidence { addresses, connections: 1, ..Evidence::default() };
    Rule { flow: Flow { peer, ports: PortRange { protocol, first, last } }, evidence }
}

fn tcp(peer: Peer, port: u16, seen: &[&str]) -> Rule {
    rule(peer, (Protocol::Tcp, port, port), seen)
}

fn blocks(name: &str, blocks: &[&str]) -> Peer {
    let blocks = blocks.iter().map(|block| block.parse().expect("a block")).collect();
    Peer::Blocks { name: name.to_owned(), cluster: None, blocks }
}

fn at(text: &str) -> Peer {
    Peer::Address(address(text))
}

fn workload(namespace: &str, name: &str) -> Peer {
    Peer::Workload(Workload {
        namespace: namespace.to_owned(),
        kind: "Pod".to_owned(),
        name: name.to_owned(),
    })
}

fn git(cidrs: &[&str]) -> Peer {
    Peer::Endpoint {
        name: EndpointName::new("git"),
        hosts: vec!["git.example.com".to_owned(), "*.git.example.com".to_owned()],
        blocks: cidrs.iter().map(|block| block.parse().expect("a block")).collect(),
    }
}

fn db() -> Subject {
    let workload = Workload { namespace: "shop".to_owned(), kind: "Pod".to_owned(), name: "db".to_owned() };
    Subject::Workload { cluster: "run".to_owned(), workload }
}

fn n1() -> Subject {
    Subject::Node { cluster: "run".to_owned(), node: "n1".to_owned() }
}

/// What is written for one subject.
struct Case {
    site: Site,
    policy: SubjectPolicy,
    /// Peers, ports and whether they leave: what became no rule.
    quarantine: Vec<(&'static str, u16, bool)>,
}

impl Case {
    fn egress(subject: Subject, rules: Vec<Rule>) -> Self {
        let policy = SubjectPolicy { subject, ingress: None, egress: Some(rules), own_nodes: Vec::new() };
        Self { site: Site::new(), policy, quarantine: Vec::new() }
    }

    fn ingress(subject: Subject, rules: Vec<Rule>) -> Self {
        let policy = SubjectPolicy { subject, ingress: Some(rules), egress: None, own_nodes: Vec::new() };
        Self { site: Site::new(), policy, quarantine: Vec::new() }
    }

    fn written(&self) -> Written {
        let world = self.site.world();
        let stranger = |(peer, port, is_egress): &(&str, u16, bool)| Passage {
            standing: Standing::Undeclared,
            ..passage(&world, (DB, peer), *is_egress, *port, Protocol::Tcp)
        };
        let policies = Policies {
            subjects: vec![self.policy.clone()],
            quarantine: self.quarantine.iter().map(stranger).collect(),
            withheld: Vec::new(),
            left_out: Vec::new(),
        };
        write(&world, &policies).expect("it is YAML")
    }

    /// The rules as they are read back.
    fn read(&self) -> Vec<ReadRule> {
        let written = self.written();
        let [file] = written.files.as_slice() else { panic!("one document: {written:?}") };
        let policies =
            read(&file.text, &file.name).unwrap_or_else(|faults| panic!("{faults}\n{}", file.text));
        let [policy] = policies.as_slice() else { panic!("one policy: {policies:?}") };
        let direction = if self.policy.egress.is_some() { &policy.egress } else { &policy.ingress };
        assert!(direction.is_closed, "{}", file.text);
        direction.allow.rules.clone()
    }

    fn warns(&self, words: &str) -> bool {
        let Written { files, warnings } = self.written();
        let is_warned = warnings.iter().any(|warning| warning.contains(words));
        let is_beside = files
            .iter()
            .any(|file| file.text.lines().any(|line| line.trim().starts_with('#') && line.contains(words)));
        assert_eq!(is_warned, is_beside, "{words}: {warnings:?}\n{}", files[0].text);
        is_warned
    }
}

fn open(protocol: Protocol, number: Number) -> Reach {
    Reach::Ports(vec![Port { protocol: Some(protocol), number }])
}

fn on(port: u16) -> Reach {
    open(Protocol::Tcp, Number::Range(port, port))
}

fn labelled(text: &str) -> ReadPeer {
    let labels = text.split_whitespace().filter_map(|pair| pair.split_once('='));
    let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    let written = k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector {
        match_labels: Some(labels),
        match_expressions: None,
    };
    let mut selector = None;
    crate::matrix::resource::each("a: b", "t", |mut resource| {
        selector = Some(Selector::read(written.clone(), "", &mut resource));
    })
    .unwrap_or_else(|faults| panic!("{faults}"));
    ReadPeer::Labelled(selector.expect("there is a resource"))
}

fn block(text: &str) -> ReadPeer {
    ReadPeer::Block(text.parse::<ipnet::IpNet>().expect("a block").into())
}

fn entities(all: &[Entity]) -> Vec<ReadPeer> {
    all.iter().copied().map(ReadPeer::Entity).collect()
}

#[test]
fn what_is_written_is_read_back_as_the_same_rules() {
    for (rule, peers, reach) in [
        (
            tcp(workload("shop", "web"), 80, &[WEB]),
            vec![labelled("app=web io.kubernetes.pod.namespace=shop")],
            on(80),
        ),
        (
            tcp(workload("lab", "web"), 80, &[LAB]),
            vec![labelled("app=web io.kubernetes.pod.namespace=lab")],
            on(80),
        ),
        (tcp(at(OUTSIDE), 443, &[OUTSIDE]), vec![block("192.0.2.7/32")], on(443)),
        (
            rule(blocks("b", &["192.0.2.0/28", "2001:db8::/64"]), (Protocol::Udp, 10, 20), &[OUTSIDE]),
            vec![block("192.0.2.0/28"), block("2001:db8::/64")],
            open(Protocol::Udp, Number::Range(10, 20)),
        ),
        (
            rule(at(OUTSIDE), (Protocol::Sctp, 0, 65535), &[OUTSIDE]),
            vec![block("192.0.2.7/32")],
            open(Protocol::Sctp, Number::Any),
        ),
        // 0 would be every port.
        (
            rule(at(OUTSIDE), (Protocol::Tcp, 0, 9), &[OUTSIDE]),
            vec![block("192.0.2.7/32")],
            open(Protocol::Tcp, Number::Range(1, 9)),
        ),
        (tcp(at(FOREIGN_NODE), 443, &[FOREIGN_NODE]), vec![block("172.17.0.1/32")], on(443)),
    ] {
        let expected = [ReadRule { peers: Some(peers), reach, asks: None }];
        assert_eq!(Case::egress(db(), vec![rule.clone()]).read(), expected, "{rule:?}");
        assert_eq!(Case::ingress(db(), vec![rule.clone()]).read(), expected, "{rule:?}");
        assert_eq!(Case::ingress(n1(), vec![rule.clone()]).read(), expected, "{rule:?}");
    }
}

#[test]
fn nodes_are_written_as_what_they_are_to_the_pod_and_it_is_told_what_that_lets_through() {
    use Entity::{Host, KubeApiServer, RemoteNode};
    let nodes = || blocks("nodes of run", &["172.16.0.1/32", "172.16.0.2/32", "172.16.0.3/32"]);
    for (peer, seen, egress, ingress, is_wider) in [
        (at(OTHER_NODE), OTHER_NODE, &[Host, RemoteNode][..], &[RemoteNode][..], true),
        (nodes(), OTHER_NODE, &[Host, RemoteNode], &[RemoteNode], false),
        (at(API_SERVER), API_SERVER, &[KubeApiServer], &[KubeApiServer], false),
    ] {
        let rules = vec![tcp(peer, 9100, &[seen])];
        for (case, expected) in [
            (Case::egress(db(), rules.clone()), egress),
            (Case::ingress(db(), rules.clone()), ingress),
            // A node's own are no others' to it.
            (Case::egress(n1(), rules.clone()), ingress),
        ] {
            let found = case.read();
            assert_eq!(found[0].peers.as_deref(), Some(entities(expected).as_slice()));
            assert_eq!((case.warns("WIDER"), case.warns("LETS THROUGH")), (is_wider, false), "{seen}");
        }
    }
}

#[test]
fn what_became_no_rule_and_passes_by_an_entity_is_told() {
    let case = |quarantine: &[(&'static str, u16, bool)]| Case {
        quarantine: quarantine.to_vec(),
        ..Case::egress(db(), vec![rule(at(OTHER_NODE), (Protocol::Tcp, 9100, 9110), &[OTHER_NODE])])
    };
    for (peer, port, is_egress, is_told) in [
        (API_SERVER, 9105, true, true),
        (API_SERVER, 9111, true, false),
        (API_SERVER, 9105, false, false),
        (OUTSIDE, 9105, true, false),
        (FOREIGN_NODE, 9105, true, false),
    ] {
        let case = case(&[(peer, port, is_egress)]);
        assert_eq!(case.warns("LETS THROUGH"), is_told, "{peer} {port} {is_egress}");
        assert_eq!(case.read()[0].peers.as_ref().map(Vec::len), Some(2));
    }
    // The pod's own node is left out where something would pass by it that nobody answers for.
    let own = case(&[(OWN_NODE, 9105, true)]);
    assert_eq!(own.read()[0].peers, Some(entities(&[Entity::RemoteNode])));
    assert!(own.warns("not also host") && !own.warns("LETS THROUGH"));
}

#[test]
fn a_pods_own_node_is_written_beside_what_leaves_it_and_once() {
    let mut case = Case::egress(db(), vec![tcp(at(OUTSIDE), 443, &[OUTSIDE])]);
    case.policy.own_nodes = vec![tcp(at(OWN_NODE), 9100, &[OWN_NODE])];
    assert_eq!(case.read()[1].peers, Some(entities(&[Entity::Host])));
    assert!(!case.warns("LETS THROUGH"));
    case.quarantine = vec![(OWN_NODE, 9100, true)];
    assert!(case.warns("LETS THROUGH"));
    case.quarantine.clear();
    // What holds every node holds this one.
    case.policy.egress = Some(vec![rule(at(OTHER_NODE), (Protocol::Tcp, 9000, 9200), &[OTHER_NODE])]);
    let found = case.read();
    assert_eq!((found.len(), &found[0].peers), (1, &Some(entities(&[Entity::Host, Entity::RemoteNode]))));
    // And what is for it holds all that it needs.
    case.policy.own_nodes = vec![rule(at(OWN_NODE), (Protocol::Tcp, 9000, 9300), &[OWN_NODE])];
    let peers: Vec<_> = case.read().into_iter().map(|rule| rule.peers).collect();
    assert_eq!(peers, [Some(entities(&[Entity::RemoteNode])), Some(entities(&[Entity::Host]))]);
    // Nothing else that leaves is governed: this neither.
    case.policy.egress = None;
    case.policy.ingress = Some(Vec::new());
    assert_eq!(case.read().len(), 1);
}

#[test]
fn several_rules_that_are_one_to_cilium_are_written_once() {
    let mut case = Case::egress(db(), Vec::new());
    for (ports, count) in [
        ([(9100, 9100), (9100, 9100)], 1),
        ([(9105, 9105), (9100, 9110)], 1),
        ([(9100, 9110), (9111, 9111)], 2),
    ] {
        let rules = [OTHER_NODE, "172.16.0.1"].into_iter().zip(ports);
        let rules =
            rules.map(|(node, (first, last))| rule(at(node), (Protocol::Tcp, first, last), &[OTHER_NODE]));
        case.policy.egress = Some(rules.collect());
        assert_eq!(case.read().len(), count, "{ports:?}");
        let text = &case.written().files[0].text;
        assert_eq!(text.matches("1 connection").count(), 2, "each keeps its evidence\n{text}");
    }
}

#[test]
fn a_direction_without_rules_is_closed_by_one_for_nobody() {
    let nobody = [ReadRule { peers: None, reach: Reach::Everything, asks: None }];
    for (protocol, first) in [(Protocol::Icmp, 0), (Protocol::Tcp, 0)] {
        let case = Case::egress(db(), vec![rule(at(OUTSIDE), (protocol, first, 0), &[OUTSIDE])]);
        assert_eq!(case.read(), nobody);
        assert!(case.warns("NOT WRITTEN"));
    }
    // Of those inside, none is held by an address.
    let case = Case::ingress(db(), vec![tcp(at(STRANGER), 80, &[STRANGER])]);
    assert_eq!(case.read(), nobody);
    assert!(case.warns("NOT WRITTEN"));
    assert_eq!(Case::ingress(db(), Vec::new()).read(), nobody);
}

#[test]
fn an_endpoint_goes_by_its_names_where_cilium_can_hear_them() {
    let names: Vec<ReadPeer> =
        ["git.example.com", "*.git.example.com"].map(|name| ReadPeer::Named(name::Name::new(name))).into();
    let whole = vec![tcp(git(&["192.0.2.0/28"]), 443, &[OUTSIDE])];
    let found = Case::egress(db(), whole.clone()).read();
    assert_eq!(found[0].peers.as_ref(), Some(&names));
    // Who asks for them is not seen here, and somebody must.
    assert_eq!(
        found[1].peers,
        Some(vec![labelled("k8s-app=kube-dns io.kubernetes.pod.namespace=kube-system")])
    );
    let dns = |protocol| Port { protocol: Some(protocol), number: Number::Range(53, 53) };
    assert_eq!(found[1].reach, Reach::Ports(vec![dns(Protocol::Udp), dns(Protocol::Tcp)]));
    assert_eq!(found[1].asks, Some(vec![name::Name::new("*")]));
    assert!(
        Case::egress(db(), whole.clone())
            .written()
            .warnings
            .iter()
            .any(|one| one.contains("DNS is let through"))
    );
    // Where they are a part of what the inventory gives the names, where they arrive, and at nodes, they are blocks.
    for case in [
        Case::egress(db(), vec![tcp(git(&["192.0.2.0/29"]), 443, &[OUTSIDE])]),
        Case::ingress(db(), whole.clone()),
        Case::egress(n1(), whole.clone()),
    ] {
        let found = case.read();
        assert!(
            matches!(found.as_slice(), [ReadRule { peers: Some(peers), asks: None, .. }] if matches!(peers.as_slice(), [ReadPeer::Block(_)])),
            "{found:?}"
        );
    }
}

#[test]
fn answers_are_heard_from_who_is_asked_already() {
    let names = tcp(git(&["192.0.2.0/28"]), 443, &[OUTSIDE]);
    let asked = |protocol| rule(workload("shop", "web"), (protocol, 53, 53), &[WEB]);
    let listening = |rules: Vec<Rule>| {
        Case::egress(db(), rules).read().iter().map(|rule| rule.asks.is_some()).collect::<Vec<_>>()
    };
    assert_eq!(
        listening(vec![asked(Protocol::Udp), asked(Protocol::Tcp), names.clone()]),
        [true, true, false]
    );
    // One whom nobody asks by datagrams is no resolver.
    assert_eq!(listening(vec![asked(Protocol::Tcp), names]), [false, false, true]);
    assert_eq!(listening(vec![asked(Protocol::Udp)]), [false]);
}

#[test]
fn resolvers_are_the_inventorys_as_cilium_knows_them() {
    let mut case = Case::egress(db(), vec![tcp(git(&["192.0.2.0/28"]), 443, &[OUTSIDE])]);
    case.site.inventory.resolvers =
        ["198.51.100.53/32", "172.16.0.2/32"].map(|one| one.parse().expect("a block")).into();
    let peers: Vec<_> = case.read().into_iter().skip(1).filter_map(|rule| rule.peers).collect();
    assert_eq!(peers, [vec![block("198.51.100.53/32")], entities(&[Entity::Host, Entity::RemoteNode])]);
}

#[test]
fn a_policy_for_a_node_selects_it_and_says_what_it_needs() {
    let case = Case::egress(n1(), vec![tcp(at(OUTSIDE), 443, &[OUTSIDE])]);
    let Written { files, warnings } = case.written();
    assert_eq!(files[0].name, "run/node-n1.yaml");
    assert!(files[0].text.contains("    kubernetes.io/hostname: host1\n"), "{}", files[0].text);
    assert!(case.warns("needs the host firewall") && case.warns("CUTS what nobody saw"), "{warnings:?}");
}

#[test]
fn labels_that_the_agent_leaves_out_are_told() {
    let selecting = |labels: &str| {
        let mut case = Case::egress(db(), vec![tcp(workload("shop", "web"), 80, &[WEB])]);
        let pod = |name: &str, labels: Value, address: &str| {
            json!({"kind": "Pod", "metadata": {"namespace": "shop", "name": name, "labels": labels},
                "spec": {"nodeName": "n1", "containers": []}, "status": {"podIPs": [{"ip": address}]}})
        };
        let items = [pod("db", json!({labels: "x"}), DB), pod("web", json!({"app": "web"}), WEB)];
        let list = json!({"items": items}).to_string();
        let objects = ClusterObjects::read([(list.as_bytes(), "run.json")]);
        case.site.clusters = [("run".to_owned(), objects.unwrap_or_else(|faults| panic!("{faults}")))].into();
        case.warns("selects NOBODY")
    };
    for (label, is_told) in [
        ("kubernetes.io/cluster-service", true),
        ("node.beta.kubernetes.io/a", true),
        ("k8s-app", false),
        ("app.kubernetes.io/name", false),
    ] {
        assert_eq!(selecting(label), is_told, "{label}");
    }
}
