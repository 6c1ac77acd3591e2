//! Counts, times, lists and blocks as people write them, the same in reports, policies and on the terminal.

use ipnet::IpNet;

/// A moment, RFC 3339 in UTC, whole milliseconds.
pub(crate) fn moment(nanoseconds: i64) -> String {
    let stamp = jiff::Timestamp::from_nanosecond(i128::from(nanoseconds)).unwrap_or_default();
    format!("{stamp:.3}")
}

/// A length of time for people.
pub(crate) fn length(nanoseconds: i64) -> String {
    let seconds = nanoseconds / 1_000_000_000;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, 0..10) => format!("{:.1} s", nanoseconds as f64 / 1e9),
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} m {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} m"),
    }
}

/// A count with its noun.
pub(crate) fn plural(count: u64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// More names than this are not listed.
const LISTED: usize = 6;

/// Names, and how many more there are.
pub(crate) fn some(names: impl IntoIterator<Item = impl ToString>) -> String {
    let mut names = names.into_iter();
    let listed: Vec<String> = names.by_ref().take(LISTED).map(|name| name.to_string()).collect();
    let listed = listed.join(", ");
    match names.count() {
        0 => listed,
        more => format!("{listed} and {more} more"),
    }
}

/// A block; a single address is written without its length.
pub(crate) fn block(block: &IpNet) -> String {
    if block.prefix_len() == block.max_prefix_len() { block.addr().to_string() } else { block.to_string() }
}
