//! What the kernel says of a descriptor (`man 5 proc_pid_fdinfo`): lines of a key and a value.

/// The number under a key, if it is there.
pub(super) fn number(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    line.and_then(|value| value.trim().parse().ok())
}
