//! Declaration and reality, end to end: recordings of several nodes, joined, legs apart, and live.

use std::{
    fs,
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use flowdrift::{
    flow::Window,
    report::{Report, model::Cell},
    source::recording,
};
use flowdrift_tests::{
    folder::Folder,
    live::{Live, binary},
    namespace::{TestNamespace, join},
    needs, nobody,
    recorder::Recorder,
};
use nix::sys::signal::Signal;

const MATRIX: &str = "\
apiVersion: flowdrift/v1
kind: FlowMatrix
metadata: {name: two-ends}
rows:
  - {id: direct, from: [run], to: [view], ports: [6443/tcp], expect: required}
  - {id: through-the-front, component: front, from: [run], to: [view], ports: [443/tcp], expect: required}
  - {id: front-to-ingress, from: [front], to: [view], ports: [443/tcp], expect: required}
  - {id: silent, from: [view], to: [run], ports: [22/tcp], expect: required}
";

const INVENTORY: &str = "\
apiVersion: flowdrift/v1
kind: Inventory
clusters:
  run: {role: run, nodes: {run-1: 10.11.0.1}, pods: [192.168.0.0/16]}
  view:
    role: view
    nodes: {view-1: 10.12.0.1}
    pods: [192.168.0.0/16]
    ingress: {addresses: [10.11.0.2], listeners: {443: 8443}, proxies: [10.12.0.2/32]}
endpoints:
  front: {cidrs: [10.12.0.2/32]}
";

/// A folder with the declaration.
fn declared() -> Folder {
    let folder = Folder::new("audit");
    folder.write("matrix.yaml", MATRIX).write("inventory.yaml", INVENTORY);
    folder
}

fn keep(folder: &Folder, name: &str, window: &Window) -> PathBuf {
    let path = folder.path().join(name);
    recording::write(window, fs::File::create(&path).expect("it is ours")).expect("there is room");
    path
}

/// Exit code and standard output of `flowdrift audit --format json --from …`.
fn audit(folder: &Folder, recordings: &[PathBuf]) -> (Option<i32>, String) {
    let output = Command::new(binary())
        .args(["audit", "--matrix", &folder.at("matrix.yaml"), "--inventory", &folder.at("inventory.yaml")])
        .args(["--format", "json", "--from"])
        .args(recordings)
        .output()
        .expect("the binary runs");
    (output.status.code(), String::from_utf8(output.stdout).expect("JSON is UTF-8"))
}

/// run-1 – front – view-1, with a direct link between the nodes beside it, and one pod address in both.
struct Lab {
    run: TestNamespace,
    view: TestNamespace,
    front: TestNamespace,
}

impl Lab {
    fn new() -> Self {
        let lab = Self {
            run: TestNamespace::new("run"),
            view: TestNamespace::new("view"),
            front: TestNamespace::new("front"),
        };
        join("front0", (&lab.run, "10.11.0.1/24"), (&lab.front, "10.11.0.2/24"));
        join("front1", (&lab.view, "10.12.0.1/24"), (&lab.front, "10.12.0.2/24"));
        join("direct", (&lab.run, "10.13.0.1/24"), (&lab.view, "10.13.0.2/24"));
        lab.run.ip(&["route", "add", "10.12.0.1/32", "via", "10.13.0.2", "src", "10.11.0.1"]);
        lab.view.ip(&["route", "add", "10.11.0.1/32", "via", "10.13.0.1", "src", "10.12.0.1"]);
        for node in [&lab.run, &lab.view] {
            node.ip(&["address", "add", "192.168.0.10/32", "dev", "lo"]);
        }
        lab
    }

    /// Three connections directly, two through the proxy, and one inside each node between equal addresses.
    fn play(&self) {
        let api = self.view.run(|| TcpListener::bind("10.12.0.1:6443").expect("view-1 has the address"));
        let ingress = self.view.run(|| TcpListener::bind("10.12.0.1:8443").expect("likewise"));
        let front = self.front.run(|| TcpListener::bind("10.11.0.2:443").expect("the front has it"));
        std::thread::scope(|scope| {
            scope.spawn(|| serve(&api, 3));
            scope.spawn(|| serve(&ingress, 2));
            scope.spawn(|| self.front.run(|| relay(&front, 2)));
            self.run.run(|| {
                (0..3).for_each(|_| talk("10.12.0.1:6443"));
                (0..2).for_each(|_| talk("10.11.0.2:443"));
            });
        });
        for node in [&self.run, &self.view] {
            node.run(|| {
                let pod = TcpListener::bind((Ipv4Addr::new(192, 168, 0, 10), 7000)).expect("both have it");
                std::thread::scope(|scope| {
                    scope.spawn(|| serve(&pod, 1));
                    talk("192.168.0.10:7000");
                });
            });
        }
    }
}

fn talk(to: &str) {
    let address: SocketAddr = to.parse().expect("an address");
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5)).expect("somebody listens");
    stream.write_all(b"hello").expect("the connection stands");
    let mut answer = [0; 5];
    stream.read_exact(&mut answer).expect("it is answered");
}

