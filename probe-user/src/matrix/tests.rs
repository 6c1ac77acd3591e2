//! The rules of reading, held against documents.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::exceptions::Party;
use super::*;

const TAP: &str = include_str!("../../../policies/tap-multi-cluster.yaml");
const BASELINE: &str = include_str!("../../../policies/baseline.yaml");

const HEAD: &str = "apiVersion: flowdrift/v1\nkind: FlowMatrix\nmetadata: {name: t}\nrows:\n";

const LAB: &str = r#"
apiVersion: flowdrift/v1
kind: Inventory
clusters:
  run-eu:
    role: run
    nodes: {n1: 10.30.0.11, n2: [10.30.0.12, "fd00:30::12"]}
    pods: [192.168.0.0/16]
    services: [10.96.0.0/12]
    egress: [203.0.113.7]
    ingress:
      addresses: [10.30.0.10]
      listeners: {443: 8443, 80: 8080}
      targets: {443: [7000, 8080]}
endpoints:
  git-repository: {hosts: [git.example.com], cidrs: [192.0.2.0/28]}
  db: {cluster: run-eu, cidrs: [192.168.0.30/32], cgroups: [kubepods/db/], ports: {5432: [5432, 30432]}}
  avi: {cidrs: 10.9.0.5, acknowledged: not ours to watch}
resolvers: [10.30.0.53]
registries: [git-repository]
"#;

const EXCEPTIONS: &str = "
apiVersion: flowdrift/v1
kind: Exceptions
exceptions:
  - {id: a, from: run, to: 198.51.100.0/24, ports: [22/tcp], owner: ops, reason: move, expires: 2026-12-31}
";

fn messages<T>(result: Result<T, Faults>) -> Vec<String> {
    let Err(faults) = result else { return Vec::new() };
    faults.to_string().lines().map(str::to_owned).collect()
}

/// The matrix of such rows, for other tests.
pub(super) fn of_rows(rows: &str) -> Matrix {
    let text = format!("apiVersion: flowdrift/v1\nkind: FlowMatrix\nmetadata: {{name: m}}\nrows:\n{rows}");
    read_matrix(&text, "m.yaml").unwrap_or_else(|faults| panic!("{faults}"))
}

fn matrix(rows: &str) -> Result<Matrix, Faults> {
    read_matrix(&format!("{HEAD}{rows}"), "t.yaml")
}

#[test]
fn five_faults_are_told_at_once_with_their_lines() {
    let rows = "  - id: a
    form: [run]
    to: [view]
    ports: [70000/tcp, 443]
  - {id: a, from: [], to: view, ports: [443/tcp], expect: requird}
  - {id: b, id: c, from: [run], to: [view], ports: {all: [varies]}, review: maybe}
";
    assert_eq!(
        messages(matrix(rows)),
        [
            "t.yaml:5: rows[0]: key `from` is missing",
            "t.yaml:6: rows[0]: unknown key `form` (did you mean `from`?)",
            "t.yaml:8: rows[0].ports[1]: found integer `443`, expected a port with its transport such as `443/tcp`",
            "t.yaml:8: rows[0].ports[0]: port 70000 is above 65535",
            "t.yaml:9: rows[1].to: found string \"view\", expected a list",
            "t.yaml:9: rows[1].expect: found `requird`, expected `required` or `optional` or `on-deploy` or `periodic` (did you mean `required`?)",
            "t.yaml:9: rows[1].id: id `a` is also the id of the row on line 5",
            "t.yaml:9: rows[1].from: found an empty list, expected at least an endpoint name",
            "t.yaml:10: rows[2].id: key `id` is given twice",
            "t.yaml:10: rows[2].review: found string \"maybe\", expected a boolean",
            "t.yaml:10: rows[2].ports.all[0]: `varies` names no port that must be seen",
        ]
    );
}

#[test]
fn a_wrong_version_does_not_hide_the_rows() {
    let text = format!("{HEAD}  - 5\n").replace("flowdrift/v1", "flowdrift/v2");
    assert_eq!(
        messages(read_matrix(&text, "t.yaml")),
        [
            "t.yaml:1: apiVersion: found `flowdrift/v2`, expected `flowdrift/v1`",
            "t.yaml:5: rows[0]: found integer `5`, expected a map",
        ]
    );
}

#[test]
fn a_document_of_another_kind_has_one_fault() {
    assert_eq!(
        messages(read_matrix(LAB, "t.yaml")),
        ["t.yaml:3: kind: found the kind `Inventory`, expected `FlowMatrix`"]
    );
}

