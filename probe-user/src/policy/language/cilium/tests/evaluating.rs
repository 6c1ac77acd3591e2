//! What Cilium does with a packet.

use super::*;

const ALL: [&str; 9] =
    [WEB, LAB, STRANGER, OWN_NODE, OTHER_NODE, API_SERVER, FOREIGN_NODE, OUTSIDE, "203.0.113.1"];
const OTHERS: &str = "203.0.113.1";

#[test]
fn a_direction_is_closed_by_a_policy_with_rules_for_it() {
    let site = Site::new();
    let (denied, open) = (Decision::Denied, Decision::NotGoverned);
    for (spec, ingress, egress) in [
        ("{endpointSelector: {}, ingress: [{}]}", &denied, &open),
        ("{endpointSelector: {}, egress: [{}]}", &open, &denied),
        ("{endpointSelector: {}, ingress: [{}], egress: [{}]}", &denied, &denied),
        // "If omitted or empty, this rule does not apply."
        ("{endpointSelector: {}, ingress: []}", &open, &open),
        // What only denies closes, too.
        ("{endpointSelector: {}, ingressDeny: [{fromCIDR: [203.0.113.0/24]}]}", &denied, &open),
        ("{endpointSelector: {}, ingress: [{}], enableDefaultDeny: {ingress: false}}", &open, &open),
        ("{endpointSelector: {}, ingress: [], enableDefaultDeny: {ingress: true}}", &denied, &open),
        ("{endpointSelector: {matchLabels: {app: web}}, ingress: [{}], egress: [{}]}", &open, &open),
    ] {
        assert_eq!(
            (&site.of_db(spec, false, LAB), &site.of_db(spec, true, LAB)),
            (ingress, egress),
            "{spec}"
        );
    }
}

#[test]
fn a_policy_is_for_its_own_namespace_and_a_clusterwide_one_for_all() {
    let site = Site::new();
    let governs = |text: &str, own: &str| {
        site.decide(text, own, false, OUTSIDE, 80, Protocol::Tcp) != Decision::NotGoverned
    };
    for (text, db, lab) in [
        (policy("{endpointSelector: {}, ingress: [{}]}"), true, false),
        // Another namespace is not listened to.
        (
            policy(
                "{endpointSelector: {matchLabels: {'k8s:io.kubernetes.pod.namespace': lab}}, ingress: [{}]}",
            ),
            true,
            false,
        ),
        (clusterwide("{endpointSelector: {}, ingress: [{}]}"), true, true),
        (
            clusterwide(
                "{endpointSelector: {matchLabels: {'k8s:io.kubernetes.pod.namespace': lab}}, ingress: [{}]}",
            ),
            false,
            true,
        ),
        (clusterwide("{endpointSelector: {matchLabels: {'any:app': db}}, ingress: [{}]}"), true, false),
        (clusterwide("{nodeSelector: {}, ingress: [{}]}"), false, false),
    ] {
        assert_eq!((governs(&text, DB), governs(&text, LAB)), (db, lab), "{text}");
    }
}

