//! Made-up fleets: whatever is declared and seen in them, no legitimate flow is cut by the policies, and no other passes.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use fastrand::Rng;
use flowdrift::{
    event::Protocol,
    flow::Direction,
    judge::judge,
    matching::{Matcher, Tuple},
    policy::{
        Include, Party, Passage, Policies, PortRange, Rule, Settings, Subject, SubjectPolicy, Tightness,
        language::{Document, Language, Written},
        passages,
    },
};
use flowdrift_tests::{
    alike::is_alike,
    case::CaseFiles,
    nft,
    policies::{Proven, enforced, is_near, make, slack, worlds},
    worlds::{MadeWorld, Packet, made_world},
};
use ipnet::IpNet;

#[test]
fn in_made_up_fleets_no_legitimate_flow_is_cut_and_no_other_passes() {
    let worlds = worlds(300);
    let mut counts: BTreeMap<Language, (usize, usize)> = BTreeMap::new();
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
                    assert_sound(language, proven, &made.policies, at);
                    let (passed, stopped) = counts.entry(language).or_default();
                    *passed += proven.proof.allowed;
                    *stopped += proven.proof.stopped;
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
    // Worlds in which nothing happens prove nothing, nor does a language that governs nobody.
    let is_enough = |(language, (passed, stopped)): (&Language, &(usize, usize))| match language {
        // What leaves a cluster alone.
        Language::EgressPoint | Language::ServiceEntry => passed.min(stopped) > &(worlds / 20),
        _ => passed.min(stopped) > &(worlds / 2),
    };
    assert!(counts.len() == 7 && counts.iter().all(is_enough), "{counts:?}");
    println!("{counts:?}");
}

