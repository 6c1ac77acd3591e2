//! Tables that were flattened into lines of words: a web page copied as text, with nothing between its cells.
//!
//! The port and the protocol behind it are what a line shows for certain. Before them stand the component, the source and
//! the destination, which only names that are known can part; behind them the protocol ends where a sentence begins.

use std::ops::Range;

use super::{
    application::is_protocol,
    columns::Role,
    table::{Line, Table},
    text,
    vocabulary::Vocabulary,
};

/// Every table of the document.
pub(super) fn tables(document: &str, given: &Vocabulary) -> Vec<Table> {
    let mut tables: Vec<Table> = Vec::new();
    let mut layout: Option<Layout> = None;
    let mut vocabulary = given.clone();
    let lines: Vec<(u32, String)> =
        text::lines(document).map(|(number, line)| (number, text::clean(line))).collect();
    learn(&lines, &mut vocabulary);
    let mut between = Vec::new();
    for (number, line) in lines.iter().filter(|(_, line)| !line.is_empty()) {
        if let Some(found) = Layout::of(line) {
            tables.push(Table { line: *number, header: found.header(), ..Table::default() });
            layout = Some(found);
            between.clear();
        } else if let (Some(layout), Some(table)) = (&layout, tables.last_mut()) {
            if let Some(row) = layout.row(line, &vocabulary) {
                table.rows.push(Line { number: *number, ..row });
                // What stands between rows was perhaps to be one; what follows the last is another matter.
                table.unread.append(&mut between);
            } else if line.split(' ').any(begins_protocol) {
                let message = "names a protocol, and no port stands before it".to_owned();
                table.unread.push((*number, message, true));
            } else {
                between.push((
                    *number,
                    "no port with a protocol behind it: taken for no row".to_owned(),
                    false,
                ));
            }
        }
    }
    tables.retain(|table| !table.rows.is_empty() || !table.unread.is_empty());
    tables
}

/// Whether there is one.
pub(super) fn is(document: &str) -> bool {
    text::lines(document).any(|(_, line)| Layout::of(&text::clean(line)).is_some())
}

/// The names between commas stand for themselves: `View,Build ,Run` teaches three.
fn learn(lines: &[(u32, String)], vocabulary: &mut Vocabulary) {
    for (_, line) in lines {
        let Some(anchor) = anchor(line) else { continue };
        let units = units(&line[..anchor.start]);
        for pair in units.windows(2) {
            if pair[0].joint == Joint::Comma {
                vocabulary.learn(pair[0].word);
                vocabulary.learn(pair[1].word);
            }
        }
    }
}

/// The columns of a flattened header.
struct Layout {
    has_component: bool,
    to_comes_first: bool,
}

impl Layout {
    /// Of a line that is nothing but a header.
    fn of(line: &str) -> Option<Self> {
        /// Words of the header that name none of the columns, as in "Component / External Service".
        const OTHERS: usize = 5;
        let words: Vec<&str> = line.split([' ', '/']).filter(|word| !word.is_empty()).collect();
        let place =
            |some: &[&str]| words.iter().position(|word| some.contains(&word.to_lowercase().as_str()));
        let from = place(&["source", "from"])?;
        let to = place(&["destination", "to", "target"])?;
        let ports = place(&["port", "ports", "port(s)"])?;
        let protocol = place(&["protocol", "protocols"]);
        let purpose = place(&["description", "purpose", "usage", "notes"]);
        let named = 3 + usize::from(protocol.is_some()) + usize::from(purpose.is_some());
        let is_header = words.len() <= named + OTHERS
            && from.max(to) < ports
            && protocol.is_none_or(|protocol| ports < protocol)
            && words.iter().all(|word| {
                word.starts_with(|letter: char| letter.is_uppercase() || !letter.is_alphabetic())
            });
        is_header.then_some(Self { has_component: from.min(to) > 0, to_comes_first: to < from })
    }

