//! No file names a place on somebody's machine.

use super::Fault;

/// Spelt apart so that this file is not its own fault.
const PLACES: [&str; 5] = [
    concat!("/ho", "me/"),
    concat!("/ro", "ot/"),
    concat!("/Us", "ers/"),
    concat!("/wo", "rk/"),
    concat!("/tm", "p/"),
];

pub(super) fn check(path: &str, text: &str) -> Vec<Fault> {
    let numbered = text.lines().enumerate();
    let found = numbered.flat_map(|(index, line)| {
        let places = PLACES.iter().filter(move |place| begins_path(line, place));
        places.map(move |place| (index + 1, *place))
    });
    found
        .map(|(line, place)| Fault::new(path, line, format!("a path below {place} is a machine's own")))
        .collect()
}

/// An absolute path: the same letters inside a longer path (`sys/work/`) are something else.
fn begins_path(line: &str, place: &str) -> bool {
    let joins = |letter: char| letter.is_alphanumeric() || "._-}~/*".contains(letter);
    line.match_indices(place).any(|(start, _)| !line[..start].chars().next_back().is_some_and(joins))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_a_machine_is_a_fault() {
        assert_eq!(check("a.md", concat!("ok\nsee /ho", "me/me/x")).len(), 1);
        assert_eq!(check("a.md", concat!("target/wo", "rk/x and ${root}/wo", "rk/")).len(), 0);
    }
}
