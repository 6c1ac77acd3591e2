//! aya stays in capture, and unsafe code where the kernel's bytes are.

use super::Fault;
use super::source::{Source, find};

const CAPTURE: [&str; 2] = ["probe-user/src/capture/", "probe-user/src/capture.rs"];
const KERNEL_SIDE: [&str; 2] = ["probe-ebpf/", "probe-common/"];
/// What the kernel tests need of it: the programs' statistics, and system calls that no crate makes.
const KERNEL_TESTS: [&str; 1] = ["tests/src/kernel/"];

pub(super) fn check(source: &Source) -> Vec<Fault> {
    let within = |places: &[&str]| places.iter().any(|place| source.path.starts_with(place));
    if within(&KERNEL_SIDE) || within(&CAPTURE) || within(&KERNEL_TESTS) {
        return Vec::new();
    }
    let mut faults = Vec::new();
    for (line, word) in find(&source.code, &["aya", "aya_log", "unsafe"]) {
        let places = if word == "unsafe" {
            "probe-ebpf, probe-common, capture and the kernel tests"
        } else {
            "capture"
        };
        faults.push(Fault::new(&source.path, line, format!("{word} belongs in {places} only")));
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aya_and_unsafe_outside_their_places_are_faults() {
        let text = "use aya::Ebpf;\nunsafe { x() }\n";
        assert_eq!(check(&Source::new("probe-user/src/observe/mod.rs", text)).len(), 2);
        assert_eq!(check(&Source::new("probe-user/src/capture/ring.rs", text)), []);
    }
}
