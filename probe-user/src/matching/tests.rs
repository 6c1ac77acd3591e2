//! The rules of matching. Two run clusters and view use the same pod addresses.

use super::*;
use crate::event::Protocol;
use crate::flow::Direction;
use crate::matrix::{Matrix, inventory, read_inventory, read_matrix};

const LAB: &str = r#"
apiVersion: flowdrift/v1
kind: Inventory
clusters:
  view:
    role: view
    nodes: {v1: 10.10.0.11}
    pods: [192.168.0.0/16]
    services: [10.96.0.0/12]
    egress: [203.0.113.1]
    ingress:
      addresses: [10.10.0.10]
      listeners: {443: 8443, 80: 8080}
      proxies: [10.10.0.9]
      pods: [192.168.0.10]
      targets: {443: [7000]}
  run-eu: {role: run, nodes: {e1: 10.30.0.11}, pods: [192.168.0.0/16], egress: [203.0.113.3, 203.0.113.9], ingress: {pods: [192.168.0.10]}}
  run-us: {role: run, egress: [203.0.113.9], nodes: {u1: 10.40.0.11}, pods: [192.168.0.0/16], acknowledged: closing down}
  flat: {nodes: {f1: 10.50.0.11}, pods: [172.20.0.0/16], routable: true}
endpoints:
  git: {cidrs: [192.0.2.0/28]}
  registry: {cidrs: [192.0.2.2/32]}
  everywhere: {cidrs: [0.0.0.0/0]}
  load-balancer: {cidrs: [10.10.0.9]}
  contour-ingress: {ingress: true}
  db: {cluster: view, cidrs: [192.168.0.30/32], ports: {5432: [30432]}}
  gui: {cluster: view, cgroups: [/kubepods/gui]}
  selected: {cluster: view, selector: {namespace: a}}
  named: {hosts: [a.example.com], acknowledged: not ours}
  build-api: {cidrs: [10.40.0.11]}
resolvers: [10.0.0.53]
time_servers: [10.0.0.123]
registries: [registry]
"#;

fn rows(text: &str) -> Rows {
    let head = "apiVersion: flowdrift/v1\nkind: FlowMatrix\nmetadata: {name: t}\nrows:\n";
    let rows = text.lines().enumerate().map(|(index, row)| format!("  - {{id: r{index}, {row}}}\n"));
    let text = format!("{head}{}", rows.collect::<String>());
    compile(&read_matrix(&text, "t.yaml").unwrap_or_else(|faults| panic!("{faults}")))
}

fn compile(matrix: &Matrix) -> Rows {
    let lab = read_inventory(LAB, "lab.yaml").unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(inventory::unbound(std::slice::from_ref(matrix), &lab), []);
    Rows::new(std::slice::from_ref(matrix), &lab)
}

/// `out` is seen by the client's node, `seen` by the server's.
fn out<'a>(cluster: &'a str, local: &str, remote: &str, port: u16) -> Tuple<'a> {
    Tuple {
        cluster,
        node: "n",
        cgroup: None,
        direction: Direction::Outbound,
        local: local.parse().expect("an address"),
        remote: remote.parse().expect("an address"),
        port,
        protocol: Protocol::Tcp,
        names: None,
    }
}

fn seen<'a>(cluster: &'a str, local: &str, remote: &str, port: u16) -> Tuple<'a> {
    Tuple { direction: Direction::Inbound, ..out(cluster, local, remote, port) }
}

fn matches(rows: &Rows, tuple: Tuple<'_>) -> Vec<Match> {
    let mut found = Vec::new();
    rows.matches(&tuple, &mut found);
    found
}

/// Source, destination, leg and whether the source is hidden, for each match.
fn told(rows: &Rows, tuple: Tuple<'_>) -> Vec<String> {
    let hidden = |one: &Match| if one.source_hidden() { " hidden" } else { "" };
    let tell = |one: Match| {
        let cell = &rows.cells()[one.cell()];
        format!("{} -> {} {:?}{}", cell.source, cell.destination, one.leg(), hidden(&one))
    };
    matches(rows, tuple).into_iter().map(tell).collect()
}

