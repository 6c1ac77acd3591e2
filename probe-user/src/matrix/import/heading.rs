//! What the headings above a table say of its rows.

use super::direction::{Arrow, arrow};

/// Headings that hold at a place of a document, the outermost first.
#[derive(Clone, Debug, Default)]
pub(super) struct Headings {
    open: Vec<(u8, String)>,
}

impl Headings {
    /// A heading of a level, 1 the highest: those of its level and below hold no longer.
    pub(super) fn begin(&mut self, level: u8, mut text: String) {
        /// Every table below keeps it.
        const LONGEST: usize = 200;
        self.open.retain(|(other, _)| *other < level);
        if let Some((place, _)) = text.char_indices().nth(LONGEST) {
            text.truncate(place);
        }
        if !text.is_empty() {
            self.open.push((level, text));
        }
    }

    /// Their texts.
    pub(super) fn texts(&self) -> Vec<String> {
        self.open.iter().map(|(_, text)| text.clone()).collect()
    }
}

/// The two ends that a heading names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ends<'t> {
    pub(super) from: &'t str,
    pub(super) to: &'t str,
    pub(super) both: bool,
}

/// "From run to view", "Traffic to view from run", "run → view".
pub(super) fn ends(heading: &str) -> Option<Ends<'_>> {
    let heading = bare(heading);
    if let Some(Arrow { from, to, both }) = arrow(heading) {
        // A chain of three is more than one table can be about.
        let is_pair = arrow(from).is_none() && arrow(to).is_none();
        return is_pair.then(|| named(from, to, both)).flatten();
    }
    let rest = without_opening(heading);
    if let Some(rest) = strip(rest, "from ") {
        let (from, to) = split_word(rest, "to")?;
        let (to, back) = strip_end(to, &[" and back", " and vice versa"]);
        return named(from, way_cut(to), back);
    }
    // "How to connect" names nobody.
    let (to, from) = split_word(strip(rest, "to ")?, "from")?;
    named(way_cut(from), to, false)
}

/// Whom a table is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Subject {
    pub(super) name: String,
    /// Whether its rows are what it accepts, or what it connects to; `None` where no heading says.
    pub(super) is_inbound: Option<bool>,
    /// Whether it is the first heading of all, and says nothing of directions: it may be the page's title.
    pub(super) is_title: bool,
}

const INBOUND: [&str; 6] = ["inbound", "ingress", "incoming", "eingehend", "entrant", "listening"];
const OUTBOUND: [&str; 5] = ["outbound", "egress", "outgoing", "ausgehend", "sortant"];

/// Of headings, the outermost first: "Indexer" with "Inbound" below it, "Outbound traffic from the vault".
pub(super) fn subject(headings: &[String]) -> Option<Subject> {
    const FILLERS: [&str; 24] = [
        "traffic",
        "connection",
        "connections",
        "rule",
        "rules",
        "port",
        "ports",
        "flow",
        "flows",
        "requirement",
        "requirements",
        "network",
        "firewall",
        "required",
        "to",
        "from",
        "for",
        "on",
        "of",
        "the",
        "into",
        "out",
        "and",
        "access",
    ];
    let mut is_inbound = None;
    for (place, heading) in headings.iter().enumerate().rev() {
        let words: Vec<&str> = bare(heading).split_whitespace().collect();
        let is = |word: &str, some: &[&str]| some.contains(&word.to_lowercase().trim_matches(':'));
        let says = |some: &[&str]| words.iter().any(|word| is(word, some));
        let is_way = match (says(&INBOUND), says(&OUTBOUND)) {
            (true, true) => return None,
            (false, false) => false,
            (inbound, _) => {
                is_inbound = is_inbound.or(Some(inbound));
                true
            }
        };
        let is_beside = |word: &&str| is(word, &INBOUND) || is(word, &OUTBOUND) || is(word, &FILLERS);
        let mut words = words.as_slice();
        while let (true, [first, rest @ ..]) = (is_way, words)
            && is_beside(first)
        {
            words = rest;
        }
        while let (true, [rest @ .., last]) = (is_way, words)
            && is_beside(last)
        {
            words = rest;
        }
        if !words.is_empty() {
            return Some(Subject { name: words.join(" "), is_inbound, is_title: place == 0 && !is_way });
        }
    }
    None
}

/// Without its number, what stands in brackets behind it, and what follows a colon.
fn bare(heading: &str) -> &str {
    let numbered =
        heading.trim_start_matches(|letter: char| letter.is_ascii_digit() || letter == '.' || letter == ')');
    let heading =
        if numbered.len() < heading.len() && numbered.starts_with(' ') { numbered } else { heading };
    let heading = heading.trim().trim_end_matches(':');
    let heading = heading.split_once(": ").map_or(heading, |(before, _)| before);
    match heading.rfind(" (").filter(|place| *place > 0 && heading.ends_with(')')) {
        Some(place) => heading[..place].trim_end(),
        None => heading,
    }
}

