//! Pipeline cases: a directory each with what was declared, what was seen, and the report that must come out.
//!
//! `matrix.yaml`, `inventory.yaml`, `windows.yaml` (a list of windows as a recording holds them), optionally
//! `exceptions.yaml` and `baseline.yaml`; `expected.txt` is the text report. `FLOWDRIFT_BLESS=1` writes it anew.

use std::{
    fs,
    path::{Path, PathBuf},
};

use flowdrift::{
    judge,
    report::{self, Report, Sources, model::Document},
};
use flowdrift_tests::case::{self, CaseFiles};

fn cases() -> Vec<PathBuf> {
    case::all("cases")
}

fn judged(path: &Path) -> Report {
    let files = CaseFiles::read(path);
    let case = files.case();
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
