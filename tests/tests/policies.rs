//! Policies of what was declared and observed: a directory each with the inputs of a case, what the clusters say of
//! themselves, and in `expected/<language>` what must come out. `FLOWDRIFT_BLESS=1` writes it anew.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
};

use fastrand::Rng;
use flowdrift::{
    flow::Direction,
    judge::{Judgement, judge},
    matching::{Matcher, Tuple},
    matrix::{Matrix, write},
    policy::{
        Include, Passage, Policies, Proof, Rule, Settings, Standing, Subject, SubjectPolicy, Tightness,
        World, gather,
        language::{Decision, Document, Enforced, Evaluator, File, Language, RuleId, Written},
        papers, passages, prove,
    },
};
use flowdrift_tests::{
    alike::is_alike,
    case::{self, CaseFiles},
    nft,
    worlds::{MadeWorld, Packet, made_world},
};

/// What is made of a case.
struct Made<'a> {
    world: World<'a>,
    judgement: Judgement<'a>,
    policies: Policies<'a>,
    papers: [Matrix; 2],
}

fn make<'a>(files: &'a CaseFiles, settings: &Settings) -> Made<'a> {
    let (case, world) = (files.case(), files.world());
    let judgement = judge(&case);
    let policies = gather(&world, &case, &judgement, settings);
    let papers = [
        papers::quarantine(&world, &case, &judgement, &policies),
        papers::removal_candidates(&case, &judgement),
    ];
    Made { world, judgement, policies, papers }
}

impl Made<'_> {
    fn written(&self, language: Language) -> Written {
        language.write(&self.world, &self.policies).expect("policies are YAML")
    }

    /// What the policies, written and read back, do with what was seen.
    fn proven(&self, written: &Written, check: impl FnOnce(&Proven<'_>)) {
        let mut documents = written.documents();
        nft::list(&mut documents);
        self.proven_as(&documents, check);
    }

    /// The same for documents as those who enforce them have them.
    fn proven_as(&self, documents: &[Document], check: impl FnOnce(&Proven<'_>)) {
        let enforced = Enforced::read(&self.world, documents).unwrap_or_else(|faults| panic!("{faults}"));
        let proof = prove(&enforced, passages(&self.world, &self.judgement));
        let is_cut = |passage: &Passage<'_>| enforced.decide(passage) == Decision::Denied;
        let legitimate = passages(&self.world, &self.judgement)
            .filter(|passage| passage.standing.is_legitimate() && !is_cut(passage));
        check(&Proven { proof, passing: legitimate.collect() });
    }
}

/// What policies do with what was seen.
struct Proven<'a> {
    proof: Proof<'a>,
    /// What somebody answers for, and passes.
    passing: Vec<Passage<'a>>,
}

