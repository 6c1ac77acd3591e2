//! Rules as a declaration: it reads back as the rows that were meant, and judged by it, what made the rules is declared.

use std::collections::BTreeSet;

use fastrand::Rng;
use flowdrift::{
    judge::judge,
    matching::Matcher,
    matrix::{self, Matrix},
    policy::{
        Include, Party, Passage, Policies, Settings, Standing, SubjectPolicy, Tightness, gather,
        language::{Language, Written},
        passages,
    },
};
use flowdrift_tests::{
    alike::is_alike,
    case::{self, CaseFiles},
    worlds::made_world,
};

const FORMS: [Language; 2] = [Language::Matrix, Language::Markdown];
const TIGHTNESSES: [Tightness; 3] = [Tightness::Exact, Tightness::Inventory, Tightness::Declared];

/// Every setting of the dials.
fn settings() -> impl Iterator<Item = Settings> {
    TIGHTNESSES.into_iter().flat_map(|tightness| {
        [false, true].map(|also| Settings {
            tightness,
            include: Include { declared: also, observed: also },
            ..Settings::default()
        })
    })
}

fn gathered<'a>(files: &'a CaseFiles, settings: &Settings) -> Policies<'a> {
    let case = files.case();
    gather(&files.world(), &case, &judge(&case), settings)
}

fn rows(written: &Written) -> Vec<Matrix> {
    let read = |text: &str, name: &str| matrix::read_declared(text.as_bytes(), name);
    let files = written.files.iter();
    files.map(|file| read(&file.text, &file.name).unwrap_or_else(|faults| panic!("{faults}"))).collect()
}

#[test]
fn what_is_written_reads_back_as_the_rows_that_were_meant() {
    let cases = case::all("policies").into_iter().map(|path| CaseFiles::read(&path));
    let fleets = (0..100).map(|seed| CaseFiles::made(&made_world(&mut Rng::with_seed(seed))));
    let mut damaged = 0;
    for files in cases.chain(fleets) {
        for settings in settings() {
            let (world, policies) = (files.world(), gathered(&files, &settings));
            let governed = policies.subjects.iter();
            let has_rules = |one: &&SubjectPolicy| {
                [&one.ingress, &one.egress].into_iter().flatten().any(|rules| !rules.is_empty())
                    || !one.own_nodes.is_empty()
            };
            let clusters: BTreeSet<&str> =
                governed.filter(has_rules).map(|policy| policy.subject.cluster()).collect();
            for form in FORMS {
                let mut written = form.write(&world, &policies).expect("a matrix is YAML");
                assert_eq!(written.files.len(), clusters.len());
                assert!(written.documents().is_empty(), "no cluster enforces a declaration");
                assert_eq!(form.lost(&world, &policies, &written), [""; 0]);
                for matrix in rows(&written) {
                    let ends: Vec<_> =
                        matrix.rows.iter().map(|row| (&row.from, &row.to, row.review)).collect();
                    let once: BTreeSet<_> = ends.iter().collect();
                    assert_eq!(once.len(), ends.len(), "one row for each source and destination");
                }
                // Whatever comes back otherwise is told.
                let Some(file) = written.files.iter_mut().find(|file| file.text.contains("/tcp")) else {
                    continue;
                };
                file.text = file.text.replacen("/tcp", "/udp", 1);
                assert_eq!(form.lost(&world, &policies, &written).len(), 1);
                damaged += 1;
                written.files.clear();
                assert_eq!(form.lost(&world, &policies, &written).len(), clusters.len());
            }
        }
    }
    assert!(damaged > 100);
}

#[test]
fn judged_by_the_draft_what_made_its_rules_is_declared_and_nothing_that_awaits_approval() {
    let (mut declared, mut strange, mut wide) = (0, 0, 0);
    for seed in 0..400 {
        let files = CaseFiles::made(&made_world(&mut Rng::with_seed(seed)));
        for tightness in TIGHTNESSES {
            let settings = Settings { tightness, ..Settings::default() };
            let (world, policies) = (files.world(), gathered(&files, &settings));
            let drafts = rows(&Language::Matrix.write(&world, &policies).expect("a matrix is YAML"));
            let anew = files.declaring(&drafts);
            let (case, world) = (anew.case(), anew.world());
            let judgement = judge(&case);
            let again: Vec<Passage<'_>> = passages(&world, &judgement).collect();
            let (case_before, world_before) = (files.case(), files.world());
            let judged_before = judge(&case_before);
            let before: Vec<Passage<'_>> = passages(&world_before, &judged_before).collect();
            let legitimate: Vec<_> = before.iter().filter(|one| one.standing.is_legitimate()).collect();
            for (before, after) in before.iter().zip(&again) {
                let is_declared = after.standing == Standing::Declared;
                let at = || {
                    format!(
                        "seed {seed} {tightness:?}: {before} is {after}\n{}",
                        drafts.iter().map(matrix::markdown).collect::<String>()
                    )
                };
                // What nodes do within their cluster the matrix may not speak of when no endpoint names them.
                let is_of_nodes = is_node(&before.party) || is_node(&before.peer);
                let is_unspoken = is_of_nodes && after.standing == Standing::OutOfScope;
                if before.standing.is_legitimate() {
                    assert!(is_declared || is_unspoken, "{}", at());
                    declared += u32::from(is_declared);
                } else if is_declared && legitimate.iter().any(|one| is_alike(before, one)) {
                    wide += 1;
                } else if is_declared {
                    let cells =
                        after.cells.iter().map(|cell| case.rows().row(case.rows().cells()[*cell].row));
                    // A cluster's name is that of all its nodes.
                    let is_wide =
                        |name: &matrix::EndpointName| world.inventory.clusters.keys().any(|one| name.is(one));
                    let names = cells.flat_map(|row| row.from.iter().chain(&row.to)).collect::<Vec<_>>();
                    assert!(names.into_iter().any(is_wide) || is_node(&before.party), "{}", at());
                    wide += 1;
                } else {
                    strange += 1;
                }
            }
        }
    }
    assert!(declared > 1_000 && strange > 1_000 && wide * 10 < strange, "{declared} {strange} {wide}");
}

fn is_node(party: &Party<'_>) -> bool {
    matches!(party, Party::Node { .. })
}
