//! A cluster for the tests of every language: two namespaces, three pods, two nodes, and somebody outside.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{
    event::Protocol,
    matrix::{Inventory, read_inventory},
    policy::{
        passage::{Passage, Standing},
        world::{Party, World},
    },
    workload::ClusterObjects,
};

const INVENTORY: &str = "apiVersion: flowdrift/v1\nkind: Inventory\nclusters: {run: {nodes: {n1: 172.16.0.1, n2: 172.16.0.2}, pods: [10.0.0.0/8]}}\nendpoints:\n  git: {hosts: [git.example.com], cidrs: [192.0.2.0/28]}\n  partner: {hosts: ['*.example.org'], cidrs: [198.51.100.0/28]}\n";

/// `shop/web`.
pub(super) const WEB: &str = "10.0.0.1";
/// `shop/db`.
pub(super) const DB: &str = "10.0.0.2";
/// `lab/web`.
pub(super) const LAB: &str = "10.0.0.3";
/// The node of all pods.
pub(super) const NODE: &str = "172.16.0.1";
/// Another one.
pub(super) const OTHER_NODE: &str = "172.16.0.2";
/// An address of its pods that no pod has.
pub(super) const STRANGER: &str = "10.9.9.9";
/// Nobody of the cluster; its name is git.example.com.
pub(super) const OUTSIDE: &str = "192.0.2.7";

fn objects() -> ClusterObjects {
    let pod = |namespace: &str, name: &str, labels: Value, address: &str| {
        json!({"kind": "Pod", "metadata": {"namespace": namespace, "name": name, "labels": labels},
            "spec": {"nodeName": "n1", "containers": [{"name": "c", "ports": [{"name": "http", "containerPort": 8080}]}]},
            "status": {"podIPs": [{"ip": address}]}})
    };
    let items = [
        pod("shop", "web", json!({"app": "web", "tier": "front"}), "10.0.0.1"),
        pod("shop", "db", json!({"app": "db"}), "10.0.0.2"),
        pod("lab", "web", json!({"app": "web"}), "10.0.0.3"),
        json!({"kind": "Node", "metadata": {"name": "n1", "labels": {"kubernetes.io/hostname": "n1.example.com", "role": "edge"}}}),
        json!({"kind": "Namespace", "metadata": {"name": "shop", "labels": {"team": "a"}}}),
        json!({"kind": "Namespace", "metadata": {"name": "lab", "labels": {"team": "b"}}}),
    ];
    let list = json!({"items": items}).to_string();
    ClusterObjects::read([(list.as_bytes(), "run.json")]).unwrap_or_else(|faults| panic!("{faults}"))
}

/// The cluster.
pub(super) struct Site {
    pub(super) inventory: Inventory,
    pub(super) clusters: BTreeMap<String, ClusterObjects>,
}

impl Site {
    pub(super) fn new() -> Self {
        let inventory = read_inventory(INVENTORY, "i.yaml").unwrap_or_else(|faults| panic!("{faults}"));
        Self { inventory, clusters: [("run".to_owned(), objects())].into() }
    }

    pub(super) fn world(&self) -> World<'_> {
        World::new(&self.inventory, &self.clusters)
    }
}

/// What passes an end with an address, to a peer or from it.
pub(super) fn passage<'w>(
    world: &World<'w>,
    (own, peer): (&str, &str),
    is_egress: bool,
    port: u16,
    protocol: Protocol,
) -> Passage<'w> {
    let party = |address: &str| -> Party<'w> { world.at("run", address.parse().expect("an address")) };
    let passage = Passage::between((party(own), party(peer)), is_egress, port, protocol);
    Passage { standing: Standing::Declared, connections: 1, ..passage }
}