#[test]
fn peers_are_endpoints_entities_and_blocks() {
    let site = Site::new();
    let host = [OWN_NODE];
    let cases: [(&str, &[&str]); 23] = [
        // In the policy's namespace, unless the selector names one.
        ("Endpoints: [{}]", &[WEB]),
        ("Endpoints: [{matchLabels: {app: web}}]", &[WEB]),
        ("Endpoints: [{matchLabels: {'k8s:app': web, tier: front}}]", &[WEB]),
        ("Endpoints: [{matchLabels: {'k8s:io.kubernetes.pod.namespace': lab}}]", &[LAB]),
        ("Endpoints: [{matchLabels: {'io.cilium.k8s.namespace.labels.team': b}}]", &[LAB]),
        (
            "Endpoints: [{matchExpressions: [{key: io.kubernetes.pod.namespace, operator: Exists}]}]",
            &[WEB, LAB],
        ),
        ("Endpoints: [{matchExpressions: [{key: app, operator: NotIn, values: [web]}]}]", &[]),
        ("Endpoints: [{matchLabels: {'reserved:remote-node': ''}}]", &[OTHER_NODE, API_SERVER]),
        ("Endpoints: [{matchLabels: {'reserved:world': ''}}]", &[FOREIGN_NODE, OUTSIDE, OTHERS]),
        // Blocks hold neither endpoints nor nodes.
        ("CIDR: [0.0.0.0/0]", &[FOREIGN_NODE, OUTSIDE, OTHERS]),
        ("CIDR: [192.0.2.7]", &[OUTSIDE]),
        ("CIDR: [10.0.0.0/8, 172.16.0.0/16]", &[]),
        ("CIDRSet: [{cidr: 192.0.2.0/24, except: [192.0.2.0/28]}]", &[]),
        ("CIDRSet: [{cidr: 192.0.2.0/24, except: [192.0.2.16/28]}]", &[OUTSIDE]),
        ("Entities: [host]", &[]),
        ("Entities: [remote-node]", &[OTHER_NODE, API_SERVER]),
        ("Entities: [kube-apiserver]", &[API_SERVER]),
        ("Entities: [world]", &[FOREIGN_NODE, OUTSIDE, OTHERS]),
        ("Entities: [world-ipv4]", &[FOREIGN_NODE, OUTSIDE, OTHERS]),
        ("Entities: [world-ipv6]", &[]),
        ("Entities: [cluster]", &[WEB, LAB, STRANGER, OTHER_NODE, API_SERVER]),
        ("Entities: [unmanaged, none]", &[STRANGER]),
        ("Entities: [all]", &[WEB, LAB, STRANGER, OTHER_NODE, API_SERVER, FOREIGN_NODE, OUTSIDE, OTHERS]),
    ];
    for (members, expected) in cases {
        // What its own node sends a pod arrives; what a pod sends there is governed.
        let to_host = ["host", "cluster", "all"]
            .iter()
            .any(|entity| members.contains(entity) && members.contains("Entities"));
        for (is_egress, beside) in [(false, true), (true, to_host)] {
            let members = format!("{}{members}", if is_egress { "to" } else { "from" });
            let mut expected: Vec<&str> =
                expected.iter().chain(host.iter().filter(|_| beside)).copied().collect();
            let mut found = site.passing(is_egress, &members, &ALL);
            expected.sort_unstable();
            found.sort_unstable();
            assert_eq!(found, expected, "{members}");
        }
    }
}

#[test]
fn a_clusterwide_policys_peers_are_of_any_namespace_and_have_one() {
    let site = Site::new();
    for (selector, expected) in [
        ("{}", [WEB, LAB].as_slice()),
        ("{matchLabels: {app: web}}", &[WEB, LAB]),
        ("{matchLabels: {'k8s:io.kubernetes.pod.namespace': lab}}", &[LAB]),
        ("{matchLabels: {'io.cilium.k8s.namespace.labels.team': a}}", &[WEB]),
        ("{matchLabels: {'reserved:world': ''}}", &[FOREIGN_NODE, OUTSIDE, OTHERS]),
    ] {
        let text =
            clusterwide(&format!("{{endpointSelector: {{}}, egress: [{{toEndpoints: [{selector}]}}]}}"));
        let passes = |peer: &&str| {
            matches!(site.decide(&text, DB, true, peer, 80, Protocol::Tcp), Decision::Allowed(_))
        };
        assert_eq!(ALL.into_iter().filter(passes).collect::<Vec<_>>(), expected, "{selector}");
    }
}

#[test]
fn a_rule_without_peers_holds_everybody_on_its_ports_and_nobody_without_ports() {
    let site = Site::new();
    assert_eq!(site.passing(true, "toPorts: [{ports: [{port: '80', protocol: TCP}]}]", &ALL), ALL);
    assert_eq!(site.passing(true, "", &ALL), [""; 0]);
    // Without ports, everything of a peer passes, ICMP as well.
    for (rule, udp, icmp) in [
        ("toEndpoints: [{}]", true, true),
        ("toEndpoints: [{}], toPorts: [{ports: [{port: '80'}]}]", true, false),
        ("toEndpoints: [{}], icmps: [{fields: [{type: 8, family: IPv4}]}]", false, true),
    ] {
        let text = policy(&format!("{{endpointSelector: {{}}, egress: [{{{rule}}}]}}"));
        let passes =
            |protocol| matches!(site.decide(&text, DB, true, WEB, 80, protocol), Decision::Allowed(_));
        assert_eq!((passes(Protocol::Udp), passes(Protocol::Icmp)), (udp, icmp), "{rule}");
    }
}

