use super::*;
use crate::{
    event::Protocol,
    policy::language::{
        Decision, Evaluator,
        site::{DB, LAB, NODE, OTHER_NODE, OUTSIDE, Site, WEB, passage},
    },
};

impl Site {
    /// What becomes of connections to `db` and from it, by policies in its namespace.
    fn decide(&self, policies: &str, is_egress: bool, peer: &str, port: u16, protocol: Protocol) -> Decision {
        let policies = read(policies, "p.yaml").unwrap_or_else(|faults| panic!("{faults}"));
        let world = self.world();
        let passage = passage(&world, (DB, peer), is_egress, port, protocol);
        NetworkPolicies::new(&world, "run", policies).decide(&passage)
    }

    fn passes(&self, spec: &str, peer: &str, port: u16, protocol: Protocol) -> bool {
        let decision = self.decide(&policy(spec), spec.contains("egress"), peer, port, protocol);
        assert_ne!(decision, Decision::NotGoverned, "{spec}");
        matches!(decision, Decision::Allowed(_) | Decision::BeyondPolicies)
    }
}

fn policy(spec: &str) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: p, namespace: shop}}\nspec: {spec}\n"
    )
}

#[test]
fn a_pod_is_isolated_only_where_a_policy_with_that_type_selects_it() {
    let site = Site::new();
    let decide = |spec: &str, is_egress| site.decide(&policy(spec), is_egress, WEB, 80, Protocol::Tcp);
    for (spec, ingress, egress) in [
        ("{podSelector: {}}", Decision::Denied, Decision::NotGoverned),
        ("{podSelector: {}, policyTypes: [Egress]}", Decision::NotGoverned, Decision::Denied),
        ("{podSelector: {}, policyTypes: [Ingress, Egress]}", Decision::Denied, Decision::Denied),
        // Without types: always ingress, and egress where there are rules for it.
        ("{podSelector: {}, egress: []}", Decision::Denied, Decision::NotGoverned),
        ("{podSelector: {}, policyTypes: []}", Decision::Denied, Decision::NotGoverned),
        (
            "{podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress, Egress]}",
            Decision::NotGoverned,
            Decision::NotGoverned,
        ),
    ] {
        assert_eq!((decide(spec, false), decide(spec, true)), (ingress, egress), "{spec}");
    }
    let elsewhere = policy("{podSelector: {}}").replace("namespace: shop", "namespace: lab");
    assert_eq!(site.decide(&elsewhere, false, WEB, 80, Protocol::Tcp), Decision::NotGoverned);
}

#[test]
fn policies_add_up_and_an_empty_rule_holds_everything() {
    let site = Site::new();
    let first = policy("{podSelector: {}, ingress: [{ports: [{port: 80}]}]}");
    let second =
        policy("{podSelector: {}, ingress: [{ports: [{port: 81}]}]}").replace("name: p,", "name: q,");
    let both = format!("{first}---\n{second}");
    for (port, passes) in [(80, true), (81, true), (82, false)] {
        let decision = site.decide(&both, false, WEB, port, Protocol::Tcp);
        assert_eq!(matches!(decision, Decision::Allowed(_)), passes, "{port}");
    }
    assert!(site.passes("{podSelector: {}, ingress: [{}]}", OUTSIDE, 7, Protocol::Udp));
    assert!(site.passes("{podSelector: {}, ingress: [{from: [], ports: []}]}", OUTSIDE, 7, Protocol::Udp));
}

#[test]
fn peers_are_pods_of_this_namespace_of_others_or_blocks() {
    let site = Site::new();
    for (from, web, lab, outside) in [
        ("{podSelector: {}}", true, false, false),
        ("{podSelector: {matchLabels: {app: web}}}", true, false, false),
        ("{namespaceSelector: {}}", true, true, false),
        ("{namespaceSelector: {matchLabels: {team: b}}}", false, true, false),
        (
            "{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: lab}}, podSelector: {matchLabels: {app: web}}}",
            false,
            true,
            false,
        ),
        (
            "{namespaceSelector: {matchLabels: {team: b}}, podSelector: {matchLabels: {app: db}}}",
            false,
            false,
            false,
        ),
        ("{ipBlock: {cidr: 192.0.2.0/24}}", false, false, true),
        ("{ipBlock: {cidr: 192.0.2.0/24, except: [192.0.2.0/28]}}", false, false, false),
        ("{ipBlock: {cidr: 10.0.0.1/32}}", true, false, false),
    ] {
        let spec = format!("{{podSelector: {{}}, ingress: [{{from: [{from}]}}]}}");
        let passes = |peer| site.passes(&spec, peer, 80, Protocol::Tcp);
        assert_eq!((passes(WEB), passes(LAB), passes(OUTSIDE)), (web, lab, outside), "{from}");
    }
}

