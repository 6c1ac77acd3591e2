//! Who a cgroup is, as far as its path tells.

/// A name for the workload in a cgroup that is the same after a restart: container ids, pod UIDs and other
/// runs of hexadecimal digits give way to `*`.
#[must_use]
pub fn stable_name(cgroup: &str) -> String {
    let parts: Vec<String> = cgroup.split('/').map(stable_part).collect();
    parts.join("/")
}

fn stable_part(part: &str) -> String {
    let is_id = |word: &str| word.len() >= 8 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let words = part.split_inclusive(['-', '_', '.', ':']);
    let named = words.map(|word| {
        let text = word.trim_end_matches(['-', '_', '.', ':']);
        // systemd escapes a pod's UID with underscores, cgroupfs keeps its hyphens: pod<8>-<4>-<4>-<4>-<12>.
        let text = text.strip_prefix("pod").filter(|id| is_id(id)).map_or(text, |_| "00000000");
        if is_id(text) {
            word.replace(|byte: char| byte.is_ascii_alphanumeric(), "*")
        } else {
            word.to_owned()
        }
    });
    let joined: String = named.collect();
    if joined.contains('*') {
        joined.split('*').filter(|rest| !rest.is_empty()).collect::<Vec<_>>().join("*")
    } else {
        joined
    }
}
