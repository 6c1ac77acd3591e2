//! Each language's evaluator says what an enforcer does that is written plainly from the language's specification: of the policies
//! that are made of made-up fleets, and of the same after somebody's hand went over them. What that cuts or lets through of what was
//! seen, the proof names.

use std::collections::{BTreeMap, BTreeSet};

use fastrand::Rng;
use flowdrift::{
    event::Protocol,
    policy::{
        Include, Party, Passage, Settings, Tightness, World,
        language::{Document, Enforced, Evaluator, Language},
        passages, prove,
    },
};
use flowdrift_tests::{
    case::CaseFiles,
    enforcer::{
        Enforcer, Site, Verdict, calico::Calico, cilium::Cilium,
        cluster_network_policy::ClusterNetworkPolicies, damage::damage, egress_point::EgressPoints,
        network_policy::NetworkPolicies, of_decision, service_entry::ServiceEntries,
    },
    policies::{Made, make, worlds},
    worlds::made_world,
};
use serde_json::Value;

/// Fleets at most: each asks some ten thousand questions of two.
const MOST: usize = 4_000;
/// Documents that are damaged, of each fleet and language.
const DAMAGED: usize = 8;
/// Packets that nobody sent, of each.
const PACKETS: usize = 60;

const ENFORCERS: [(Language, &dyn Enforcer); 7] = [
    (Language::NetworkPolicy, &NetworkPolicies),
    (Language::ClusterNetworkPolicy, &ClusterNetworkPolicies),
    (Language::Cilium, &Cilium),
    (Language::Calico, &Calico),
    (Language::CalicoStaged, &Calico),
    (Language::EgressPoint, &EgressPoints),
    (Language::ServiceEntry, &ServiceEntries),
];

/// What was compared.
#[derive(Debug, Default)]
struct Told {
    /// By what came out of it.
    verdicts: BTreeMap<String, usize>,
    damaged: usize,
    refused: usize,
    found: usize,
}

#[test]
fn evaluators_say_what_the_specifications_do() {
    let mut told: BTreeMap<Language, Told> = BTreeMap::new();
    for seed in 0..worlds(50).min(MOST) as u64 {
        let mut rng = Rng::with_seed(seed);
        let files = CaseFiles::made(&made_world(&mut rng));
        let tightness = [Tightness::Exact, Tightness::Inventory, Tightness::Declared][rng.usize(0..3)];
        let include = Include { declared: rng.bool(), observed: false };
        let made = make(&files, &Settings { tightness, include, ..Settings::default() });
        let mut seen: BTreeMap<&str, Vec<Passage<'_>>> = BTreeMap::new();
        for passage in passages(&made.world, &made.judgement) {
            seen.entry(passage.party.cluster().unwrap_or_default()).or_default().push(passage);
        }
        for (language, enforcer) in ENFORCERS {
            let told = told.entry(language).or_default();
            for (cluster, documents) in resources(&made, language) {
                let site = Site { world: &made.world, cluster };
                let seen = seen.get(cluster).map_or(&[][..], Vec::as_slice);
                let comparison = Comparison { language, enforcer, site, seen, seed };
                let before =
                    comparison.hold(&documents, &mut rng, told).expect("what is written can be read");
                for _ in 0..DAMAGED {
                    let mut damaged = documents.clone();
                    if !damage(&mut damaged, &mut rng) {
                        continue;
                    }
                    match comparison.hold(&damaged, &mut rng, told) {
                        Some(after) => {
                            told.damaged += 1;
                            told.found += usize::from(comparison.finds(&damaged, &before, &after));
                        }
                        None => told.refused += 1,
                    }
                }
            }
        }
    }
    for (language, _) in ENFORCERS {
        let told = &told[&language];
        println!("{}: {told:?}", language.name());
        let enough =
            |verdict: Verdict| told.verdicts.get(&format!("{verdict:?}")).is_some_and(|count| *count > 10);
        assert!(
            [Verdict::NotGoverned, Verdict::Allowed, Verdict::Denied].into_iter().all(enough),
            "{told:?}"
        );
        assert!(told.damaged > 20 && told.found > 0, "{}: {told:?}", language.name());
    }
}

/// Each cluster's resources, as whoever enforces them gets them.
fn resources<'w>(made: &'w Made<'_>, language: Language) -> BTreeMap<&'w str, Vec<Value>> {
    let mut clusters: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for Document { cluster, text, .. } in made.written(language).documents() {
        let (cluster, _) = made.world.clusters.get_key_value(&cluster).expect("it has pods");
        let read = |text| serde_saphyr::from_str(text).expect("YAML");
        clusters.entry(cluster).or_default().extend(text.split("\n---\n").map(read));
    }
    // Of two of one priority the first by its name is asked first.
    let name = |one: &Value| one["metadata"]["name"].to_string();
    clusters.values_mut().for_each(|resources| resources.sort_by_key(name));
    clusters
}

/// One cluster's documents under both.
struct Comparison<'w> {
    language: Language,
    enforcer: &'w dyn Enforcer,
    site: Site<'w>,
    /// What passed there.
    seen: &'w [Passage<'w>],
    seed: u64,
}

impl<'w> Comparison<'w> {
    fn documents(&self, resources: &[Value]) -> Vec<Document> {
        let document = |(index, resource): (usize, &Value)| Document {
            cluster: self.site.cluster.to_owned(),
            name: format!("{index}.yaml"),
            text: resource.to_string(),
        };
        resources.iter().enumerate().map(document).collect()
    }

