//! Rooms import only from the rooms that the design lets them.

use super::Fault;
use super::source::Source;

/// Who may name whom in `crate::…`; `cli` and the crate's root files may name everything. `event` and `flow`
/// are the words that all speak, so whoever stands after them on the data path may use them, and nobody before.
const ALLOWED: &[(&str, &[&str])] = &[
    ("event", &[]),
    ("workload", &["event", "matrix"]),
    ("capture", &["event"]),
    ("flow", &["event"]),
    ("source", &["event", "flow"]),
    ("matrix", &["event"]),
    ("matching", &["event", "flow", "matrix"]),
    ("judge", &["event", "flow", "matching", "matrix", "workload"]),
    ("report", &["flow", "judge", "matching", "matrix"]),
    ("policy", &["event", "flow", "judge", "matching", "matrix", "workload"]),
    ("observe", &["event", "capture", "source", "workload", "flow", "judge"]),
];

pub(super) fn check(source: &Source) -> Vec<Fault> {
    let Some(room) = source.room() else { return Vec::new() };
    let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| *name == room) else { return Vec::new() };
    let named = rooms_named(&source.shipped);
    let strangers = named.into_iter().filter(|(_, other)| is_room(other) && other != room);
    let forbidden = strangers.filter(|(_, other)| !allowed.contains(&other.as_str()));
    forbidden
        .map(|(line, other)| {
            Fault::new(
                &source.path,
                line,
                format!("{room} must not import {other} (design: allowed imports)"),
            )
        })
        .collect()
}

fn is_room(name: &str) -> bool {
    name == "cli" || ALLOWED.iter().any(|(room, _)| *room == name)
}

/// The first segment of every `crate::` path, also inside `crate::{…}`.
fn rooms_named(code: &str) -> Vec<(usize, String)> {
    let mut named = Vec::new();
    for (start, prefix) in code.match_indices("crate::") {
        let line = code[..start].matches('\n').count() + 1;
        let rest = &code[start + prefix.len()..];
        let names = if rest.starts_with('{') { group(rest) } else { vec![first_name(rest)] };
        named.extend(names.into_iter().map(|name| (line, name)));
    }
    named
}

/// The names at the first level of `{a::{b, c}, d}`.
fn group(rest: &str) -> Vec<String> {
    let mut names = vec![String::new()];
    let mut depth = 0;
    for letter in rest.chars() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 1 => break,
            '}' => depth -= 1,
            ',' if depth == 1 => names.push(String::new()),
            _ if depth == 1 => names.last_mut().into_iter().for_each(|name| name.push(letter)),
            _ => {}
        }
    }
    names.iter().map(|name| first_name(name.trim_start())).collect()
}

fn first_name(path: &str) -> String {
    path.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(path: &str, text: &str) -> Vec<usize> {
        check(&Source::new(path, text)).iter().map(|fault| fault.line).collect()
    }

    #[test]
    fn a_renderer_that_asks_the_kernel_is_a_fault() {
        assert_eq!(
            faults("probe-user/src/report/text.rs", "use crate::judge::X;\nuse crate::capture::Y;"),
            [2]
        );
    }

    #[test]
    fn a_group_of_imports_is_read() {
        assert_eq!(
            faults("probe-user/src/flow/key.rs", "use crate::{event::{A, B}, judge, cli::X};"),
            [1, 1]
        );
    }

    #[test]
    fn a_path_in_an_expression_counts() {
        assert_eq!(faults("probe-user/src/event.rs", "\nfn f() { crate::flow::g() }"), [2]);
    }

    #[test]
    fn the_command_line_may_import_everything_and_tests_too() {
        assert_eq!(faults("probe-user/src/cli/audit.rs", "use crate::capture::X;"), [0; 0]);
        let test = "#[cfg(test)]\nmod tests { use crate::judge::X; }";
        assert_eq!(faults("probe-user/src/event.rs", test), [0; 0]);
    }
}
