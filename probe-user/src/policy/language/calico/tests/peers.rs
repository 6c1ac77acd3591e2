//! Whom and what a rule holds.

use super::*;
use crate::policy::language::site::{LAB, NODE, OTHER_NODE, OUTSIDE, WEB};

const SETS: &str = "apiVersion: projectcalico.org/v3\nkind: NetworkSet\nmetadata: {name: s, namespace: shop, labels: {set: own}}\nspec: {nets: [192.0.2.0/28]}\n---\napiVersion: projectcalico.org/v3\nkind: NetworkSet\nmetadata: {name: s, namespace: lab, labels: {set: labs}}\nspec: {nets: [192.0.2.7]}\n---\napiVersion: projectcalico.org/v3\nkind: GlobalNetworkSet\nmetadata: {name: s, labels: {set: all, app: web}}\nspec: {nets: [198.51.100.0/24, \"2001:db8::/32\"]}\n";

#[test]
fn ends_of_a_rule_of_a_namespace_are_looked_for_there_unless_it_says_otherwise() {
    let peers = [WEB, LAB, OUTSIDE, "198.51.100.9", "2001:db8::7", OTHER_NODE];
    for (source, held) in [
        ("{}", [true; 6]),
        ("{selector: all()}", [true, false, true, false, false, false]),
        ("{selector: ''}", [true; 6]),
        ("{selector: app == 'web'}", [true, false, false, false, false, false]),
        ("{selector: set == 'own'}", [false, false, true, false, false, false]),
        ("{selector: set == 'labs'}", [false; 6]),
        ("{namespaceSelector: all()}", [true, true, true, false, false, false]),
        ("{namespaceSelector: global()}", [false, false, false, true, true, false]),
        ("{namespaceSelector: '!all()'}", [false, false, false, true, true, false]),
        ("{namespaceSelector: team == 'b'}", [false, true, true, false, false, false]),
        (
            "{namespaceSelector: projectcalico.org/name == 'lab', selector: has(app)}",
            [false, true, false, false, false, false],
        ),
        (
            "{namespaceSelector: kubernetes.io/metadata.name == 'lab', selector: has(set)}",
            [false, false, true, false, false, false],
        ),
        ("{namespaceSelector: global(), selector: app == 'web'}", [false, false, false, true, true, false]),
        // What has no such label differs from it: what is in no namespace, too.
        ("{namespaceSelector: team != 'a'}", [false, true, true, true, true, false]),
        ("{nets: [10.0.0.0/30]}", [true, true, false, false, false, false]),
        // One of IPv6 is none of a rule that has blocks of IPv4 alone.
        ("{notNets: [10.0.0.0/8]}", [false, false, true, true, false, true]),
        ("{nets: [10.0.0.0/8], notNets: [10.0.0.3]}", [true, false, false, false, false, false]),
        // Whoever is not selected is so in the policy's own namespace, and is looked for everywhere.
        ("{notSelector: app == 'web'}", [false, false, true, false, false, false]),
        ("{notSelector: app == 'db'}", [true, false, true, false, false, false]),
        ("{namespaceSelector: all(), notSelector: app == 'web'}", [false, false, true, false, false, false]),
        ("{selector: has(app), nets: [192.0.2.0/24]}", [false; 6]),
        (
            "{selector: projectcalico.org/namespace == 'shop' && projectcalico.org/orchestrator == 'k8s'}",
            [true, false, false, false, false, false],
        ),
        ("{namespaceSelector: all(), selector: pcns.team == 'b'}", [false, true, true, false, false, false]),
        (
            "{namespaceSelector: all(), selector: pcns.projectcalico.org/name == 'lab'}",
            [false, true, true, false, false, false],
        ),
    ] {
        let documents =
            [policy("p", &format!("{{ingress: [{{action: Allow, source: {source}}}]}}")), SETS.to_owned()];
        let found = peers.map(|peer| passes(&documents, of_db(peer, false)));
        assert_eq!(found, held, "{source}");
    }
}

#[test]
fn ends_of_a_global_rule_are_looked_for_everywhere() {
    let peers = [WEB, LAB, OUTSIDE, "198.51.100.9", OTHER_NODE];
    for (source, held) in [
        ("{selector: all()}", [true, true, true, true, false]),
        ("{selector: app == 'web'}", [true, true, false, true, false]),
        ("{selector: projectcalico.org/namespace == 'lab'}", [false, true, true, false, false]),
        ("{notSelector: has(app)}", [false, false, true, false, true]),
        ("{namespaceSelector: team == 'a'}", [true, false, true, false, false]),
    ] {
        let documents = [
            global(
                "GlobalNetworkPolicy",
                "p",
                &format!("{{ingress: [{{action: Allow, source: {source}}}]}}"),
            ),
            SETS.to_owned(),
        ];
        let found = peers.map(|peer| passes(&documents, of_db(peer, false)));
        assert_eq!(found, held, "{source}");
    }
    for (selector, decision) in [
        ("namespaceSelector: team == 'a'", Decision::Denied),
        ("namespaceSelector: team == 'b'", Decision::NotGoverned),
        ("selector: app == 'db', namespaceSelector: all()", Decision::Denied),
        ("selector: app == 'web'", Decision::NotGoverned),
    ] {
        let documents = [global("GlobalNetworkPolicy", "p", &format!("{{{selector}}}"))];
        assert_eq!(decide(&documents, of_db(WEB, false)), decision, "{selector}");
    }
    // Where nodes have endpoints, selectors know them.
    let documents = [
        policy(
            "p",
            "{ingress: [{action: Allow, source: {namespaceSelector: global(), selector: has(kubernetes.io/hostname)}}]}",
        ),
        global("GlobalNetworkPolicy", "q", "{selector: has(kubernetes.io/hostname)}"),
    ];
    assert!(passes(&documents, of_db(OTHER_NODE, false)));
    assert!(!passes(&documents[..1], of_db(OTHER_NODE, false)));
    assert!(!passes(&documents, of_db(WEB, false)));
}

