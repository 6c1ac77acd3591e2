//! What is understood of a listing, and what is refused.

use super::*;

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