#[test]
fn several_documents_aliases_and_nothing_are_faults() {
    assert_eq!(messages(read_matrix("", "t.yaml")), ["t.yaml: the file is empty, expected a document"]);
    assert!(messages(matrix("  []\n---\na: 1\n"))[0].contains("a second document"));
    let aliased = "  - {id: a, from: &x [run], to: *x, ports: [443/tcp]}\n";
    assert_eq!(
        messages(matrix(aliased)),
        ["t.yaml:5: rows[0].to: found an alias, expected the value written out"]
    );
}

#[test]
fn expectations_and_ports_become_what_they_mean() {
    let rows =
        "  - {id: a, from: [run], to: [view], ports: {all: [443/tcp, 80/tcp]}, expect: {periodic: 1d 2h}}\n";
    let matrix = matrix(rows).expect("a matrix");
    assert!(matrix.rows[0].each_port);
    assert_eq!(matrix.rows[0].expect, Expect::Periodic(std::time::Duration::from_secs(26 * 3600)));
    assert_eq!((matrix.rows[0].line, matrix.digest.len()), (5, 64));
}

#[test]
fn inventory_reads_one_value_or_a_list() {
    let lab = read_inventory(LAB, "lab.yaml").expect("an inventory");
    let run = &lab.clusters["run-eu"];
    assert_eq!((run.nodes["n1"].len(), run.nodes["n2"].len()), (1, 2));
    let ingress = run.ingress.as_ref().expect("an ingress");
    assert_eq!(ingress.proxies, ingress.addresses);
    assert_eq!(lab.endpoints[&"DB".into()].cgroups, ["/kubepods/db"]);
}

#[test]
fn inventory_faults_are_told_at_once() {
    let text = LAB
        .replace("n1: 10.30.0.11,", "n1: 10.30.0.12,")
        .replace("192.168.0.0/16", "192.168.0.1/16")
        .replace("cluster: run-eu", "cluster: run-ue")
        .replace("registries: [git-repository]", "registries: [git-repositry]")
        .replace("avi:", "Run Cluster:")
        .replace("443: 8443", "443: 84430")
        .replace("{5432:", "{x:");
    assert_eq!(
        messages(read_inventory(&text, "lab.yaml")),
        [
            "lab.yaml:7: clusters.run-eu.nodes.n2[0]: 10.30.0.12 is already node `n1` of cluster `run-eu`",
            "lab.yaml:8: clusters.run-eu.pods[0]: 192.168.0.1/16 has host bits set, expected 192.168.0.0/16",
            "lab.yaml:13: clusters.run-eu.ingress.listeners.443: port 84430 is above 65535",
            "lab.yaml:17: endpoints.db.cluster: cluster `run-ue` is not in this inventory (did you mean `run-eu`?)",
            "lab.yaml:17: endpoints.db.ports.x: found `x`, expected a port from 1 to 65535",
            "lab.yaml:18: endpoints.Run Cluster: `Run Cluster` is already the name or the role of a cluster",
            "lab.yaml:20: registries[0]: endpoint `git-repositry` is not in this inventory (did you mean `git-repository`?)",
        ]
    );
}

#[test]
fn a_node_address_in_two_clusters_is_a_fault() {
    let text = LAB.replace("endpoints:", "  run-us: {nodes: {m1: 10.30.0.11}}\nendpoints:");
    assert_eq!(
        messages(read_inventory(&text, "lab.yaml")),
        ["lab.yaml:15: clusters.run-us.nodes.m1: 10.30.0.11 is already node `n1` of cluster `run-eu`"]
    );
}

#[test]
fn cluster_names_that_compare_as_one_or_are_built_in_are_faults() {
    let text = LAB.replace("endpoints:", "  Run_EU: {}\n  other: {role: Pods}\nendpoints:");
    assert_eq!(
        messages(read_inventory(&text, "lab.yaml")),
        [
            "lab.yaml:15: clusters.Run_EU: `Run_EU` is the same name as the cluster on line 5",
            "lab.yaml:16: clusters.other: `Pods` is built in and can be neither a cluster nor a role",
        ]
    );
}

#[test]
fn every_unbound_name_is_told() {
    let lab = read_inventory(LAB, "lab.yaml").expect("an inventory");
    let rows = "  - {id: a, from: [Run], to: [git-repo, any, data_base], ports: [443/tcp]}
  - {id: b, from: [run-eu], to: [git-repositor], ports: [443/tcp]}\n";
    let found = inventory::unbound(&[matrix(rows).expect("a matrix")], &lab);
    assert_eq!(
        found.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
        "t.yaml:5: rows[0].to[0]: endpoint `git-repo` is not in the inventory lab.yaml
t.yaml:5: rows[0].to[2]: endpoint `data_base` is not in the inventory lab.yaml
t.yaml:6: rows[1].to[0]: endpoint `git-repositor` is not in the inventory lab.yaml (did you mean `git-repository`?)"
    );
}

