//! What Cilium's documentation says, in cases.

use std::{collections::BTreeMap, net::IpAddr};

use serde_json::{Value, json};

use super::*;
use crate::{
    event::Protocol,
    matrix::{Inventory, read_inventory},
    policy::{
        language::{Decision, Evaluator, site::passage},
        world::{Party, World},
    },
    workload::ClusterObjects,
};

mod evaluating;
mod reading;
mod writing;

const INVENTORY: &str = "apiVersion: flowdrift/v1\nkind: Inventory\nclusters:\n  run: {nodes: {n1: 172.16.0.1, n2: 172.16.0.2, n3: 172.16.0.3}, pods: [10.0.0.0/8]}\n  view: {nodes: {v1: 172.17.0.1}, pods: [10.0.0.0/8]}\nendpoints:\n  git: {hosts: [git.example.com, cdn.example.com], cidrs: [192.0.2.0/28]}\n  any-of: {hosts: ['*.example.org'], cidrs: [198.51.100.0/24]}\n";

const WEB: &str = "10.0.0.1";
const DB: &str = "10.0.0.2";
const LAB: &str = "10.0.0.3";
const STRANGER: &str = "10.0.9.9";
const OWN_NODE: &str = "172.16.0.1";
const OTHER_NODE: &str = "172.16.0.2";
const API_SERVER: &str = "172.16.0.3";
const FOREIGN_NODE: &str = "172.17.0.1";
const OUTSIDE: &str = "192.0.2.7";

/// A cluster whose objects are known: `db` and `web` of the namespace `shop`, `web` of `lab`, and where the API server is.
struct Site {
    inventory: Inventory,
    clusters: BTreeMap<String, ClusterObjects>,
}

fn objects(has_api_server: bool) -> ClusterObjects {
    let pod = |namespace: &str, name: &str, labels: Value, address: &str| {
        json!({"kind": "Pod", "metadata": {"namespace": namespace, "name": name, "labels": labels},
            "spec": {"nodeName": "n1", "containers": [{"name": "c", "ports": [{"name": "http", "containerPort": 8080}]}]},
            "status": {"podIPs": [{"ip": address}]}})
    };
    let mut items = vec![
        pod("shop", "web", json!({"app": "web", "tier": "front"}), WEB),
        pod("shop", "db", json!({"app": "db"}), DB),
        pod("lab", "web", json!({"app": "web"}), LAB),
        json!({"kind": "Namespace", "metadata": {"name": "shop", "labels": {"team": "a"}}}),
        json!({"kind": "Namespace", "metadata": {"name": "lab", "labels": {"team": "b"}}}),
        json!({"kind": "Node", "metadata": {"name": "n1", "labels": {"kubernetes.io/hostname": "host1", "pool": "edge"}}}),
    ];
    if has_api_server {
        items.push(json!({"kind": "EndpointSlice", "addressType": "IPv4", "endpoints": [{"addresses": [API_SERVER]}],
            "metadata": {"namespace": "default", "name": "kubernetes", "labels": {"kubernetes.io/service-name": "kubernetes"}}}));
    }
    let list = json!({"items": items}).to_string();
    ClusterObjects::read([(list.as_bytes(), "run.json")]).unwrap_or_else(|faults| panic!("{faults}"))
}

impl Site {
    fn new() -> Self {
        Self::with(true)
    }

    fn with(has_api_server: bool) -> Self {
        let inventory = read_inventory(INVENTORY, "i.yaml").unwrap_or_else(|faults| panic!("{faults}"));
        Self { inventory, clusters: [("run".to_owned(), objects(has_api_server))].into() }
    }

    fn world(&self) -> World<'_> {
        World::new(&self.inventory, &self.clusters)
    }

    /// What becomes of a packet between somebody and a peer, by policies.
    fn decide(
        &self,
        policies: &str,
        own: &str,
        is_egress: bool,
        peer: &str,
        port: u16,
        protocol: Protocol,
    ) -> Decision {
        let policies = read(policies, "p.yaml").unwrap_or_else(|faults| panic!("{faults}"));
        let world = self.world();
        let passage = passage(&world, (own, peer), is_egress, port, protocol);
        assert!(matches!(passage.party, Party::Pod { .. } | Party::Node { .. }));
        let cilium = Cilium::new(&world, "run", policies).unwrap_or_else(|faults| panic!("{faults:?}"));
        cilium.decide(&passage)
    }

    /// Of TCP to or from `db`, port 80.
    fn of_db(&self, spec: &str, is_egress: bool, peer: &str) -> Decision {
        self.decide(&policy(spec), DB, is_egress, peer, 80, Protocol::Tcp)
    }

    /// Who of some passes to or from `db` by one rule's members, and whether the direction is closed by it.
    fn passing<'p>(&self, is_egress: bool, members: &str, peers: &[&'p str]) -> Vec<&'p str> {
        let key = if is_egress { "egress" } else { "ingress" };
        let spec = format!("{{endpointSelector: {{}}, {key}: [{{{members}}}]}}");
        let passes = |peer: &&&str| match self.of_db(&spec, is_egress, peer) {
            Decision::NotGoverned => panic!("{spec} closes nothing"),
            Decision::Denied | Decision::Partly => false,
            Decision::Allowed(_) | Decision::AllowedInTurn(_) | Decision::BeyondPolicies => true,
        };
        peers.iter().filter(passes).copied().collect()
    }
}

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn policy(spec: &str) -> String {
    named("p", spec)
}

fn named(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {{name: {name}, namespace: shop}}\nspec: {spec}\n"
    )
}

fn clusterwide(spec: &str) -> String {
    format!(
        "apiVersion: cilium.io/v2\nkind: CiliumClusterwideNetworkPolicy\nmetadata: {{name: c}}\nspec: {spec}\n"
    )
}
