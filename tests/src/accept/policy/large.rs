//! Line 6: a large fleet's policies, in time and in memory.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs::{self, File},
    io::{BufWriter, Write},
    net::{IpAddr, Ipv4Addr},
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};
use fastrand::Rng;
use flowdrift::{
    event::Protocol,
    flow::{Coverage, Direction, Flow, FlowKey, Outcomes, ProcessSeen, Snapshot, Window, Workload},
    policy::language::Language,
    source::recording,
};
use serde_json::{Value, json};

use crate::{
    accept::Line,
    folder::Folder,
    live::binary,
    usage::{self, Ended},
};

/// What is asked for: seconds, and bytes of memory.
const SECONDS: f64 = 30.0;
const MEMORY: u64 = 1 << 30;

/// How much of everything.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    /// What is deployed; each has two pods, half of them a service.
    pub workloads: usize,
    /// Rows of the matrix.
    pub rows: usize,
    /// Flows in all recordings together.
    pub flows: usize,
}

impl Scale {
    /// As the acceptance asks.
    pub const FULL: Self = Self { workloads: 10_000, rows: 10_000, flows: 1_000_000 };
    /// A twentieth of it.
    pub const REDUCED: Self = Self { workloads: 500, rows: 500, flows: 50_000 };
}

/// Workloads of one namespace.
const NAMESPACE: usize = 50;
/// Pods of one workload.
const REPLICAS: usize = 2;
/// Pods of one node.
const CROWD: usize = 100;
/// Endpoints outside.
const SITES: usize = 200;
const START: i64 = 1_700_000_000_000_000_000;
const SECOND: i64 = 1_000_000_000;

/// Makes policies of a fleet.
#[must_use]
pub fn line(scale: Scale) -> Line {
    const WHAT: &str = "policies of a large fleet";
    Line::of(WHAT, measure(scale))
}

fn measure(scale: Scale) -> Result<(bool, Value)> {
    let folder = Folder::new("fleet");
    let fleet = Fleet { scale };
    folder.write("kubernetes.json", fleet.kubernetes());
    folder.write("inventory.yaml", fleet.inventory());
    let rows = fleet.rows();
    folder.write("matrix.yaml", matrix(&rows));
    let (mut recordings, mut flows) = (Vec::new(), 0);
    for (node, window) in fleet.windows(&rows).into_iter().enumerate() {
        flows += window.flows.len();
        let name = folder.at(&format!("{node}.fdr"));
        let mut file = BufWriter::new(File::create(&name)?);
        recording::write(&window, &mut file)?;
        file.flush()?;
        recordings.push(name);
    }
    let (mut holds, mut languages) = (flows >= scale.flows, serde_json::Map::new());
    for language in Language::ALL {
        let (made, documents) = run(&folder, &recordings, language)?;
        let figures = json!({
            "documents": documents,
            "seconds": made.seconds,
            "memory": made.memory,
            "exit": made.status.code(),
        });
        println!("  {}: {figures}", language.name());
        holds &= made.seconds < SECONDS && made.memory < MEMORY && documents > 0;
        languages.insert(language.name().to_owned(), figures);
    }
    let figures = json!({
        "workloads": scale.workloads,
        "pods": scale.workloads * REPLICAS,
        "rows": scale.rows,
        "flows": flows,
        "languages": languages,
    });
    Ok((holds, figures))
}

/// A row: who connects, whom, and the declared port.
struct Row {
    from: usize,
    to: To,
    port: u16,
}

#[derive(Clone, Copy)]
enum To {
    Workload(usize),
    Site(usize),
}

struct Fleet {
    scale: Scale,
}

/// The pods listen here, whatever their service's port is.
fn target(workload: usize) -> u16 {
    8_000 + (workload % 100) as u16
}

fn service_port(workload: usize) -> u16 {
    80 + (workload % 20) as u16
}

impl Fleet {
    fn pods(&self) -> usize {
        self.scale.workloads * REPLICAS
    }

    fn nodes(&self) -> usize {
        self.pods().div_ceil(CROWD)
    }

    /// Replicas are on different nodes.
    fn node_of(&self, pod: usize) -> usize {
        pod % self.nodes()
    }

    fn pod_address(pod: usize) -> IpAddr {
        Ipv4Addr::from_bits(0x0a00_0000 + 256 + pod as u32).into()
    }

    fn virtual_address(workload: usize) -> Option<IpAddr> {
        workload.is_multiple_of(2).then(|| Ipv4Addr::from_bits(0x0ac0_0000 + 1 + workload as u32).into())
    }

