//! `audit --follow`: what nothing declares is said while the window is open, by the declaration as it is then.

use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    time::{Duration, Instant},
};

use flowdrift_tests::{
    folder::Folder,
    live::Live,
    namespace::{TestNamespace, join},
    needs,
};
use nix::sys::signal::Signal;

const ALLOWED: u16 = 6443;
const OTHER: u16 = 5432;

const INVENTORY: &str = "\
apiVersion: flowdrift/v1
kind: Inventory
clusters:
  here: {role: here, nodes: {node: 10.20.0.1}}
endpoints:
  database: {cidrs: [10.20.0.2/32]}
";

/// A matrix that allows the cluster these ports of the database.
fn matrix(ports: &[u16]) -> String {
    let ports: Vec<String> = ports.iter().map(|port| format!("{port}/tcp")).collect();
    format!(
        "apiVersion: flowdrift/v1\nkind: FlowMatrix\nmetadata: {{name: follow}}\nrows:\n  - {{id: to-the-database, from: [here], to: [database], ports: [{}]}}\n",
        ports.join(", ")
    )
}

/// A node, and a database beside it.
struct Node {
    namespace: TestNamespace,
    database: TestNamespace,
    folder: Folder,
}

impl Node {
    fn new(ports: &[u16]) -> Self {
        let node = Self {
            namespace: TestNamespace::new("node"),
            database: TestNamespace::new("database"),
            folder: Folder::new("follow"),
        };
        join("follow", (&node.namespace, "10.20.0.1/24"), (&node.database, "10.20.0.2/24"));
        node.folder.write("inventory.yaml", INVENTORY);
        node.declare(&matrix(ports));
        node
    }

    fn declare(&self, matrix: &str) {
        self.folder.write("matrix.yaml", matrix);
    }

    fn follow(&self, further: &[&str]) -> Live {
        let [matrix, inventory, report] =
            ["matrix.yaml", "inventory.yaml", "report.txt"].map(|name| self.folder.at(name));
        let netns = self.namespace.path().display().to_string();
        let fixed = [
            "audit",
            "--follow",
            "--cluster",
            "here",
            "--node",
            "node",
            "--netns",
            &netns,
            "--matrix",
            &matrix,
            "--inventory",
            &inventory,
            "-o",
            &report,
        ];
        Live::start(fixed.iter().chain(further))
    }

    /// Connects from the node to the database.
    fn connect(&self, port: u16) {
        let address = SocketAddr::from(([10, 20, 0, 2], port));
        let listener = self.database.run(|| TcpListener::bind(address).expect("it is free"));
        self.namespace.run(|| drop(TcpStream::connect(address).expect("it listens")));
        drop(listener);
    }

    fn report(&self) -> String {
        std::fs::read_to_string(self.folder.at("report.txt")).expect("it was written")
    }
}

/// Reads what it says until a line holds this.
fn hears(live: &Live, words: &str) -> String {
    const PATIENCE: Duration = Duration::from_secs(20);
    let began = Instant::now();
    let mut said = String::new();
    while began.elapsed() < PATIENCE {
        let Some(line) = live.says(Duration::from_millis(200)) else { continue };
        said += &line;
        said.push('\n');
        if line.contains(words) {
            return said;
        }
    }
    panic!("`{words}` was not said: {said}");
}

/// The id of a finding, at the end of its line.
fn id(line: &str) -> &str {
    line.rsplit_once('[').and_then(|(_, id)| id.strip_suffix(']')).expect("findings have ids")
}

#[test]
fn an_undeclared_flow_is_said_at_once_and_has_its_id_at_the_end() {
    if !needs::root("an_undeclared_flow_is_said_at_once_and_has_its_id_at_the_end") {
        return;
    }
    let node = Node::new(&[ALLOWED]);
    let mut live = node.follow(&[]);
    node.connect(ALLOWED);
    node.connect(OTHER);
    node.connect(OTHER);
    let said = hears(&live, "undeclared");
    assert!(!said.contains(&ALLOWED.to_string()), "{said}");
    let line = said.lines().find(|line| line.contains("undeclared")).expect("it was heard");
    assert!(line.contains("database") && line.contains("5432/tcp"), "{line}");
    let (status, rest) = live.end(Signal::SIGINT);
    assert_eq!(status.code(), Some(1), "{rest}");
    assert!(rest.contains("nearest row to-the-database") && !rest.contains("undeclared"), "once: {rest}");
    assert!(node.report().contains(id(line)), "{line} is in {}", node.report());
}

#[test]
fn a_declaration_that_changes_just_before_the_end_is_that_of_the_report() {
    if !needs::root("a_declaration_that_changes_just_before_the_end_is_that_of_the_report") {
        return;
    }
    let node = Node::new(&[ALLOWED]);
    let mut live = node.follow(&[]);
    node.connect(OTHER);
    hears(&live, "undeclared");
    // Nobody has looked at the files yet when the window ends.
    node.declare(&matrix(&[ALLOWED, OTHER]));
    let (_, said) = live.end(Signal::SIGINT);
    assert!(said.contains("read the declaration again"), "{said}");
    assert!(!node.report().contains("nearest row"), "{}", node.report());
    let mut live = node.follow(&[]);
    node.declare("nothing");
    let (_, said) = live.end(Signal::SIGINT);
    assert!(said.contains("the declaration as it was"), "{said}");
}

#[test]
fn a_declaration_that_changes_is_read_again_and_asked_for_all_that_was_seen() {
    if !needs::root("a_declaration_that_changes_is_read_again_and_asked_for_all_that_was_seen") {
        return;
    }
    let node = Node::new(&[ALLOWED]);
    let mut live = node.follow(&[]);
    node.connect(OTHER);
    hears(&live, "undeclared");
    node.declare("rows: [");
    hears(&live, "the declaration stays as it was");
    node.folder.write("inventory.yaml", INVENTORY.replace("node: 10.20.0.1", "another: 10.20.0.1"));
    node.declare(&matrix(&[OTHER]));
    hears(&live, "node `node` is not in the roster");
    node.folder.write("inventory.yaml", INVENTORY);
    hears(&live, "read the declaration again: 0 findings more, 1 fewer");
    node.connect(ALLOWED);
    let said = hears(&live, "undeclared");
    assert!(said.contains("6443/tcp"), "{said}");
    node.declare(&matrix(&[ALLOWED]));
    hears(&live, "read the declaration again: 1 finding more, 1 fewer");
    hears(&live, "5432/tcp");
    let (status, _) = live.end(Signal::SIGINT);
    assert_eq!(status.code(), Some(1));
    let report = node.report();
    assert!(report.contains("5432/tcp") && !report.contains("6443/tcp: 1 connection"), "{report}");
}

#[test]
fn every_connection_can_be_asked_for() {
    if !needs::root("every_connection_can_be_asked_for") {
        return;
    }
    let node = Node::new(&[ALLOWED]);
    let mut live = node.follow(&["--every-connection"]);
    (0..3).for_each(|_| node.connect(ALLOWED));
    node.connect(OTHER);
    hears(&live, "undeclared");
    let (_, said) = live.end(Signal::SIGINT);
    assert!(said.contains("asked for 4 connections one by one: 3 fitted a declared row"), "{said}");
}
