//! Policies that are written, against the schemas of who enforces them: these lie beside the project, and without them there
//! is nothing to ask.

use std::{fs, path::Path};

use flowdrift_tests::{case, schemas::Schemas};

/// Languages whose resources are custom ones.
const LANGUAGES: [&str; 4] = ["clusternetworkpolicy", "cilium", "calico", "calico-staged"];

/// Every document of the cases, by its path.
fn documents(at: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(at).into_iter().flatten() {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            documents(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "yaml") {
            found.push((path.display().to_string(), fs::read_to_string(&path).expect("readable")));
        }
    }
}

#[test]
fn every_policy_that_a_case_gives_is_one_to_its_api() {
    let Some(schemas) = Schemas::beside() else {
        println!("skipped: no schemas lie beside the project");
        return;
    };
    for language in LANGUAGES {
        let mut found = Vec::new();
        case::all("policies")
            .iter()
            .for_each(|path| documents(&path.join("expected").join(language), &mut found));
        assert!(!found.is_empty(), "{language}");
        for (path, text) in found {
            assert_eq!(schemas.faults(&text), [""; 0], "{path}\n{text}");
        }
    }
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
