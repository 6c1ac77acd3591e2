//! The golden trace, recorded on this kernel, is what it is on every other.
//!
//! `FLOWDRIFT_BLESS=1 cargo test -p flowdrift-tests --test golden` writes what this kernel shows as the expected.

use std::path::Path;

use flowdrift_tests::{
    golden::{World, play, told},
    needs,
    recorder::Recorder,
};
use serde_json::Value;

/// Of whatever kernel: an emulated machine has no more than the test itself.
const EXPECTED: &str = include_str!("../golden/trace.json");

fn recorded(arguments: &[&str]) -> Value {
    let world = World::new();
    let watched = world.watched();
    let watched: Vec<&str> = watched.iter().map(String::as_str).collect();
    let recorder = Recorder::start(&[&watched, arguments].concat());
    let _standing = play(&world);
    let window = recorder.finish();
    assert_eq!(window.coverage.gaps(), Vec::new());
    told(&window)
}

fn holds(told: &Value) {
    if std::env::var_os("FLOWDRIFT_BLESS").is_some() {
        let text = serde_json::to_string_pretty(told).expect("plain data") + "\n";
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/trace.json");
        std::fs::write(path, text).expect("it is writable");
        return;
    }
    let expected: Value = serde_json::from_str(EXPECTED).expect("it is well-formed");
    let told = told.as_array().expect("an array");
    let expected = expected.as_array().expect("an array");
    for (told, expected) in told.iter().zip(expected) {
        assert_eq!(told, expected);
    }
    assert_eq!(told.len(), expected.len());
}

#[test]
fn a_trace_is_told_as_on_every_kernel() {
    if needs::root("a_trace_is_told_as_on_every_kernel") {
        holds(&recorded(&[]));
    }
}

#[test]
fn every_connection_by_itself_tells_the_same_trace() {
    let is_blessing = std::env::var_os("FLOWDRIFT_BLESS").is_some();
    if needs::root("every_connection_by_itself_tells_the_same_trace") && !is_blessing {
        holds(&recorded(&["--every-connection"]));
    }
}

#[test]
fn packets_tell_the_same_trace() {
    if needs::root("packets_tell_the_same_trace") && std::env::var_os("FLOWDRIFT_BLESS").is_none() {
        holds(&recorded(&["--udp-by-packets"]));
    }
}
