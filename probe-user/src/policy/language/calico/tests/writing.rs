//! What rules become.

use std::net::IpAddr;

use super::{
    super::{
        expression::Expression,
        model::{Action, Entity, Policy, Port, Rule as ReadRule, Scope, Selected, Staged},
    },
    *,
};
use crate::{
    matrix::EndpointName,
    policy::{
        gather::{Policies, SubjectPolicy},
        language::Written,
        quarantine::Quarantine,
        rule::{Evidence, Flow, Peer, PortRange, Rule},
        world::Subject,
    },
    workload::Workload,
};

fn workload(namespace: &str, name: &str) -> Workload {
    Workload { namespace: namespace.to_owned(), kind: "Pod".to_owned(), name: name.to_owned() }
}

fn of_shop(name: &str) -> Subject {
    Subject::Workload { cluster: "run".to_owned(), workload: workload("shop", name) }
}

fn endpoint(name: &str, blocks: &[&str]) -> Peer {
    let blocks = blocks.iter().map(|block| block.parse().expect("a block")).collect();
    Peer::Endpoint { name: EndpointName::new(name), hosts: Vec::new(), blocks }
}

fn to(peer: Peer, protocol: Protocol, (first, last): (u16, u16)) -> Rule {
    Rule { flow: Flow { peer, ports: PortRange { protocol, first, last } }, evidence: Evidence::default() }
}

fn to_443(peer: Peer) -> Rule {
    to(peer, Protocol::Tcp, (443, 443))
}

fn egress(subject: Subject, rules: Vec<Rule>) -> SubjectPolicy {
    SubjectPolicy { subject, ingress: None, egress: Some(rules), own_nodes: Vec::new() }
}

fn written(site: &Site, subjects: Vec<SubjectPolicy>, is_staged: bool) -> Written {
    let policies =
        Policies { subjects, quarantine: Quarantine::default(), withheld: Vec::new(), left_out: Vec::new() };
    write(&site.world(), &policies, is_staged).expect("it is YAML")
}

fn text<'w>(written: &'w Written, name: &str) -> &'w str {
    let file = written.files.iter().find(|file| file.name == name);
    &file.unwrap_or_else(|| panic!("{name} in {written:#?}")).text
}

const DB_FILE: &str = "run/shop/pod-db.yaml";

#[test]
fn what_is_written_is_what_is_read() {
    let site = Site::new();
    let rules = vec![
        to(Peer::Workload(workload("lab", "web")), Protocol::Tcp, (1, 59)),
        to(Peer::Workload(workload("shop", "web")), Protocol::Udp, (53, 53)),
        to(Peer::Address("192.0.2.7".parse().expect("an address")), Protocol::Sctp, (0, u16::MAX)),
    ];
    let policy = SubjectPolicy { ingress: Some(rules.clone()), ..egress(of_shop("db"), rules) };
    let written = written(&site, vec![policy], true);
    let selects = |scope: Scope, text: &str| {
        let labels = Expression::read(text).expect("an expression");
        Some(Selected { scope, labels })
    };
    let shop = || Scope::Namespace("shop".to_owned());
    let lab =
        || Scope::Namespaces(Expression::read("projectcalico.org/name == 'lab'").expect("an expression"));
    let address = vec!["192.0.2.7/32".parse().expect("a block")];
    let ends = [
        (
            6,
            Entity { selected: selects(lab(), "app == 'web'"), ..Entity::default() },
            vec![Port::Range(1, 59)],
        ),
        (
            17,
            Entity { selected: selects(shop(), "app == 'web'"), ..Entity::default() },
            vec![Port::Range(53, 53)],
        ),
        (132, Entity { nets: address, ..Entity::default() }, Vec::new()),
    ];
    let rule = |protocol: u8, source: Entity, destination: Entity| ReadRule {
        action: Action::Allow,
        is_v4: None,
        protocol: Some(protocol),
        not_protocol: None,
        source,
        destination,
    };
    let served = |ports: &Vec<Port>| Entity { ports: ports.clone(), ..Entity::default() };
    let ingress = ends.iter().map(|(protocol, peer, ports)| rule(*protocol, peer.clone(), served(ports)));
    let egress = ends.iter().map(|(protocol, peer, ports)| {
        rule(*protocol, Entity::default(), Entity { ports: ports.clone(), ..peer.clone() })
    });
    let expected = Policy {
        namespace: Some("shop".to_owned()),
        name: "pod-db".to_owned(),
        tier: "default".to_owned(),
        order: 1000.0,
        staged: Some(Staged::Set),
        endpoints: selects(shop(), "app == 'db'").expect("it is there"),
        ingress: Some(ingress.collect()),
        egress: Some(egress.collect()),
    };
    let found = read(text(&written, DB_FILE), "p.yaml").unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(found, [Resource::Policy(expected)]);
}