const NOTHING: [&str; 0] = [];

#[test]
fn a_role_splits_into_its_clusters() {
    let rows = rows("from: [run], to: [view, git], ports: [443/tcp, 80/tcp]");
    let cells: Vec<String> = rows
        .cells()
        .iter()
        .map(|cell| format!("{} {} {}", cell.source, cell.destination, cell.port))
        .collect();
    assert_eq!(cells.len(), 8);
    assert_eq!(&cells[..3], ["run-eu view 443/tcp", "run-eu view 80/tcp", "run-eu git 443/tcp"]);
    assert_eq!(cells[7], "run-us git 80/tcp");
}

#[test]
fn an_ingress_is_that_of_the_other_ends_cluster() {
    let rows = rows("from: [contour-ingress], to: [run, git], ports: [443/tcp]");
    let sources: Vec<String> = rows.cells().iter().map(|cell| cell.source.to_string()).collect();
    assert_eq!(sources, ["contour-ingress of run-eu", "contour-ingress of run-us", "contour-ingress"]);
}

#[test]
fn the_local_end_is_placed_by_who_reports_it() {
    let rows = rows("from: [run], to: [git], ports: [443/tcp]");
    assert_eq!(told(&rows, out("run-eu", "192.168.0.7", "192.0.2.1", 443)), ["run-eu -> git Direct"]);
    assert_eq!(told(&rows, out("run-us", "192.168.0.7", "192.0.2.1", 443)), ["run-us -> git Direct"]);
    assert_eq!(told(&rows, out("view", "192.168.0.7", "192.0.2.1", 443)), NOTHING);
}

#[test]
fn one_pod_cidr_in_two_clusters_is_never_confused() {
    let rows = rows("from: [run], to: [view, db, run-us], ports: [443/tcp, 5432/tcp]");
    // To run-eu, 192.168.0.30 is its own pod, whatever view has there.
    assert_eq!(told(&rows, out("run-eu", "192.168.0.7", "192.168.0.30", 5432)), NOTHING);
    assert_eq!(told(&rows, out("run-eu", "192.168.0.7", "192.168.9.9", 443)), NOTHING);
    // To view, the client is one of its own pods.
    assert_eq!(told(&rows, seen("view", "192.168.0.30", "192.168.0.7", 5432)), NOTHING);
}

#[test]
fn a_routable_pod_address_names_its_cluster() {
    let rows = rows("from: [flat], to: [view], ports: [443/tcp]");
    assert_eq!(told(&rows, seen("view", "10.10.0.11", "172.20.1.1", 443)), ["flat -> view Direct"]);
}

#[test]
fn a_client_is_known_by_its_egress_and_a_server_is_not() {
    let rows = rows("from: [run-eu], to: [view], ports: [443/tcp]");
    assert_eq!(told(&rows, seen("view", "10.10.0.11", "203.0.113.3", 443)), ["run-eu -> view Direct"]);
    assert_eq!(told(&rows, out("run-eu", "10.30.0.11", "203.0.113.1", 443)), NOTHING);
}

#[test]
fn the_front_is_a_leg_of_its_own() {
    let rows = rows("from: [run-eu], to: [view], ports: [443/tcp]");
    assert_eq!(told(&rows, out("run-eu", "10.30.0.11", "10.10.0.10", 443)), ["run-eu -> view ClientToFront"]);
    assert_eq!(told(&rows, out("run-eu", "10.30.0.11", "10.10.0.10", 8443)), NOTHING);
    assert_eq!(told(&rows, out("run-eu", "10.30.0.11", "10.10.0.11", 443)), ["run-eu -> view Direct"]);
}

