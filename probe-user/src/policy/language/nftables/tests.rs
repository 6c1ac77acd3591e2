use std::{collections::BTreeMap, net::IpAddr};

use serde_json::{Value, json};

use super::*;
use crate::{
    event::Protocol,
    matrix::read_inventory,
    policy::{
        language::{Decision, Evaluator, Passing},
        passage::{Passage, Standing},
        proof::prove,
        world::Party,
    },
};

/// A listing with chains of one table and what is in them.
#[derive(Clone)]
struct Table {
    family: &'static str,
    objects: Vec<Value>,
}

impl Table {
    fn new(family: &'static str) -> Self {
        Self { family, objects: vec![json!({"metainfo": {"json_schema_version": 1}})] }
    }

    fn base(self, name: &str, hook: &str, priority: i64, policy: &str) -> Self {
        self.object(
            "chain",
            json!({"name": name, "type": "filter", "hook": hook, "prio": priority, "policy": policy}),
        )
    }

    fn chain(self, name: &str) -> Self {
        self.object("chain", json!({"name": name}))
    }

    fn rule(self, chain: &str, expr: Value) -> Self {
        self.object("rule", json!({"chain": chain, "expr": expr}))
    }

    fn object(mut self, kind: &str, mut object: Value) -> Self {
        object["family"] = json!(self.family);
        object["table"] = json!("t");
        self.objects.push(json!({ kind: object }));
        self
    }

    /// Lets answers through, as every ruleset must.
    fn answers(self, chain: &str) -> Self {
        self.rule(
            chain,
            json!([
                matching("in", json!({"ct": {"key": "state"}}), json!(["established", "related"])),
                accept()
            ]),
        )
    }

    fn ruleset(&self) -> Ruleset {
        let text = json!({"nftables": self.objects}).to_string();
        read(&text, "n1.nft").unwrap_or_else(|faults| panic!("{faults}"))
    }

    fn fault(&self) -> String {
        let text = json!({"nftables": self.objects}).to_string();
        read(&text, "n1.nft").map(|_| String::new()).unwrap_or_else(|faults| faults.to_string())
    }

    /// What becomes of what passes.
    fn decide(&self, what: &str) -> Decision {
        let nodes = BTreeMap::from([("n1".to_owned(), self.ruleset())]);
        Rulesets::new("run", nodes).decide(&passage(what))
    }

    fn passes(&self, what: &str) -> bool {
        self.decide(what).passing() == Passing::Always
    }
}

/// What a connection of the node n1 (172.16.0.1) passes: `→ address port`, or `← address port`.
fn passage(what: &str) -> Passage<'_> {
    let words: Vec<&str> = what.split(' ').collect();
    let address = |text: &str| text.parse::<IpAddr>().expect("an address");
    let peer = address(words[1]);
    let own = if peer.is_ipv4() { address("172.16.0.1") } else { address("fd00::1") };
    let (port, protocol) = words[2].split_once('/').expect("a port and a transport");
    Passage::between(
        (Party::Node { cluster: "run", node: "n1", address: own, pod: None }, Party::Outside(peer)),
        words[0] == "→",
        port.parse().expect("a port"),
        if protocol == "udp" { Protocol::Udp } else { Protocol::Tcp },
    )
}

fn matching(op: &str, left: Value, right: Value) -> Value {
    json!({"match": {"op": op, "left": left, "right": right}})
}

fn payload(protocol: &str, field: &str) -> Value {
    json!({"payload": {"protocol": protocol, "field": field}})
}

fn accept() -> Value {
    json!({"accept": null})
}

fn verdict(kind: &str) -> Value {
    json!({ kind: null })
}

fn jump(kind: &str, target: &str) -> Value {
    json!({ kind: {"target": target} })
}

fn port(number: u16) -> Value {
    matching("==", payload("tcp", "dport"), json!(number))
}

/// `output` closed but for one rule; answers come in.
fn closed(expr: Value) -> Table {
    Table::new("inet").base("output", "output", 0, "drop").rule("output", expr)
}

