//! The cells that tell who talks to whom.
//!
//! Commas, semicolons and lines always part names. A slash or an "and" does when what it parts are names that are known:
//! "Run/Iterate" are two, "Ldap/OIDC providers" are one.

use std::collections::HashSet;

use super::{footnotes, refusals::turn, text::is_blank, vocabulary::Vocabulary};
use crate::matrix::model::EndpointName;

/// What a cell says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Side {
    pub(super) names: Vec<EndpointName>,
    /// What stands in brackets beside the names.
    pub(super) components: Vec<String>,
    /// What stands in brackets and is too long for a name.
    pub(super) remarks: Vec<String>,
    /// Footnote marks.
    pub(super) marks: Vec<String>,
    pub(super) doubts: Vec<String>,
}

/// Reads a cell.
pub(super) fn read(cell: &str, vocabulary: &Vocabulary) -> Side {
    let mut side = Side::default();
    let bare = without_brackets(cell, &mut side);
    let mut pieces: Vec<&str> = Vec::new();
    for line in bare.lines() {
        let parts_of_line: Vec<&str> = line.split([',', ';']).collect();
        for (place, part) in parts_of_line.iter().enumerate() {
            let (part, mark) = footnotes::split(part.trim());
            side.marks.extend(mark.map(str::to_owned));
            // "A, B, and C"
            let is_last = place > 0 && place + 1 == parts_of_line.len();
            let part = ["and ", "or ", "& "]
                .iter()
                .find_map(|word| part.strip_prefix(word).filter(|_| is_last))
                .unwrap_or(part);
            // Most parts are one name, and a table may have a million of them.
            if !part.contains(['/', '&', '|', '+']) && !part.contains(" and ") && !part.contains(" or ") {
                pieces.push(part);
                continue;
            }
            let names = parts(part, vocabulary);
            if names.len() == 1 && !vocabulary.knows(part) && !is_blank(part) {
                side.doubts.extend(several(part, is_last));
            }
            pieces.extend(names);
        }
    }
    for name in distributed(&pieces, vocabulary) {
        side.add(name);
    }
    let mut seen = HashSet::new();
    side.names.retain(|name| seen.insert(name.as_str().to_owned()));
    side
}

/// Reads a cell that holds one name, whatever stands in it.
pub(super) fn whole(cell: &str) -> Side {
    let mut side = Side::default();
    let bare = without_brackets(cell, &mut side);
    side.names.push(EndpointName::new(&bare));
    side
}

/// Every name that a cell might hold, for the vocabulary to learn.
pub(super) fn learn(cell: &str, vocabulary: &mut Vocabulary) {
    let bare = without_brackets(cell, &mut Side::default());
    for part in bare.lines().flat_map(|line| line.split([',', ';'])) {
        let (part, _) = footnotes::split(part.trim());
        if !part.contains(['/', '&']) && !part.contains(" and ") {
            vocabulary.learn(part);
        }
    }
}

impl Side {
    fn add(&mut self, name: String) {
        let name = match name.to_lowercase().as_str() {
            "" => return,
            "any" | "all" | "*" | "anywhere" | "everywhere" | "0.0.0.0/0" | "::/0" => "any".to_owned(),
            "n/a" | "na" | "-" | "–" | "—" | "none" | "tbd" | "?" => {
                self.doubts.push(format!("`{name}` names nobody; read as any"));
                "any".to_owned()
            }
            // `[2001:db8::1]`
            _ => match name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                Some(inside) if inside.parse::<std::net::Ipv6Addr>().is_ok() => inside.to_owned(),
                _ => name,
            },
        };
        self.doubts.extend(doubt(&name));
        self.names.push(EndpointName::new(&name));
    }
}

/// Why one part may be several names.
fn several(part: &str, is_last_of_list: bool) -> Option<String> {
    let is_address = part.parse::<ipnet::IpNet>().is_ok();
    let is_parted =
        |separator: &str| part.split(separator).filter(|piece| !piece.trim().is_empty()).count() > 1;
    let is_path = part.starts_with('/') || part.contains("//") || part.contains('\\');
    let slash =
        is_parted("/") && !is_address && !is_path && !part.ends_with(|letter: char| letter.is_ascii_digit());
    let separators = ["&", "+", "|"].into_iter().any(|separator| is_parted(&format!(" {separator} ")));
    // "Management and Workload Cluster CIDR" is one name, "Web and Mail" are two.
    let is_short = |piece: &str| piece.split_whitespace().count() <= 2;
    let and = is_parted(" and ") && (is_last_of_list || part.split(" and ").all(is_short));
    (slash || separators || and).then(|| format!("`{part}` may be several names; read as one"))
}