    fn site_address(site: usize, host: usize) -> IpAddr {
        Ipv4Addr::from_bits(0xc612_0000 + (site as u32) * 256 + host as u32).into()
    }

    fn uid(pod: usize) -> String {
        format!("{pod:08x}-0000-4000-8000-000000000000")
    }

    fn kubernetes(&self) -> String {
        let mut items = Vec::new();
        for workload in 0..self.scale.workloads {
            let namespace = format!("team{}", workload / NAMESPACE);
            let app = format!("app{workload}");
            for pod in workload * REPLICAS..(workload + 1) * REPLICAS {
                items.push(json!({"kind": "Pod", "apiVersion": "v1",
                    "metadata": {"namespace": namespace, "name": format!("{app}-5d8f-{pod}"), "uid": Self::uid(pod),
                        "labels": {"app": app, "pod-template-hash": "5d8f"},
                        "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": format!("{app}-5d8f"), "uid": "r", "controller": true}]},
                    "spec": {"nodeName": format!("n{}", self.node_of(pod)), "containers": [{"name": "c"}]},
                    "status": {"podIPs": [{"ip": Self::pod_address(pod).to_string()}]}}));
            }
            if let Some(address) = Self::virtual_address(workload) {
                items.push(json!({"kind": "Service", "apiVersion": "v1",
                    "metadata": {"namespace": namespace, "name": app},
                    "spec": {"clusterIP": address.to_string(), "selector": {"app": app},
                        "ports": [{"port": service_port(workload), "targetPort": target(workload)}]}}));
            }
        }
        json!({"kind": "List", "apiVersion": "v1", "items": items}).to_string()
    }

    fn inventory(&self) -> String {
        let nodes =
            (0..self.nodes()).map(|node| format!("n{node}: 172.16.{}.{}", node / 250, node % 250 + 1));
        let nodes = nodes.collect::<Vec<_>>().join(", ");
        let mut text = format!(
            "apiVersion: flowdrift/v1\nkind: Inventory\nclusters:\n  run: {{nodes: {{{nodes}}}, pods: [10.0.0.0/9], services: [10.192.0.0/10]}}\nendpoints:\n"
        );
        for workload in 0..self.scale.workloads {
            let _ = writeln!(
                text,
                "  app{workload}: {{cluster: run, selector: {{namespace: team{}, labels: {{app: app{workload}}}}}}}",
                workload / NAMESPACE
            );
        }
        for site in 0..SITES {
            let _ = writeln!(text, "  site{site}: {{cidrs: [{}/24]}}", Self::site_address(site, 0));
        }
        text
    }

    /// Each workload has one in turn, to another or to somebody outside.
    fn rows(&self) -> Vec<Row> {
        let mut rng = Rng::with_seed(1);
        let mut row = |index: usize| {
            let from = index % self.scale.workloads;
            if rng.usize(0..4) == 0 {
                return Row { from, to: To::Site(rng.usize(0..SITES)), port: 443 };
            }
            let to = rng.usize(0..self.scale.workloads);
            let port = if Self::virtual_address(to).is_some() { service_port(to) } else { target(to) };
            Row { from, to: To::Workload(to), port }
        };
        (0..self.scale.rows).map(&mut row).collect()
    }

    /// What both ends of each connection saw; one in ten is nobody's row.
    fn windows(&self, rows: &[Row]) -> Vec<Window> {
        let mut rng = Rng::with_seed(2);
        let mut nodes: Vec<BTreeMap<FlowKey, u64>> = vec![BTreeMap::new(); self.nodes()];
        let mut count = 0;
        let mut index = 0;
        // Outside there are many hosts, so that rows of few workloads have many flows.
        while count < self.scale.flows {
            let row = &rows[index % rows.len()];
            index += 1;
            let client = row.from * REPLICAS + rng.usize(0..REPLICAS);
            let stray = rng.usize(0..10) == 0;
            match row.to {
                To::Site(site) => {
                    let remote = Self::site_address(site, 1 + index / rows.len() % 250);
                    let port = if stray { 8_443 } else { row.port };
                    count += self.see(
                        &mut nodes,
                        client,
                        (Direction::Outbound, remote, port),
                        1 + index as u64 % 7,
                    );
                }
                To::Workload(to) => {
                    let to = if stray { rng.usize(0..self.scale.workloads) } else { to };
                    let server = to * REPLICAS + rng.usize(0..REPLICAS);
                    // Through the service's address, or to the pod itself: then the client's node tells its own address only.
                    let asked = Self::virtual_address(to).map(|address| (address, service_port(to)));
                    let (remote, port) = asked.unwrap_or((Self::pod_address(server), target(to)));
                    count += self.see(&mut nodes, client, (Direction::Outbound, remote, port), 3);
                    let from = Self::pod_address(client);
                    count += self.see(&mut nodes, server, (Direction::Inbound, from, target(to)), 3);
                }
            }
        }
        let window = |(node, flows): (usize, BTreeMap<FlowKey, u64>)| Window {
            cluster: "run".to_owned(),
            node: format!("n{node}"),
            start: START,
            end: START + 100 * SECOND,
            coverage: Coverage {
                snapshot: Some(Snapshot::default()),
                canary: true,
                events: flows.len() as u64,
                ..Coverage::default()
            },
            flows: flows.into_iter().map(|(key, connections)| flow(key, connections)).collect(),
        };
        nodes.into_iter().enumerate().map(window).collect()
    }

    /// How many flows that makes.
    fn see(
        &self,
        nodes: &mut [BTreeMap<FlowKey, u64>],
        pod: usize,
        (direction, remote, port): (Direction, IpAddr, u16),
        connections: u64,
    ) -> usize {
        let uid = Self::uid(pod).replace('-', "_");
        let workload = Workload {
            cgroup: Some(
                format!("/kubepods.slice/kubepods-pod{uid}.slice/cri-containerd-{pod:064x}.scope").into(),
            ),
            netns: Some(format!("pod-{pod}").into()),
        };
        let local = Self::pod_address(pod);
        let key =
            FlowKey { workload, direction, local, remote, port, protocol: Protocol::Tcp, translated: None };
        let flows = &mut nodes[self.node_of(pod)];
        let before = flows.len();
        *flows.entry(key).or_default() += connections;
        flows.len() - before
    }
}

