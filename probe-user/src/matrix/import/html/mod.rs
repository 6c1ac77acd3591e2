//! HTML tables.
//!
//! Read token by token (html5ever), since a tree knows no lines and holds ten times its document; end tags that HTML lets
//! one leave out are implied here as its tree construction implies them (HTML, 13.1.2.4).

mod style;
mod table;

use std::cell::RefCell;

use html5ever::{
    Attribute, LocalName,
    tendril::StrTendril,
    tokenizer::{
        BufferQueue, Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
        states::RawKind,
    },
};

use style::{Style, Styled, style};
use table::{Budget, Open, OpenCell, Row};

use super::{grid, heading::Headings, inline::STRUCK, table::Table, text::clean};

/// Every table of the document.
pub(super) fn tables(document: &str) -> Vec<Table> {
    let reader = Reader { budget: Budget::of(document), ..Reader::default() };
    let tokenizer = Tokenizer::new(Sink(RefCell::new(reader)), TokenizerOpts::default());
    let input = BufferQueue::default();
    input.push_back(StrTendril::from_slice(document));
    let _ = tokenizer.feed(&input);
    tokenizer.end();
    let mut reader = tokenizer.sink.0.into_inner();
    while !reader.open.is_empty() {
        reader.end_table();
    }
    reader.tables.sort_by_key(|table| table.line);
    reader.tables
}

struct Sink(RefCell<Reader>);

impl TokenSink for Sink {
    type Handle = ();

    fn process_token(&self, token: Token, line: u64) -> TokenSinkResult<()> {
        let mut reader = self.0.borrow_mut();
        match token {
            Token::TagToken(Tag { kind: TagKind::StartTag, name, attrs, .. }) => {
                reader.start(&name, &attrs, u32::try_from(line).unwrap_or(u32::MAX));
                return match name.as_ref() {
                    "script" => TokenSinkResult::RawData(RawKind::ScriptData),
                    "style" | "noscript" | "iframe" | "noframes" | "xmp" => {
                        TokenSinkResult::RawData(RawKind::Rawtext)
                    }
                    "title" | "textarea" => TokenSinkResult::RawData(RawKind::Rcdata),
                    _ => TokenSinkResult::Continue,
                };
            }
            Token::TagToken(Tag { name, .. }) => reader.end(&name),
            Token::CharacterTokens(text) => reader.text(&text),
            _ => {}
        }
        TokenSinkResult::Continue
    }
}

#[derive(Default)]
struct Reader {
    tables: Vec<Table>,
    /// From the outermost to the innermost.
    open: Vec<Open>,
    headings: Headings,
    /// The text of the heading that is being read.
    heading: String,
    /// The element whose text is not shown, or is a heading.
    within: Option<(LocalName, Within)>,
    /// Elements around the rows whose style says something.
    around: Styled,
    /// Those within the cell that is open.
    within_cell: Styled,
    budget: Budget,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Within {
    Hidden,
    Heading,
}

impl Reader {
    fn start(&mut self, name: &LocalName, attributes: &[Attribute], line: u32) {
        match name.as_ref() {
            "script" | "style" | "noscript" | "template" | "iframe" | "noframes" | "xmp" | "title"
            | "textarea" | "select" => self.within = Some((name.clone(), Within::Hidden)),
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "caption" => {
                self.end_heading();
                self.within = Some((name.clone(), Within::Heading));
            }
            "table" => {
                self.end_heading();
                let headings = self.open.last().map_or(&self.headings, |table| &table.headings).clone();
                self.around.begin(name, attributes);
                self.open.push(Open { line, headings, budget: self.budget.clone(), ..Open::default() });
            }
            "thead" | "tbody" | "tfoot" => {
                self.end_heading();
                self.leave_cell();
                self.with_table(Open::end_row);
                self.around.begin(name, attributes);
            }
            "tr" => {
                self.end_heading();
                self.leave_cell();
                let style = style(attributes).or(self.around.last());
                self.with_table(|table| {
                    table.end_row();
                    table.row = Some(Row { line, style, ..Row::default() });
                });
            }
            "td" | "th" => {
                self.end_heading();
                self.leave_cell();
                self.with_table(|table| table.start_cell(attributes, line));
                self.begin_style(name, attributes);
            }
            "br" => self.new_line(),
            "sup" => self.text("[^"),
            "del" | "s" | "strike" => self.text(STRUCK),
            "img" => {
                let alternative = attributes.iter().find(|attribute| &*attribute.name.local == "alt");
                alternative.into_iter().for_each(|attribute| self.text(&attribute.value));
            }
            // They have no end.
            "input" | "hr" | "wbr" | "col" => {}
            other => {
                if matches!(other, "p" | "li" | "div" | "ul" | "ol") {
                    self.new_line();
                }
                self.begin_style(name, attributes);
            }
        }
    }