#[test]
fn values_compare_as_nft_says() {
    let cases: [(Value, &[&str], &[&str]); 12] = [
        (
            port(443),
            &["→ 192.0.2.1 443/tcp", "→ 2001:db8::1 443/tcp"],
            &["→ 192.0.2.1 444/tcp", "→ 192.0.2.1 443/udp"],
        ),
        (
            matching("==", payload("ip", "daddr"), json!({"prefix": {"addr": "192.0.2.0", "len": 24}})),
            &["→ 192.0.2.0 1/tcp", "→ 192.0.2.255 1/udp"],
            &["→ 192.0.3.0 1/tcp", "→ 2001:db8::1 1/tcp"],
        ),
        (
            matching(
                "==",
                payload("ip6", "daddr"),
                json!({"set": ["2001:db8::1", {"range": ["2001:db8::8", "2001:db8::f"]}]}),
            ),
            &["→ 2001:db8::1 1/tcp", "→ 2001:db8::f 1/tcp"],
            &["→ 2001:db8::2 1/tcp", "→ 2001:db8::10 1/tcp", "→ 192.0.2.1 1/tcp"],
        ),
        (
            matching("==", payload("tcp", "dport"), json!({"set": [80, {"range": [1000, 2000]}]})),
            &["→ 192.0.2.1 80/tcp", "→ 192.0.2.1 1000/tcp", "→ 192.0.2.1 2000/tcp"],
            &["→ 192.0.2.1 81/tcp", "→ 192.0.2.1 2001/tcp"],
        ),
        // What a packet does not have is neither equal nor unequal.
        (
            matching("!=", payload("tcp", "dport"), json!(80)),
            &["→ 192.0.2.1 81/tcp"],
            &["→ 192.0.2.1 80/tcp", "→ 192.0.2.1 81/udp"],
        ),
        (
            matching("!=", payload("ip", "daddr"), json!("192.0.2.1")),
            &["→ 192.0.2.2 1/tcp"],
            &["→ 192.0.2.1 1/tcp", "→ 2001:db8::1 1/tcp"],
        ),
        (
            matching("==", json!({"meta": {"key": "l4proto"}}), json!({"set": ["tcp", "udp"]})),
            &["→ 192.0.2.1 1/tcp", "→ 2001:db8::1 1/udp"],
            &[],
        ),
        (
            matching("==", json!({"meta": {"key": "nfproto"}}), json!("ipv6")),
            &["→ 2001:db8::1 1/tcp"],
            &["→ 192.0.2.1 1/tcp"],
        ),
        (
            matching("==", payload("th", "dport"), json!(53)),
            &["→ 192.0.2.1 53/tcp", "→ 192.0.2.1 53/udp"],
            &["→ 192.0.2.1 54/udp"],
        ),
        (
            matching(
                "==",
                json!({"concat": [payload("ip", "daddr"), payload("tcp", "dport")]}),
                json!({"set": [{"concat": ["192.0.2.1", 80]}, {"concat": ["192.0.2.2", {"range": [1, 9]}]}]}),
            ),
            &["→ 192.0.2.1 80/tcp", "→ 192.0.2.2 9/tcp"],
            &["→ 192.0.2.1 9/tcp", "→ 192.0.2.2 80/tcp"],
        ),
        (matching("==", json!({"meta": {"key": "oif"}}), json!("lo")), &[], &["→ 192.0.2.1 1/tcp"]),
        (
            matching("==", payload("icmpv6", "type"), json!("nd-neighbor-solicit")),
            &[],
            &["→ 2001:db8::1 1/tcp"],
        ),
    ];
    for (test, passing, cut) in cases {
        let table = closed(json!([test, {"counter": {"packets": 0, "bytes": 0}}, accept()]));
        passing.iter().for_each(|what| assert!(table.passes(what), "{what} {test}"));
        cut.iter().for_each(|what| assert!(!table.passes(what), "{what} {test}"));
    }
}

