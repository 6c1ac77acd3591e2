//! What a cell of Markdown says, without its markup.

use comrak::{Arena, Options, nodes::NodeValue, parse_document};

use super::text::clean;

/// The text of a cell; a `<br>` begins a new line.
pub(super) fn text_of(cell: &str) -> String {
    // Most cells have no markup, and a table may have a million of them.
    if !cell.contains(['*', '_', '`', '[', '<', '&', '\\', '!', '~']) {
        return clean(cell);
    }
    /// Keeps `*`, `-` or `1.` at the beginning from starting a list.
    const GUARD: &str = ". ";
    let arena = Arena::new();
    let root = parse_document(&arena, &format!("{GUARD}{}", cell.replace('\n', " ")), &Options::default());
    let mut text = String::new();
    for node in root.descendants() {
        match &node.data.borrow().value {
            NodeValue::Text(part) => text.push_str(part),
            NodeValue::Code(code) => text.push_str(&code.literal),
            NodeValue::HtmlInline(tag) if is_break(tag) => text.push('\n'),
            NodeValue::LineBreak => text.push('\n'),
            NodeValue::SoftBreak => text.push(' '),
            _ => {}
        }
    }
    clean(text.strip_prefix(GUARD).unwrap_or(&text))
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
            ("  ", ""),
        ] {
            assert_eq!(text_of(cell), text, "{cell}");
        }
    }
}
