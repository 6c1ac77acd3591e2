//! An attacker who talks while flowdrift learns: nothing of it reaches a policy unasked, and all of it awaits approval.

use std::collections::BTreeSet;

use fastrand::Rng;
use flowdrift::{
    judge::judge,
    policy::{Settings, Standing, gather, language::Language, papers, passages},
};
use flowdrift_tests::{
    case::{self, CaseFiles},
    worlds::made_world,
};

/// Observations of which somebody answers for none; whether there were any.
fn is_quarantined_whole(files: &CaseFiles, at: &str) -> bool {
    let (case, world) = (files.case(), files.world());
    let judgement = judge(&case);
    let policies = gather(&world, &case, &judgement, &Settings::default());
    let strangers: BTreeSet<usize> = passages(&world, &judgement)
        .filter(|passage| !passage.standing.is_legitimate() && passage.party.subject().is_some())
        .map(|passage| passage.observation)
        .collect();
    let waiting: BTreeSet<usize> = policies.quarantine.observations().collect();
    assert_eq!(waiting, strangers, "{at}");
    let paper = papers::quarantine(&world, &case, &judgement, &policies);
    assert_eq!(paper.rows.is_empty(), strangers.is_empty(), "{at}");
    assert!(paper.rows.iter().all(|row| row.review), "{at}: each is for somebody to approve");
    let rules = policies.subjects.iter().flat_map(|one| one.ingress.iter().chain(&one.egress).flatten());
    for rule in rules {
        let standings = &rule.evidence.standings;
        let is_legitimate = |standing: &Standing| standing.is_legitimate();
        assert!(!standings.is_empty() && standings.iter().all(is_legitimate), "{at}: {rule:#?}");
    }
    for language in Language::ALL {
        let written = language.write(&world, &policies).expect("policies are YAML");
        for file in written.files {
            assert!(!file.text.contains("NOT DECLARED"), "{at}: {}", file.text);
        }
    }
    !strangers.is_empty()
}

#[test]
fn what_nobody_declared_is_in_the_quarantine_and_in_no_policy() {
    for path in case::all("policies") {
        is_quarantined_whole(&CaseFiles::read(&path), &path.display().to_string());
    }
    let poisoned = (0..300).filter(|seed| {
        let made = made_world(&mut Rng::with_seed(*seed));
        is_quarantined_whole(&CaseFiles::made(&made), &format!("seed {seed}"))
    });
    assert!(poisoned.count() > 100, "few worlds have a stranger");
}