#[test]
fn chains_are_walked_as_netfilter_does() {
    let what = "→ 192.0.2.1 443/tcp";
    let open = Table::new("inet").base("output", "output", 0, "accept");
    assert_eq!(open.decide(what), Decision::NotGoverned);
    assert!(!open.clone().rule("output", json!([port(443), verdict("drop")])).passes(what));
    assert!(!open.clone().rule("output", json!([port(443), {"reject": {"type": "tcp reset"}}])).passes(what));
    // The first that decides does.
    let both =
        open.clone().rule("output", json!([port(443), accept()])).rule("output", json!([verdict("drop")]));
    assert!(both.passes(what) && !both.passes("→ 192.0.2.1 80/tcp"));
    // To accept ends a chain and not the way.
    let later = both.base("later", "output", 10, "drop");
    assert!(!later.passes(what));
    // What is dropped is not asked for again.
    let earlier = closed(json!([accept()])).base("raw", "output", -300, "drop");
    assert!(!earlier.passes(what));
    assert!(!closed(json!([accept()])).base("post", "postrouting", 0, "drop").passes(what));
    assert!(closed(json!([accept()])).base("in", "forward", 0, "drop").passes(what));
    let jumping = |kind: &str, inner: Value| {
        let table = Table::new("inet").base("output", "output", 0, "drop").chain("x");
        let table = table.rule("output", json!([jump(kind, "x")])).rule("output", json!([accept()]));
        table.rule("x", json!([inner]))
    };
    assert!(jumping("jump", verdict("return")).passes(what));
    assert!(jumping("jump", verdict("continue")).passes(what));
    assert!(!jumping("jump", verdict("drop")).passes(what));
    assert!(!jumping("goto", verdict("return")).passes(what));
    assert!(jumping("goto", accept()).passes(what));
}

#[test]
fn answers_have_to_come_back() {
    let what = "→ 192.0.2.1 443/tcp";
    let there = closed(json!([accept()])).base("input", "input", 0, "drop");
    assert!(!there.passes(what));
    assert!(there.clone().answers("input").passes(what));
    let by_port = |first, last| {
        json!([matching("==", payload("tcp", "dport"), json!({"range": [first, last]})), accept()])
    };
    assert!(there.clone().rule("input", by_port(32_768, 60_999)).passes(what));
    assert!(!there.clone().rule("input", by_port(40_000, 60_999)).passes(what));
    assert!(
        there
            .rule("input", json!([matching("==", payload("tcp", "sport"), json!(443)), accept()]))
            .passes(what)
    );
}

/// Nobody chooses the client's port: what is cut with some of them does not pass.
#[test]
fn a_client_may_have_any_port() {
    let range = |first: u16, last: u16| json!({"range": [first, last]});
    let sport = |op: &str, right: Value| matching(op, payload("tcp", "sport"), right);
    for (expr, passes) in [
        (sport("==", range(1_024, 65_535)), true),
        (sport("==", range(32_768, 60_999)), true),
        (sport("==", range(32_769, 60_999)), false),
        (sport("==", range(32_768, 60_998)), false),
        (sport("==", json!({"set": [range(1_024, 39_999), 40_000, range(40_001, 65_535)]})), true),
        (sport("==", json!({"set": [range(1_024, 39_999), range(40_001, 65_535)]})), false),
        (sport("!=", json!(53)), true),
        (sport("!=", json!(40_000)), false),
        (sport("!=", range(1_024, 65_535)), false),
    ] {
        let told = expr.to_string();
        let table = closed(json!([expr, port(443), accept()]));
        assert_eq!(table.passes("→ 192.0.2.1 443/tcp"), passes, "{told}");
        assert!(!table.passes("→ 192.0.2.1 444/tcp"), "{told}");
    }
    let open = || Table::new("inet").base("output", "output", 0, "accept");
    let drops = |right: Value| {
        open().rule("output", json!([sport("==", right), verdict("drop")])).passes("→ 192.0.2.1 443/tcp")
    };
    assert!(drops(range(1, 32_767)) && !drops(range(40_000, 40_100)) && !drops(range(1, 32_768)));
    let answered =
        |expr: Value| closed(json!([accept()])).base("input", "input", 0, "drop").rule("input", expr);
    let dport = |op: &str, right: Value| matching(op, payload("tcp", "dport"), right);
    assert!(answered(json!([dport("==", range(32_768, 60_999)), accept()])).passes("→ 192.0.2.1 443/tcp"));
    assert!(!answered(json!([dport("!=", json!(50_000)), accept()])).passes("→ 192.0.2.1 443/tcp"));
    // Each half by a rule of its own: both are needed.
    let halves = closed(json!([sport("==", range(1_024, 39_999)), accept()]))
        .rule("output", json!([sport("==", range(40_000, 65_535)), accept()]));
    // What nobody declared passes with the others: that is no denial.
    let partly = closed(json!([sport("!=", json!(40_000)), port(443), accept()]));
    assert_eq!(partly.decide("→ 192.0.2.1 443/tcp"), Decision::Partly);
    for (standing, cut, leaked) in [(Standing::Declared, 1, 0), (Standing::Undeclared, 0, 1)] {
        let nodes = BTreeMap::from([("n1".to_owned(), partly.ruleset())]);
        let passage = Passage { standing, ..passage("→ 192.0.2.1 443/tcp") };
        let proof = prove(&Rulesets::new("run", nodes), [passage]);
        assert_eq!((proof.cut.len(), proof.leaked.len(), proof.stopped, proof.partly), (cut, leaked, 0, 1));
    }
    let never = closed(json!([sport("==", range(1, 1_023)), accept()]));
    assert_eq!(never.decide("→ 192.0.2.1 443/tcp"), Decision::Denied);
    // What cannot hold for something else divides nothing.
    let other = closed(json!([sport("==", range(40_000, 40_100)), port(444), verdict("drop")]))
        .rule("output", json!([port(443), accept()]));
    assert!(other.passes("→ 192.0.2.1 443/tcp") && !other.passes("→ 192.0.2.1 444/tcp"));
    // Whoever is outside may be behind a translation.
    let reached = |first: u16, last: u16| {
        let expr = json!([sport("==", range(first, last)), accept()]);
        Table::new("inet").base("input", "input", 0, "drop").rule("input", expr).decide("← 192.0.2.1 443/tcp")
    };
    assert_eq!(reached(32_768, 60_999), Decision::Partly);
    assert!(matches!(reached(1_024, 65_535), Decision::Allowed(_)));
    let Decision::AllowedInTurn(turns) = halves.decide("→ 192.0.2.1 443/tcp") else { panic!("it passes") };
    assert_eq!(turns.len(), 2);
}