#[test]
fn in_made_up_fleets_what_is_declared_and_unseen_is_no_wider_than_its_rows() {
    let (mut unseen, mut seen) = (0, 0);
    for seed in 0..worlds(150) as u64 {
        let made_up = made_world(&mut Rng::with_seed(seed));
        let files = CaseFiles::made(&made_up);
        let include = Include { declared: true, observed: false };
        let tightness = if seed % 2 == 0 { Tightness::Inventory } else { Tightness::Declared };
        let made = make(&files, &Settings { include, tightness, ..Settings::default() });
        let written = made.written(Language::NetworkPolicy);
        let at = told_of((seed, tightness), &made_up, &written);
        made.proven(&written, |Proven { proof, passing, .. }| {
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
    /// Fleets at most: all rulesets are asked in one network namespace.
    const MOST: usize = 400;
    if !nft::is_there("rulesets") {
        return;
    }
    let worlds: Vec<MadeWorld> =
        (0..worlds(40).min(MOST) as u64).map(|seed| made_world(&mut Rng::with_seed(seed))).collect();
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
            assert_sound(Language::Nftables, proven, &made.policies, at);
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

/// What somebody answers for passes, nothing else does, and each rule is needed.
fn assert_sound(language: Language, proven: &Proven<'_>, policies: &Policies<'_>, at: impl Fn() -> String) {
    let Proven { proof, passing, free, .. } = proven;
    let told = |passages: &[Passage<'_>]| passages.iter().map(ToString::to_string).collect::<Vec<_>>();
    // EgressPoints know TCP alone, which is a warning, and what else leaves a Space is denied.
    let is_sayable = |one: &&Passage<'_>| language != Language::EgressPoint || one.protocol == Protocol::Tcp;
    let cut: Vec<Passage<'_>> = proof.cut.iter().filter(is_sayable).cloned().collect();
    assert!(cut.is_empty(), "cut: {:#?}\n{}", told(&cut), at());
    // What differs by nothing that a policy knows, none can tell apart.
    let mut leaked = proof.leaked.clone();
    leaked.retain(|leak| !passing.iter().any(|one| is_alike(leak, one)));
    if language == Language::ServiceEntry {
        leaked.retain(|leak| !is_a_neighbours(leak, policies));
    }
    let leaked = told(&leaked);
    let free: Vec<Passage<'_>> =
        free.iter().filter(|one| is_to_be_governed(language, one, policies)).cloned().collect();
    let free = told(&free);
    assert!(free.is_empty(), "governed by nobody: {free:#?}\n{}", at());
    assert!(leaked.is_empty(), "leaked: {leaked:#?}\n{}", at());
    let slack = slack(language, proven, policies);
    assert!(slack.is_empty(), "slack: {slack:#?}\n{}", at());
}

/// Whether somebody must govern it: where a workload has rules in a direction, what became none of them must be stopped.
fn is_to_be_governed(language: Language, passage: &Passage<'_>, policies: &Policies<'_>) -> bool {
    // The others do not govern a whole direction.
    let governs = [Language::NetworkPolicy, Language::Cilium, Language::Calico, Language::CalicoStaged];
    let subject = passage.party.subject();
    let policy = policies.subjects.iter().find(|policy| Some(&policy.subject) == subject.as_ref());
    let rules =
        policy.and_then(|one| if passage.is_egress { one.egress.as_ref() } else { one.ingress.as_ref() });
    governs.contains(&language) && matches!(passage.party, Party::Pod { .. }) && rules.is_some()
}

/// Whether a workload of the same namespace has a rule for it: a `ServiceEntry` is for all of them, and says so.
fn is_a_neighbours(leak: &Passage<'_>, policies: &Policies<'_>) -> bool {
    let Some(subject) = leak.party.subject() else { return false };
    let address = leak.peer.address();
    let mut near =
        policies.subjects.iter().filter(|one| one.subject != subject && is_near(&one.subject, &subject));
    near.any(|one| {
        one.egress.iter().flatten().any(|rule| {
            rule.flow.ports.holds(leak.protocol, leak.port)
                && rule.flow.peer.blocks().iter().any(|block| block.contains(&address))
        })
    })
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
    let protocol = rule.flow.ports.protocol;
    let is_declared = |direction, (local, node): (IpAddr, &str), (remote, port): (IpAddr, u16)| {
        let cluster = cluster.as_str();
        let tuple =
            Tuple { cluster, node, cgroup: None, direction, local, remote, port, protocol, names: None };
        let mut found = Vec::new();
        case.rows().matches(&tuple, &mut found);
        !found.is_empty()
    };
    // Who comes by a service's address asked for its port there.
    let fronts = |port: u16| {
        let objects = &world.clusters[cluster];
        let services = objects.services.iter();
        let ports = services.flat_map(|service| service.ports.iter().map(move |port| (service, port)));
        let leading = ports.filter(move |(service, front)| {
            objects.behind(service, front).any(|(pod, behind)| pod.workload == *workload && behind == port)
        });
        leading
            .flat_map(|(service, front)| service.addresses.iter().map(move |address| (*address, front.port)))
    };
    let blocks = rule.flow.peer.blocks();
    let PortRange { first, last, .. } = rule.flow.ports;
    // And of what the cluster has for itself, which a row for a wider block does not mean.
    let inner = world.home(cluster).iter().filter(|home| blocks.meet(home)).copied();
    let at_edges = |block: IpNet| [(block.network(), first), (block.broadcast(), last)].into_iter();
    let remotes = blocks.parts().into_iter().chain(inner).flat_map(at_edges);
    for (remote, port) in remotes.filter(|(remote, _)| blocks.hold(*remote) && !remote.is_loopback()) {
        let is_one = |own: &(IpAddr, &str)| {
            let direction = if is_egress { Direction::Outbound } else { Direction::Inbound };
            let node = match world.at(cluster, remote) {
                Party::Node { node, .. } if !is_egress => node,
                _ => "",
            };
            is_declared(direction, *own, (remote, port))
                || (!node.is_empty()
                    && fronts(port).any(|front| is_declared(Direction::Outbound, (remote, node), front)))
        };
        let same_family = own.iter().filter(|(local, _)| local.is_ipv4() == remote.is_ipv4());
        let mut asked = same_family.peekable();
        assert!(
            asked.peek().is_none() || asked.any(is_one),
            "{remote} port {port} is declared by no row: {rule:#?} of {}\n{at}",
            policy.subject
        );
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
            protocol: passage.protocol,
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
