//! A cluster for the examples of the languages' documentation: whatever pods they speak of, two nodes, and somebody outside.

use std::{collections::BTreeMap, net::IpAddr};

use flowdrift::{
    event::Protocol,
    matrix::{Inventory, read_inventory},
    policy::{Party, Passage, World},
    workload::ClusterObjects,
};
use serde_json::{Value, json};

use super::{Enforcer, Site, Verdict};

/// Whom the examples call by name.
const INVENTORY: &str = "
apiVersion: flowdrift/v1
kind: Inventory
clusters: {run: {nodes: {n1: 172.16.0.1, n2: 172.16.0.2}, pods: [10.0.0.0/8, \"fd00::/8\"]}}
endpoints:
  remote: {hosts: [my-remote-service.com], cidrs: [203.0.113.1]}
  cilium: {hosts: [cilium.io], cidrs: [203.0.113.2]}
  sub: {hosts: [sub.cilium.io], cidrs: [203.0.113.3]}
  another: {hosts: [anothersub.cilium.io], cidrs: [203.0.113.4]}
  special: {hosts: [special-region1-service.api.cilium.io], cidrs: [203.0.113.5]}
  region: {hosts: [region1-service.api.cilium.io], cidrs: [203.0.113.6]}
  many: {hosts: ['*.example.org'], cidrs: [203.0.113.7]}
";

/// The cluster.
pub(super) struct Example {
    inventory: Inventory,
    clusters: BTreeMap<String, ClusterObjects>,
    pods: Vec<String>,
}

impl Example {
    /// With these pods: each is `namespace/name`, and its labels as `key=value`. They run on the node n1, a worker; n2 is the
    /// control plane. All have a port `http`, which is 8080.
    ///
    /// # Panics
    ///
    /// Where one is written otherwise.
    #[must_use]
    pub(super) fn new(pods: &[(&str, &str)]) -> Self {
        let inventory =
            read_inventory(INVENTORY, "inventory.yaml").unwrap_or_else(|faults| panic!("{faults}"));
        let items = pods.iter().enumerate().map(|(index, (pod, labels))| pod_object(index, pod, labels));
        let items: Vec<Value> = items.chain(objects()).collect();
        let list = json!({"items": items}).to_string();
        let objects = ClusterObjects::read([(list.as_bytes(), "run.json")]);
        let objects = objects.unwrap_or_else(|faults| panic!("{faults}"));
        let pods = pods.iter().map(|(pod, _)| (*pod).to_owned()).collect();
        Self { inventory, clusters: [("run".to_owned(), objects)].into(), pods }
    }

    /// What an enforcer says of `client → server port/protocol`, as it leaves its client. An end is a pod as
    /// `namespace/name`, a node, or an address.
    #[must_use]
    pub(super) fn leaves(&self, enforcer: &impl Enforcer, documents: &[Value], packet: &str) -> Verdict {
        self.ask(enforcer, documents, packet, true)
    }

    /// The same as it arrives at its server.
    #[must_use]
    pub(super) fn arrives(&self, enforcer: &impl Enforcer, documents: &[Value], packet: &str) -> Verdict {
        self.ask(enforcer, documents, packet, false)
    }

    fn ask(&self, enforcer: &impl Enforcer, documents: &[Value], packet: &str, is_egress: bool) -> Verdict {
        let world = World::new(&self.inventory, &self.clusters);
        let (client, rest) = packet.split_once(" → ").expect("somebody connects to somebody");
        let (server, port) = rest.rsplit_once(' ').expect("there is a port");
        let (port, protocol) = port.split_once('/').expect("there is a transport");
        let party = |end: &str| -> Party<'_> { world.at("run", self.address(end)) };
        let (party, peer) =
            if is_egress { (party(client), party(server)) } else { (party(server), party(client)) };
        let passage = Passage::between(
            (party, peer),
            is_egress,
            port.parse().expect("a port is a number"),
            protocol_of(protocol),
        );
        enforcer.verdict(Site { world: &world, cluster: "run" }, documents, &passage)
    }

    fn address(&self, end: &str) -> IpAddr {
        let index = self.pods.iter().position(|pod| pod == end);
        match (index, end) {
            (Some(index), _) => address_of(index),
            (None, "n1") => IpAddr::from([172, 16, 0, 1]),
            (None, "n2") => IpAddr::from([172, 16, 0, 2]),
            (None, _) => end.parse().expect("an end is known, or an address"),
        }
    }
}

fn protocol_of(text: &str) -> Protocol {
    let all = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp, Protocol::Icmp];
    all.into_iter().find(|one| one.to_string() == text).expect("a transport is known")
}

fn address_of(index: usize) -> IpAddr {
    IpAddr::from([10, 0, 0, u8::try_from(index + 1).expect("there are few pods")])
}

fn pod_object(index: usize, pod: &str, labels: &str) -> Value {
    let (namespace, name) = pod.split_once('/').expect("a pod has a namespace");
    let labels: BTreeMap<&str, &str> =
        labels.split_whitespace().filter_map(|one| one.split_once('=')).collect();
    json!({"kind": "Pod", "metadata": {"namespace": namespace, "name": name, "labels": labels},
        "spec": {"nodeName": "n1", "containers": [{"name": "c", "ports": [{"name": "http", "containerPort": 8080}]}]},
        "status": {"podIPs": [{"ip": address_of(index)}]}})
}

fn objects() -> [Value; 5] {
    let node = |name: &str, labels: &str| {
        let labels: BTreeMap<&str, &str> =
            labels.split_whitespace().filter_map(|one| one.split_once('=')).collect();
        json!({"kind": "Node", "metadata": {"name": name, "labels": labels}})
    };
    let namespace = |name: &str, key: &str, value: &str| json!({"kind": "Namespace", "metadata": {"name": name, "labels": {key: value}}});
    [
        node("n1", "type=worker environment=dev"),
        node("n2", "node-role.kubernetes.io/control-plane= environment=prod"),
        namespace("round", "shape", "circle"),
        namespace("dev", "environment", "development"),
        json!({"kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {"namespace": "default", "name": "kubernetes", "labels": {"kubernetes.io/service-name": "kubernetes"}},
            "endpoints": [{"addresses": ["172.16.0.2", "203.0.113.99"]}],
            "ports": [{"name": "https", "port": 6443, "protocol": "TCP"}]}),
    ]
}

/// Documents that are written in YAML.
///
/// # Panics
///
/// Where one is none.
#[must_use]
pub(super) fn documents<const COUNT: usize>(texts: [&str; COUNT]) -> Vec<Value> {
    let read = |text| serde_saphyr::from_str(text).unwrap_or_else(|fault| panic!("{fault}:\n{text}"));
    texts.into_iter().map(read).collect()
}