#[test]
fn a_table_of_one_family_sees_that_one() {
    let table = Table::new("ip").base("output", "output", 0, "drop");
    assert!(!table.passes("→ 192.0.2.1 443/tcp"));
    assert_eq!(table.decide("→ 2001:db8::1 443/tcp"), Decision::NotGoverned);
}

#[test]
fn sets_and_maps_are_looked_up_where_they_are_kept() {
    let named = matching("==", payload("ip", "saddr"), json!("@known"));
    let table = Table::new("inet").base("input", "input", 0, "drop").chain("x");
    let table = table.object("set", json!({"name": "known", "type": "ipv4_addr", "elem": [{"elem": {"val": "192.0.2.1", "comment": "c"}}, "192.0.2.9"]}));
    let table = table.rule("input", json!([named, accept()]));
    assert!(
        table.passes("← 192.0.2.1 1/tcp")
            && table.passes("← 192.0.2.9 1/tcp")
            && !table.passes("← 192.0.2.2 1/tcp")
    );
    let map = json!({"vmap": {"key": payload("ip", "saddr"), "data": {"set": [["192.0.2.2", jump("jump", "x")], ["192.0.2.3", verdict("drop")]]}}});
    let table = table.rule("input", json!([map])).rule("x", json!([port(80), accept()]));
    assert!(table.passes("← 192.0.2.2 80/tcp") && !table.passes("← 192.0.2.2 81/tcp"));
    let states = json!({"vmap": {"key": {"ct": {"key": "state"}}, "data": "@states"}});
    let table = table.object("map", json!({"name": "states", "map": "verdict", "elem": [["established", accept()], ["new", verdict("drop")]]}));
    assert!(table.fault().is_empty());
    assert!(!table.rule("input", json!([states])).passes("← 192.0.2.7 1/tcp"));
}

#[test]
fn which_rule_lets_it_pass_is_told() {
    let table = closed(json!([port(80), accept()])).rule("output", json!([port(443), accept()]));
    let Decision::Allowed(by) = table.decide("→ 192.0.2.1 443/tcp") else { panic!("it passes") };
    assert_eq!(
        by.iter().map(|rule| (rule.document.as_str(), rule.index)).collect::<Vec<_>>(),
        [("run/n1 inet t chain output", 1)]
    );
}