    fn is_in_cell(&self) -> bool {
        self.open.last().and_then(|table| table.row.as_ref()).is_some_and(|row| row.cell.is_some())
    }

    fn begin_style(&mut self, name: &LocalName, attributes: &[Attribute]) {
        let stack = if self.is_in_cell() { &mut self.within_cell } else { &mut self.around };
        if stack.begin(name, attributes) == Some(Style::Struck) {
            self.text(STRUCK);
        }
    }

    fn end_style(&mut self, name: &LocalName) {
        let stack = if self.is_in_cell() { &mut self.within_cell } else { &mut self.around };
        if stack.end(name) == Some(Style::Struck) {
            self.text(")");
        }
    }

    /// The cell ends, and all that is open in it.
    fn leave_cell(&mut self) {
        let styled = std::mem::take(&mut self.within_cell);
        for (.., style) in styled.open {
            if style == Style::Struck {
                self.text(")");
            }
        }
    }

    /// A heading ends with its element, and with what cannot stand in one.
    fn end_heading(&mut self) {
        let Some((heading, _)) = self.within.take_if(|(_, within)| *within == Within::Heading) else {
            return;
        };
        let text = clean(&std::mem::take(&mut self.heading)).replace('\n', " ");
        // A caption is the heading of its own table.
        let headings = self.open.last_mut().map_or(&mut self.headings, |table| &mut table.headings);
        headings.begin(level(&heading), text);
    }

    fn end(&mut self, name: &LocalName) {
        match &self.within {
            Some((within, Within::Heading)) if within == name => return self.end_heading(),
            Some((within, Within::Hidden)) if within == name => {
                self.within = None;
                return;
            }
            _ => {}
        }
        match name.as_ref() {
            "table" => {
                self.end_table();
                self.around.end(name);
            }
            "tr" | "thead" | "tbody" | "tfoot" => {
                self.leave_cell();
                self.with_table(Open::end_row);
                self.around.end(name);
            }
            "td" | "th" => {
                self.leave_cell();
                self.with_table(Open::end_cell);
            }
            "sup" => self.text("]"),
            "del" | "s" | "strike" => self.text(")"),
            other => {
                self.end_style(name);
                if matches!(other, "p" | "li" | "div") {
                    self.new_line();
                }
            }
        }
    }

    fn text(&mut self, text: &str) {
        match &self.within {
            Some((_, Within::Hidden)) => {}
            Some((_, Within::Heading)) => self.heading.push_str(text),
            None if self.within_cell.hiding > 0 => {}
            None => self.with_cell(|cell| {
                // A line's end in the source is a space; one on the page is a tag.
                cell.text.extend(text.chars().map(|letter| if letter == '\n' { ' ' } else { letter }));
            }),
        }
    }

    fn new_line(&mut self) {
        if self.within.is_none() {
            self.with_cell(|cell| cell.text.push('\n'));
        }
    }

    fn with_cell(&mut self, change: impl FnOnce(&mut OpenCell)) {
        self.with_table(|table| {
            if let Some(cell) = table.row.as_mut().and_then(|row| row.cell.as_mut()) {
                change(cell);
            }
        });
    }

    fn with_table(&mut self, change: impl FnOnce(&mut Open)) {
        if let Some(table) = self.open.last_mut() {
            change(table);
        }
    }

    fn end_table(&mut self) {
        self.leave_cell();
        let Some(mut table) = self.open.pop() else { return };
        table.end_row();
        self.tables.extend(grid::tables(table.rows, &table.headings.texts(), table.line));
    }
}

/// The level of a heading's element; a caption is below them all.
fn level(name: &LocalName) -> u8 {
    let digit = name.strip_prefix('h').and_then(|digit| digit.parse().ok());
    digit.unwrap_or(7)
}

#[cfg(test)]
mod tests {
    use super::table::COLUMNS;
    use super::*;

