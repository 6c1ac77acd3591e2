//! What the programs cost the verifier and the stack: no growth by more than a tenth goes unnoticed.
//!
//! `FLOWDRIFT_BLESS=1 cargo test -p flowdrift-tests --test baseline` writes a new baseline.

use std::{collections::BTreeMap, fs, net::SocketAddr, path::PathBuf};

use flowdrift::capture::btf::KernelTypes;
use flowdrift_tests::{
    kernel::{
        balancer::Balancer,
        programs::{self, OURS},
    },
    needs,
    recorder::Recorder,
    stack,
};
use serde::{Deserialize, Serialize};

/// `tests/baseline/programs.json`.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Baseline {
    /// Deepest stack of each program, with its subprograms, bytes.
    stack: BTreeMap<String, u64>,
    /// Instructions that the verifier walked, by kernel (`major.minor`): each walks differently.
    verified_instructions: BTreeMap<String, BTreeMap<String, u64>>,
}

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("baseline/programs.json")
}

fn baseline() -> Baseline {
    let text = fs::read_to_string(path()).unwrap_or_else(|_| "{}".into());
    let empty = || Baseline::default();
    if text.trim() == "{}" {
        empty()
    } else {
        serde_json::from_str(&text).expect("the baseline is well-formed")
    }
}

/// Writes what was measured if asked to; whether it was.
fn bless(change: impl FnOnce(&mut Baseline)) -> bool {
    // Both tests write the same file.
    static WRITING: std::sync::Mutex<()> = std::sync::Mutex::new(());
    if std::env::var_os("FLOWDRIFT_BLESS").is_none() {
        return false;
    }
    let _one = WRITING.lock();
    let mut baseline = baseline();
    change(&mut baseline);
    let text = serde_json::to_string_pretty(&baseline).expect("plain data") + "\n";
    fs::write(path(), text).expect("the baseline is writable");
    true
}

/// Prints each program's figure beside the baseline; those that have grown by more than a tenth.
fn grown(what: &str, now: &BTreeMap<String, u64>, then: &BTreeMap<String, u64>) -> Vec<String> {
    let mut grown = Vec::new();
    for (program, now) in now {
        let then = then.get(program).copied();
        println!("{program}: {now} {what}, baseline {then:?}");
        if then.is_none_or(|then| now * 10 > then * 11) {
            grown.push(format!("{program}: {then:?} → {now} {what}"));
        }
    }
    grown
}

fn kernel() -> String {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").expect("/proc is mounted");
    release.trim().split(['.', '-']).take(2).collect::<Vec<_>>().join(".")
}

#[test]
fn no_program_walks_a_tenth_more_instructions() {
    if !needs::root("no_program_walks_a_tenth_more_instructions") {
        return;
    }
    let mut now = BTreeMap::new();
    // Where others choose peers the hooks do more, and there are more of them.
    let of = |address: [u8; 4]| SocketAddr::from((address, 80));
    let other = || Balancer::new(of([192, 0, 2, 7]), of([127, 0, 0, 1]));
    // Before 6.17 nobody attaches those for calls beside others.
    for (arguments, has_other) in [(&[][..], true), (&["--udp-by-packets"], true), (&[], false)] {
        let _other = has_other.then(other);
        let recorder = Recorder::start(arguments);
        let held = programs::of_process(recorder.id()).expect("it lives");
        let ours = held.into_iter().filter(|program| OURS.contains(&program.name.as_str()));
        // The hooks for calls do less where no packets are asked for.
        for program in ours {
            let verified: &mut u64 = now.entry(program.name).or_default();
            *verified = program.verified_instructions.max(*verified);
        }
    }
    let types = KernelTypes::of_running_kernel().expect("the kernel has BTF");
    // The tracepoints' two, and those that tell them who sent.
    let of_calls = if types.has_tracepoint("sock_send_length") { 0 } else { 4 };
    // The two that only the first place is good for.
    let absent = of_calls + if needs::first_place() { 0 } else { 2 };
    assert_eq!(now.len(), OURS.len() - absent, "{now:?}");
    let kernel = kernel();
    if bless(|baseline| drop(baseline.verified_instructions.insert(kernel.clone(), now.clone()))) {
        return;
    }
    let baseline = baseline();
    match baseline.verified_instructions.get(&kernel) {
        Some(then) => assert_eq!(grown("instructions verified", &now, then), Vec::<String>::new()),
        None => println!("no baseline for Linux {kernel}: {now:?}"),
    }
}

#[test]
fn no_program_needs_a_tenth_more_stack() {
    let now = stack::depths(flowdrift::capture::object(), &OURS).expect("the embedded object is sound");
    assert!(now.values().all(|depth| *depth <= 512), "the kernel's limit: {now:?}");
    if bless(|baseline| baseline.stack = now.clone()) {
        return;
    }
    assert_eq!(grown("bytes of stack", &now, &baseline().stack), Vec::<String>::new());
}