#[test]
fn every_rule_without_which_it_would_not_pass_is_told() {
    let all = |decision: Decision| match decision {
        Decision::Allowed(by) => vec![by],
        Decision::AllowedInTurn(turns) => turns,
        other => panic!("{other:?}"),
    };
    // Of two chains of one hook each must let it pass, and its answer needs another where no state is asked for.
    let table = Table::new("inet").base("OUT", "output", 0, "drop").rule("OUT", json!([port(443), accept()]));
    let table = table.base("late", "output", 1, "drop").rule("late", json!([port(443), accept()]));
    let from = matching("==", payload("tcp", "sport"), json!(443));
    let table = table.base("IN", "input", 0, "drop").rule("IN", json!([from, accept()]));
    let told = all(table.decide("→ 192.0.2.1 443/tcp"));
    let told: Vec<&str> = told.iter().flatten().map(|rule| rule.document.as_str()).collect();
    assert_eq!(told, ["run/n1 inet t chain OUT", "run/n1 inet t chain late", "run/n1 inet t chain IN"]);
    // They are the same that are asked for when what nobody needs is told.
    let rulesets = Rulesets::new("run", BTreeMap::from([("n1".to_owned(), table.ruleset())]));
    let rules = rulesets.rules();
    assert!(all(table.decide("→ 192.0.2.1 443/tcp")).iter().flatten().all(|rule| rules.contains(rule)));
    assert_eq!(rules.len(), 3);
}

#[test]
fn what_a_map_lets_pass_is_governed() {
    let map = json!({"vmap": {"key": payload("tcp", "dport"), "data": {"set": [[{"range": [1, 65535]}, accept()]]}}});
    let table = Table::new("inet").base("input", "input", 0, "accept").rule("input", json!([map]));
    let table = table.rule("input", json!([verdict("drop")]));
    assert!(matches!(table.decide("← 192.0.2.1 22/tcp"), Decision::Allowed(by) if by.len() == 1));
    assert_eq!(table.decide("← 192.0.2.1 53/udp"), Decision::Denied);
}

#[test]
fn a_header_is_of_one_family_and_a_table_may_sleep() {
    let tcp = matching("==", payload("ip", "protocol"), json!("tcp"));
    let table = Table::new("inet").base("output", "output", 0, "drop").answers("output");
    let table = table.rule("output", json!([tcp, accept()]));
    assert!(table.passes("→ 192.0.2.1 443/tcp") && !table.passes("→ 2001:db8::1 443/tcp"));
    for flags in [json!("dormant"), json!(["dormant"])] {
        let mut asleep = table.clone();
        asleep.objects.push(json!({"table": {"family": "inet", "name": "t", "flags": flags}}));
        assert_eq!(asleep.decide("→ 192.0.2.1 22/udp"), Decision::NotGoverned);
    }
    // What chooses routes drops, too.
    let base = json!({"name": "r", "type": "route", "hook": "output", "prio": -150, "policy": "accept"});
    let routes = Table::new("inet").object("chain", base).rule("r", json!([port(25), verdict("drop")]));
    assert!(!routes.passes("→ 192.0.2.1 25/tcp") && routes.passes("→ 192.0.2.1 26/tcp"));
}

/// A node's rules of translation are no reason to judge nothing of it.
#[test]
fn what_no_packet_comes_to_need_not_be_understood() {
    let unknown =
        || json!([matching("==", json!({"meta": {"key": "mark"}}), json!(1)), {"masquerade": null}]);
    let nat = json!({"name": "post", "type": "nat", "hook": "postrouting", "prio": 100, "policy": "accept"});
    let table = closed(json!([port(443), accept()])).object("chain", nat).rule("post", unknown());
    let table = table.chain("alone").rule("alone", unknown());
    assert!(table.passes("→ 192.0.2.1 443/tcp") && !table.passes("→ 192.0.2.1 444/tcp"));
    let jumped = table.clone().chain("between").rule("between", json!([jump("goto", "alone")]));
    assert_eq!(jumped.fault(), "", "nobody comes there either");
    let met = jumped.rule("output", json!([jump("jump", "between")]));
    assert!(met.fault().contains("n1.nft: inet t alone[0]: found `meta mark`"), "{}", met.fault());
    let mapped = table.rule(
        "output",
        json!([{"vmap": {"key": payload("tcp", "dport"), "data": {"set": [[22, jump("jump", "alone")]]}}}]),
    );
    assert!(mapped.fault().contains("inet t alone[0]"), "{}", mapped.fault());
    let untracked = closed(json!([port(443), {"notrack": null}]));
    assert!(untracked.fault().contains("found `notrack`"), "{}", untracked.fault());
}

