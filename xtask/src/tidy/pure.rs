//! The rooms that decide do no I/O and read no clock: same input, same bytes.

use super::Fault;
use super::source::{Source, find};

const PURE_ROOMS: [&str; 6] = ["event", "flow", "matching", "judge", "report", "policy"];
const MODEL: [&str; 2] = ["probe-user/src/matrix/model.rs", "probe-user/src/matrix/model/"];
const FORBIDDEN: [&str; 10] = [
    "std::fs",
    "fs::read_to_string",
    "File::open",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "SystemTime::now",
    "Instant::now",
    "Timestamp::now",
    "Zoned::now",
];

pub(super) fn check(source: &Source) -> Vec<Fault> {
    let is_model = MODEL.iter().any(|place| source.path.starts_with(place));
    if !is_model && !source.room().is_some_and(|room| PURE_ROOMS.contains(&room)) {
        return Vec::new();
    }
    let found = find(&source.shipped, &FORBIDDEN).into_iter();
    found
        .map(|(line, what)| Fault::new(&source.path, line, format!("{what} in a room without I/O and clock")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_judge_that_reads_the_clock_is_a_fault() {
        let text = "fn f() {\n    Instant::now();\n    std::fs::read(p);\n}";
        assert_eq!(check(&Source::new("probe-user/src/judge/mod.rs", text)).len(), 2);
        assert_eq!(check(&Source::new("probe-user/src/matrix/model.rs", text)).len(), 2);
        assert_eq!(check(&Source::new("probe-user/src/matrix/wire.rs", text)), []);
    }

    #[test]
    fn its_tests_may() {
        let text = "#[cfg(test)]\nmod tests { fn f() { std::fs::read(p); } }";
        assert_eq!(check(&Source::new("probe-user/src/flow/window.rs", text)), []);
    }
}
