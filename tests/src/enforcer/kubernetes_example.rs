//! A cluster for the tests of the enforcers, with the labels and names that the specifications' own examples
//! use.

use std::{collections::BTreeMap, net::IpAddr};

use flowdrift::{
    event::Protocol,
    matrix::{Inventory, read_inventory},
    policy::{Party, Passage, World},
    workload::ClusterObjects,
};
use serde_json::{Value, json};

use super::{Enforcer, Site, Verdict};

/// Of n3 nobody lists the labels; of view, another cluster, `run` knows addresses alone.
const INVENTORY: &str = "\
apiVersion: flowdrift/v1
kind: Inventory
clusters:
  run: {nodes: {n1: 172.16.0.1, n2: 172.16.0.2, n3: 172.16.0.3}, pods: [10.0.0.0/16]}
  view: {nodes: {m1: 172.16.1.1}, pods: [10.1.0.0/16], routable: true}
endpoints:
  site: {hosts: [kubernetes.io], cidrs: [192.0.2.1]}
  blog: {hosts: [blog.kubernetes.io], cidrs: [192.0.2.2]}
  latest: {hosts: [latest.blog.kubernetes.io], cidrs: [192.0.2.3]}
  my: {hosts: [my-kubernetes.io], cidrs: [192.0.2.4]}
  encyclopaedia: {hosts: [wikipedia.org], cidrs: [192.0.2.5]}
  mirrors: {hosts: ['*.kubernetes.io'], cidrs: [192.0.2.6]}
";

/// Name, number and protocol of a container's port.
type NamedPort<'a> = (&'a str, u16, &'a str);

/// Namespace and name, a label, named ports, address. All are on n1.
const PODS: [(&str, &str, &[NamedPort<'_>], &str); 13] = [
    ("default/db", "role=db", &[("redis", 6379, "TCP")], "10.0.0.1"),
    ("default/frontend", "role=frontend", &[], "10.0.0.2"),
    ("default/client", "role=client", &[], "10.0.0.3"),
    ("shop/db", "role=db", &[("redis", 6380, "TCP")], "10.0.1.1"),
    ("shop/frontend", "role=frontend", &[], "10.0.1.2"),
    ("shop/client", "role=client", &[], "10.0.1.3"),
    ("work/client", "role=client", &[], "10.0.2.1"),
    ("work/server", "role=server", &[], "10.0.2.2"),
    ("kube-system/kube-dns", "app=kube-dns", &[("dns", 53, "UDP"), ("dns-tcp", 53, "TCP")], "10.0.3.1"),
    ("kube-system/proxy", "app=proxy", &[], "10.0.3.2"),
    ("monitoring-ns/prober", "app=prober", &[], "10.0.4.1"),
    ("bar-ns-1/svc-pub", "app=svc-pub", &[("web-alt", 8081, "TCP")], "10.0.5.1"),
    ("bar-ns-1/other", "app=other", &[("web-alt", 8081, "TCP")], "10.0.5.2"),
];

/// The cluster, and another.
pub(super) struct Example {
    inventory: Inventory,
    clusters: BTreeMap<String, ClusterObjects>,
}

impl Example {
    pub(super) fn new() -> Self {
        let inventory = read_inventory(INVENTORY, "i.yaml").unwrap_or_else(|faults| panic!("{faults}"));
        let own = PODS.iter().map(|(name, label, ports, address)| pod(name, label, ports, address));
        let labels = json!({"project": "myproject", "user": "alice"});
        let agent = json!({"kind": "Pod", "metadata": {"namespace": "default", "name": "agent", "labels": {"role": "frontend"}},
            "spec": {"nodeName": "n2", "hostNetwork": true, "containers": []}, "status": {"podIPs": [{"ip": "172.16.0.2"}]}});
        let others = [
            agent,
            json!({"kind": "Namespace", "metadata": {"name": "work", "labels": labels}}),
            json!({"kind": "Node", "metadata": {"name": "n1",
                "labels": {"kubernetes.io/os": "linux", "node-role.kubernetes.io/control-plane": ""}}}),
            json!({"kind": "Node", "metadata": {"name": "n2", "labels": {"kubernetes.io/os": "linux"}}}),
        ];
        let elsewhere = [
            pod("default/db", "role=db", &[("redis", 6379, "TCP")], "10.1.0.1"),
            pod("default/frontend", "role=frontend", &[], "10.1.0.2"),
            pod("shop/db", "role=db", &[], "10.1.0.3"),
        ];
        let (run, view) = (objects(own.chain(others).collect()), objects(elsewhere.into()));
        Self { inventory, clusters: [("run".to_owned(), run), ("view".to_owned(), view)].into() }
    }

    pub(super) fn world(&self) -> World<'_> {
        World::new(&self.inventory, &self.clusters)
    }

    /// What somebody sends to another, `default/db → n1 80/tcp`, or has from him, `default/db ← 192.0.2.1
    /// 80/tcp`. The first is whom the policies are for.
    pub(super) fn passage<'w>(&'w self, world: &World<'w>, text: &str) -> Passage<'w> {
        let parts: Vec<&str> = text.split_whitespace().collect();
        let [own, arrow, peer, port] = parts[..] else { panic!("{text}") };
        let (port, protocol) = port.split_once('/').expect("a port and its protocol");
        let all = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp, Protocol::Icmp];
        let party = |name: &str| -> Party<'w> { world.at("run", self.address(name)) };
        Passage::between(
            (party(own), party(peer)),
            arrow == "→",
            port.parse().expect("a port"),
            all.into_iter().find(|one| one.to_string() == protocol).expect("a protocol"),
        )
    }

    /// A pod's, a node's, or the one that it is.
    fn address(&self, name: &str) -> IpAddr {
        let pod = PODS.iter().find(|pod| pod.0 == name).map(|pod| pod.3);
        let mut nodes = self.inventory.clusters.values().flat_map(|cluster| &cluster.nodes);
        let node = nodes.find(|(node, _)| *node == name).map(|(_, addresses)| addresses[0]);
        node.unwrap_or_else(|| pod.unwrap_or(name).parse().expect("an address"))
    }
}

fn objects(items: Vec<Value>) -> ClusterObjects {
    let list = json!({"items": items}).to_string();
    ClusterObjects::read([(list.as_bytes(), "objects.json")]).unwrap_or_else(|faults| panic!("{faults}"))
}

fn pod(name: &str, label: &str, ports: &[NamedPort<'_>], address: &str) -> Value {
    let (namespace, name) = name.split_once('/').expect("a namespace and a name");
    let (key, value) = label.split_once('=').expect("a label");
    let port = |(name, port, protocol): &NamedPort<'_>| json!({"name": name, "containerPort": port, "protocol": protocol});
    let ports: Vec<Value> = ports.iter().map(port).collect();
    json!({"kind": "Pod", "metadata": {"namespace": namespace, "name": name, "labels": {key: value}},
        "spec": {"nodeName": "n1", "containers": [{"name": "c", "ports": ports}]}, "status": {"podIPs": [{"ip": address}]}})
}

/// Holds what an enforcer says of packets against what it should say.
pub(super) fn check(enforcer: &impl Enforcer, documents: &[Value], expected: &[(&str, Verdict)]) {
    let example = Example::new();
    let world = example.world();
    let site = Site { world: &world, cluster: "run" };
    for (packet, expected) in expected {
        let verdict = enforcer.verdict(site, documents, &example.passage(&world, packet));
        assert_eq!(verdict, *expected, "{packet} by {documents:#?}");
    }
}