    /// What becomes of what was seen, where both say the same of everything; nothing where the documents are refused.
    fn hold(&self, resources: &[Value], rng: &mut Rng, told: &mut Told) -> Option<Vec<Verdict>> {
        let evaluator = Enforced::read(self.site.world, &self.documents(resources)).ok()?;
        let is_of_tiers = self.language == Language::ClusterNetworkPolicy;
        // Whether a cluster of Calico's has automatic host endpoints no document tells: the evaluator takes it from whoever writes
        // for them by their labels.
        let is_of_calico = matches!(self.language, Language::Calico | Language::CalicoStaged);
        let names_hosts = resources
            .iter()
            .any(|one| one["spec"]["selector"].to_string().contains("kubernetes.io/hostname"));
        let is_host = |party: &Party<'_>| matches!(party, Party::Node { .. });
        let mut verdict = |passage: &Passage<'_>| {
            let plain = self.enforcer.verdict(self.site, resources, passage);
            if is_of_calico && !names_hosts && (is_host(&passage.party) || is_host(&passage.peer)) {
                return plain;
            }
            let found = match (of_decision(&evaluator.decide(passage)), plain) {
                // What passes anyway may be let through by a rule, too.
                (Verdict::Allowed, Verdict::Beyond) => Verdict::Beyond,
                // Whom every tier leaves to nobody passes: whether it was governed before is a matter of words.
                (Verdict::Allowed | Verdict::Beyond, Verdict::NotGoverned) if is_of_tiers => plain,
                (found, _) => found,
            };
            assert_eq!(
                found,
                plain,
                "{} seed {}: {passage} dialled {:?}\n{}",
                self.language.name(),
                self.seed,
                passage.dialled,
                resources.iter().map(|one| format!("{one:#}\n")).collect::<String>()
            );
            *told.verdicts.entry(format!("{plain:?}")).or_default() += 1;
            plain
        };
        let verdicts = self.seen.iter().map(&mut verdict).collect();
        for _ in 0..PACKETS {
            verdict(&self.made_up(rng));
        }
        Some(verdicts)
    }

    /// Whether documents do something else to what was seen than before; then the check says so.
    fn finds(&self, resources: &[Value], before: &[Verdict], after: &[Verdict]) -> bool {
        let evaluator = Enforced::read(self.site.world, &self.documents(resources)).expect("it was read");
        let proof = prove(&evaluator, self.seen.iter().cloned());
        let place = |passage: &Passage<'_>| {
            let Passage { observation, party, peer, is_egress, port, .. } = passage;
            (*observation, party.address(), peer.address(), *is_egress, *port)
        };
        let [cut, leaked] =
            [&proof.cut, &proof.leaked].map(|told| told.iter().map(place).collect::<BTreeSet<_>>());
        let mut has_found = false;
        for ((passage, before), after) in self.seen.iter().zip(before).zip(after) {
            let told = match (passage.standing.is_legitimate(), before, after) {
                (true, _, Verdict::Denied) if *before != Verdict::Denied => &cut,
                (false, Verdict::Denied, Verdict::Allowed) => &leaked,
                _ => continue,
            };
            assert!(told.contains(&place(passage)), "seed {}: {passage}: {proof:#?}", self.seed);
            has_found = true;
        }
        has_found
    }

    /// A packet between any two, on a port that somebody uses or nobody.
    fn made_up(&self, rng: &mut Rng) -> Passage<'w> {
        let world: &'w World<'w> = self.site.world;
        let all = self.seen;
        let objects = &world.clusters[self.site.cluster];
        let some = |rng: &mut Rng| -> Party<'w> {
            let seen = (!all.is_empty()).then(|| &all[rng.usize(0..all.len())]);
            match (rng.usize(0..4), seen) {
                (0, Some(seen)) => seen.party,
                (1, Some(seen)) => seen.peer,
                (2, _) => world.at(self.site.cluster, [198, 51, 100, rng.u8(0..64)].into()),
                _ => {
                    let pod = &objects.pods[rng.usize(0..objects.pods.len())];
                    world.at(self.site.cluster, pod.addresses[0])
                }
            }
        };
        // What stays within a node or a pod never comes to anybody who enforces.
        let place = |party: &Party<'w>| match party {
            Party::Node { cluster, node, .. } => Some((*cluster, *node)),
            Party::Pod { cluster, pod, .. } => Some((*cluster, pod.name.as_str())),
            Party::Guest { .. } | Party::Outside(_) => None,
        };
        let (party, peer) = loop {
            let (party, peer) = (some(rng), some(rng));
            let is_of_one_family = party.address().is_ipv4() == peer.address().is_ipv4();
            let is_own = party.cluster() == Some(self.site.cluster);
            if is_own && is_of_one_family && place(&party) != place(&peer) {
                break (party, peer);
            }
        };
        let port = match rng.usize(0..3) {
            0 if !all.is_empty() => all[rng.usize(0..all.len())].port,
            1 => [443, 53, 1000, 1010, 22, 8000, 8010][rng.usize(0..7)],
            _ => rng.u16(1..10_000),
        };
        let protocol = if rng.usize(0..4) == 0 { Protocol::Udp } else { Protocol::Tcp };
        Passage::between((party, peer), rng.bool(), port, protocol)
    }
}