#[test]
fn blocks_are_a_set_where_it_pays() {
    let site = Site::new();
    let four = ["192.0.2.0/28", "192.0.2.32/28", "192.0.2.64/28", "192.0.2.96/28"];
    let five = [&four[..], &["192.0.2.128/28"]].concat();
    for (uses, blocks, sets) in [
        (1, &four[..], 0),
        (2, &four[..1], 1),
        (1, &five[..], 1),
        (1, &["192.0.2.0/28", "2001:db8::/64"][..], 1),
        (1, &["2001:db8::/64"][..], 0),
    ] {
        let rules = (0..uses).map(|port| to(endpoint("git", blocks), Protocol::Tcp, (port, port)));
        let written = written(&site, vec![egress(of_shop("db"), rules.collect())], false);
        let policy = text(&written, DB_FILE);
        assert_eq!(written.files.len() - 1, sets, "{uses} {blocks:?}");
        assert_eq!(policy.contains("flowdrift.dev/endpoint == 'git'"), sets > 0, "{policy}");
        assert_eq!(policy.contains(blocks[0]), sets == 0, "{policy}");
        if sets > 0 {
            let set = text(&written, "run/globalnetworkset-git.yaml");
            assert!(blocks.iter().all(|block| set.contains(block)), "{set}");
        }
    }
    // Several parts of an endpoint are several sets, which no rule mixes up; names that a label cannot hold are made shorter.
    let long = "x".repeat(70);
    let parts = [endpoint("git", &five), endpoint("git", &five[1..]), endpoint(&long, &five)];
    let rules = parts
        .into_iter()
        .zip([80, 90, 100])
        .flat_map(|(part, port)| [port, port + 1].map(|port| to(part.clone(), Protocol::Tcp, (port, port))));
    let written = written(&site, vec![egress(of_shop("db"), rules.collect())], false);
    let policy = text(&written, DB_FILE);
    let mut names: Vec<&str> = policy
        .split("flowdrift.dev/endpoint == '")
        .skip(1)
        .filter_map(|rest| rest.split('\'').next())
        .collect();
    names.dedup();
    assert_eq!(names.len(), 3, "{names:?}");
    assert!(names.iter().all(|name| name.len() <= 63 && !["git", &long].contains(name)), "{names:?}");
    for name in names {
        assert!(text(&written, &format!("run/globalnetworkset-{name}.yaml")).contains(name));
    }
}

#[test]
fn families_that_calico_refuses_in_one_rule_are_two() {
    let site = Site::new();
    let mut rule = to_443(Peer::Workload(workload("shop", "gone")));
    rule.evidence.addresses =
        ["10.0.0.9", "fd00::9", "10.0.0.8"].map(|one| one.parse::<IpAddr>().expect("an address")).into();
    let ping = to(Peer::Address("2001:db8::7".parse().expect("an address")), Protocol::Icmp, (0, 0));
    let web = to(Peer::Workload(workload("shop", "web")), Protocol::Icmp, (0, 0));
    let written = written(&site, vec![egress(of_shop("db"), vec![rule, ping, web])], false);
    let found = read(text(&written, DB_FILE), "p.yaml").unwrap_or_else(|faults| panic!("{faults}"));
    let [Resource::Policy(Policy { egress: Some(rules), .. })] = found.as_slice() else {
        panic!("{found:?}")
    };
    let told: Vec<(Option<u8>, usize, usize)> = rules
        .iter()
        .map(|rule| (rule.protocol, rule.destination.nets.len(), rule.destination.ports.len()))
        .collect();
    let expected = [(Some(6), 2, 1), (Some(6), 1, 1), (Some(1), 0, 0), (Some(58), 0, 0), (Some(58), 1, 0)];
    assert_eq!(told, expected, "{rules:#?}");
    assert!(text(&written, DB_FILE).contains("these are the addresses that they had"));
}

#[test]
fn what_cannot_be_said_is_told_and_never_opens_anything() {
    let mut site = Site::new();
    let nowhere = Peer::Endpoint {
        name: EndpointName::new("git"),
        hosts: vec!["git.example.com".to_owned()],
        blocks: [].into_iter().collect(),
    };
    let nothing = egress(of_shop("db"), vec![to_443(nowhere.clone())]);
    let told = written(&site, vec![nothing, egress(of_shop("web"), Vec::new())], false);
    for file in [DB_FILE, "run/shop/pod-web.yaml"] {
        let policy = text(&told, file);
        assert!(policy.contains("egress: []") && policy.contains("- Egress"), "{policy}");
    }
    let policy = text(&told, DB_FILE);
    assert!(policy.contains("# no address of it is known: this is not written"), "{policy}");
    assert!(policy.contains("know no names: git.example.com"), "{policy}");
    let warnings = told.warnings.join("\n");
    assert!(warnings.contains("run/shop/db: git: no address of it is known"), "{warnings}");
    assert!(warnings.contains("run/shop/db: git: Calico's open-source policies know no names"), "{warnings}");

    let objects = site.clusters.get_mut("run").expect("the cluster");
    for pod in objects.pods.iter_mut().filter(|pod| pod.workload == workload("shop", "db")) {
        pod.labels.insert("app".to_owned(), "a'b\"c".to_owned());
    }
    let told = written(&site, vec![egress(of_shop("db"), Vec::new())], false);
    assert!(told.files.is_empty(), "{told:?}");
    assert!(told.warnings[0].contains("no selector of Calico can name its labels"), "{told:?}");
}