#[test]
fn an_exception_holds_through_its_last_day() {
    let read = read_exceptions(EXCEPTIONS, "x.yaml").expect("exceptions");
    let exception = &read.exceptions[0];
    assert!(matches!(&exception.to, Party::Block(block) if block.to_string() == "198.51.100.0/24"));
    let end: jiff::Timestamp = "2027-01-01T00:00:00Z".parse().expect("a time");
    let end = i64::try_from(end.as_nanosecond()).expect("in range");
    assert!(!exception.expired(end - 1));
    assert!(exception.expired(end));
}

#[test]
fn exceptions_without_owner_or_with_a_bad_date_are_faults() {
    let text = EXCEPTIONS.replace("owner: ops, ", "").replace("2026-12-31", "2026-13-31");
    assert_eq!(
        messages(read_exceptions(&text, "x.yaml")),
        [
            "x.yaml:5: exceptions[0]: key `owner` is missing",
            "x.yaml:5: exceptions[0].expires: found `2026-13-31`, expected a date such as 2026-12-31",
        ]
    );
}

fn round_trip<W: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(text: &str) {
    let read = |text: &str| -> W {
        let mut faults = Vec::new();
        let node = node::parse(text, &mut faults).expect("a document");
        let written = reader::read(&node, &mut faults);
        assert_eq!(faults, []);
        written.expect("a wire value")
    };
    let written = read(text);
    assert_eq!(read(&serde_saphyr::to_string(&written).expect("yaml")), written);
}

#[test]
fn what_is_written_reads_back_the_same() {
    round_trip::<wire::Matrix>(TAP);
    round_trip::<wire::Matrix>(BASELINE);
    round_trip::<inventory::wire::Inventory>(LAB);
    round_trip::<exceptions::wire::Exceptions>(EXCEPTIONS);
    let each = "  - {id: a, from: [run], to: [view], ports: {all: [443/tcp]}, expect: {periodic: 24h}}\n";
    round_trip::<wire::Matrix>(&format!("{HEAD}{each}"));
}

fn json(text: &str) -> serde_json::Value {
    serde_saphyr::from_str(text).expect("yaml")
}

#[test]
fn the_schema_accepts_what_is_read_and_refuses_what_is_not() {
    let schema = serde_json::to_value(schema()).expect("a schema");
    let validator = jsonschema::validator_for(&schema).expect("a valid schema");
    for good in [TAP, BASELINE, LAB, EXCEPTIONS] {
        let errors: Vec<_> = validator.iter_errors(&json(good)).map(|error| error.to_string()).collect();
        assert_eq!(errors, Vec::<String>::new());
    }
    let each = "  - {id: a, from: [run], to: [view], ports: {all: [443/tcp]}, expect: {periodic: 24h}}\n";
    assert!(validator.is_valid(&json(&format!("{HEAD}{each}"))));
    for (from, to) in [
        ("kind: FlowMatrix", "kind: Flow"),
        ("apiVersion: flowdrift/v1", "apiVersion: flowdrift/v2"),
        ("ports: [53/udp, 53/tcp]", "ports: [53]"),
        ("ports: [53/udp, 53/tcp]", "ports: []"),
        ("from: [pods]", "form: [pods]"),
        ("to: [pods]", "to: []"),
        ("id: loopback", "expect: never"),
        ("id: loopback", "id: loopback\n    colour: red"),
        ("id: loopback", "id: loopback\n    expect: never"),
    ] {
        assert!(!validator.is_valid(&json(&BASELINE.replace(from, to))), "{to}");
    }
}

#[test]
fn the_shipped_matrices_read_and_the_table_is_whole() {
    let tap = read_matrix(TAP, "tap.yaml").unwrap_or_else(|faults| panic!("{faults}"));
    read_matrix(BASELINE, "baseline.yaml").unwrap_or_else(|faults| panic!("{faults}"));
    let lines: Vec<u32> = tap.rows.iter().filter_map(|row| Some(row.source.as_ref()?.line)).collect();
    assert_eq!(lines, (10..=32).collect::<Vec<_>>());
    let doubted: Vec<u32> =
        tap.rows.iter().filter(|row| row.review).filter_map(|row| Some(row.source.as_ref()?.line)).collect();
    assert_eq!(doubted, [11, 13, 17]);
}

#[test]
fn a_document_cut_anywhere_is_read_or_refused_with_reasons() {
    for text in [BASELINE, LAB, EXCEPTIONS] {
        for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)) {
            let cut = &text[..end];
            let counts = [
                read_matrix(cut, "t").map_or_else(|faults| faults.faults.len(), |_| 1),
                read_inventory(cut, "t").map_or_else(|faults| faults.faults.len(), |_| 1),
                read_exceptions(cut, "t").map_or_else(|faults| faults.faults.len(), |_| 1),
            ];
            assert!(counts.iter().all(|count| *count > 0), "{cut}");
        }
    }
}
