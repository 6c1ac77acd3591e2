//! What rules ask a packet for.

use super::*;

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
