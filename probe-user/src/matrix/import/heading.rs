//! What a heading says of the rows below it.

/// The two ends that a heading names: "From run to view", "run → view".
pub(super) fn ends(heading: &str) -> Option<(&str, &str)> {
    for arrow in ["→", "->", "⇒", "=>", "➔"] {
        if let Some((from, to)) = heading.split_once(arrow) {
            return named(from, to);
        }
    }
    let heading = strip(heading, &["flows ", "traffic ", "connections "]);
    let after = strip(heading, &["from "]);
    let (from, to) = split_word(after, "to")?;
    // "How to connect" names nobody.
    (after.len() < heading.len()).then(|| named(from, to)).flatten()
}

fn named<'t>(from: &'t str, to: &'t str) -> Option<(&'t str, &'t str)> {
    let (from, to) = (from.trim(), to.trim().trim_end_matches(':'));
    (!from.is_empty() && !to.is_empty()).then_some((from, to))
}

fn strip<'t>(text: &'t str, prefixes: &[&str]) -> &'t str {
    let fits =
        |prefix: &&&str| text.get(..prefix.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(prefix));
    prefixes.iter().find(fits).map_or(text, |prefix| text[prefix.len()..].trim_start())
}

fn split_word<'t>(text: &'t str, word: &str) -> Option<(&'t str, &'t str)> {
    let separator = format!(" {word} ");
    let place = text.to_ascii_lowercase().find(&separator)?;
    Some((&text[..place], &text[place + separator.len()..]))
}

/// The heading as the name of a part.
pub(super) fn part(heading: &str) -> String {
    let place = heading.to_lowercase().find("(optional)").filter(|place| heading.is_char_boundary(*place));
    let text = match place {
        Some(place) => {
            format!("{}{}", &heading[..place], heading.get(place + "(optional)".len()..).unwrap_or_default())
        }
        None => heading.to_owned(),
    };
    text.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_may_carry_both_ends() {
        assert_eq!(ends("From run cluster to view cluster"), Some(("run cluster", "view cluster")));
        assert_eq!(ends("Traffic from A to B:"), Some(("A", "B")));
        assert_eq!(ends("run → view"), Some(("run", "view")));
        assert_eq!(ends("How to connect"), None);
        assert_eq!(ends("HTTP routing"), None);
    }

    #[test]
    fn optional_is_no_part_of_the_name() {
        assert_eq!(part("TCP routing (optional)"), "TCP routing");
        assert_eq!(part("Service Mesh (Optional)"), "Service Mesh");
    }
}