#[test]
fn both_ends_of_a_rule_must_be_so_in_either_direction() {
    for (rule, ingress, egress) in [
        ("source: {selector: app == 'web'}", true, false),
        ("destination: {selector: app == 'web'}", false, true),
        ("source: {selector: app == 'db'}", false, true),
        ("source: {selector: app == 'web'}, destination: {selector: app == 'db'}", true, false),
        ("source: {nets: [10.0.0.2]}, destination: {nets: [10.0.0.1]}", false, true),
        ("source: {selector: app == 'web'}, destination: {selector: app == 'web'}", false, false),
    ] {
        let rules = format!("[{{action: Allow, {rule}}}]");
        let documents = [policy("p", &format!("{{ingress: {rules}, egress: {rules}}}"))];
        let found = [false, true].map(|is_egress| passes(&documents, of_db(WEB, is_egress)));
        assert_eq!(found, [ingress, egress], "{rule}");
    }
}

#[test]
fn transports_and_ports_are_numbers_ranges_and_names() {
    for (rule, port, protocol, held) in [
        ("protocol: TCP", 9, Protocol::Tcp, true),
        ("protocol: TCP", 9, Protocol::Udp, false),
        ("protocol: tcp", 9, Protocol::Tcp, true),
        ("protocol: 6", 9, Protocol::Tcp, true),
        ("protocol: 17", 9, Protocol::Udp, true),
        ("protocol: SCTP", 9, Protocol::Sctp, true),
        ("protocol: ICMP", 0, Protocol::Icmp, true),
        ("protocol: ICMPv6", 0, Protocol::Icmp, false),
        ("protocol: UDPLite", 9, Protocol::Udp, false),
        ("notProtocol: UDP", 9, Protocol::Udp, false),
        ("notProtocol: UDP", 9, Protocol::Tcp, true),
        ("ipVersion: 4", 9, Protocol::Tcp, true),
        ("ipVersion: 6", 9, Protocol::Tcp, false),
        ("protocol: TCP, destination: {ports: [80]}", 80, Protocol::Tcp, true),
        ("protocol: TCP, destination: {ports: [80]}", 81, Protocol::Tcp, false),
        ("protocol: TCP, destination: {ports: [70, '80:90']}", 90, Protocol::Tcp, true),
        ("protocol: TCP, destination: {ports: [70, '80:90']}", 80, Protocol::Tcp, true),
        ("protocol: TCP, destination: {ports: [70, '80:90']}", 91, Protocol::Tcp, false),
        ("protocol: TCP, destination: {ports: ['80']}", 80, Protocol::Tcp, true),
        ("protocol: TCP, destination: {notPorts: [80, '90:99']}", 95, Protocol::Tcp, false),
        ("protocol: TCP, destination: {notPorts: [80, '90:99']}", 89, Protocol::Tcp, true),
        ("protocol: TCP, destination: {ports: ['80:90'], notPorts: [85]}", 85, Protocol::Tcp, false),
        ("protocol: TCP, destination: {ports: [http]}", 8080, Protocol::Tcp, true),
        ("protocol: TCP, destination: {ports: [http]}", 80, Protocol::Tcp, false),
        ("protocol: UDP, destination: {ports: [http]}", 8080, Protocol::Udp, false),
        ("protocol: TCP, destination: {notPorts: [http]}", 8080, Protocol::Tcp, false),
    ] {
        for (key, is_egress) in [("ingress", false), ("egress", true)] {
            let documents = [policy("p", &format!("{{{key}: [{{action: Allow, {rule}}}]}}"))];
            let asked = Asked { port, protocol, ..of_db(WEB, is_egress) };
            assert_eq!(passes(&documents, asked), held, "{key} {rule}");
        }
    }
    // The name is the server's, and who is no pod has none.
    let documents = [policy("p", "{egress: [{action: Allow, protocol: TCP, destination: {ports: [http]}}]}")];
    for peer in [OUTSIDE, NODE] {
        assert!(!passes(&documents, Asked { port: 8080, ..of_db(peer, true) }));
    }
    let documents = [policy("p", "{ingress: [{action: Allow, ipVersion: 6, protocol: ICMPv6}]}")];
    assert!(passes(&documents, Asked { own: DB, protocol: Protocol::Icmp, ..of_db("2001:db8::7", false) }));
}