#[test]
fn ports_are_numbers_ranges_names_and_transports() {
    let site = Site::new();
    for (port, number, protocol, holds) in [
        ("{port: '80', protocol: TCP}", 80, Protocol::Tcp, true),
        ("{port: '80', protocol: TCP}", 80, Protocol::Udp, false),
        ("{port: '80', protocol: ANY}", 80, Protocol::Sctp, true),
        ("{port: '80'}", 80, Protocol::Udp, true),
        ("{port: '80'}", 81, Protocol::Udp, false),
        ("{port: '80', endPort: 90, protocol: TCP}", 90, Protocol::Tcp, true),
        ("{port: '80', endPort: 90, protocol: TCP}", 91, Protocol::Tcp, false),
        // 0 is every port.
        ("{port: '0', protocol: TCP}", 9, Protocol::Tcp, true),
        ("{port: '0', protocol: TCP}", 9, Protocol::Udp, false),
        ("{port: http, protocol: TCP}", 8080, Protocol::Tcp, true),
        ("{port: HTTP}", 8080, Protocol::Tcp, true),
        ("{port: http}", 80, Protocol::Tcp, false),
        ("{port: https}", 8080, Protocol::Tcp, false),
    ] {
        for (key, is_egress) in [("ingress", false), ("egress", true)] {
            let text =
                policy(&format!("{{endpointSelector: {{}}, {key}: [{{toPorts: [{{ports: [{port}]}}]}}]}}"));
            let passes =
                matches!(site.decide(&text, DB, is_egress, WEB, number, protocol), Decision::Allowed(_));
            assert_eq!(passes, holds, "{key} {port} {number}");
        }
    }
}

#[test]
fn what_denies_goes_before_what_allows_wherever_it_stands() {
    let site = Site::new();
    let allow = named("a", "{endpointSelector: {}, ingress: [{fromEntities: [all]}]}");
    for (deny, peer, passes) in [
        (named("d", "{endpointSelector: {}, ingressDeny: [{fromEntities: [world]}]}"), OUTSIDE, false),
        (named("d", "{endpointSelector: {}, ingressDeny: [{fromEntities: [world]}]}"), WEB, true),
        (clusterwide("{endpointSelector: {}, ingressDeny: [{fromCIDR: [192.0.2.0/24]}]}"), OUTSIDE, false),
        (
            named("d", "{endpointSelector: {}, ingressDeny: [{toPorts: [{ports: [{port: '80'}]}]}]}"),
            WEB,
            false,
        ),
        (
            named("d", "{endpointSelector: {}, ingressDeny: [{toPorts: [{ports: [{port: '81'}]}]}]}"),
            WEB,
            true,
        ),
        // Even what a pod's own node sends it.
        (named("d", "{endpointSelector: {}, ingressDeny: [{fromEntities: [host]}]}"), OWN_NODE, false),
        (named("d", "{endpointSelector: {}, egressDeny: [{toEntities: [all]}]}"), OUTSIDE, true),
    ] {
        let both = format!("{allow}---\n{deny}");
        let decision = site.decide(&both, DB, false, peer, 80, Protocol::Tcp);
        assert_eq!(decision != Decision::Denied, passes, "{deny}");
    }
    // It cuts even where it closes nothing.
    let open =
        "{endpointSelector: {}, ingressDeny: [{fromEntities: [world]}], enableDefaultDeny: {ingress: false}}";
    assert_eq!(site.of_db(open, false, OUTSIDE), Decision::Denied);
    assert_eq!(site.of_db(open, false, WEB), Decision::NotGoverned);
}

