//! Made-up fleets for policies: pods and services, what is declared of them, and what was seen.
//!
//! Everything is written as users have it – `kubectl`'s JSON, YAML, a recording's windows – and nothing is judged here: whether
//! a flow is legitimate is for the judge to say.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use fastrand::Rng;
use flowdrift::{
    event::{Face, Protocol},
    flow::{Coverage, Direction, Flow, FlowKey, Outcomes, ProcessSeen, Snapshot, Window, Workload},
};
use serde_json::{Value, json};

/// A fleet, and a recording of each of its nodes.
pub struct MadeWorld {
    /// By cluster, what `kubectl get … -o json` would print.
    pub kubernetes: BTreeMap<String, String>,
    /// An inventory.
    pub inventory: String,
    /// A matrix.
    pub matrix: String,
    /// What was seen.
    pub windows: Vec<Window>,
    /// What passed, as the network had it.
    pub packets: BTreeSet<Packet>,
}

/// What passes one end of a connection, whatever its sockets were told.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Packet {
    /// The cluster.
    pub cluster: String,
    /// Whether it leaves there.
    pub is_egress: bool,
    /// The address there.
    pub own: IpAddr,
    /// The other end's.
    pub peer: IpAddr,
    /// The server's port.
    pub port: u16,
    /// The transport.
    pub protocol: Protocol,
}

/// A pod as its maker knows it.
#[derive(Clone)]
struct Pod {
    cluster: usize,
    node: usize,
    workload: usize,
    uid: String,
    addresses: Vec<IpAddr>,
    on_host_network: bool,
}

/// What is deployed.
struct Deployed {
    cluster: usize,
    namespace: usize,
    name: String,
    /// Port of the service, and of the pods.
    ports: (u16, u16),
    /// Whether the service calls the pods' port by its name.
    is_named: bool,
    /// The service's address, where it has one.
    virtual_address: Option<IpAddr>,
}

/// Somebody outside, with the addresses that he may have.
struct Stranger {
    name: String,
    blocks: Vec<String>,
    addresses: Vec<IpAddr>,
}

struct Maker<'a> {
    rng: &'a mut Rng,
    clusters: usize,
    nodes: usize,
    deployed: Vec<Deployed>,
    pods: Vec<Pod>,
    strangers: Vec<Stranger>,
    flows: BTreeMap<(usize, usize), Vec<Flow>>,
    packets: BTreeSet<Packet>,
}

const START: i64 = 1_700_000_000_000_000_000;
const SECOND: i64 = 1_000_000_000;
const NAMESPACES: usize = 3;

/// One fleet; the same for the same state of `rng`.
#[must_use]
pub fn made_world(rng: &mut Rng) -> MadeWorld {
    let clusters = rng.usize(1..=2);
    let nodes = rng.usize(1..=3);
    let mut maker = Maker {
        rng,
        clusters,
        nodes,
        deployed: Vec::new(),
        pods: Vec::new(),
        strangers: Vec::new(),
        flows: BTreeMap::new(),
        packets: BTreeSet::new(),
    };
    maker.deploy();
    maker.outside();
    let matrix = maker.matrix();
    maker.traffic();
    MadeWorld {
        kubernetes: (0..clusters).map(|cluster| (name_of(cluster), maker.kubernetes(cluster))).collect(),
        inventory: maker.inventory(),
        matrix,
        windows: maker.windows(),
        packets: maker.packets,
    }
}

fn name_of(cluster: usize) -> String {
    ["run", "view"][cluster].to_owned()
}

fn node_address(cluster: usize, node: usize) -> IpAddr {
    IpAddr::from([172, 16, cluster as u8, node as u8 + 1])
}