#[test]
fn selectors_hold_as_the_api_says() {
    let site = Site::new();
    for (expression, holds) in [
        ("{key: app, operator: In, values: [web, x]}", true),
        ("{key: app, operator: NotIn, values: [web]}", false),
        // What has no such label is in no set.
        ("{key: colour, operator: NotIn, values: [blue]}", true),
        ("{key: colour, operator: In, values: [blue]}", false),
        ("{key: tier, operator: Exists}", true),
        ("{key: tier, operator: DoesNotExist}", false),
        ("{key: colour, operator: DoesNotExist}", true),
    ] {
        let spec = format!(
            "{{podSelector: {{}}, ingress: [{{from: [{{podSelector: {{matchExpressions: [{expression}]}}}}]}}]}}"
        );
        assert_eq!(site.passes(&spec, WEB, 80, Protocol::Tcp), holds, "{expression}");
    }
}

#[test]
fn ports_are_numbers_ranges_names_and_transports() {
    let site = Site::new();
    for (port, number, protocol, holds) in [
        ("{port: 80}", 80, Protocol::Tcp, true),
        ("{port: 80}", 80, Protocol::Udp, false),
        ("{port: 80, protocol: UDP}", 80, Protocol::Udp, true),
        ("{protocol: UDP}", 9, Protocol::Udp, true),
        ("{protocol: UDP}", 9, Protocol::Tcp, false),
        ("{port: 80, endPort: 90}", 90, Protocol::Tcp, true),
        ("{port: 80, endPort: 90}", 91, Protocol::Tcp, false),
        ("{port: http}", 8080, Protocol::Tcp, true),
        ("{port: http}", 80, Protocol::Tcp, false),
        ("{port: https}", 8080, Protocol::Tcp, false),
    ] {
        for key in ["ingress", "egress"] {
            let spec = format!(
                "{{podSelector: {{}}, policyTypes: [{}], {key}: [{{ports: [{port}]}}]}}",
                if key == "egress" { "Egress" } else { "Ingress" }
            );
            assert_eq!(site.passes(&spec, WEB, number, protocol), holds, "{key} {port} {number}");
        }
    }
    // The name is the server's: an address outside of the cluster has none.
    assert!(!site.passes(
        "{podSelector: {}, policyTypes: [Egress], egress: [{ports: [{port: http}]}]}",
        OUTSIDE,
        8080,
        Protocol::Tcp
    ));
}

#[test]
fn a_pods_own_node_always_reaches_it() {
    let site = Site::new();
    assert!(site.passes("{podSelector: {}}", NODE, 80, Protocol::Tcp));
    assert!(!site.passes("{podSelector: {}}", OTHER_NODE, 80, Protocol::Tcp));
}

#[test]
fn every_fault_is_told_with_its_place() {
    let text = policy(
        "{podSelector: {}, policyTypes: [Inbound], ingress: [{from: [{ipBlock: {cidr: 192.0.2.0}}, {}, {ipBlock: {cidr: 192.0.2.0/24, except: [10.0.0.0/8]}}], \
         ports: [{port: 70000}, {port: 90, endPort: 80}, {port: x, endPort: 2}, {protocol: ICMP}]}, {from: [{podSelector: {matchExpressions: [{key: a, operator: In}]}}]}]}",
    );
    let text = format!("{text}---\napiVersion: v1\nkind: Pod\n---\n{}", policy("{podSelectr: {}}"));
    let faults = read(&text, "p.yaml").expect_err("it is faulty");
    let paths: Vec<&str> = faults.faults.iter().map(|fault| fault.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "spec.policyTypes[0]",
            "spec.ingress[0].from[0].ipBlock.cidr",
            "spec.ingress[0].from[1]",
            "spec.ingress[0].from[2].ipBlock.except",
            "spec.ingress[0].ports[0]",
            "spec.ingress[0].ports[1]",
            "spec.ingress[0].ports[2]",
            "spec.ingress[0].ports[3]",
            "spec.ingress[1].from[0].podSelector.matchExpressions[0]",
            "kind",
            "spec",
        ],
        "{faults}"
    );
    assert!(
        faults.to_string().contains("unknown key `podSelectr` (did you mean `podSelector`?)"),
        "{faults}"
    );
}
