//! Policies that are written, against the schemas of who enforces them: these lie beside the project, and without them there
//! is nothing to ask.

use std::collections::BTreeMap;

use flowdrift::policy::{
    Include, Settings, Tightness,
    language::{File, Language},
};
use flowdrift_tests::{case, policies::make, schemas::Schemas};

/// Languages whose resources are custom ones.
const LANGUAGES: [Language; 5] = [
    Language::ClusterNetworkPolicy,
    Language::Cilium,
    Language::Calico,
    Language::CalicoStaged,
    Language::ServiceEntry,
];

/// The resources of a document.
fn resources(text: &str) -> impl Iterator<Item = &str> {
    text.split("\n---\n")
}

#[test]
fn every_policy_that_a_case_gives_is_one_to_its_api() {
    let Some(schemas) = Schemas::beside() else {
        println!("skipped: no schemas lie beside the project");
        return;
    };
    let mut checked = BTreeMap::new();
    for (path, files) in case::of_policies() {
        for tightness in [Tightness::Exact, Tightness::Inventory, Tightness::Declared] {
            let include = Include { declared: true, observed: tightness == Tightness::Declared };
            let made = make(&files, &Settings { tightness, include, ..Settings::default() });
            for language in LANGUAGES {
                for File { name, text, .. } in made.written(language).files {
                    for resource in resources(&text) {
                        assert_eq!(schemas.faults(resource), [""; 0], "{} {name}\n{text}", path.display());
                        *checked.entry(language).or_insert(0) += 1;
                    }
                }
            }
        }
    }
    assert!(LANGUAGES.iter().all(|language| checked[language] >= 30), "{checked:?}");
}

#[test]
fn what_its_api_does_not_know_is_a_fault() {
    let Some(schemas) = Schemas::beside() else {
        println!("skipped: no schemas lie beside the project");
        return;
    };
    let policy = |spec: &str| {
        format!(
            "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {{name: p, anything: 1}}\n{spec}\n"
        )
    };
    for (spec, faults) in [
        ("spec: {endpointSelector: {matchLabels: {a: b}}, ingress: [{}]}", 0),
        ("spec: {endpointSelector: {}, ingress: [{fromEndpoint: [{}]}]}", 1),
        ("spec: {endpointSelector: {matchLabel: {a: b}}, ingress: [{}]}", 1),
        ("spec: {endpointSelector: {}, ingress: [{toPorts: [{ports: [{port: 80}]}]}]}", 1),
        ("spek: {}", 1),
    ] {
        assert_eq!(
            schemas.faults(&policy(spec)).len(),
            faults,
            "{spec}: {:?}",
            schemas.faults(&policy(spec))
        );
    }
}
