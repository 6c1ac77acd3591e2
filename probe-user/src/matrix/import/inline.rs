//! What a cell of Markdown says, without its markup.

use comrak::{Arena, Options, nodes::NodeValue, parse_document};

use super::text::clean;

/// The text of a cell; a `<br>` begins a new line.
pub(super) fn text_of(cell: &str) -> String {
    // Most cells have no markup, and a table may have a million of them.
    if !has_markup(cell) {
        return clean(cell);
    }
    clean(&said(cell).join("\n"))
}

/// The texts between the breaks of a cell, letter by letter as Markdown says them; none of an empty cell.
pub(in crate::matrix) fn parts_of(cell: &str) -> Vec<String> {
    match cell {
        "" => Vec::new(),
        cell if has_markup(cell) => said(cell),
        cell => vec![cell.to_owned()],
    }
}

/// What was struck out is told as a remark, so that nobody takes it for what holds.
pub(in crate::matrix) const STRUCK: &str = " (struck out: ";

/// A cell that is struck out as a whole.
pub(super) fn struck(cell: &str) -> String {
    if is_struck(cell) { cell.to_owned() } else { format!("{}{cell})", STRUCK.trim_start()) }
}

/// Whether a cell is struck out as a whole.
pub(in crate::matrix) fn is_struck(cell: &str) -> bool {
    let Some(inside) = cell.strip_prefix(STRUCK.trim_start()) else { return false };
    let mut depth = 1_u32;
    let end = inside.char_indices().find(|(_, letter)| {
        depth = match letter {
            '(' => depth + 1,
            ')' => depth - 1,
            _ => depth,
        };
        depth == 0
    });
    // The bracket that closes it is the last letter.
    end.is_some_and(|(place, _)| place + 1 == inside.len())
}

fn has_markup(cell: &str) -> bool {
    cell.contains(['*', '_', '`', '[', '<', '&', '\\', '!', '~'])
}

fn said(cell: &str) -> Vec<String> {
    /// Keeps `*`, `-` or `1.` at the beginning from starting a list.
    const GUARD: &str = ". ";
    let arena = Arena::new();
    let cell = tagged(&cell.replace('\n', " "));
    let root = parse_document(&arena, &format!("{GUARD}{cell}"), &Options::default());
    let mut parts = vec![String::new()];
    for node in root.descendants() {
        let Some(text) = parts.last_mut() else { break };
        match &node.data.borrow().value {
            NodeValue::Text(part) => text.push_str(part),
            NodeValue::Code(code) => text.push_str(&code.literal),
            NodeValue::HtmlInline(tag) if !is_break(tag) => {
                text.push_str(match tag.to_lowercase().as_str() {
                    "<sup>" => "[^",
                    "</sup>" => "]",
                    "<del>" | "<s>" | "<strike>" => STRUCK,
                    "</del>" | "</s>" | "</strike>" => ")",
                    tag if is_of_html(tag) => "",
                    // `32<nn>` leaves digits out, and is no markup.
                    _ => tag,
                })
            }
            NodeValue::HtmlInline(_) | NodeValue::LineBreak => parts.push(String::new()),
            NodeValue::SoftBreak => text.push(' '),
            _ => {}
        }
    }
    if let Some(first) = parts.first_mut() {
        *first = first.strip_prefix(GUARD).unwrap_or(first).to_owned();
    }
    parts
}

/// `~~gone~~` (GFM, 6.5) as the tags that HTML has for it; an escaped tilde begins nothing.
fn tagged(cell: &str) -> String {
    let mut parts = cell.split("~~");
    let mut whole = parts.next().unwrap_or_default().to_owned();
    let rest: Vec<&str> = parts.collect();
    for pair in rest.chunks(2) {
        match pair {
            [inside, after] if !whole.ends_with('\\') && !inside.starts_with(' ') => {
                whole += &format!("<del>{inside}</del>{after}");
            }
            pair => pair.iter().for_each(|part| {
                whole += "~~";
                whole += part;
            }),
        }
    }
    whole
}

/// Whether a tag is one that documents have in their tables; whatever else stands in angles is text.
fn is_of_html(tag: &str) -> bool {
    const NAMES: [&str; 24] = [
        "a", "b", "i", "u", "em", "strong", "code", "span", "div", "sub", "small", "big", "font", "kbd",
        "tt", "pre", "mark", "ins", "ul", "ol", "img", "abbr", "samp", "var",
    ];
    let name =
        tag.trim_start_matches(['<', '/']).split(|letter: char| !letter.is_ascii_alphanumeric()).next();
    tag.starts_with("<!--") || name.is_some_and(|name| NAMES.contains(&name.to_lowercase().as_str()))
}

fn is_break(tag: &str) -> bool {
    let name = tag.trim_matches(['<', '>', '/', ' ']).to_lowercase();
    matches!(name.as_str(), "br" | "p" | "li")
}

#[cfg(test)]
mod tests {
    use super::text_of;

    #[test]
    fn markup_goes_and_text_stays() {
        for (cell, text) in [
            ("**Product**", "Product"),
            ("67 <br> 68", "67\n68"),
            ("[Avi](https://example.com) `Controller`", "Avi Controller"),
            ("mysql_proxy*", "mysql_proxy*"),
            ("* all", "* all"),
            ("a &amp; b", "a & b"),
            ("<ul><li>one</li><li>two</li></ul>", "one\ntwo"),
            ("diego_cell (local Route Emitter)", "diego_cell (local Route Emitter)"),
            ("445<sup>1</sup>", "445[^1]"),
            ("32<nn>", "32<nn>"),
            ("~~23~~ 24", "(struck out: 23) 24"),
            ("a ~~ b", "a ~~ b"),
            ("  ", ""),
        ] {
            assert_eq!(text_of(cell), text, "{cell}");
        }
    }
}