/// `host:443`, `[2001:db8::1]:443`, `https://host:443/path`.
fn names_port(name: &str) -> bool {
    let authority = name.split_once("://").map_or(name, |(_, rest)| rest);
    let authority = authority.split(['/', '?']).next().unwrap_or_default();
    let Some((host, port)) = authority.rsplit_once(':') else { return false };
    (!host.contains(':') || host.ends_with(']')) && !host.is_empty() && port.parse::<u16>().is_ok()
}

/// What stands in brackets and changes whom the name means.
fn narrowing(bracket: &str) -> Option<String> {
    const WORDS: [&str; 32] = [
        "not",
        "no",
        "and",
        "or",
        "except",
        "excluding",
        "without",
        "only",
        "restricted",
        "limited",
        "unless",
        "if",
        "same",
        "internal",
        "external",
        "private",
        "public",
        "primary",
        "secondary",
        "active",
        "standby",
        "passive",
        "old",
        "new",
        "prod",
        "production",
        "dev",
        "development",
        "test",
        "staging",
        "denied",
        "blocked",
    ];
    if let Some(words) = turn(bracket) {
        return Some(format!("`({bracket})` says `{words}`"));
    }
    let lower = bracket.to_lowercase();
    let mut words = lower.split(|letter: char| !letter.is_alphanumeric());
    let word = words.find(|word| WORDS.contains(word))?;
    Some(format!("`({bracket})` says `{word}`, and a name does not keep it"))
}

/// Why a name may be none.
fn doubt(name: &str) -> Option<String> {
    let lower = name.to_lowercase();
    let negates = lower.starts_with(['!', '¬'])
        || ["not ", "except ", "all but "].iter().any(|word| lower.starts_with(word));
    let excepts =
        [" except ", " excluding ", " but not ", " other than "].iter().any(|word| lower.contains(word));
    if negates || excepts {
        return Some(format!("`{name}` excludes somebody, which no name can"));
    }
    if lower.contains(" or ") || lower.contains(['→', '↔']) || lower.contains("->") {
        return Some(format!("`{name}` reads as several names"));
    }
    if let Some(words) = turn(name) {
        return Some(format!("`{name}` says `{words}`"));
    }
    if names_port(&lower) {
        return Some(format!("`{name}` names a port, which only the ports' column can"));
    }
    const ELSEWHERE: [&str; 12] = [
        "see ",
        "siehe ",
        "refer to ",
        "s. o.",
        "same as ",
        "any of the above",
        "all of the above",
        "each other",
        "the above",
        "itself",
        "themselves",
        "self",
    ];
    let refers = ELSEWHERE.iter().any(|words| lower == words.trim() || lower.starts_with(words));
    if refers || (lower.starts_with('.') && lower[1..].starts_with(|letter: char| letter.is_ascii_digit())) {
        return Some(format!("`{name}` says where to look, and names nobody"));
    }
    // Digits and dots are meant to be an address.
    let is_numeric = lower.starts_with(|letter: char| letter.is_ascii_digit())
        && lower.matches('.').count() >= 3
        && lower.chars().all(|letter| letter.is_ascii_digit() || "./:-* x".contains(letter));
    if !is_numeric || lower.parse::<std::net::IpAddr>().is_ok() {
        return None;
    }
    match lower.parse::<ipnet::IpNet>() {
        Ok(block) if block.trunc() == block => None,
        Ok(block) => Some(format!("`{name}` has host bits set; {} may be meant", block.trunc())),
        Err(_) => Some(format!("`{name}` is neither an address nor a block")),
    }
}

/// The text outside of brackets; what is inside goes to the side.
fn without_brackets(cell: &str, side: &mut Side) -> String {
    /// "Tekton task in OOTB supply chain" is a name, a sentence is not.
    const WORDS: usize = 8;
    let mut bare = String::with_capacity(cell.len());
    let mut inside = String::new();
    let mut depth = 0_u32;
    for letter in cell.chars() {
        match letter {
            '(' => depth += 1,
            ')' if depth > 0 => {
                depth -= 1;
                if depth == 0 {
                    let text = std::mem::take(&mut inside);
                    let text = text.trim();
                    let is_name = text.split_whitespace().count() <= WORDS && !text.contains(['.', '\n']);
                    side.doubts.extend(narrowing(text));
                    let list = if is_name { &mut side.components } else { &mut side.remarks };
                    if !text.is_empty() && !list.iter().any(|other| other == text) {
                        list.push(text.to_owned());
                    }
                    bare.push(' ');
                }
            }
            _ if depth > 0 => inside.push(letter),
            _ => bare.push(letter),
        }
    }
    // A bracket that is never closed is no bracket.
    bare.push_str(&inside);
    let lines = bare.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    lines.collect::<Vec<_>>().join("\n")
}

