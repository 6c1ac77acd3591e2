//! Tables whose cells are parted by `|`: Markdown, and pages that were flattened and kept the pipes.
//!
//! The lines are read here, because a flattened page has no blank line before a table and none after it, which Markdown
//! asks for; what stands in a cell is Markdown (comrak).

use std::sync::Arc;

use super::{
    footnotes,
    heading::Headings,
    inline::text_of,
    table::{Line, Note, Table},
    text,
};

/// Every table of the document.
pub(super) fn tables(document: &str) -> Vec<Table> {
    let mut reader = Reader::default();
    let mut lines = text::lines(document).peekable();
    while let Some((number, line)) = lines.next() {
        let is_header = line.contains('|') && lines.peek().is_some_and(|(_, next)| is_rule(next));
        if is_header {
            lines.next();
            let header = cells(line);
            let headings = reader.headings.texts();
            reader.tables.push(Table { headings, line: number, header, ..Table::default() });
            reader.is_open = true;
        } else {
            reader.line(number, line);
        }
    }
    reader.tables
}

/// The document with empty lines for its blocks of code, where tables are examples (CommonMark, 4.5).
pub(super) fn without_examples(document: &str) -> String {
    let mut fence: Option<&str> = None;
    let mut shown = String::with_capacity(document.len());
    for line in document.split_inclusive('\n') {
        let mark = ["```", "~~~"].into_iter().find(|mark| line.trim_start().starts_with(mark));
        let is_inside = fence.is_some() || mark.is_some();
        match (fence, mark) {
            (None, Some(mark)) => fence = Some(mark),
            (Some(open), Some(mark)) if open == mark => fence = None,
            _ => {}
        }
        shown.push_str(match is_inside {
            true if line.ends_with('\n') => "\n",
            true => "",
            false => line,
        });
    }
    shown
}

/// Whether there is one.
pub(super) fn is(document: &str) -> bool {
    let mut before = "";
    text::lines(document).any(|(_, line)| {
        let is_header = is_rule(line) && before.contains('|');
        before = line;
        is_header
    })
}

#[derive(Default)]
struct Reader {
    tables: Vec<Table>,
    /// Whether the last table goes on.
    is_open: bool,
    headings: Headings,
}

impl Reader {
    fn line(&mut self, number: u32, line: &str) {
        let table = self.tables.last_mut();
        match table {
            Some(table) if self.is_open && line.contains('|') => {
                table.rows.push(Line { number, cells: cells(line), doubts: Vec::new() });
                return;
            }
            Some(table) => note(Arc::make_mut(&mut table.notes), line),
            None => {}
        }
        self.is_open = false;
        if let Some((level, heading)) = heading(line) {
            self.headings.begin(level, heading);
        }
    }
}

fn note(notes: &mut Vec<Note>, line: &str) {
    if let Some(note) = footnotes::begins(line) {
        notes.push(note);
    } else if let Some(last) = notes.last_mut().filter(|_| footnotes::goes_on(line)) {
        last.text.push(' ');
        last.text.push_str(line.trim());
    }
}

/// A heading of Markdown, or a short line that is no sentence: flattened pages have no other sign of one. With its level.
fn heading(line: &str) -> Option<(u8, String)> {
    const WORDS: usize = 8;
    /// Below all that Markdown has.
    const UNMARKED: u8 = 7;
    let line = line.trim();
    let marked = line.trim_start_matches('#');
    if marked.len() < line.len() && marked.starts_with(' ') {
        let level = u8::try_from(line.len() - marked.len()).unwrap_or(UNMARKED);
        return Some((level, text_of(marked.trim_end_matches('#').trim())));
    }
    let is_short = line.split_whitespace().count() <= WORDS && line.starts_with(char::is_alphanumeric);
    // "title: Ports" is a setting, "12" the number of a page.
    let is_name = !line.contains(": ") && line.contains(char::is_alphabetic);
    (is_short && is_name && !line.ends_with(['.', ':', ',', ';', '!', '?']))
        .then(|| (UNMARKED, text_of(line)))
}

/// The line below a header: dashes, with colons for the alignment.
pub(in crate::matrix) fn is_rule(line: &str) -> bool {
    line.contains("--") && line.contains('|') && line.chars().all(|letter| "|-: \t".contains(letter))
}

/// What the cells of a line say.
fn cells(line: &str) -> Vec<String> {
    split(line).iter().map(|cell| text_of(cell)).collect()
}

/// The cells of a line, as they are written. `\|` is no border (GFM, 4.10), nor are those at either end of the line.
pub(in crate::matrix) fn split(line: &str) -> Vec<String> {
    let line = line.trim();
    let line = line.strip_prefix('|').unwrap_or(line);
    let mut cells = vec![String::new()];
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        match (letter, cells.last_mut()) {
            ('\\', Some(cell)) if letters.peek() == Some(&'|') => {
                letters.next();
                cell.push('|');
            }
            ('|', _) => cells.push(String::new()),
            (letter, Some(cell)) => cell.push(letter),
            (_, None) => {}
        }
    }
    if cells.last().is_some_and(|cell| cell.trim().is_empty()) {
        cells.pop();
    }
    cells.iter_mut().for_each(|cell| *cell = cell.trim().to_owned());
    cells
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pipes_with_and_without_borders_are_read() {
        let page = "Some words about it.\nFirst part\nThese are the paths:\nSource | Port |\n---|---|\na* | 1 |\nb \\| c | 2 |\n\
                    Second part (optional)\nMore paths:\n| Source | Port |\n|:--|--:|\n| d | 3 |\n* a note\nthat goes on\n";
        let tables = tables(page);
        let summary: Vec<_> = tables
            .iter()
            .map(|table| {
                let cells =
                    table.rows.iter().map(|row| (row.number, row.cells.join("/"))).collect::<Vec<_>>();
                (table.heading(), table.line, cells)
            })
            .collect();
        assert_eq!(
            summary,
            [
                (Some("First part"), 4, vec![(6, "a*/1".to_owned()), (7, "b | c/2".to_owned())]),
                (Some("Second part (optional)"), 10, vec![(12, "d/3".to_owned())]),
            ]
        );
        assert_eq!(*tables[1].notes, [Note { mark: "*".into(), text: "a note that goes on".into() }]);
    }

    #[test]
    fn a_table_in_a_block_of_code_is_an_example() {
        assert_eq!(tables(&without_examples("```\nFrom | To\n---|---\na | b\n```\n")), []);
    }
}