fn answer(mut stream: TcpStream) {
    let mut words = [0; 5];
    stream.read_exact(&mut words).expect("the client speaks first");
    stream.write_all(&words).expect("the connection stands");
}

fn serve(listener: &TcpListener, count: usize) {
    (0..count).for_each(|_| answer(listener.accept().expect("a client comes").0));
}

fn relay(listener: &TcpListener, count: usize) {
    for _ in 0..count {
        let mut client = listener.accept().expect("a client comes").0;
        let mut server = TcpStream::connect("10.12.0.1:8443").expect("the ingress listens");
        let mut words = [0; 5];
        client.read_exact(&mut words).expect("the client speaks first");
        server.write_all(&words).expect("the connection stands");
        server.read_exact(&mut words).expect("it is answered");
        client.write_all(&words).expect("the connection stands");
    }
}

fn recorder(cluster: &str, node: &str, namespace: &TestNamespace) -> Recorder {
    Recorder::of_node((cluster, node), &["--netns", &namespace.path().display().to_string()])
}

fn report(text: &str) -> Report {
    serde_json::from_str(text).expect("the report has the published schema")
}

fn cell<'a>(report: &'a Report, row: &str) -> &'a Cell {
    let row = report.rows.iter().find(|one| one.place.id == row).expect("the row is declared");
    row.cells.first().expect("it has a cell")
}

#[test]
fn two_ends_are_one_flow_two_legs_are_not_and_equal_pods_stay_apart() {
    if !needs::root("two_ends_are_one_flow_two_legs_are_not_and_equal_pods_stay_apart") {
        return;
    }
    let (lab, folder) = (Lab::new(), declared());
    let recorders = [recorder("run", "run-1", &lab.run), recorder("view", "view-1", &lab.view)];
    lab.play();
    // They end one after the other: that must be little of what was audited.
    std::thread::sleep(Duration::from_secs(1));
    let [run, view] = recorders.map(Recorder::finish);
    let (code, text) = audit(&folder, &[keep(&folder, "run.fdr", &run), keep(&folder, "view.fdr", &view)]);
    let report = report(&text);

    let direct = &cell(&report, "direct").evidence;
    assert_eq!((direct.connections, direct.connected, direct.accepted, direct.both_ends), (3, 3, 3, true));

    let client = &cell(&report, "through-the-front").evidence;
    assert_eq!((client.connections, client.connected, client.accepted, client.both_ends), (2, 2, 0, false));
    assert_eq!(client.legs, ["client → load balancer"]);
    assert_eq!(client.behind_proxy, 2, "the far leg is told, and not as this row's");
    let listener = &cell(&report, "front-to-ingress").evidence;
    assert_eq!((listener.connections, listener.connected, listener.accepted), (2, 0, 2));
    assert_eq!(listener.legs, ["load balancer → ingress listener"]);

    let inside = report.counts["baseline"];
    assert_eq!(
        (inside.flows, inside.connections),
        (2, 2),
        "equal pod addresses in two clusters are two flows"
    );
    let missing: Vec<&str> = report.findings.iter().map(|finding| finding.kind.as_str()).collect();
    assert_eq!(missing, ["missing"], "{text}");
    assert_eq!(code, Some(1));
}