#[test]
fn a_listener_shows_its_proxy_and_hides_the_source() {
    let rows = rows("from: [run-eu, load-balancer], to: [view], ports: [443/tcp]");
    assert_eq!(
        told(&rows, seen("view", "10.10.0.11", "10.10.0.9", 8443)),
        ["run-eu -> view FrontToListener hidden", "load-balancer -> view FrontToListener"]
    );
    assert_eq!(told(&rows, seen("view", "10.10.0.11", "10.10.0.8", 8443)), NOTHING);
    assert_eq!(told(&rows, seen("view", "10.10.0.11", "10.10.0.9", 8080)), NOTHING);
}

#[test]
fn a_range_maps_every_front_port_in_it() {
    let rows = rows(
        "from: [load-balancer], to: [view], ports: [1-1024/tcp]\nfrom: [load-balancer], to: [view], ports: [any/tcp]",
    );
    for port in [8443, 8080] {
        assert_eq!(matches(&rows, seen("view", "10.10.0.11", "10.10.0.9", port)).len(), 2);
    }
}

#[test]
fn the_ingress_reaches_pods_on_their_targets() {
    let rows = rows("from: [contour-ingress, run-eu], to: [view], ports: [443/tcp, 80/tcp]");
    let to_pod = |port| told(&rows, out("view", "192.168.0.10", "192.168.4.4", port));
    let both = ["contour-ingress of view -> view IngressToPod", "run-eu -> view IngressToPod hidden"];
    assert_eq!(to_pod(7000), both);
    // 80 has no targets and is its own; 443 has one and is not.
    assert_eq!(to_pod(80), both);
    assert_eq!(to_pod(443), NOTHING);
    assert_eq!(told(&rows, seen("view", "192.168.4.4", "192.168.0.10", 7000)), both);
    assert_eq!(told(&rows, out("run-eu", "192.168.0.10", "192.168.4.4", 7000)), NOTHING);
}

#[test]
fn an_endpoints_ports_bind_declared_and_varying_ones() {
    let rows =
        rows("from: [view], to: [db], ports: [5432/tcp]\nfrom: [view], to: [db, git], ports: [varies]");
    for port in [5432, 30432] {
        assert_eq!(matches(&rows, out("view", "192.168.0.7", "192.168.0.30", port)).len(), 2);
    }
    assert_eq!(told(&rows, out("view", "192.168.0.7", "192.168.0.30", 443)), NOTHING);
    assert_eq!(told(&rows, out("view", "192.168.0.7", "192.0.2.1", 443)), NOTHING);
    assert_eq!(rows.destinations(&rows.cells()[1]).unbound, None);
    let unbound = rows.destinations(&rows.cells()[2]).unbound;
    assert_eq!(
        unbound.as_deref(),
        Some("the row's ports vary, and the inventory gives none for it or for `git`")
    );
}

#[test]
fn the_inventory_s_ports_of_a_row_bind_that_row_alone() {
    let head = "apiVersion: flowdrift/v1\nkind: FlowMatrix\nmetadata: {name: t}\nrows:\n";
    let text = format!(
        "{head}- {{id: a, from: [view], to: [git, db], ports: [varies]}}\n- {{id: b, from: [view], to: [git], ports: [varies]}}\n"
    );
    let lab = format!("{LAB}varies:\n  a: [8080/tcp, 61001-61003/tcp]\n");
    let lab = read_inventory(&lab, "lab.yaml").unwrap_or_else(|faults| panic!("{faults}"));
    let rows = Rows::new(&[read_matrix(&text, "t.yaml").expect("a matrix")], &lab);
    for (port, count) in [(8080, 1), (61002, 1), (61004, 0), (5432, 0)] {
        assert_eq!(matches(&rows, out("view", "192.168.0.7", "192.0.2.1", port)).len(), count, "{port}");
    }
    // What is given for a row is all of it: the endpoint's own ports are for rows that have none.
    assert_eq!(told(&rows, out("view", "192.168.0.7", "192.168.0.30", 30432)), NOTHING);
    let unbound = rows.cells().iter().filter(|cell| rows.destinations(cell).unbound.is_some());
    assert_eq!(unbound.map(|cell| cell.row).collect::<Vec<_>>(), [1]);
}

