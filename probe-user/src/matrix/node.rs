//! A YAML document as a tree in which every value knows its line.
//!
//! Built from the parser's events, because only there a repeated key, a second document and a value of the
//! wrong type are all still visible. Aliases stay unread: one value, one line, and no document that
//! grows when it is read.

use serde_saphyr::granit_parser::{Event, Options, Parser, ScalarStyle, ScanError, Span};

use super::faults::Fault;

/// Deepest nesting that is read; a matrix needs 5.
const DEPTH: usize = 32;

/// A value and the line on which it starts.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    pub(super) line: u32,
    pub(super) kind: Kind,
}

impl Node {
    /// Whether it is the same, on whatever lines.
    pub(super) fn says_as(&self, other: &Self) -> bool {
        match (&self.kind, &other.kind) {
            (Kind::List(own), Kind::List(others)) => {
                own.len() == others.len() && own.iter().zip(others).all(|(one, other)| one.says_as(other))
            }
            (Kind::Map(own), Kind::Map(others)) => {
                let is_there = |(key, value): &(Key, Self)| {
                    others.iter().any(|(other, its)| other.text == key.text && value.says_as(its))
                };
                own.len() == others.len() && own.iter().all(is_there)
            }
            (own, other) => own == other,
        }
    }
}

/// What was written.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    Null,
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
    Alias,
}

/// A map's key, always as its text.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Key {
    pub(super) line: u32,
    pub(super) text: String,
}

/// Reads one document. What is wrong with its syntax ends the reading; a further document does not.
pub(super) fn parse(text: &str, faults: &mut Vec<Fault>) -> Option<Node> {
    parse_items(text, None, faults, |_| {})
}

/// Reads one document whose tree would be large: some of its items are handed over one by one and do not
/// stay in it.
pub(super) fn parse_items(
    text: &str,
    of: Option<Items<'_>>,
    faults: &mut Vec<Fault>,
    mut take: impl FnMut(Node),
) -> Option<Node> {
    let mut root = None;
    let mut builder = Builder { open: Vec::new(), documents: 0, most: 1, of, faults };
    let is_whole = builder.read(text, |part| match part {
        Part::Item(node) => take(node),
        Part::Document(node) => root = Some(node),
    });
    if is_whole && root.is_none() && faults.is_empty() {
        faults.push(fault(0, "the file is empty, expected a document"));
    }
    root.filter(|_| is_whole)
}

/// Reads every document of a stream, and the items of a list below a key apart; whether none is broken.
pub(super) fn parse_all(text: &str, of: Items<'_>, faults: &mut Vec<Fault>, take: impl FnMut(Part)) -> bool {
    Builder { open: Vec::new(), documents: 0, most: usize::MAX, of: Some(of), faults }.read(text, take)
}

/// Which items are handed over apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Items<'k> {
    /// Those of the document, which is a list.
    OfDocument,
    /// Those of the list below a key of the document.
    Below(&'k str),
}

/// What is handed over.
#[derive(Debug)]
pub(super) enum Part {
    Item(Node),
    Document(Node),
}

fn syntax(error: &ScanError) -> Fault {
    let marker = error.marker();
    fault(line_of(marker.line()), &format!("column {}: {}", marker.col() + 1, error.info().to_lowercase()))
}

fn fault(line: u32, message: &str) -> Fault {
    Fault { line, path: String::new(), message: message.to_owned() }
}

fn line_of(line: usize) -> u32 {
    u32::try_from(line).unwrap_or(u32::MAX)
}

/// A collection that is still being read.
struct Open {
    node: Node,
    key: Option<Key>,
}

struct Builder<'a> {
    open: Vec<Open>,
    /// How many documents there were.
    documents: usize,
    /// How many there may be.
    most: usize,
    of: Option<Items<'a>>,
    faults: &'a mut Vec<Fault>,
}