#[test]
fn a_nodes_own_traffic_is_its_host_endpoints() {
    let site = Site::new();
    let node = |node: &str| Subject::Node { cluster: "run".to_owned(), node: node.to_owned() };
    let outside = to_443(Peer::Address("192.0.2.7".parse().expect("an address")));
    let web = to_443(Peer::Workload(workload("shop", "web")));
    let subjects = vec![egress(node("n1"), vec![outside.clone(), web]), egress(node("n2"), vec![outside])];
    let told = written(&site, subjects, false);
    let policy = text(&told, "run/node-n1.yaml");
    for words in [
        "kind: GlobalNetworkPolicy",
        "selector: kubernetes.io/hostname == 'n1.example.com' && projectcalico.org/created-by == 'calico-kube-controllers'",
        "namespaceSelector: projectcalico.org/name == 'shop'",
        "# It is for the node's automatic host endpoint",
        "# It cuts whatever the node does that nobody saw",
        "# The failsafe ports",
    ] {
        assert!(policy.contains(words), "{words} in {policy}");
    }
    // A node that was not listed has its name for a label.
    assert!(text(&told, "run/node-n2.yaml").contains("kubernetes.io/hostname == 'n2'"));
    assert_eq!(told.warnings.len(), 2, "{told:?}");
    let documents = [text(&told, "run/node-n1.yaml").to_owned(), text(&told, "run/node-n2.yaml").to_owned()];
    let asked = |peer| Asked { own: crate::policy::language::site::NODE, port: 443, ..of_db(peer, true) };
    assert_eq!(allowed_by(&decide(&documents, asked("192.0.2.7"))), ["run/node-n1[1]"]);
    assert_eq!(decide(&documents, asked("192.0.2.8")), Decision::Denied);
}

#[test]
fn what_goes_to_own_nodes_is_a_rule_beside_the_others() {
    let site = Site::new();
    let address = |text: &str| Peer::Address(text.parse().expect("an address"));
    let own_nodes = vec![to_443(address("172.16.0.1")), to_443(address("192.0.2.7"))];
    let governed = SubjectPolicy {
        own_nodes: own_nodes.clone(),
        ..egress(of_shop("db"), vec![to_443(address("192.0.2.7"))])
    };
    let told = written(&site, vec![governed.clone()], false);
    let policy = text(&told, DB_FILE);
    assert!(policy.contains("defaultEndpointToHostAction: Accept"), "{policy}");
    assert_eq!(
        (policy.matches("action: Allow").count(), policy.matches("172.16.0.1/32").count()),
        (2, 1),
        "{policy}"
    );
    // It is no reason to govern anybody.
    let ungoverned = SubjectPolicy { egress: None, ingress: Some(Vec::new()), ..governed };
    let told = written(&site, vec![ungoverned], false);
    assert!(!text(&told, DB_FILE).contains("egress"), "{told:?}");
}

#[test]
fn proposals_are_the_same_under_other_kinds() {
    let site = Site::new();
    let subjects = || {
        let node = Subject::Node { cluster: "run".to_owned(), node: "n1".to_owned() };
        let blocks = endpoint("git", &["192.0.2.0/28", "2001:db8::/64"]);
        vec![egress(of_shop("db"), vec![to_443(blocks.clone())]), egress(node, vec![to_443(blocks)])]
    };
    let (enforced, staged) = (written(&site, subjects(), false), written(&site, subjects(), true));
    assert_eq!(enforced.warnings, staged.warnings);
    assert_eq!(enforced.files.len(), 3);
    for (enforced, staged) in enforced.files.iter().zip(&staged.files) {
        let proposed = staged.text.replace("Staged", "").replace("  stagedAction: Set\n", "");
        assert_eq!(enforced.text, proposed);
        let is_set = staged.name.contains("globalnetworkset");
        assert_eq!(
            staged.text.contains("kind: Staged") && staged.text.contains("stagedAction: Set"),
            !is_set
        );
    }
}
