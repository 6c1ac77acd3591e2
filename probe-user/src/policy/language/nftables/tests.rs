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

mod asking;
mod reading;
mod walking;

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
