//! Which way a row points: arrows, and words for directions.

/// Which way a direction points between two named ends.
pub(super) enum Pointed {
    /// As the columns stand.
    There,
    /// The other way round.
    Back,
    /// Both ways.
    Both,
}

/// What a direction says; `None` where it does not say which end connects.
pub(super) fn pointed(direction: &str) -> Option<Pointed> {
    let lower = direction.to_lowercase();
    let is =
        |words: &[&str]| words.iter().any(|word| lower == *word || lower.starts_with(&format!("{word} ")));
    match () {
        () if arrow(direction).is_some_and(|(.., both)| both)
            || is(&["both", "two-way", "bi", "yes"])
            || lower.starts_with("bidi")
            || lower.starts_with("bi-di") =>
        {
            Some(Pointed::Both)
        }
        () if is(&["←", "<-", "<--", "⇐", "reverse", "reversed", "back"]) => Some(Pointed::Back),
        () if arrow(direction).is_some()
            || is(&["outbound", "egress", "out", "one-way", "unidirectional", "uni", "forward", "no"]) =>
        {
            Some(Pointed::There)
        }
        () => None,
    }
}

/// Whether a letter may belong to an arrow.
pub(super) fn is_arrow(letter: char) -> bool {
    "↔⇔⟷⇄→⇒-<>= ".contains(letter)
}

/// The two ends around an arrow, and whether it points both ways.
pub(super) fn arrow(cell: &str) -> Option<(&str, &str, bool)> {
    const BOTH: [&str; 7] = ["<->", "<-->", "<=>", "↔", "⇔", "⟷", "⇄"];
    const ONE: [&str; 4] = ["->", "=>", "→", "⇒"];
    let split = |arrows: &[&str], both| {
        let found = arrows.iter().find_map(|arrow| cell.split_once(arrow))?;
        Some((found.0.trim(), found.1.trim(), both))
    };
    split(&BOTH, true).or_else(|| split(&ONE, false))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrows_part_the_ends() {
        assert_eq!(arrow("A <-> B"), Some(("A", "B", true)));
        assert_eq!(arrow("A → B"), Some(("A", "B", false)));
        assert_eq!(arrow("↔ C"), Some(("", "C", true)));
        assert_eq!(arrow("A-B"), None);
    }

    #[test]
    fn directions_point_or_are_doubted() {
        assert!(matches!(pointed("Bidirectional"), Some(Pointed::Both)));
        assert!(matches!(pointed("<->"), Some(Pointed::Both)));
        assert!(matches!(pointed("←"), Some(Pointed::Back)));
        assert!(matches!(pointed("Outbound"), Some(Pointed::There)));
        assert!(pointed("Inbound").is_none(), "whose inbound?");
    }
}