#[test]
fn a_cgroup_binds_on_whole_components() {
    let rows = rows("from: [gui], to: [git], ports: [443/tcp]");
    let from = |cgroup| Tuple { cgroup: Some(cgroup), ..out("view", "192.168.0.7", "192.0.2.1", 443) };
    assert_eq!(matches(&rows, from("/kubepods/gui/c1")).len(), 1);
    assert_eq!(matches(&rows, from("kubepods/gui")).len(), 1);
    assert_eq!(matches(&rows, from("/kubepods/guitar")).len(), 0);
    assert_eq!(matches(&rows, Tuple { cluster: "run-eu", ..from("/kubepods/gui") }).len(), 0);
}

#[test]
fn an_unknown_direction_is_held_against_the_outbound_reading_only() {
    let rows = rows("from: [view], to: [git], ports: [443/tcp]");
    let unknown = Tuple { direction: Direction::Unknown, ..out("view", "192.168.0.7", "192.0.2.1", 443) };
    assert_eq!(matches(&rows, unknown).len(), 1);
    let swapped = Tuple { local: unknown.remote, remote: unknown.local, ..unknown };
    assert_eq!(matches(&rows, swapped).len(), 0);
}

#[test]
fn the_transport_must_fit() {
    let rows = rows("from: [view], to: [git], ports: [443/udp]");
    assert_eq!(told(&rows, out("view", "192.168.0.7", "192.0.2.1", 443)), NOTHING);
}

#[test]
fn the_narrower_row_takes_the_credit() {
    let rows = rows(
        "from: [view], to: [registry], ports: [443/tcp]\nfrom: [view], to: [git], ports: [443/tcp]\nfrom: [view], to: [any], ports: [any/tcp]",
    );
    let mut found = matches(&rows, out("view", "192.168.0.7", "192.0.2.2", 443));
    assert_eq!(found.len(), 3);
    rows.credit(&mut found);
    assert_eq!(found.iter().map(|one| one.cell()).collect::<Vec<_>>(), [0]);
}

#[test]
fn exact_port_beats_range() {
    let rows =
        rows("from: [view], to: [git], ports: [1-1024/tcp]\nfrom: [view], to: [git], ports: [443/tcp]");
    let mut found = matches(&rows, out("view", "192.168.0.7", "192.0.2.2", 443));
    rows.credit(&mut found);
    assert_eq!(found.iter().map(|one| one.cell()).collect::<Vec<_>>(), [1]);
}

#[test]
fn rows_that_fit_equally_share() {
    let rows = rows("from: [view], to: [git], ports: [443/tcp]\nfrom: [view], to: [git], ports: [443/tcp]");
    let mut found = matches(&rows, out("view", "192.168.0.7", "192.0.2.2", 443));
    rows.credit(&mut found);
    assert_eq!(found.len(), 2);
}

#[test]
fn widths_that_cross_are_not_ordered() {
    let wide = Width { destination: 10, source: 1, ports: 1 };
    let other = Width { destination: 1, source: 10, ports: 1 };
    assert!(!wide.narrower(&other) && !other.narrower(&wide) && !wide.narrower(&wide));
    assert!(Width { ports: 1, ..wide }.narrower(&Width { ports: 2, ..wide }));
}

#[test]
fn a_hidden_source_earns_no_credit_and_costs_none() {
    let rows = rows(
        "from: [load-balancer], to: [view], ports: [any/tcp]\nfrom: [run-eu], to: [view], ports: [443/tcp]",
    );
    let mut found = matches(&rows, seen("view", "10.10.0.11", "10.10.0.9", 8443));
    rows.credit(&mut found);
    assert_eq!(
        found.iter().map(|one| (one.cell(), one.source_hidden())).collect::<Vec<_>>(),
        [(0, false), (1, true)]
    );
}

