//! The top level holds what the design lists and nothing else.

use std::collections::BTreeSet;

use super::Fault;

const ENTRIES: [&str; 10] = [
    "Cargo.toml",
    "Cargo.lock",
    "README.md",
    "rustfmt.toml",
    "xtask",
    "probe-ebpf",
    "probe-common",
    "probe-user",
    "policies",
    "tests",
];

pub(super) fn check(paths: &[String]) -> Vec<Fault> {
    let entries: BTreeSet<_> = paths.iter().filter_map(|path| path.split('/').next()).collect();
    let strangers = entries.into_iter().filter(|entry| !is_asked(entry));
    strangers.map(|entry| Fault::new(entry, 0, "not an entry of the top level (design: rooms)")).collect()
}

fn is_asked(entry: &str) -> bool {
    entry.starts_with('.') || entry.starts_with("LICENSE-") || ENTRIES.contains(&entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_crate_at_the_top_is_a_fault() {
        let paths = ["Cargo.toml", "flow-core/src/lib.rs", ".ci/run", "LICENSE-MIT"].map(str::to_owned);
        assert_eq!(check(&paths).len(), 1);
    }
}
