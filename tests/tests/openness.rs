//! How much of the space policies open, where it can be counted by hand.

use std::path::Path;

use flowdrift::policy::{
    Settings,
    language::{Enforced, Language},
    openness::{Openness, openness},
};
use flowdrift_tests::{case::CaseFiles, policies::make};

/// Two workloads of a namespace, and the rest of the world: six ways, of which three are governed by nothing. The row declares
/// its own port and that of the pods behind it.
#[test]
fn what_is_open_is_a_share_of_all_ways_and_ports() {
    const PORTS: f64 = 2.0 * 65_535.0;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies/a-services-port-becomes-its-pods");
    let files = CaseFiles::read(&path);
    let made = make(&files, &Settings::default());
    let documents = made.written(Language::NetworkPolicy).documents();
    let enforced = Enforced::read(&made.world, &documents).expect("it is valid");
    let [one] = openness(&made.world, &files.case(), &made.judgement, &documents, &enforced)
        .try_into()
        .expect("one cluster");
    let Openness { cluster, policies, ungoverned, declared, namespaces, asked, workloads } = one;
    assert_eq!((cluster.as_str(), asked, workloads), ("run", 2, 2));
    for (found, expected) in [
        (policies, (3.0 + 1.0 / PORTS) / 6.0),
        (ungoverned, 3.0 / 6.0),
        (declared, 2.0 / PORTS / 6.0),
        (namespaces, 2.0 / 6.0),
    ] {
        assert!((found - expected).abs() < 1e-12, "{found} {expected}");
    }
}