#[test]
fn the_nearest_row_differs_in_one_field() {
    let rows = rows(
        "from: [run-eu], to: [git], ports: [22/tcp]\nfrom: [view], to: [git], ports: [443/tcp]\nfrom: [run-eu], to: [db], ports: [443/tcp]",
    );
    let near = |tuple: Tuple<'_>| {
        rows.nearest(&tuple).map(|near| (near.cell, near.differs, near.declared, near.found))
    };
    let (git, pod) = ("192.0.2.1", "192.168.0.7");
    // Three rows are near; the differing port is preferred to the source and the destination.
    let port = (0, Field::Port, "22/tcp".to_owned(), "443/tcp".to_owned());
    assert_eq!(near(out("run-eu", pod, git, 443)), Some(port));
    let source = (1, Field::Source, "view".to_owned(), "run-us/n".to_owned());
    assert_eq!(near(out("run-us", pod, git, 443)), Some(source));
    let destination = (0, Field::Destination, "git".to_owned(), "198.51.100.1".to_owned());
    assert_eq!(near(out("run-eu", pod, "198.51.100.1", 22)), Some(destination));
    let udp = Tuple { protocol: Protocol::Udp, ..out("view", pod, git, 443) };
    assert_eq!(near(udp), Some((1, Field::Protocol, "tcp".to_owned(), "udp".to_owned())));
    assert_eq!(near(out("run-us", pod, "198.51.100.1", 99)), None);
}

#[test]
fn ends_are_labelled_by_endpoint_then_node_then_cluster() {
    let rows = rows("from: [view], to: [git], ports: [443/tcp]");
    let server = |cluster, remote| rows.place(&out(cluster, "192.168.0.7", remote, 443)).server;
    let registry = server("view", "192.0.2.2");
    assert_eq!(registry.names, ["everywhere".into(), "git".into(), "registry".into()]);
    assert_eq!((registry.label(), registry.cluster), ("registry".to_owned(), None));
    assert_eq!(server("view", "10.30.0.11").label(), "run-eu/e1");
    assert_eq!(server("view", "10.10.0.10").label(), "view");
    assert_eq!(server("view", "192.168.3.3").label(), "view");
    assert_eq!(server("run-eu", "192.168.3.3").label(), "run-eu");
    assert_eq!(server("view", "198.51.100.1").label(), "198.51.100.1");
    assert_eq!(server("view", "192.168.0.10").label(), "contour-ingress");
    let client = |remote| rows.place(&seen("view", "10.10.0.11", remote, 443)).client.label();
    assert_eq!(client("203.0.113.3"), "run-eu");
    // Two clusters leave through this one.
    assert_eq!(client("203.0.113.9"), "203.0.113.9");
}

#[test]
fn traffic_inside_a_cluster_is_in_scope_only_where_a_row_names_it() {
    let rows = rows(
        "from: [gui], to: [db], ports: [5432/tcp]\nfrom: [run], to: [view], ports: [443/tcp]\nfrom: [contour-ingress], to: [view], ports: [443/tcp]",
    );
    let scope = |tuple: Tuple<'_>| rows.in_scope(&tuple);
    assert!(!scope(out("view", "192.168.0.7", "192.168.0.8", 9000)));
    assert!(scope(out("view", "192.168.0.7", "192.168.0.30", 9000)));
    assert!(scope(out("view", "192.168.0.10", "192.168.0.8", 7000)));
    assert!(!scope(out("view", "127.0.0.1", "127.0.0.1", 9000)));
    assert!(!scope(out("run-eu", "192.168.0.7", "192.168.0.30", 5432)));
    assert!(scope(out("run-eu", "192.168.0.7", "10.10.0.11", 9000)));
    assert!(scope(out("run-eu", "192.168.0.7", "198.51.100.1", 9000)));
}