impl Maker<'_> {
    fn deploy(&mut self) {
        for cluster in 0..self.clusters {
            for index in 0..self.rng.usize(2..=6) {
                let workload = self.deployed.len();
                let has_service = self.rng.bool();
                let port = 1000 + 10 * index as u16;
                let target = if self.rng.bool() { port } else { port + 7000 };
                let deployed = Deployed {
                    cluster,
                    namespace: self.rng.usize(0..NAMESPACES),
                    name: format!("app{index}"),
                    ports: (port, target),
                    is_named: self.rng.bool(),
                    virtual_address: has_service
                        .then(|| IpAddr::from([10, 96, cluster as u8, index as u8 + 1])),
                };
                self.deployed.push(deployed);
                let on_host_network = self.rng.usize(0..8) == 0;
                let families = self.rng.usize(1..=3);
                for _ in 0..self.rng.usize(1..=3) {
                    self.pod(cluster, workload, on_host_network, families);
                }
            }
        }
    }

    fn pod(&mut self, cluster: usize, workload: usize, on_host_network: bool, families: usize) {
        let (index, node) = (self.pods.len(), self.rng.usize(0..self.nodes));
        // Clusters use the same blocks, and here and there the same address.
        let own = self.pods.iter().filter(|pod| pod.cluster == cluster).count() as u8 + 1;
        let v4 = (families & 1 == 1).then(|| IpAddr::from([10, 0, node as u8, own]));
        let v6 = (families & 2 == 2)
            .then(|| IpAddr::from([0xfd00, 0x10, node as u16, 0, 0, 0, 0, u16::from(own)]));
        let addresses = if on_host_network {
            vec![node_address(cluster, node)]
        } else {
            [v4, v6].into_iter().flatten().collect()
        };
        let uid = format!("{index:08x}-0000-4000-8000-{workload:012x}");
        self.pods.push(Pod { cluster, node, workload, uid, addresses, on_host_network });
    }

    fn outside(&mut self) {
        for index in 0..self.rng.u8(1..=4) {
            let stranger = match self.rng.usize(0..4) {
                0 => Stranger {
                    name: format!("host{index}"),
                    blocks: vec![format!("192.0.2.{index}")],
                    addresses: vec![IpAddr::from([192, 0, 2, index])],
                },
                // One whose address changes.
                1 => Stranger {
                    name: format!("site{index}"),
                    blocks: vec![format!("198.51.100.{}/28", index * 16), format!("2001:db8:{index}::/64")],
                    addresses: (1..=3)
                        .flat_map(|last| {
                            let v6 = [0x2001, 0xdb8, u16::from(index), 0, 0, 0, 0, u16::from(last)];
                            [IpAddr::from([198, 51, 100, index * 16 + last]), IpAddr::from(v6)]
                        })
                        .collect(),
                },
                // One that lies in part within others.
                2 => Stranger {
                    name: format!("part{index}"),
                    blocks: vec![format!("198.51.100.{}/30", index * 16), "203.0.113.0/30".to_owned()],
                    addresses: vec![
                        IpAddr::from([198, 51, 100, index * 16 + 2]),
                        IpAddr::from([203, 0, 113, 2]),
                    ],
                },
                // One that the inventory does not know.
                _ => Stranger {
                    name: String::new(),
                    blocks: Vec::new(),
                    addresses: vec![IpAddr::from([203, 0, 113, index])],
                },
            };
            self.strangers.push(stranger);
        }
    }

    fn matrix(&mut self) -> String {
        let mut text =
            "apiVersion: flowdrift/v1\nkind: FlowMatrix\nmetadata: {name: made}\nrows:\n".to_owned();
        let apps = |deployed: &Deployed| format!("{}-{}", name_of(deployed.cluster), deployed.name);
        let mut names: Vec<String> = self.deployed.iter().map(apps).collect();
        let outside = self.strangers.iter().map(|one| one.name.clone()).filter(|name| !name.is_empty());
        names.extend(outside);
        names.push("wide".to_owned());
        names.extend((0..self.clusters).map(name_of));
        for row in 0..self.rng.usize(1..=8) {
            let from = names[self.rng.usize(0..names.len())].clone();
            let to = match self.rng.usize(0..12) {
                0 => "any".to_owned(),
                _ => names[self.rng.usize(0..names.len())].clone(),
            };
            let of_service = self.deployed[self.rng.usize(0..self.deployed.len())].ports.0;
            let ports = match self.rng.usize(0..6) {
                0 => "443/tcp".to_owned(),
                1 => "53/udp".to_owned(),
                2 => format!("{}-{}/tcp", of_service, of_service + 20),
                3 => "any/tcp".to_owned(),
                _ => format!("{of_service}/tcp"),
            };
            let app = ["", "", ", app: https", ", app: http"][self.rng.usize(0..4)];
            text += &format!(
                "  - {{id: row-{row}, from: [{from}], to: [{to}], ports: [{ports}], expect: optional{app}}}\n"
            );
        }
        text
    }

    fn inventory(&self) -> String {
        let mut text = "apiVersion: flowdrift/v1\nkind: Inventory\nclusters:\n".to_owned();
        for cluster in 0..self.clusters {
            let nodes = (0..self.nodes).map(|node| format!("n{node}: {}", node_address(cluster, node)));
            text += &format!(
                "  {}: {{nodes: {{{}}}, pods: [10.0.0.0/16, \"fd00:10::/32\"], services: [10.96.0.0/16]}}\n",
                name_of(cluster),
                nodes.collect::<Vec<_>>().join(", ")
            );
        }
        text += "endpoints:\n";
        for Deployed { cluster, namespace, name, ports: (port, target), .. } in &self.deployed {
            let home = name_of(*cluster);
            let bound =
                if port == target { String::new() } else { format!(", ports: {{{port}: [{target}]}}") };
            text += &format!(
                "  {home}-{name}: {{cluster: {home}, selector: {{namespace: ns{namespace}, labels: {{app: {name}}}}}{bound}}}\n"
            );
        }
        text += "  wide: {cidrs: [198.51.100.0/24]}\n";
        for Stranger { name, blocks, .. } in self.strangers.iter().filter(|one| !one.name.is_empty()) {
            let blocks: Vec<String> = blocks.iter().map(|block| format!("\"{block}\"")).collect();
            text += &format!("  {name}: {{hosts: [{name}.example.com], cidrs: [{}]}}\n", blocks.join(", "));
        }
        text
    }

    fn kubernetes(&self, cluster: usize) -> String {
        let mut items: Vec<Value> = Vec::new();
        for (index, pod) in self.pods.iter().enumerate().filter(|(_, pod)| pod.cluster == cluster) {
            let Deployed { namespace, name, ports, .. } = &self.deployed[pod.workload];
            let hash = format!("{:x}", pod.workload);
            items.push(json!({
                "kind": "Pod",
                "metadata": {"namespace": format!("ns{namespace}"), "name": format!("{name}-{hash}-{index}"), "uid": pod.uid,
                    "labels": {"app": name, "pod-template-hash": hash},
                    "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": format!("{name}-{hash}"), "uid": "o", "controller": true}]},
                "spec": {"nodeName": format!("n{}", pod.node), "hostNetwork": pod.on_host_network,
                    "containers": [{"name": "c", "ports": [{"name": "main", "containerPort": ports.1}]}]},
                "status": {"phase": "Running", "podIPs": pod.addresses.iter().map(|one| json!({"ip": one})).collect::<Vec<_>>()},
            }));
        }
        for Deployed { namespace, name, ports, is_named, virtual_address, .. } in
            self.deployed.iter().filter(|one| one.cluster == cluster)
        {
            let Some(address) = virtual_address else { continue };
            let target = if *is_named { json!("main") } else { json!(ports.1) };
            items.push(json!({
                "kind": "Service", "metadata": {"namespace": format!("ns{namespace}"), "name": name},
                "spec": {"clusterIPs": [address], "selector": {"app": name}, "ports": [{"port": ports.0, "targetPort": target}]},
            }));
        }
        json!({"items": items}).to_string()
    }

    fn traffic(&mut self) {
        for _ in 0..self.rng.usize(1..=40) {
            let client = self.pods[self.rng.usize(0..self.pods.len())].clone();
            match self.rng.usize(0..6) {
                0 => self.leaves(&client),
                1 => self.arrives(&client),
                _ => self.within(&client),
            }
        }
    }

    /// From a pod to another of its cluster, directly or through a service.
    fn within(&mut self, client: &Pod) {
        let neighbours: Vec<Pod> =
            self.pods.iter().filter(|pod| pod.cluster == client.cluster).cloned().collect();
        let server = neighbours[self.rng.usize(0..neighbours.len())].clone();
        let Some((from, to)) = same_family(client, &server) else { return };
        if from == to {
            return;
        }
        let deployed = &self.deployed[server.workload];
        let (port, target, front) = (deployed.ports.0, deployed.ports.1, deployed.virtual_address);
        let stray = self.rng.usize(0..6) == 0;
        let target = if stray { self.rng.u16(2000..3000) } else { target };
        let outcomes = self.outcomes();
        let face = Face { client: from, server: to, port: target };
        let dialled = front.filter(|front| front.is_ipv4() == from.is_ipv4() && !stray && self.rng.bool());
        let (remote, remote_port, translated) = match dialled {
            // Not every node tells what became of a service's address.
            Some(front) => (front, port, self.rng.bool().then_some(face)),
            None => (to, target, None),
        };
        let accepted = outcomes.connected;
        let tcp = |port| (port, Protocol::Tcp);
        self.passes(client, true, (from, to), tcp(target), accepted);
        self.passes(&server, false, (to, from), tcp(target), accepted);
        self.report(client, Direction::Outbound, (from, remote), tcp(remote_port), outcomes, translated);
        if accepted > 0 {
            let taken = Outcomes { accepted, ..Outcomes::default() };
            self.report(&server, Direction::Inbound, (to, from), tcp(target), taken, None);
        }
    }

    fn leaves(&mut self, client: &Pod) {
        let stranger = &self.strangers[self.rng.usize(0..self.strangers.len())];
        let remote = stranger.addresses[self.rng.usize(0..stranger.addresses.len())];
        let Some(local) = client.addresses.iter().find(|one| one.is_ipv4() == remote.is_ipv4()).copied()
        else {
            return;
        };
        let port = [443, 53, 1000, 1010, 1015, 22][self.rng.usize(0..6)];
        let protocol = if port == 53 && self.rng.bool() { Protocol::Udp } else { Protocol::Tcp };
        let outcomes = match protocol {
            Protocol::Udp => Outcomes { connected: self.rng.u64(1..5), ..Outcomes::default() },
            _ => self.outcomes(),
        };
        self.passes(client, true, (local, remote), (port, protocol), outcomes.connected);
        self.report(client, Direction::Outbound, (local, remote), (port, protocol), outcomes, None);
    }

    fn arrives(&mut self, server: &Pod) {
        let stranger = &self.strangers[self.rng.usize(0..self.strangers.len())];
        let remote = stranger.addresses[self.rng.usize(0..stranger.addresses.len())];
        let Some(local) = server.addresses.iter().find(|one| one.is_ipv4() == remote.is_ipv4()).copied()
        else {
            return;
        };
        let port = self.deployed[server.workload].ports.1;
        let taken = Outcomes { accepted: self.rng.u64(1..5), ..Outcomes::default() };
        self.passes(server, false, (local, remote), (port, Protocol::Tcp), taken.accepted);
        self.report(server, Direction::Inbound, (local, remote), (port, Protocol::Tcp), taken, None);
    }

    fn passes(
        &mut self,
        at: &Pod,
        is_egress: bool,
        (own, peer): (IpAddr, IpAddr),
        (port, protocol): (u16, Protocol),
        times: u64,
    ) {
        if times > 0 {
            let cluster = name_of(at.cluster);
            self.packets.insert(Packet { cluster, is_egress, own, peer, port, protocol });
        }
    }

    /// Mostly it stands; what fails must become no rule.
    fn outcomes(&mut self) -> Outcomes {
        match self.rng.usize(0..5) {
            0 => Outcomes { failed: [(111, self.rng.u64(1..5))].into(), ..Outcomes::default() },
            _ => Outcomes { connected: self.rng.u64(1..5), ..Outcomes::default() },
        }
    }

    fn report(
        &mut self,
        pod: &Pod,
        direction: Direction,
        (local, remote): (IpAddr, IpAddr),
        (port, protocol): (u16, Protocol),
        outcomes: Outcomes,
        translated: Option<Face>,
    ) {
        let container = format!("{:064x}", pod.workload);
        let cgroup = if self.rng.bool() {
            format!("/kubepods/burstable/pod{}/{container}", pod.uid)
        } else {
            let uid = pod.uid.replace('-', "_");
            format!(
                "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{uid}.slice/crio-{container}.scope"
            )
        };
        let workload = Workload {
            // Where the group is not known, the address tells.
            cgroup: (pod.on_host_network || self.rng.usize(0..5) > 0).then(|| cgroup.into()),
            netns: (!pod.on_host_network).then(|| pod.uid.as_str().into()),
        };
        let key = FlowKey { workload, direction, local, remote, port, protocol, translated };
        let flows = self.flows.entry((pod.cluster, pod.node)).or_default();
        if let Some(flow) = flows.iter_mut().find(|flow| flow.key == key) {
            flow.outcomes.add(&outcomes);
            return;
        }
        let processes = vec![ProcessSeen { command: "app".to_owned(), id: 7, attempts: 1 }];
        flows.push(Flow {
            key,
            outcomes,
            first_seen: START + SECOND,
            last_seen: START + 2 * SECOND,
            processes,
            folded: 0,
        });
    }

    fn windows(&mut self) -> Vec<Window> {
        let mut windows = Vec::new();
        for cluster in 0..self.clusters {
            for node in 0..self.nodes {
                let mut flows = self.flows.remove(&(cluster, node)).unwrap_or_default();
                flows.sort_by(|left, right| left.key.cmp(&right.key));
                let coverage = Coverage {
                    snapshot: Some(Snapshot { namespaces: 1, ..Snapshot::default() }),
                    canary: true,
                    events: flows.len() as u64,
                    ..Coverage::default()
                };
                windows.push(Window {
                    cluster: name_of(cluster),
                    node: format!("n{node}"),
                    start: START,
                    end: START + 100 * SECOND,
                    coverage,
                    flows,
                });
            }
        }
        windows
    }
}

fn same_family(client: &Pod, server: &Pod) -> Option<(IpAddr, IpAddr)> {
    client.addresses.iter().find_map(|from| {
        let to = server.addresses.iter().find(|to| to.is_ipv4() == from.is_ipv4())?;
        Some((*from, *to))
    })
}