/// What returns passes only where the rest of its chain is closed.
#[test]
fn whoever_returns_to_a_drop_has_not_passed() {
    let narrowing = |end: &[Value]| {
        let table = Table::new("inet").base("output", "output", 0, "drop").chain("db");
        let other = matching("!=", payload("ip", "daddr"), json!("192.0.2.1"));
        let table =
            table.rule("output", json!([jump("jump", "db")])).rule("db", json!([other, verdict("return")]));
        let table = table.rule("db", json!([port(443), accept()]));
        end.iter().cloned().fold(table, |table, rule| table.rule("db", rule))
    };
    let rules = |table: &Table| {
        let nodes = BTreeMap::from([("n1".to_owned(), table.ruleset())]);
        Rulesets::new("run", nodes).rules().into_iter().map(|rule| rule.index).collect::<Vec<_>>()
    };
    let open = narrowing(&[]);
    assert_eq!(rules(&open), [1]);
    assert!(open.passes("→ 192.0.2.1 443/tcp") && !open.passes("→ 192.0.2.2 443/tcp"));
    assert_eq!(rules(&narrowing(&[json!([verdict("drop")])])), [0, 1]);
}

#[test]
fn a_chain_is_asked_once_however_many_lead_to_it() {
    const LEVELS: usize = 24;
    let mut table = Table::new("inet").base("output", "output", 0, "drop");
    for level in 0..LEVELS {
        table = table.chain(&format!("c{level}"));
    }
    for level in 0..LEVELS {
        let (chain, next) = (format!("c{level}"), format!("c{}", level + 1));
        for _ in 0..4 {
            let rule =
                if level + 1 == LEVELS { json!([port(443), accept()]) } else { json!([jump("jump", &next)]) };
            table = table.rule(&chain, rule);
        }
    }
    table = table.rule("output", json!([jump("jump", "c0")]));
    assert!(table.passes("→ 192.0.2.1 443/tcp") && !table.passes("→ 192.0.2.1 444/tcp"));
}

#[test]
fn what_no_recording_tells_is_refused_with_its_place() {
    let cases = [
        (
            json!([matching("==", json!({"meta": {"key": "mark"}}), json!(1)), accept()]),
            "n1.nft: inet t output[0]: found `meta mark`, which no recording tells",
        ),
        (
            json!([matching("==", json!({"meta": {"key": "oifname"}}), json!("eth0")), accept()]),
            "n1.nft: inet t output[0]: found the interface `eth0`, which no recording tells",
        ),
        (
            json!([{"limit": {"rate": 5, "per": "second"}}, accept()]),
            "n1.nft: inet t output[0]: found `limit`: no recording tells what it does with a packet",
        ),
        (
            json!([matching("<", payload("tcp", "dport"), json!(5)), accept()]),
            "n1.nft: inet t output[0]: found the operator <, expected == or !=",
        ),
        (
            json!([matching("==", payload("ip", "daddr"), json!("@gone")), accept()]),
            "n1.nft: inet t output[0]: found no set gone in inet t",
        ),
        (
            json!([matching("==", payload("tcp", "flags"), json!("syn")), accept()]),
            "n1.nft: inet t output[0]: found `tcp flags`, which no recording tells",
        ),
    ];
    for (rule, fault) in cases {
        assert_eq!(closed(rule).fault(), fault);
    }
    let bridge = Table::new("bridge").base("x", "forward", 0, "drop");
    assert!(bridge.fault().contains("found the hook forward of the family bridge"), "{}", bridge.fault());
    assert!(read("{}", "n1.nft").is_err() && read("table x", "n1.nft").is_err());
}

#[test]
fn a_node_is_known_by_its_file() {
    use crate::policy::language::{Document, Enforced};
    let inventory = "apiVersion: flowdrift/v1\nkind: Inventory\nclusters: {run: {nodes: {n1: 172.16.0.1}}}\n";
    let inventory = read_inventory(inventory, "i.yaml").unwrap_or_else(|faults| panic!("{faults}"));
    let clusters = BTreeMap::new();
    let world = crate::policy::World::new(&inventory, &clusters);
    let document = |name: &str| Document {
        cluster: "run".to_owned(),
        name: name.to_owned(),
        text: json!({"nftables": []}).to_string(),
    };
    assert!(Enforced::read(&world, &[document("run/n1.nft")]).is_ok());
    let refused = Enforced::read(&world, &[document("run/n2.nft")]).err().map(|error| error.to_string());
    assert_eq!(
        refused.as_deref(),
        Some("run/n2.nft: found no node n2 in run, expected its ruleset under its name, such as run-1.nft")
    );
}