#[test]
fn requirements_hold_for_the_endpoints_of_every_policy() {
    let site = Site::new();
    let allow =
        named("a", "{endpointSelector: {}, ingress: [{fromEndpoints: [{}]}, {fromCIDR: [192.0.2.0/24]}]}");
    let require = |label: &str| {
        named(
            "r",
            &format!(
                "{{endpointSelector: {{}}, ingress: [{{fromRequires: [{{matchLabels: {{tier: {label}}}}}]}}]}}"
            ),
        )
    };
    for (label, peer, passes) in
        [("front", WEB, true), ("back", WEB, false), ("front", OUTSIDE, true), ("back", OUTSIDE, true)]
    {
        let both = format!("{allow}---\n{}", require(label));
        let decision = site.decide(&both, DB, false, peer, 80, Protocol::Tcp);
        assert_eq!(decision != Decision::Denied, passes, "{label} {peer}");
    }
    // Alone they let nobody through.
    assert_eq!(site.decide(&require("front"), DB, false, WEB, 80, Protocol::Tcp), Decision::Denied);
}

#[test]
fn names_stand_for_the_inventorys_addresses_where_dns_is_listened_to() {
    let site = Site::new();
    let policy = |name: &str, asked: &str| {
        let dns = format!(
            "{{toEntities: [world], toPorts: [{{ports: [{{port: '53'}}], rules: {{dns: [{asked}]}}}}]}}"
        );
        policy(&format!("{{endpointSelector: {{}}, egress: [{{toFQDNs: [{name}]}}, {dns}]}}"))
    };
    let everything = "{matchPattern: '*'}";
    for (name, asked, git, any_of) in [
        ("{matchName: git.example.com}", everything, true, false),
        ("{matchName: GIT.example.com.}", everything, true, false),
        ("{matchName: example.com}", everything, false, false),
        ("{matchPattern: '*.example.com'}", everything, true, false),
        // A star is within one label.
        ("{matchPattern: '*.com'}", everything, false, false),
        ("{matchPattern: 'g*t.example.com'}", everything, true, false),
        ("{matchPattern: 'git.example.com*'}", everything, true, false),
        ("{matchPattern: '*'}", everything, true, true),
        ("{matchPattern: '*.example.org'}", everything, false, true),
        ("{matchName: a.example.org}", everything, false, false),
        // What may not be asked for has no addresses.
        ("{matchName: git.example.com}", "{matchName: git.example.com}", true, false),
        ("{matchName: git.example.com}", "{matchName: www.example.com}", false, false),
    ] {
        let passes = |peer: &str| {
            matches!(
                site.decide(&policy(name, asked), DB, true, peer, 443, Protocol::Tcp),
                Decision::Allowed(_)
            )
        };
        assert_eq!((passes(OUTSIDE), passes("198.51.100.9")), (git, any_of), "{name} {asked}");
    }
    let unheard = "{endpointSelector: {}, egress: [{toFQDNs: [{matchName: git.example.com}]}]}";
    assert_eq!(site.of_db(unheard, true, OUTSIDE), Decision::Denied);
}

#[test]
fn policies_for_nodes_are_for_what_has_their_network() {
    let site = Site::new();
    let rules = "ingress: [{fromEntities: [remote-node]}]";
    for (selector, governed) in [
        ("{}", true),
        ("{matchLabels: {kubernetes.io/hostname: host1}}", true),
        ("{matchLabels: {pool: edge}}", true),
        ("{matchLabels: {kubernetes.io/hostname: n1}}", false),
    ] {
        let text = clusterwide(&format!("{{nodeSelector: {selector}, {rules}}}"));
        for (peer, decision) in [(OUTSIDE, Decision::Denied), (WEB, Decision::Denied)] {
            let found = site.decide(&text, OWN_NODE, false, peer, 22, Protocol::Tcp);
            assert_eq!(found, if governed { decision } else { Decision::NotGoverned }, "{selector} {peer}");
        }
        let found = site.decide(&text, OWN_NODE, false, OTHER_NODE, 22, Protocol::Tcp);
        assert_eq!(matches!(found, Decision::Allowed(_)), governed, "{selector}");
    }
    // One whose labels nobody gave has its name for one.
    let text =
        clusterwide(&format!("{{nodeSelector: {{matchLabels: {{kubernetes.io/hostname: n2}}}}, {rules}}}"));
    assert_eq!(site.decide(&text, OTHER_NODE, false, OUTSIDE, 22, Protocol::Tcp), Decision::Denied);
    // What it sends itself leaves its network nowhere.
    assert_eq!(site.decide(&text, OTHER_NODE, false, OTHER_NODE, 22, Protocol::Tcp), Decision::NotGoverned);
}