    fn cells(document: &str) -> Vec<(u32, String)> {
        let tables = tables(document);
        tables.into_iter().flat_map(|table| table.rows).map(|row| (row.number, row.cells.join("|"))).collect()
    }

    const HEADER: &str = "<table><tr><th>Source<th>Destination<th>Port</tr>\n";

    #[test]
    fn cells_may_span_rows_and_columns() {
        let document = format!(
            "{HEADER}<tr><td rowspan=2>a</td><td>b<td>1\n<tr><td>c<td>2\n<tr><td colspan=2>d<td>3</table>"
        );
        assert_eq!(cells(&document), [(2, "a|b|1".into()), (3, "a|c|2".into()), (4, "d|d|3".into())]);
    }

    #[test]
    fn lists_and_breaks_are_lines_and_scripts_are_nothing() {
        let document = format!(
            "<h2>From <b>here</b></h2><script>'<table>'</script>{HEADER}<tr><td>a<br>b<td><ul><li>c</li><li>d</li></ul>\
             <td>1<style>td {{}}</style>\n 2&amp;3</table>"
        );
        assert_eq!(cells(&document), [(2, "a\nb|c\nd|1 2&3".into())]);
        assert_eq!(tables(&document)[0].heading(), Some("From here"));
    }

    #[test]
    fn a_table_within_a_cell_is_a_table_of_its_own() {
        let inner = format!("{HEADER}<tr><td>x<td>y<td>2</table>");
        let document = format!("{HEADER}<tr><td>a<td>b<td>1 {inner}</table>");
        assert_eq!(cells(&document), [(2, "a|b|1".into()), (3, "x|y|2".into())]);
    }

    #[test]
    fn what_is_not_shown_or_struck_is_told() {
        let rows = |rows: &str| {
            let tables = tables(&format!("{HEADER}{rows}</table>"));
            tables
                .into_iter()
                .flat_map(|table| table.rows)
                .map(|row| (row.cells.join("|"), row.doubts.len()))
                .collect::<Vec<_>>()
        };
        let plain = |text: &str| (text.to_owned(), 0);
        let hidden = |text: &str| (text.to_owned(), 1);
        assert_eq!(
            rows("<tbody style='display:none'><tr><td>a<td>b<td>1</tr></tbody><tr><td>c<td>d<td>2</tr>"),
            [hidden("a|b|1"), plain("c|d|2")]
        );
        assert_eq!(
            rows(
                "<tr><td>a<td>b<td><p style='display: none'>22</p><div style='text-decoration:line-through'>23</div>24</tr>"
            ),
            [plain("a|b|(struck out: 23)\n24")]
        );
        assert_eq!(
            rows(
                "<tr style='text-decoration:line-through'><td>a<td>b<td>1</tr><tr><td>c<td>d<td style='text-decoration:line-through'>2"
            ),
            [plain("(struck out: a)|(struck out: b)|(struck out: 1)"), plain("c|d|(struck out: 2)")]
        );
    }

    #[test]
    fn a_caption_may_lack_its_end() {
        let document =
            "<table><caption>Flows<tr><th>Source<th>Destination<th>Port</tr><tr><td>a<td>b<td>1</table>";
        assert_eq!(
            (tables(document)[0].heading(), cells(document)),
            (Some("Flows"), vec![(1, "a|b|1".into())])
        );
    }

    #[test]
    fn what_reaches_far_is_not_repeated_without_end() {
        let document = format!(
            "{HEADER}<tr><td rowspan=0>{}<td>b<td>1</tr>{}",
            "x".repeat(100_000),
            "<tr><td>b<td>1</tr>".repeat(1_000)
        );
        let rows = &tables(&document)[0].rows;
        let said: usize = rows.iter().map(|row| row.cells[0].len()).sum();
        assert!(said < 10_000_000, "{said}");
        assert_eq!(rows.last().map(|row| (row.cells.len(), row.doubts.len())), Some((3, 1)));
    }

    #[test]
    fn greedy_cells_are_held() {
        let document = format!("{HEADER}<tr><td colspan=99999 rowspan=99999>a</table>");
        assert_eq!(tables(&document)[0].rows[0].cells.len(), COLUMNS);
    }
}