    fn header(&self) -> Vec<String> {
        let ends = if self.to_comes_first { [Role::To, Role::From] } else { [Role::From, Role::To] };
        let roles = [Role::Component, ends[0], ends[1], Role::Ports, Role::Protocol, Role::Purpose];
        roles.map(|role| role.to_string()).to_vec()
    }

    fn row(&self, line: &str, vocabulary: &Vocabulary) -> Option<Line> {
        let anchor = anchor(line)?;
        let (before, ports, after) =
            (line[..anchor.start].trim(), line[anchor.clone()].trim(), line[anchor.end..].trim());
        let (protocol, purpose) = protocol_and_purpose(after);
        let mut doubts = Vec::new();
        let [component, first, second] = self.split(before, vocabulary, &mut doubts);
        let cells = [component, first, second, ports, protocol, purpose].map(str::to_owned).to_vec();
        Some(Line { number: 0, cells, doubts })
    }

    /// Component and the two ends.
    fn split<'t>(&self, text: &'t str, vocabulary: &Vocabulary, doubts: &mut Vec<String>) -> [&'t str; 3] {
        let units = units(text);
        let cut = |from: usize, to: usize| match (units.get(from), units[..to].last()) {
            (Some(first), Some(last)) if from < to => text[first.span.start..last.span.end].trim(),
            _ => "",
        };
        let readings = readings(&units, vocabulary, self.has_component);
        let best = readings.iter().max_by_key(|(first, second)| (units.len() - second, second - first));
        if let Some(&(first, second)) = best {
            let others = readings.iter().filter(|(_, other)| *other != second);
            for (other_first, other_second) in others {
                let (one, other) = (cut(*other_first, *other_second), cut(*other_second, units.len()));
                doubts.push(format!("nothing parts the cells; `{one}` | `{other}` would be another reading"));
            }
            return [cut(0, first), cut(first, second), cut(second, units.len())];
        }
        let (first, second) = guess(&units, vocabulary, self.has_component);
        let [component, one, other] = [cut(0, first), cut(first, second), cut(second, units.len())];
        doubts.push(format!(
            "nothing parts the cells of `{text}`, and no known names do: read as `{component}` | `{one}` | `{other}`; \
             a vocabulary would tell"
        ));
        [component, one, other]
    }
}