#[test]
fn a_live_audit_and_its_recording_find_the_same() {
    if !needs::root("a_live_audit_and_its_recording_find_the_same") {
        return;
    }
    let (lab, folder) = (Lab::new(), declared());
    let (kept, live) = (folder.path().join("kept.fdr"), folder.path().join("live.json"));
    let netns = lab.run.path().display().to_string();
    let (matrix, inventory) = (folder.at("matrix.yaml"), folder.at("inventory.yaml"));
    // No program lists it once rights are given up.
    let ruleset = folder.path().join("run-1.nft");
    let closed = "table inet t { chain output { type filter hook output priority 0; policy drop; }; }";
    fs::write(&ruleset, closed).expect("the folder is writable");
    let mut running = Live::start([
        "audit",
        "--policy",
        &folder.at("run-1.nft"),
        "--matrix",
        &matrix,
        "--inventory",
        &inventory,
        "--cluster",
        "run",
        "--node",
        "run-1",
        "--netns",
        &netns,
        "--format",
        "json",
        "-o",
        &folder.at("live.json"),
        "--record",
        &folder.at("kept.fdr"),
    ]);
    lab.play();
    let (status, said) = running.end(Signal::SIGINT);
    assert_eq!(status.code(), Some(1), "run-1 knows that nothing arrived from view: {said}");

    let live = report(&read(&live));
    let would_deny = live.would_deny.as_ref().expect("policies were given");
    assert!(!would_deny.denied.is_empty(), "{would_deny:?}");
    assert!(would_deny.denied.iter().all(|flow| flow.subject == "run/run-1"), "{would_deny:?}");
    let (code, once) = audit(&folder, std::slice::from_ref(&kept));
    assert_eq!(code, status.code());
    assert_eq!(report(&once).findings, live.findings);
    assert_eq!(report(&once).rows, live.rows);
    assert_eq!(audit(&folder, &[kept]).1, once, "the same input gives the same bytes");
}

#[test]
fn an_ordinary_user_with_three_capabilities_finds_the_same() {
    if !nobody::can_be("an_ordinary_user_with_three_capabilities_finds_the_same") {
        return;
    }
    let (lab, folder) = (Lab::new(), declared());
    let program = folder.binary();
    let nodes = [("run", "run-1", &lab.run), ("view", "view-1", &lab.view)];
    let file = |cluster: &str| folder.path().join(format!("nobody-{cluster}.fdr"));
    let mut users = nodes.map(|(cluster, node, namespace)| {
        let output = file(cluster).display().to_string();
        Live::of(
            nobody::command(namespace, &program)
                .args(["record", "--cluster", cluster, "--node", node, "-o", &output])
                .args(["--netns", "/proc/self/ns/net"]),
        )
    });
    let recorders = nodes.map(|(cluster, node, namespace)| recorder(cluster, node, namespace));
    lab.play();
    std::thread::sleep(Duration::from_secs(1));
    let [run, view] = recorders.map(Recorder::finish);
    for user in &mut users {
        let (status, said) = user.end(Signal::SIGINT);
        assert!(status.success(), "{said}");
    }
    let (code, of_root) = audit(&folder, &[keep(&folder, "run.fdr", &run), keep(&folder, "view.fdr", &view)]);
    let (code_of_user, of_user) = audit(&folder, &[file("run"), file("view")]);
    assert_eq!(code_of_user, code);
    let [of_root, of_user] = [report(&of_root), report(&of_user)];
    let said = |report: &Report| -> Vec<_> {
        report.rows.iter().map(|row| (row.place.id.clone(), row.verdict.clone(), row.connections)).collect()
    };
    // Not their words: the spans in them are each recorder's own.
    let ids = |report: &Report| -> Vec<_> { report.findings.iter().map(|one| one.id.clone()).collect() };
    assert_eq!(ids(&of_user), ids(&of_root));
    assert_eq!(said(&of_user), said(&of_root));
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).expect("the audit has written it")
}
