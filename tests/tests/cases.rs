//! Pipeline cases: a directory each with what was declared, what was seen, and the report that must come out.
//!
//! `matrix.yaml`, `inventory.yaml`, `windows.yaml` (a list of windows as a recording holds them), optionally
//! `exceptions.yaml` and `baseline.yaml`; `expected.txt` is the text report. `FLOWDRIFT_BLESS=1` writes it anew.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use flowdrift::{
    flow::Window,
    judge::{self, Case},
    matching::{Compiled, Rows},
    matrix::{self, Faults},
    report::{self, Report, Sources, model::Document},
};

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    let mut cases: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the cases are there")
        .map(|entry| entry.expect("readable").path())
        .collect();
    cases.sort();
    cases
}

fn read<T>(case: &Path, file: &str, read: impl Fn(&str, &str) -> Result<T, Faults>) -> Option<T> {
    let text = fs::read_to_string(case.join(file)).ok()?;
    Some(read(&text, file).unwrap_or_else(|faults| panic!("{}: {faults}", case.display())))
}

fn windows(case: &Path) -> Vec<Window> {
    let text = fs::read_to_string(case.join("windows.yaml")).expect("every case has windows");
    serde_saphyr::from_str(&text).unwrap_or_else(|fault| panic!("{}: {fault}", case.display()))
}

fn judged(case: &Path) -> Report {
    let matrix = read(case, "matrix.yaml", matrix::read_matrix).expect("every case has a matrix");
    let inventory = read(case, "inventory.yaml", matrix::read_inventory).expect("and an inventory");
    let nothing = "apiVersion: flowdrift/v1\nkind: FlowMatrix\nmetadata: {name: none}\nrows: []\n";
    let baseline = read(case, "baseline.yaml", matrix::read_matrix)
        .unwrap_or_else(|| matrix::read_matrix(nothing, "none").expect("an empty matrix is one"));
    let exceptions = read(case, "exceptions.yaml", matrix::read_exceptions);
    let windows = windows(case);
    let compiled = |matrix| Arc::new(Compiled::new(Rows::new(&[matrix], &inventory)).expect("few classes"));
    let case = Case {
        declared: &compiled(matrix),
        baseline: &compiled(baseline),
        exceptions: exceptions.as_ref(),
        windows: &windows,
        strict: false,
    };
    let recording = Document { name: None, file: "windows.yaml".into(), sha256: String::new() };
    report::build(&case, judge::judge(&case), Sources { recordings: vec![recording] })
}

#[test]
fn every_case_gives_its_report() {
    let bless = std::env::var_os("FLOWDRIFT_BLESS").is_some();
    let mut wrong = Vec::new();
    for case in cases() {
        let found = report::text(&judged(&case));
        let expected = case.join("expected.txt");
        if bless {
            fs::write(&expected, &found).expect("the case is writable");
        }
        let wanted = fs::read_to_string(&expected).unwrap_or_default();
        if found != wanted {
            wrong.push(format!("{}\n--- expected\n{wanted}\n--- found\n{found}", case.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_case_judged_twice_gives_the_same_bytes() {
    for case in cases() {
        let json = || {
            let mut bytes = Vec::new();
            report::json(&judged(&case), &mut bytes).map(|()| bytes).expect("a vector takes all")
        };
        assert_eq!(json(), json(), "{}", case.display());
    }
}

/// How many connections a row stands on, and whether one of its cells saw both ends: no page of text tells it of
/// a row that is well.
#[test]
fn a_connection_counts_once_and_joins_only_what_was_joined() {
    for (name, connections, both_ends) in [
        ("both-ends-of-one-connection-count-once", 3, true),
        ("workloads-of-one-address-answer-for-themselves", 1, true),
        ("a-listeners-surplus-is-nobodys", 5, true),
        ("a-translated-connection-counts-once", 3, false),
        ("two-legs-of-one-row-count-once", 3, false),
        ("a-masqueraded-source-is-hidden-not-undeclared", 3, false),
        ("a-shared-egress-hides-no-silent-cluster", 3, false),
        ("two-names-of-one-address-share", 3, false),
    ] {
        let report = judged(&Path::new(env!("CARGO_MANIFEST_DIR")).join("cases").join(name));
        let row = report.rows.first().expect("every case has a row");
        let joined = row.cells.iter().any(|cell| cell.evidence.both_ends);
        assert_eq!((row.connections, joined), (connections, both_ends), "{name}");
    }
}