fn golden(at: &Path, files: &[File], wrong: &mut Vec<String>) {
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
    for path in case::all("policies") {
        let files = CaseFiles::read(&path);
        let made = make(&files, &Settings::default());
        let paper = |(name, matrix): (&str, &Matrix)| File {
            name: name.to_owned(),
            cluster: None,
            text: write::yaml(matrix).expect("a matrix is YAML"),
        };
        let [quarantine, removals] = &made.papers;
        let papers = [("quarantine.yaml", quarantine), ("removal-candidates.yaml", removals)].map(paper);
        golden(&path.join("expected/papers"), &papers, &mut wrong);
        for language in Language::ALL {
            let Written { files, warnings } = made.written(language);
            let warnings = File { name: "warnings.txt".to_owned(), cluster: None, text: warnings.join("\n") };
            let at = path.join("expected").join(language.name());
            golden(&at, &[files, vec![warnings]].concat(), &mut wrong);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Those that somebody enforces and that can be read back here: rulesets are for root.
fn readable() -> impl Iterator<Item = Language> {
    let rulesets = nft::is_there("rulesets");
    enforced().filter(move |language| rulesets || *language != Language::Nftables)
}

/// What is declared and enforced by nobody is proven by `declarations.rs`.
fn enforced() -> impl Iterator<Item = Language> {
    Language::ALL.into_iter().filter(|language| language.is_enforced())
}

#[test]
fn what_somebody_answers_for_passes_and_nothing_else_at_any_tightness() {
    for path in case::all("policies") {
        let files = CaseFiles::read(&path);
        for tightness in [Tightness::Exact, Tightness::Inventory, Tightness::Declared] {
            let made = make(&files, &Settings { tightness, ..Settings::default() });
            for language in readable() {
                made.proven(&made.written(language), |Proven { proof, .. }| {
                    let at = format!("{} {tightness:?} {}", path.display(), language.name());
                    assert!(proof.allowed > 0 && proof.stopped > 0, "{at}: it proves nothing");
                    let slack = slack(language, proof, of_ranges(&made.policies)).len();
                    assert_eq!((proof.cut.len(), proof.leaked.len(), slack), (0, 0, 0), "{at}: {proof:#?}");
                });
            }
        }
    }
}

#[test]
fn what_nobody_declared_becomes_a_marked_rule_only_when_asked_for() {
    for path in case::all("policies") {
        let files = CaseFiles::read(&path);
        let asked = make(
            &files,
            &Settings { include: Include { observed: true, ..Include::default() }, ..Settings::default() },
        );
        assert!(asked.policies.quarantine.is_empty(), "{}", path.display());
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

/// How many fleets are made up: the acceptance asks for more.
fn worlds(usual: usize) -> usize {
    std::env::var("FLOWDRIFT_WORLDS").ok().and_then(|count| count.parse().ok()).unwrap_or(usual)
}

#[test]
fn in_made_up_fleets_no_legitimate_flow_is_cut_and_no_other_passes() {
    let worlds = worlds(300);
    let (mut passed, mut stopped) = (0, 0);
    for seed in 0..worlds as u64 {
        let made_up = made_world(&mut Rng::with_seed(seed));
        let files = CaseFiles::made(&made_up);
        for tightness in [Tightness::Exact, Tightness::Inventory, Tightness::Declared] {
            let made = make(&files, &Settings { tightness, ..Settings::default() });
            // Rulesets are asked all at once: a network namespace takes its time.
            for language in enforced().filter(|one| *one != Language::Nftables) {
                let written = made.written(language);
                let at = || told_of((seed, tightness), &made_up, &written);
                made.proven(&written, |proven| {
                    assert_sound(language, proven, of_ranges(&made.policies), at);
                    passed += proven.proof.allowed;
                    stopped += proven.proof.stopped;
                });
            }
            let at = format!("seed {seed} {tightness:?}\n{}\n{}", made_up.matrix, made_up.inventory);
            for policy in &made.policies.subjects {
                for (is_egress, rule) in rules_of(policy) {
                    assert!(
                        rule.evidence.connections > 0 && !rule.evidence.rows.is_empty(),
                        "{rule:?}\n{at}"
                    );
                    is_no_wider_than_the_rows(&files, policy, is_egress, rule, &at);
                }
            }
        }
    }
    // Worlds in which nothing happens prove nothing.
    assert!(passed > worlds && stopped > worlds, "{passed} passed, {stopped} stopped");
}

#[test]
fn in_made_up_fleets_what_is_declared_and_unseen_is_no_wider_than_its_rows() {
    let (mut unseen, mut seen) = (0, 0);
    for seed in 0..worlds(150) as u64 {
        let made_up = made_world(&mut Rng::with_seed(seed));
        let files = CaseFiles::made(&made_up);
        let include = Include { declared: true, observed: false };
        let made = make(&files, &Settings { include, ..Settings::default() });
        let written = made.written(Language::NetworkPolicy);
        let at = told_of((seed, Tightness::Inventory), &made_up, &written);
        made.proven(&written, |Proven { proof, passing }| {
            assert!(proof.cut.is_empty(), "{:?}\n{at}", proof.cut);
            let leaked = proof.leaked.iter().filter(|leak| !passing.iter().any(|one| is_alike(leak, one)));
            assert_eq!(leaked.count(), 0, "{:#?}\n{at}", proof.leaked);
        });
        for policy in &made.policies.subjects {
            for (is_egress, rule) in rules_of(policy) {
                assert!(!rule.evidence.rows.is_empty(), "{rule:?}\n{at}");
                let is_seen = rule.evidence.connections > 0;
                *if is_seen { &mut seen } else { &mut unseen } += 1;
                is_no_wider_than_the_rows(&files, policy, is_egress, rule, &at);
            }
        }
    }
    assert!(unseen > 50 && seen > 50, "{unseen} unseen, {seen} seen");
}

#[test]
fn in_made_up_fleets_rulesets_let_pass_what_they_should() {
    const WORLDS: u64 = 40;
    if !nft::is_there("rulesets") {
        return;
    }
    let worlds: Vec<MadeWorld> = (0..WORLDS).map(|seed| made_world(&mut Rng::with_seed(seed))).collect();
    let files: Vec<CaseFiles> = worlds.iter().map(CaseFiles::made).collect();
    let mut made = Vec::new();
    for (world, files) in files.iter().enumerate() {
        for tightness in [Tightness::Exact, Tightness::Inventory, Tightness::Declared] {
            made.push((world, tightness, make(files, &Settings { tightness, ..Settings::default() })));
        }
    }
    let written: Vec<Written> = made.iter().map(|(.., made)| made.written(Language::Nftables)).collect();
    let mut documents: Vec<Document> = written.iter().flat_map(Written::documents).collect();
    nft::list(&mut documents);
    let (mut rest, mut passed, mut stopped) = (documents.as_slice(), 0, 0);
    for ((world, tightness, made), written) in made.iter().zip(&written) {
        let (own, others) = rest.split_at(written.files.len());
        rest = others;
        let at = || told_of((*world as u64, *tightness), &worlds[*world], written);
        made.proven_as(own, |proven| {
            assert_sound(Language::Nftables, proven, 0, at);
            passed += proven.proof.allowed;
            stopped += proven.proof.stopped;
        });
    }
    assert!(passed > files.len() && stopped > files.len(), "{passed} passed, {stopped} stopped");
}

fn told_of((seed, tightness): (u64, Tightness), made_up: &MadeWorld, written: &Written) -> String {
    let MadeWorld { matrix, inventory, .. } = made_up;
    let files: Vec<&str> = written.files.iter().map(|file| file.text.as_str()).collect();
    format!(
        "seed {seed} {tightness:?}\n{matrix}\n{inventory}\n{}\n{:#?}",
        files.join("---\n"),
        written.warnings
    )
}

/// Rules that nothing needs. A ruleset of nftables has each rule for each family, on each node that has one of the pods: not
/// every one of them was needed there. An EgressPoint has each port of a range by itself, and nobody may have been seen on it.
fn slack<'p>(language: Language, proof: &'p Proof<'_>, of_ranges: usize) -> &'p [RuleId] {
    match language {
        Language::Nftables => &[],
        Language::EgressPoint if proof.slack.len() <= of_ranges => &[],
        _ => &proof.slack,
    }
}

/// Ports of the ranges of rules for what leaves, but one of each.
fn of_ranges(policies: &Policies<'_>) -> usize {
    let rules = policies.subjects.iter().flat_map(|one| one.egress.iter().flatten());
    rules.map(|rule| usize::from(rule.flow.ports.last - rule.flow.ports.first)).sum()
}

/// What somebody answers for passes, nothing else does, and each rule is needed.
fn assert_sound(
    language: Language,
    Proven { proof, passing }: &Proven<'_>,
    of_ranges: usize,
    at: impl Fn() -> String,
) {
    let told = |passages: &[Passage<'_>]| passages.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert!(proof.cut.is_empty(), "cut: {:#?}\n{}", told(&proof.cut), at());
    // What differs by nothing that a policy knows, none can tell apart.
    let mut leaked = proof.leaked.clone();
    leaked.retain(|leak| !passing.iter().any(|one| is_alike(leak, one)));
    let leaked = told(&leaked);
    assert!(leaked.is_empty(), "leaked: {leaked:#?}\n{}", at());
    let slack = slack(language, proof, of_ranges);
    assert!(slack.is_empty(), "slack: {slack:#?}\n{}", at());
}

fn rules_of(policy: &SubjectPolicy) -> impl Iterator<Item = (bool, &Rule)> {
    let ingress = policy.ingress.iter().flatten().map(|rule| (false, rule));
    ingress.chain(policy.egress.iter().flatten().map(|rule| (true, rule)))
}

/// Asks the plain matcher of the ends of each block and of the range of ports, as any of the subject's pods.
fn is_no_wider_than_the_rows(
    files: &CaseFiles,
    policy: &SubjectPolicy,
    is_egress: bool,
    rule: &Rule,
    at: &str,
) {
    let Subject::Workload { cluster, workload } = &policy.subject else { return };
    let (case, world) = (files.case(), files.world());
    let pods = world.clusters[cluster].pods.iter().filter(|pod| pod.workload == *workload);
    let own: Vec<(IpAddr, &str)> = pods
        .flat_map(|pod| {
            pod.addresses.iter().map(|address| (*address, pod.node.as_deref().unwrap_or_default()))
        })
        .collect();
    // Behind a service's address is what the row declares by that address.
    if !rule.evidence.dialled.is_empty() {
        return;
    }
    for block in rule.flow.peer.blocks() {
        for (remote, port) in
            [(block.network(), rule.flow.ports.first), (block.broadcast(), rule.flow.ports.last)]
        {
            let is_declared = |(local, node): &(IpAddr, &str)| {
                let direction = if is_egress { Direction::Outbound } else { Direction::Inbound };
                let protocol = rule.flow.ports.protocol;
                let (cluster, local) = (cluster.as_str(), *local);
                let tuple = Tuple {
                    cluster,
                    node,
                    cgroup: None,
                    direction,
                    local,
                    remote,
                    port,
                    protocol,
                    names: None,
                };
                let mut found = Vec::new();
                case.rows().matches(&tuple, &mut found);
                !found.is_empty()
            };
            let same_family = own.iter().filter(|(local, _)| local.is_ipv4() == remote.is_ipv4());
            let mut asked = same_family.peekable();
            assert!(
                asked.peek().is_none() || asked.any(is_declared),
                "{remote} port {port} is declared by no row: {rule:#?} of {}\n{at}",
                policy.subject
            );
        }
    }
}

#[test]
fn passages_are_what_the_network_had() {
    for seed in 0..1_000 {
        let made_up = made_world(&mut Rng::with_seed(seed));
        let files = CaseFiles::made(&made_up);
        let (case, world) = (files.case(), files.world());
        let judgement = judge(&case);
        let found: Vec<Passage<'_>> = passages(&world, &judgement).collect();
        let packet = |passage: &Passage<'_>| Packet {
            cluster: passage.party.cluster().expect("it is in a cluster").to_owned(),
            is_egress: passage.is_egress,
            own: passage.party.address(),
            peer: passage.peer.address(),
            port: passage.port,
        };
        let told: BTreeSet<Packet> = found.iter().map(packet).collect();
        let missing: Vec<&Packet> = made_up.packets.difference(&told).collect();
        assert!(missing.is_empty(), "seed {seed}: {missing:#?}\n{told:#?}");
        // Where a node does not tell which pod stands behind a service's address, it may be any of them.
        let dialled =
            found.iter().filter(|passage| passage.dialled.is_some()).map(|passage| passage.observation);
        let dialled: BTreeSet<usize> = dialled.collect();
        let known = found.iter().filter(|passage| !dialled.contains(&passage.observation)).map(packet);
        let surplus: Vec<Packet> = known.filter(|packet| !made_up.packets.contains(packet)).collect();
        assert!(surplus.is_empty(), "seed {seed}: {surplus:#?}");
    }
}