#[test]
fn what_cannot_be_seen_says_why() {
    let rows = rows(
        "from: [selected], to: [named], ports: [443/tcp]\nfrom: [run-us], to: [build-api], ports: [53/sctp]\nfrom: [any], to: [git], ports: [icmp]\nfrom: [contour-ingress], to: [run-us], ports: [443/tcp]\nfrom: [view], to: [run-eu], ports: [varies]",
    );
    let cell = |index: usize| &rows.cells()[index];
    let selected = rows.sources(cell(0));
    assert_eq!(selected.clusters, ["view"]);
    assert_eq!(
        selected.unbound.as_deref(),
        Some("the inventory gives only a selector, which needs Kubernetes metadata")
    );
    let named = rows.destinations(cell(0));
    assert_eq!(named.unbound.as_deref(), Some("the inventory gives only host names, which need DNS answers"));
    assert_eq!(named.acknowledged.as_deref(), Some("not ours"));
    assert_eq!(rows.sources(cell(1)).acknowledged.as_deref(), Some("closing down"));
    let api = rows.destinations(cell(1));
    assert_eq!((api.clusters, api.beyond), (vec!["run-us".to_owned()], false));
    assert_eq!(rows.unseen_protocol(cell(1)), Some("SCTP is not captured yet"));
    let any = rows.sources(cell(2));
    assert_eq!((any.clusters.len(), any.beyond), (4, true));
    assert!(rows.unseen_protocol(cell(2)).is_some());
    assert!(rows.destinations(cell(2)).beyond && rows.destinations(cell(2)).clusters.is_empty());
    assert!(rows.sources(cell(3)).unbound.is_some_and(|why| why.contains("no `ingress.pods`")));
    assert!(rows.destinations(cell(4)).unbound.is_some());
}

#[test]
fn an_ingress_hides_every_source_but_its_own_front() {
    let rows = rows(
        "from: [run-eu, load-balancer, contour-ingress], to: [view], ports: [443/tcp]\nfrom: [run-eu], to: [view], ports: [22/tcp]",
    );
    let hidden: Vec<bool> = rows.cells().iter().map(|cell| rows.source_hidden_at_destination(cell)).collect();
    assert_eq!(hidden, [true, false, false, false]);
}

#[test]
fn an_exception_names_both_ends_and_a_port() {
    let rows = rows("from: [view], to: [git], ports: [443/tcp]");
    let text = "
apiVersion: flowdrift/v1
kind: Exceptions
exceptions:
  - {id: a, from: run, to: 198.51.100.0/24, ports: [22/tcp], owner: o, reason: r, expires: 2026-12-31}
  - {id: b, from: view, to: db, ports: [5432/tcp], owner: o, reason: r, expires: 2026-12-31}
  - {id: c, from: nowhere, to: gti, ports: [varies], owner: o, reason: r, expires: 2026-12-31}
";
    let read = crate::matrix::read_exceptions(text, "x.yaml").unwrap_or_else(|faults| panic!("{faults}"));
    let exempts = |index: usize, tuple: Tuple<'_>| rows.exempts(&read.exceptions[index], &tuple);
    assert!(exempts(0, out("run-us", "192.168.0.7", "198.51.100.9", 22)));
    assert!(!exempts(0, out("view", "192.168.0.7", "198.51.100.9", 22)));
    assert!(!exempts(0, out("run-us", "192.168.0.7", "198.51.100.9", 23)));
    assert!(!exempts(0, out("run-us", "192.168.0.7", "198.51.101.9", 22)));
    assert!(exempts(1, out("view", "192.168.0.7", "192.168.0.30", 30432)));
    let unbound = inventory::unbound_exceptions(&read, rows.inventory()).map(|faults| faults.to_string());
    assert_eq!(
        unbound.as_deref(),
        Some(
            "x.yaml:7: exceptions[2].from: endpoint `nowhere` is not in the inventory lab.yaml
x.yaml:7: exceptions[2].to: endpoint `gti` is not in the inventory lab.yaml (did you mean `git`?)"
        )
    );
}