/// The names of a part without commas.
fn parts<'t>(part: &'t str, vocabulary: &Vocabulary) -> Vec<&'t str> {
    if vocabulary.knows(part) {
        return vec![part];
    }
    for separator in ["/", " and ", " & ", " or ", "|"] {
        let pieces: Vec<&str> = part.split(separator).map(str::trim).collect();
        if pieces.len() > 1 && pieces.iter().all(|piece| vocabulary.knows(piece)) {
            return pieces;
        }
    }
    vec![part]
}

/// "Build, Run API server" are two API servers where the vocabulary says so.
fn distributed(pieces: &[&str], vocabulary: &Vocabulary) -> Vec<String> {
    let as_written = || pieces.iter().map(|piece| (*piece).to_owned()).collect();
    let [first @ .., last] = pieces else { return Vec::new() };
    for (place, _) in last.match_indices(' ') {
        let ending = &last[place..];
        // "Run Cluster" compares as "Run", and says nothing of the others.
        let says_more = ending.trim().to_lowercase() != "cluster";
        let is_short =
            ending.split_whitespace().take(vocabulary.longest() + 1).count() <= vocabulary.longest();
        if says_more
            && is_short
            && vocabulary.knows(last)
            && first.iter().all(|piece| vocabulary.knows(&format!("{piece}{ending}")))
        {
            let whole = first.iter().map(|piece| format!("{piece}{ending}"));
            return whole.chain([(*last).to_owned()]).collect();
        }
    }
    as_written()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vocabulary() -> Vocabulary {
        Vocabulary::of_text("run\nview\nbuild\niterate\nBuild k8 API server\nRun k8 API server # both")
    }

    fn written(side: &Side) -> Vec<String> {
        side.names.iter().map(|name| name.as_str().to_owned()).collect()
    }

    fn names(cell: &str) -> Vec<String> {
        written(&read(cell, &vocabulary()))
    }

    #[test]
    fn known_names_are_parted_and_others_stay_whole() {
        assert_eq!(names("View,Build ,Run Cluster"), ["View", "Build", "Run Cluster"]);
        assert_eq!(names("Run/Iterate (app live view connector)"), ["Run", "Iterate"]);
        assert_eq!(names("Run and Build"), ["Run", "Build"]);
        assert_eq!(names("Ldap/OIDC providers"), ["Ldap/OIDC providers"]);
        assert_eq!(
            names("TKG Management and Workload Cluster CIDR"),
            ["TKG Management and Workload Cluster CIDR"]
        );
        assert_eq!(names("Build,Run k8 API server"), ["Build k8 API server", "Run k8 API server"]);
        assert_eq!(names("10.0.0.0/8"), ["10.0.0.0/8"]);
        assert_eq!(names("web\nweb\ndatabase"), ["web", "database"]);
    }

    #[test]
    fn brackets_hold_components_and_marks_are_taken_off() {
        let side = read("cloud_controller (Routing API)*", &vocabulary());
        assert_eq!(
            (written(&side), side.components, side.marks),
            (vec!["cloud_controller".into()], vec!["Routing API".into()], vec!["*".into()])
        );
        let side = read("DB(postgres)", &vocabulary());
        assert_eq!((written(&side), side.components), (vec!["DB".to_owned()], vec!["postgres".to_owned()]));
        let side = read("Authentication (it is an external part. Not of this product.)", &vocabulary());
        assert_eq!((side.components.len(), side.remarks.len()), (0, 1));
        assert_eq!(names("a (b"), ["a b"]);
    }

    #[test]
    fn nobody_is_anybody_to_be_reviewed() {
        let side = read("N/A (admin)", &vocabulary());
        assert_eq!((written(&side), side.components), (vec!["any".to_owned()], vec!["admin".to_owned()]));
        assert_eq!(side.doubts.len(), 1);
        assert_eq!(read("*", &vocabulary()).doubts.len(), 0);
    }
}
