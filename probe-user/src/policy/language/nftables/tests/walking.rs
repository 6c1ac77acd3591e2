//! How a packet goes through chains, and which rules let it pass.

use super::*;

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
