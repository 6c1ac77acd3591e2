//! Which way a row points: arrows, and words for directions.

use super::text::words;
use crate::matrix::model::EndpointName;

/// Which way a direction points between two named ends.
pub(super) enum Pointed {
    /// As the columns stand.
    There,
    /// The other way round.
    Back,
    /// Both ways.
    Both,
}

/// What a direction says of two ends; `None` where it does not say which of them connects.
pub(super) fn pointed(direction: &str, from: &str, to: &str) -> Option<Pointed> {
    if let Some(Arrow { from: one, to: other, both }) =
        arrow(direction).filter(|arrow| !arrow.from.is_empty() && !arrow.to.is_empty())
    {
        let [one, other, from, to] = [one, other, from, to].map(EndpointName::new);
        return match both {
            _ if (&one, &other) == (&from, &to) => Some(if both { Pointed::Both } else { Pointed::There }),
            _ if (&one, &other) == (&to, &from) => Some(if both { Pointed::Both } else { Pointed::Back }),
            _ => None,
        };
    }
    let lower = direction.to_lowercase();
    let is =
        |words: &[&str]| words.iter().any(|word| lower == *word || lower.starts_with(&format!("{word} ")));
    match (way(direction), arrow(direction)) {
        (Some(Way::Both), _) => Some(Pointed::Both),
        (_, Some(arrow)) if arrow.both => Some(Pointed::Both),
        (Some(Way::Out), _) => Some(Pointed::There),
        (Some(Way::In), _) => None,
        _ if is(&["yes", "bi"]) || lower.starts_with("bidi") => Some(Pointed::Both),
        _ if is(&["←", "<-", "<--", "⇐", "⟵", "reverse", "reversed", "back"]) => Some(Pointed::Back),
        (None, Some(_)) => Some(Pointed::There),
        _ if is(&["one-way", "unidirectional", "uni", "forward", "no"]) => Some(Pointed::There),
        _ => None,
    }
}

/// Which way a connection is made, seen from whom a table is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    In,
    Out,
    Both,
}

/// What a direction's cell says of it.
pub(super) fn way(direction: &str) -> Option<Way> {
    let words = words(direction);
    let has = |some: &[&str]| words.iter().any(|word| some.contains(&word.as_str()));
    let is_in = has(&["inbound", "ingress", "incoming", "in", "eingehend", "entrant"]);
    let is_out = has(&["outbound", "egress", "outgoing", "out", "ausgehend", "sortant"]);
    let is_both =
        has(&["both", "bidirectional", "bi", "two"]) || direction.contains('↔') || (is_in && is_out);
    match (is_both, is_out, is_in) {
        (true, ..) => Some(Way::Both),
        (false, true, _) => Some(Way::Out),
        (false, false, true) => Some(Way::In),
        _ => None,
    }
}

/// Whether a letter may belong to an arrow.
pub(super) fn is_arrow(letter: char) -> bool {
    "↔⇔⟷⇄→⇒⟶➔➜←⇐⟵-<>= ".contains(letter)
}

/// An arrow with what stands on either side of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Arrow<'t> {
    /// Where it begins.
    pub(super) from: &'t str,
    /// Where it points.
    pub(super) to: &'t str,
    /// Whether it points both ways.
    pub(super) both: bool,
}

/// The first arrow of a text.
pub(super) fn arrow(text: &str) -> Option<Arrow<'_>> {
    const BOTH: [&str; 7] = ["<->", "<-->", "<=>", "↔", "⇔", "⟷", "⇄"];
    const THERE: [&str; 9] = ["-->", "==>", "->", "=>", "→", "⇒", "⟶", "➔", "➜"];
    const BACK: [&str; 6] = ["<--", "<-", "<==", "←", "⇐", "⟵"];
    // Nearly every cell has none, and a table may have a million of them.
    if text.is_ascii() && !text.contains(['<', '>']) {
        return None;
    }
    let split = |arrows: &[&str]| {
        let (before, after) = arrows.iter().find_map(|arrow| text.split_once(arrow))?;
        Some((before.trim(), after.trim()))
    };
    split(&BOTH)
        .map(|(from, to)| Arrow { from, to, both: true })
        .or_else(|| split(&THERE).map(|(from, to)| Arrow { from, to, both: false }))
        .or_else(|| split(&BACK).map(|(to, from)| Arrow { from, to, both: false }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrows_part_the_ends() {
        let ends = |text| arrow(text).map(|Arrow { from, to, both }| (from, to, both));
        assert_eq!(ends("A <-> B"), Some(("A", "B", true)));
        assert_eq!(ends("A → B"), Some(("A", "B", false)));
        assert_eq!(ends("A --> B"), Some(("A", "B", false)));
        assert_eq!(ends("A ← B"), Some(("B", "A", false)));
        assert_eq!(ends("↔ C"), Some(("", "C", true)));
        assert_eq!(ends("A-B"), None);
    }

    #[test]
    fn directions_point_or_are_doubted() {
        assert!(matches!(pointed("Bidirectional", "A", "B"), Some(Pointed::Both)));
        assert!(matches!(pointed("<->", "A", "B"), Some(Pointed::Both)));
        assert!(matches!(pointed("←", "A", "B"), Some(Pointed::Back)));
        assert!(matches!(pointed("Outbound", "A", "B"), Some(Pointed::There)));
        assert!(matches!(pointed("B → A", "A", "B"), Some(Pointed::Back)));
        assert!(pointed("B → C", "A", "B").is_none());
        assert!(pointed("Inbound", "A", "B").is_none(), "whose inbound?");
    }
}