fn flow(key: FlowKey, connections: u64) -> Flow {
    let is_client = key.direction == Direction::Outbound;
    let outcomes = if is_client {
        Outcomes { connected: connections, ..Outcomes::default() }
    } else {
        Outcomes { accepted: connections, ..Outcomes::default() }
    };
    let process = ProcessSeen { command: "app".to_owned(), id: 7, attempts: connections };
    Flow {
        key,
        outcomes,
        first_seen: START + SECOND,
        last_seen: START + 2 * SECOND,
        processes: is_client.then_some(process).into_iter().collect(),
        folded: 0,
    }
}

fn matrix(rows: &[Row]) -> String {
    let mut text = "apiVersion: flowdrift/v1\nkind: FlowMatrix\nmetadata: {name: fleet}\nrows:\n".to_owned();
    for (index, Row { from, to, port }) in rows.iter().enumerate() {
        let to = match to {
            To::Workload(to) => format!("app{to}"),
            To::Site(site) => format!("site{site}"),
        };
        let _ = writeln!(
            text,
            "  - {{id: row-{index}, from: [app{from}], to: [{to}], ports: [{port}/tcp], expect: optional}}"
        );
    }
    text
}

/// Makes a language's policies, reads them back and replays every flow through them; with how many documents that are.
fn run(folder: &Folder, recordings: &[String], language: Language) -> Result<(Ended, usize)> {
    let (made, said) = (folder.at(language.name()), folder.at("said"));
    let mut command = Command::new(binary());
    command
        .args(["policy", "--matrix", &folder.at("matrix.yaml"), "--inventory", &folder.at("inventory.yaml")])
        .args(["--kubernetes", &format!("run={}", folder.at("kubernetes.json"))])
        .args(["--format", language.name(), "-o", &made, "--from"])
        .args(recordings)
        .stdin(Stdio::null())
        .stdout(File::create(&said)?);
    let ended = usage::of_command(&mut command)?;
    // 1 would say that its own replay cut what somebody answers for, or let through what nobody does.
    if ended.status.code() != Some(0) {
        let said = fs::read_to_string(&said)?;
        let first = said.lines().take(3).collect::<Vec<_>>().join("\n");
        bail!("flowdrift policy --format {} ended with {}: {first}", language.name(), ended.status);
    }
    Ok((ended, documents(Path::new(&made))?))
}

/// Files of the cluster.
fn documents(made: &Path) -> Result<usize> {
    let (mut count, mut folders) = (0, vec![made.join("run")]);
    while let Some(at) = folders.pop() {
        for entry in fs::read_dir(&at).with_context(|| at.display().to_string())? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                count += 1;
            }
        }
    }
    Ok(count)
}