fn named<'t>(from: &'t str, to: &'t str, both: bool) -> Option<Ends<'t>> {
    let (from, to) = (from.trim(), to.trim());
    (!from.is_empty() && !to.is_empty()).then_some(Ends { from, to, both })
}

/// Without "Flows", "Network traffic" and the like before "from".
fn without_opening(heading: &str) -> &str {
    const OPENING: [&str; 14] = [
        "flow",
        "flows",
        "traffic",
        "connection",
        "connections",
        "communication",
        "communications",
        "port",
        "ports",
        "network",
        "firewall",
        "rules",
        "access",
        "required",
    ];
    let mut rest = heading;
    while let Some((word, after)) = rest.split_once(' ')
        && OPENING.contains(&word.to_lowercase().as_str())
    {
        rest = after.trim_start();
    }
    rest
}

/// Without the way that the traffic takes.
fn way_cut(name: &str) -> &str {
    let ways = [" over ", " via ", " through "];
    let place = ways.iter().filter_map(|way| name.to_ascii_lowercase().find(way)).min();
    place.map_or(name, |place| &name[..place])
}

fn strip<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    let begins = text.get(..prefix.len())?;
    begins.eq_ignore_ascii_case(prefix).then(|| text[prefix.len()..].trim_start())
}

fn strip_end<'t>(text: &'t str, endings: &[&str]) -> (&'t str, bool) {
    let lower = text.to_ascii_lowercase();
    let ending = endings.iter().find(|ending| lower.ends_with(*ending));
    ending.map_or((text, false), |ending| (&text[..text.len() - ending.len()], true))
}

fn split_word<'t>(text: &'t str, word: &str) -> Option<(&'t str, &'t str)> {
    let separator = format!(" {word} ");
    let place = text.to_ascii_lowercase().find(&separator)?;
    Some((&text[..place], &text[place + separator.len()..]))
}

/// The heading as the name of a part.
pub(super) fn part(heading: &str) -> String {
    let place =
        heading.to_ascii_lowercase().find("(optional)").filter(|place| heading.is_char_boundary(*place));
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

    fn told(heading: &str) -> Option<(&str, &str, bool)> {
        ends(heading).map(|Ends { from, to, both }| (from, to, both))
    }

    #[test]
    fn headings_may_carry_both_ends() {
        for (heading, expected) in [
            ("From run cluster to view cluster", Some(("run cluster", "view cluster", false))),
            ("Traffic from A to B:", Some(("A", "B", false))),
            ("3.2 Network traffic from A to B (denied)", Some(("A", "B", false))),
            ("Traffic to B from A", Some(("A", "B", false))),
            ("Ports from A to B over the VPN", Some(("A", "B", false))),
            ("Traffic from A to B and back", Some(("A", "B", true))),
            ("run → view", Some(("run", "view", false))),
            ("3.2 run => view: optional", Some(("run", "view", false))),
            ("run ← view", Some(("view", "run", false))),
            ("run <-> view", Some(("run", "view", true))),
            ("a → b → c", None),
            ("How to connect", None),
            ("HTTP routing", None),
            ("Between run and view", None),
        ] {
            assert_eq!(told(heading), expected, "{heading}");
        }
    }

    #[test]
    fn headings_tell_whom_a_table_is_about() {
        let subject = |headings: &[&str]| {
            let headings: Vec<String> = headings.iter().map(|heading| (*heading).to_owned()).collect();
            subject(&headings).map(|Subject { name, is_inbound, .. }| (name, is_inbound))
        };
        for (headings, expected) in [
            (&["Splunk", "Indexer", "Inbound"][..], Some(("Indexer", Some(true)))),
            (&["Outbound traffic from the Vault"], Some(("Vault", Some(false)))),
            (&["Inbound Rules for Rancher Server Nodes"], Some(("Rancher Server Nodes", Some(true)))),
            (&["Control plane"], Some(("Control plane", None))),
            (&["Inbound and outbound"], None),
            (&["Inbound"], None),
        ] {
            let expected = expected.map(|(name, way)| (name.to_owned(), way));
            assert_eq!(subject(headings), expected, "{headings:?}");
        }
    }

    #[test]
    fn optional_is_no_part_of_the_name() {
        assert_eq!(part("TCP routing (optional)"), "TCP routing");
        assert_eq!(part("Service Mesh (Optional)"), "Service Mesh");
    }
}
