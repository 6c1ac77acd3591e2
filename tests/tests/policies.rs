//! Policies of what was declared and observed: a directory each with the inputs of a case, what the clusters say of
//! themselves, and in `expected/<language>` what must come out in the languages that it is about. `FLOWDRIFT_BLESS=1` writes
//! anew what is there.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use flowdrift::{
    matrix::{Matrix, write},
    policy::{
        Include, Policies, Settings, Standing, Tightness,
        language::{File, Language, Written},
    },
};
use flowdrift_tests::{
    case::{self, CaseFiles},
    policies::{make, readable, slack},
};

/// How many cases the acceptance asks for.
const CASES: usize = 30;

/// Holds what came out against what must, where the case says so; whether it does.
fn golden(at: &Path, files: &[File], wrong: &mut Vec<String>) -> bool {
    if !at.exists() {
        return false;
    }
    if std::env::var_os("FLOWDRIFT_BLESS").is_some() {
        let _ = fs::remove_dir_all(at);
        for file in files {
            let path = at.join(&file.name);
            fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("the case is writable");
            fs::write(path, &file.text).expect("the case is writable");
        }
    }
    let found: BTreeMap<PathBuf, &str> =
        files.iter().map(|file| (at.join(&file.name), file.text.as_str())).collect();
    let mut wanted = BTreeMap::new();
    texts(at, &mut wanted);
    for path in found.keys().chain(wanted.keys()) {
        let (found, wanted) =
            (found.get(path).copied().unwrap_or_default(), wanted.get(path).map_or("", String::as_str));
        if found != wanted {
            wrong.push(format!("{}\n--- expected\n{wanted}\n--- found\n{found}", path.display()));
        }
    }
    true
}

/// The cases that are about every language.
fn whole() -> Vec<PathBuf> {
    let is_whole = |path: &PathBuf| {
        Language::ALL.into_iter().all(|language| path.join("expected").join(language.name()).exists())
    };
    let whole: Vec<PathBuf> = case::all("policies").into_iter().filter(is_whole).collect();
    assert!(!whole.is_empty());
    whole
}

fn texts(at: &Path, found: &mut BTreeMap<PathBuf, String>) {
    for entry in fs::read_dir(at).into_iter().flatten() {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            texts(&path, found);
        } else {
            let text = fs::read_to_string(&path).expect("readable");
            found.insert(path, text);
        }
    }
}

#[test]
fn every_case_gives_its_policies_and_its_papers() {
    let mut wrong = Vec::new();
    assert!(case::all("policies").len() >= CASES);
    for (path, files) in case::of_policies() {
        let made = make(&files, &Settings::default());
        let paper = |(name, matrix): (&str, &Matrix)| File {
            name: name.to_owned(),
            cluster: None,
            text: write::yaml(matrix).expect("a matrix is YAML"),
        };
        let [quarantine, removals] = &made.papers;
        let papers = [("quarantine.yaml", quarantine), ("removal-candidates.yaml", removals)].map(paper);
        let mut is_held = golden(&path.join("expected/papers"), &papers, &mut wrong);
        for language in Language::ALL {
            let Written { files, warnings } = made.written(language);
            let warnings = File { name: "warnings.txt".to_owned(), cluster: None, text: warnings.join("\n") };
            let at = path.join("expected").join(language.name());
            is_held |= golden(&at, &[files, vec![warnings]].concat(), &mut wrong);
        }
        assert!(is_held, "{} says nothing", path.display());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_somebody_answers_for_passes_and_nothing_else_at_any_tightness() {
    let mut proven: BTreeMap<Language, (usize, usize)> = BTreeMap::new();
    for (path, files) in case::of_policies() {
        for tightness in [Tightness::Exact, Tightness::Inventory, Tightness::Declared] {
            let made = make(&files, &Settings { tightness, ..Settings::default() });
            for language in readable() {
                made.proven(&made.written(language), |shown| {
                    let proof = &shown.proof;
                    let at = format!("{} {tightness:?} {}", path.display(), language.name());
                    let (passed, stopped) = proven.entry(language).or_default();
                    (*passed, *stopped) = (*passed + proof.allowed, *stopped + proof.stopped);
                    let slack = slack(language, shown, &made.policies).len();
                    assert_eq!((proof.cut.len(), proof.leaked.len(), slack), (0, 0, 0), "{at}: {proof:#?}");
                });
            }
        }
    }
    for language in readable() {
        let (passed, stopped) = proven[&language];
        assert!(passed >= CASES && stopped >= CASES, "{} proves little: {proven:?}", language.name());
    }
}

#[test]
fn what_nobody_declared_becomes_a_marked_rule_only_when_asked_for() {
    for path in whole() {
        let files = CaseFiles::read(&path);
        let asked = make(
            &files,
            &Settings { include: Include { observed: true, ..Include::default() }, ..Settings::default() },
        );
        assert!(asked.policies.quarantine.count() == (0, 0), "{}", path.display());
        let unasked = make(&files, &Settings::default());
        let rules = |policies: &Policies<'_>, standing: Standing| {
            let subjects =
                policies.subjects.iter().flat_map(|one| one.ingress.iter().chain(&one.egress).flatten());
            subjects.filter(|rule| rule.evidence.standings.contains(&standing)).count()
        };
        for standing in [Standing::Undeclared, Standing::OutOfScope] {
            assert_eq!(rules(&unasked.policies, standing), 0);
        }
        assert!(rules(&asked.policies, Standing::Undeclared) > 0);
        for language in Language::ALL {
            let files = asked.written(language).files;
            assert!(files.iter().any(|file| file.text.contains("NOT DECLARED")), "{}", language.name());
        }
    }
}