#[test]
fn the_baseline_covers_what_a_cluster_does_by_itself() {
    let text = include_str!("../../../policies/baseline.yaml");
    let rows = compile(&read_matrix(text, "baseline.yaml").unwrap_or_else(|faults| panic!("{faults}")));
    let row = |tuple: Tuple<'_>| {
        let mut found = matches(&rows, tuple);
        rows.credit(&mut found);
        found.first().map(|one| rows.row(rows.cells()[one.cell()].row).id.clone())
    };
    let is = |name: &str| Some(name.to_owned());
    assert_eq!(row(out("view", "127.0.0.1", "127.0.0.1", 9000)), is("loopback"));
    assert_eq!(row(out("view", "10.10.0.11", "10.10.0.11", 10250)), is("node-agents"));
    assert_eq!(row(out("view", "10.10.0.11", "10.30.0.11", 10250)), None);
    assert_eq!(row(out("view", "192.168.0.7", "10.0.0.53", 53)), is("pod-names"));
    assert_eq!(row(out("view", "10.10.0.11", "192.168.0.7", 8080)), is("kubelet-probes"));
    assert_eq!(row(seen("view", "192.168.0.7", "10.10.0.11", 8080)), is("kubelet-probes"));
    assert_eq!(row(out("view", "10.10.0.11", "192.0.2.2", 443)), is("image-pulls"));
    assert_eq!(row(out("view", "192.168.0.7", "192.0.2.2", 443)), None);
}

#[test]
fn a_source_that_translation_hides_may_be_whoever_leaves_there() {
    let rows = rows("from: [db, gui], to: [run-eu, git], ports: [443/tcp]");
    let hidden = ["db -> run-eu Direct hidden", "gui -> run-eu Direct hidden"];
    assert_eq!(told(&rows, seen("run-eu", "10.30.0.11", "10.10.0.11", 443)), hidden);
    assert_eq!(told(&rows, seen("run-eu", "10.30.0.11", "203.0.113.1", 443)), hidden);
    assert_eq!(told(&rows, seen("run-eu", "10.30.0.11", "10.40.0.11", 443)), NOTHING);
    // Their own node knows its pods by their address, and a cgroup only where the recording has one.
    assert_eq!(told(&rows, out("view", "10.10.0.11", "192.0.2.1", 443)), ["gui -> git Direct hidden"]);
    let known = Tuple { cgroup: Some("/other"), ..out("view", "10.10.0.11", "192.0.2.1", 443) };
    assert_eq!(told(&rows, known), NOTHING);
}

#[test]
fn what_stays_within_a_cluster_goes_to_nobody_in_particular() {
    let rows = rows("from: [run-us], to: [any, everywhere, build-api], ports: [any/tcp]");
    assert_eq!(told(&rows, out("run-us", "127.0.0.1", "127.0.0.1", 443)), NOTHING);
    assert_eq!(told(&rows, out("run-us", "10.40.0.11", "192.168.0.7", 443)), NOTHING);
    assert_eq!(told(&rows, out("run-us", "192.168.0.7", "10.40.0.11", 443)), ["run-us -> build-api Direct"]);
    let abroad = told(&rows, out("run-us", "192.168.0.7", "198.51.100.7", 443));
    assert_eq!(abroad, ["run-us -> any Direct", "run-us -> everywhere Direct"]);
}

#[test]
fn a_role_of_several_does_not_ask_each_for_itself() {
    let pairs = |text: &str| {
        let rows = rows(text);
        rows.cells().iter().map(|cell| format!("{} {}", cell.source, cell.destination)).collect::<Vec<_>>()
    };
    assert_eq!(pairs("from: [run], to: [run], ports: [443/tcp]"), ["run-eu run-us", "run-us run-eu"]);
    assert_eq!(pairs("from: [view], to: [view], ports: [443/tcp]"), ["view view"]);
    let named = pairs("from: [run], to: [run, run-us], ports: [443/tcp]");
    assert_eq!(named, ["run-eu run-us", "run-us run-eu", "run-us run-us"]);
}

#[test]
fn any_and_the_internet_are_wide_and_a_cluster_is_not() {
    let rows = rows("from: [any, everywhere, run-eu], to: [view, git], ports: [443/tcp]");
    let wide: Vec<bool> = (0..rows.cells().len()).map(|cell| rows.is_wide(cell)).collect();
    assert_eq!(wide, [true, true, true, true, false, false]);
}