impl Builder<'_> {
    fn read(&mut self, text: &str, mut give: impl FnMut(Part)) -> bool {
        // Beside what is read they are nothing, and the parser refuses more than a hundred of them above an item.
        let mut options = Options::default();
        options.set_emit_comments(false);
        for next in Parser::new_from_str_with_options(text, options) {
            match next.map_err(|error| syntax(&error)).and_then(|event| self.take(event)) {
                Ok(Some(part)) => give(part),
                Ok(None) => {}
                Err(fault) => {
                    self.faults.push(fault);
                    return false;
                }
            }
        }
        true
    }

    fn take(&mut self, (event, span): (Event<'_>, Span)) -> Result<Option<Part>, Fault> {
        let line = line_of(span.start.line());
        Ok(match event {
            Event::DocumentStart(..) if self.documents == self.most => {
                return Err(fault(line, "a second document starts here, expected one document in a file"));
            }
            Event::Scalar(text, style, _, tag) => {
                let quoted = style != ScalarStyle::Plain || tag.is_some();
                self.scalar(line, &text, quoted)
            }
            Event::Alias(_) | Event::UnresolvedAlias(_) => self.finish(Node { line, kind: Kind::Alias }),
            Event::SequenceStart(..) => self.start(line, Kind::List(Vec::new()))?,
            Event::MappingStart(..) => self.start(line, Kind::Map(Vec::new()))?,
            Event::SequenceEnd | Event::MappingEnd => self.open.pop().and_then(|open| self.finish(open.node)),
            _ => None,
        })
    }

    fn start(&mut self, line: u32, kind: Kind) -> Result<Option<Part>, Fault> {
        if self.open.len() == DEPTH {
            return Err(fault(line, &format!("nested more than {DEPTH} levels deep")));
        }
        self.open.push(Open { node: Node { line, kind }, key: None });
        Ok(None)
    }

    /// A plain scalar in a key's place stays text: `443:` is the key `443`.
    fn scalar(&mut self, line: u32, text: &str, quoted: bool) -> Option<Part> {
        if let Some(Open { node: Node { kind: Kind::Map(_), .. }, key: key @ None }) = self.open.last_mut() {
            *key = Some(Key { line, text: text.to_owned() });
            None
        } else {
            let kind = if quoted { Kind::Text(text.to_owned()) } else { plain(text) };
            self.finish(Node { line, kind })
        }
    }

    /// Whether what ends now is an item to be handed over.
    fn is_apart(&self) -> bool {
        let list = match (self.of, self.open.as_slice()) {
            (Some(Items::OfDocument), [list]) => list,
            (Some(Items::Below(below)), [Open { key: Some(key), .. }, list]) if key.text == below => list,
            _ => return false,
        };
        matches!(list.node.kind, Kind::List(_))
    }

    fn finish(&mut self, node: Node) -> Option<Part> {
        if self.is_apart() {
            return Some(Part::Item(node));
        }
        let Some(Open { node: parent, key }) = self.open.last_mut() else {
            self.documents += 1;
            return Some(Part::Document(node));
        };
        match (&mut parent.kind, key.take()) {
            (Kind::Map(entries), Some(key)) => entries.push((key, node)),
            (Kind::List(items), _) => items.push(node),
            _ => {
                *key = Some(Key { line: node.line, text: String::new() });
                self.faults.push(fault(node.line, "found a list or a map as a key, expected text"));
            }
        }
        None
    }
}

/// The YAML 1.2 core schema, without its octal and special floats, which nothing here means.
fn plain(text: &str) -> Kind {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Kind::Null,
        "true" | "True" | "TRUE" => Kind::Bool(true),
        "false" | "False" | "FALSE" => Kind::Bool(false),
        _ => number(text).unwrap_or_else(|| Kind::Text(text.to_owned())),
    }
}

fn number(text: &str) -> Option<Kind> {
    if !text.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first)) {
        return None;
    }
    let integer = text.parse().map(Kind::Integer).ok();
    integer.or_else(|| text.parse().map(Kind::Float).ok())
}

impl Node {
    /// The value of a key, when this is a map that has it.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        let Kind::Map(entries) = &self.kind else { return None };
        entries.iter().find(|(other, _)| other.text == key).map(|(_, value)| value)
    }

    /// The value below several keys.
    pub(super) fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |node, key| node.get(key))
    }

    /// Its text, also of a number.
    pub(super) fn text(&self) -> Option<String> {
        match &self.kind {
            Kind::Text(text) => Some(text.clone()),
            Kind::Integer(number) => Some(number.to_string()),
            _ => None,
        }
    }

    /// Its items; none where it is no list.
    pub(super) fn items(&self) -> &[Self] {
        match &self.kind {
            Kind::List(items) => items,
            _ => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_document_is_a_fault() {
        let mut faults = Vec::new();
        assert_eq!(parse("a: 1\n---\nb: 2\n", &mut faults), None);
        assert_eq!(faults[0].line, 2);
    }

    #[test]
    fn comments_above_an_item_may_be_as_many_as_there_are() {
        let mut faults = Vec::new();
        let text = format!("a:\n{}- 1\n", "# why\n".repeat(1_000));
        assert!(parse(&text, &mut faults).is_some(), "{faults:?}");
    }

    #[test]
    fn broken_syntax_is_one_fault_with_its_line() {
        let mut faults = Vec::new();
        assert_eq!(parse("a: 1\nb: [1, 2\nc: 3\n", &mut faults), None);
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(faults[0].line >= 2, "{faults:?}");
    }

    #[test]
    fn nesting_without_end_is_a_fault() {
        let mut faults = Vec::new();
        assert_eq!(parse(&"[".repeat(100_000), &mut faults), None);
        assert_eq!(faults.len(), 1);
    }

    #[test]
    fn keys_stay_text() {
        let node = parse("443: 8443\n", &mut Vec::new()).expect("a document");
        let Kind::Map(entries) = node.kind else { panic!("a map") };
        assert_eq!((entries[0].0.text.as_str(), &entries[0].1.kind), ("443", &Kind::Integer(8443)));
    }
}