/// Where the ends may begin when names do not tell both: a known list at the end and the word before it, or the last
/// known list and what follows it, or the last two words.
fn guess(units: &[Unit<'_>], vocabulary: &Vocabulary, has_component: bool) -> (usize, usize) {
    let lists = |end: usize| lists_until(units, end, vocabulary).into_iter().min();
    let known = lists(units.len()).filter(|start| *start > 0);
    let followed = || (1..units.len()).rev().find_map(|end| Some((lists(end)?, end)));
    let (first, second) = match known {
        Some(second) => (second - 1, second),
        None => followed().unwrap_or((units.len().saturating_sub(2), units.len().saturating_sub(1))),
    };
    if has_component { (first, second) } else { (0, second) }
}

/// Ways to read the words as component and two lists of known names: where the lists begin.
fn readings(units: &[Unit<'_>], vocabulary: &Vocabulary, has_component: bool) -> Vec<(usize, usize)> {
    let mut readings = Vec::new();
    for second in lists_until(units, units.len(), vocabulary) {
        for first in lists_until(units, second, vocabulary) {
            if has_component == (first > 0) {
                readings.push((first, second));
            }
        }
    }
    readings
}

/// Where lists of known names may begin that end before a unit.
fn lists_until(units: &[Unit<'_>], end: usize, vocabulary: &Vocabulary) -> Vec<usize> {
    /// Longer lists are prose.
    const NAMES: usize = 32;
    let mut open = names_until(units, end, vocabulary);
    let mut begins: Vec<usize> = Vec::new();
    for _ in 0..NAMES {
        let mut before = Vec::new();
        for start in std::mem::take(&mut open) {
            match start.checked_sub(1).map(|last| units[last].joint) {
                None | Some(Joint::Space) if !begins.contains(&start) => begins.push(start),
                Some(Joint::Comma | Joint::Slash) => before.extend(names_until(units, start, vocabulary)),
                _ => {}
            }
        }
        before.sort_unstable();
        before.dedup();
        open = before;
    }
    begins
}

/// Where known names begin that end before a unit.
fn names_until(units: &[Unit<'_>], end: usize, vocabulary: &Vocabulary) -> Vec<usize> {
    let mut begins = Vec::new();
    let mut name = String::new();
    // One more: a trailing "cluster" is no part of the name.
    for start in (end.saturating_sub(vocabulary.longest() + 1)..end).rev() {
        let Unit { word, joint, has_brackets, .. } = &units[start];
        if start + 1 < end {
            if *has_brackets || *joint == Joint::Comma {
                break;
            }
            name.insert(0, if *joint == Joint::Slash { '/' } else { ' ' });
        }
        name.insert_str(0, word);
        if vocabulary.knows(&name) {
            begins.push(start);
        }
    }
    begins
}

/// A word and what follows it.
#[derive(Debug)]
struct Unit<'t> {
    word: &'t str,
    /// With its brackets.
    span: Range<usize>,
    has_brackets: bool,
    joint: Joint,
}

/// What stands between a word and the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Joint {
    Space,
    Comma,
    Slash,
}

fn units(text: &str) -> Vec<Unit<'_>> {
    let mut units: Vec<Unit<'_>> = Vec::new();
    let mut rest = 0..0;
    while rest.start < text.len() {
        let tail = &text[rest.start..];
        let Some(letter) = tail.chars().next() else { break };
        let length = match letter {
            '(' => tail.find(')').map_or(tail.len(), |end| end + 1),
            ',' | '/' | ';' => 1,
            _ if letter.is_whitespace() => letter.len_utf8(),
            _ => tail.find([' ', ',', '/', ';', '(']).unwrap_or(tail.len()),
        };
        let span = rest.start..rest.start + length;
        rest.start = span.end;
        match (letter, units.last_mut()) {
            ('(', Some(last)) => (last.span.end, last.has_brackets) = (span.end, true),
            (',' | ';', Some(last)) => last.joint = Joint::Comma,
            ('/', Some(last)) => last.joint = Joint::Slash,
            ('(' | ',' | ';' | '/', None) => {}
            _ if letter.is_whitespace() => {}
            _ => {
                units.push(Unit { word: &text[span.clone()], span, has_brackets: false, joint: Joint::Space })
            }
        }
    }
    units
}

/// Where the ports of a line stand: numbers, behind words, before the name of a protocol.
fn anchor(line: &str) -> Option<Range<usize>> {
    let mut words = Vec::new();
    let mut depth = 0_usize;
    let mut start = None;
    for (place, letter) in line.char_indices().chain([(line.len(), ' ')]) {
        match letter {
            ' ' if depth == 0 => words.extend(start.take().map(|start| start..place)),
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if letter != ' ' && start.is_none() {
            start = Some(place);
        }
    }
    let mut index = 1;
    while index < words.len() {
        let first = index;
        while index < words.len() && is_ports(&line[words[index].clone()]) {
            index += 1;
        }
        if index > first && index < words.len() && begins_protocol(&line[words[index].clone()]) {
            return Some(words[first].start..words[index - 1].end);
        }
        // "any any": whatever port of whatever protocol.
        if index > first + 1 && line[words[index - 1].clone()].eq_ignore_ascii_case("any") {
            return Some(words[first].start..words[index - 2].end);
        }
        if index == first && is_port_with_transport(&line[words[index].clone()]) {
            return Some(words[index].clone());
        }
        index = index.max(first + 1);
    }
    None
}

/// A port, a range, or some of them with commas or slashes; what stands for all or none of them; or one with its transport.
fn is_ports(word: &str) -> bool {
    let is_number =
        |part: &str| part.len() <= 5 && !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let is_port = |part: &str| {
        let range = part.split_once(['-', '–']);
        range.map_or_else(|| is_number(part), |(first, last)| is_number(first) && is_number(last))
    };
    let is_list =
        |word: &str| word != "/" && word.split([',', '/']).all(|part| part.is_empty() || is_port(part));
    let is_word = matches!(word.to_lowercase().as_str(), "any" | "all" | "varies" | "n/a");
    is_word || is_list(word)
}

/// `443/TCP`, `tcp/443`.
fn is_port_with_transport(word: &str) -> bool {
    let Some((one, other)) = word.split_once('/') else { return false };
    (is_ports(one) && begins_protocol(other)) || (begins_protocol(one) && is_ports(other))
}

fn begins_protocol(word: &str) -> bool {
    let name: String = word.chars().take_while(|letter| letter.is_alphanumeric()).collect();
    is_protocol(&name.to_lowercase())
}

/// The purpose is a sentence: it begins with the first capital that begins no protocol's name.
fn protocol_and_purpose(text: &str) -> (&str, &str) {
    let begins = text.match_indices(' ').map(|(place, _)| place + 1);
    let purpose = begins.into_iter().find(|place| {
        let word = &text[*place..];
        word.starts_with(char::is_uppercase) && !begins_protocol(word.split(' ').next().unwrap_or_default())
    });
    let (protocol, purpose) = text.split_at(purpose.unwrap_or(text.len()));
    (protocol.trim(), purpose.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "Part / Other Thing Source Destination Port Protocol Description\n";

    fn rows(lines: &str, vocabulary: &str) -> Vec<(Vec<String>, usize)> {
        let tables = tables(&format!("{HEADER}{lines}"), &Vocabulary::of_text(vocabulary));
        let rows = tables.into_iter().flat_map(|table| table.rows);
        rows.map(|row| (row.cells, row.doubts.len())).collect()
    }

    #[test]
    fn known_names_part_the_cells() {
        let known = "north\nsouth\neast\nNorth api server\nSouth api server\nOutside git/helm store";
        for (line, expected) in [
            (
                "Door keeper North South 443 https Lets people in.",
                "Door keeper|North|South|443|https|Lets people in.",
            ),
            (
                "Door (it stands apart. Really) North,South ,East cluster North (keeper) 443 ,22 https(443) , ssh(22) / git fetch protocol Read it.",
                "Door (it stands apart. Really)|North,South ,East cluster|North (keeper)|443 ,22|https(443) , ssh(22) / git fetch protocol|Read it.",
            ),
            (
                "Door North/East(some part) Outside git/helm store 80 http Pull.",
                "Door|North/East(some part)|Outside git/helm store|80|http|Pull.",
            ),
            (
                "North plugin East North,South api server 6443 tcp To look.",
                "North plugin|East|North,South api server|6443|tcp|To look.",
            ),
            (
                "Bed /Sofa East North, South 1000-2000 tcp To sit.",
                "Bed /Sofa|East|North, South|1000-2000|tcp|To sit.",
            ),
        ] {
            let (cells, doubts) = rows(line, known).remove(0);
            assert_eq!((cells.join("|").as_str(), doubts), (expected, 0), "{line}");
        }
    }

    #[test]
    fn what_names_do_not_part_is_doubted() {
        let (cells, doubts) = rows("Some thing here there 443 https Words.", "").remove(0);
        assert_eq!((cells[..3].join("|").as_str(), doubts), ("Some thing|here|there", 1));
    }

    #[test]
    fn lists_teach_names() {
        let read = rows("Door North,South East 443 https One.\nGate South North 80 http Two.", "East");
        assert_eq!(
            read[1],
            (
                vec!["Gate", "South", "North", "80", "http", "Two."].into_iter().map(str::to_owned).collect(),
                0
            )
        );
    }

    #[test]
    fn prose_is_no_header() {
        assert!(Layout::of("The source and the destination share a port with each other protocol").is_none());
        assert!(Layout::of("Source Destination Port").is_some());
    }
}