#[test]
fn what_the_agent_leaves_out_of_identities_selects_nobody_and_is_said() {
    let pod = r#"{"kind": "Pod", "metadata": {"namespace": "shop", "name": "db-0",
        "labels": {"app": "db", "statefulset.kubernetes.io/pod-name": "db-0", "pod-template-hash": "5"}},
        "spec": {"nodeName": "n1", "containers": []}, "status": {"podIPs": [{"ip": "10.0.0.1"}]}}"#;
    let objects =
        ClusterObjects::read([(format!("{{\"items\": [{pod}]}}").as_bytes(), "run.json")]).expect("a pod");
    let inventory = read_inventory(
        "apiVersion: flowdrift/v1\nkind: Inventory\nclusters: {run: {nodes: {n1: 172.16.0.1}, pods: [10.0.0.0/16]}}\n",
        "i.yaml",
    )
    .expect("an inventory");
    let clusters = [("run".to_owned(), objects)].into();
    let world = World::new(&inventory, &clusters);
    for (label, is_governed) in [
        ("app: db", true),
        ("statefulset.kubernetes.io/pod-name: db-0", false),
        ("pod-template-hash: '5'", false),
    ] {
        let text = policy(&format!("{{endpointSelector: {{matchLabels: {{{label}}}}}, egress: [{{}}]}}"));
        let policies = read(&text, "p.yaml").unwrap_or_else(|faults| panic!("{faults}"));
        let Ok(cilium) = Cilium::new(&world, "run", policies) else { panic!("it can be evaluated") };
        let decision = cilium.decide(&passage(&world, ("10.0.0.1", OUTSIDE), true, 80, Protocol::Tcp));
        assert_eq!(decision != Decision::NotGoverned, is_governed, "{label}");
        assert_eq!(cilium.notes().is_empty(), is_governed, "{label}: {:?}", cilium.notes());
    }
}

#[test]
fn the_api_server_is_nowhere_where_nothing_tells() {
    let site = Site::with(false);
    let world = site.world();
    let speaking_of = |entity: &str| {
        let text = policy(&format!("{{endpointSelector: {{}}, egress: [{{toEntities: [{entity}]}}]}}"));
        read(&text, "p.yaml").unwrap_or_else(|faults| panic!("{faults}"))
    };
    let Err(faults) = Cilium::new(&world, "run", speaking_of("kube-apiserver")) else {
        panic!("nothing tells where it is")
    };
    assert!(
        faults[0].starts_with("run/shop/p: the entity `kube-apiserver` cannot be evaluated"),
        "{faults:?}"
    );
    assert!(Cilium::new(&world, "run", speaking_of("world")).is_ok());
}

#[test]
fn rules_are_those_that_let_something_through() {
    let site = Site::new();
    let text = policy(
        "{endpointSelector: {}, ingress: [{}], egress: [{toEntities: [world], toPorts: [{ports: [{port: '53'}], rules: {dns: [{matchPattern: '*'}]}}]}, {toEndpoints: [{}]}], egressDeny: [{toEntities: [host]}]}",
    );
    let policies = read(&text, "p.yaml").unwrap_or_else(|faults| panic!("{faults}"));
    let world = site.world();
    let Ok(cilium) = Cilium::new(&world, "run", policies) else { panic!("it can be evaluated") };
    let rules: Vec<(String, bool, usize)> =
        cilium.rules().into_iter().map(|rule| (rule.document, rule.is_egress, rule.index)).collect();
    assert_eq!(rules, [("run/shop/p".to_owned(), true, 1)]);
    assert_eq!(
        cilium.notes(),
        [
            "run/shop/p: spec.egress[0].toPorts[0]: rules of layer 7 are not compared: the port is taken to be open to all that they are about"
        ]
    );
}
