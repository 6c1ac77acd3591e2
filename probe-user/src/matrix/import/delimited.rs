//! CSV and its relatives.

use csv::{ReaderBuilder, StringRecord};

use super::{
    columns::{self, Told},
    commatrix, grid,
    table::{Line, Table},
    text::clean,
};

/// What may part the fields.
pub(super) const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// Every table of the document.
///
/// # Errors
///
/// The line and the reader's words, when a field is broken.
pub(super) fn tables(document: &str) -> Result<Vec<Table>, (u32, String)> {
    let delimiter = delimiter(document).unwrap_or(b',');
    let mut lines = Vec::new();
    let mut widest = 0;
    let mut open = None;
    for record in reader(document, delimiter).into_records() {
        let record = record.map_err(|error| {
            let line = error.position().map_or(0, csv::Position::line);
            (u32::try_from(line).unwrap_or(u32::MAX), error.to_string().to_lowercase())
        })?;
        let number = record.position().map_or(0, |position| line_of(document, position));
        let cells = cells(&record);
        // What Excel writes for itself.
        if lines.is_empty() && cells.len() <= 1 && document.starts_with("sep=") {
            continue;
        }
        // A quote that is never closed takes the rest of the document for one field.
        let is_open = cells.len() < widest
            && record
                .iter()
                .any(|field| field.lines().filter(|line| line.contains(char::from(delimiter))).count() > 1);
        // Whatever follows shows that it was closed.
        open = is_open.then_some(number);
        widest = widest.max(cells.len());
        lines.push(Line { number, cells, doubts: Vec::new() });
    }
    if let Some(number) = open {
        let message = "found a field of several lines that hold fields themselves: a quote is not closed";
        return Err((number, message.to_owned()));
    }
    Ok(grid::tables(lines, &[], 0))
}

/// The line on which a record begins: the reader's own count is that of the blank lines before it.
fn line_of(document: &str, position: &csv::Position) -> u32 {
    let before = usize::try_from(position.byte()).ok().and_then(|byte| document.as_bytes().get(byte..));
    let blank = before.unwrap_or_default().iter().take_while(|byte| matches!(byte, b'\n' | b'\r'));
    let blank = blank.filter(|byte| **byte == b'\n').count() as u64;
    u32::try_from(position.line() + blank).unwrap_or(u32::MAX)
}

fn reader(document: &str, delimiter: u8) -> csv::Reader<&[u8]> {
    // Preambles and notes have other numbers of fields than the table.
    ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .from_reader(document.as_bytes())
}

fn cells(record: &StringRecord) -> Vec<String> {
    let mut cells: Vec<String> = record.iter().map(clean).collect();
    while cells.last().is_some_and(String::is_empty) {
        cells.pop();
    }
    cells
}

/// The delimiter that makes a header of one of the first lines.
pub(super) fn delimiter(document: &str) -> Option<u8> {
    /// Lines that may stand above the header.
    const PREAMBLE: usize = 50;
    DELIMITERS.into_iter().find(|delimiter| {
        let records = reader(document, *delimiter).into_records().take(PREAMBLE);
        let is_header = |cells: &[String]| {
            columns::is_header(cells, Told::default())
                || commatrix::is_header(cells)
                || (cells.len() > 2 && columns::names_ports(cells))
        };
        records.map_while(Result::ok).any(|record| is_header(&cells(&record)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delimiter_is_found_and_lines_are_kept() {
        for delimiter in [',', ';', '\t', '|'] {
            let document =
                "Firewall requests\n\nFrom,To,Ports,Why\nrun,view,\"443\",\"two\nlines\"\nrun,git,22,\n"
                    .replace(',', &delimiter.to_string());
            let tables = tables(&document).expect("a table");
            assert_eq!(
                (tables.len(), tables[0].line, tables[0].heading()),
                (1, 3, Some("Firewall requests"))
            );
            let rows: Vec<_> = tables[0].rows.iter().map(|row| (row.number, row.cells.join("/"))).collect();
            assert_eq!(rows, [(4, "run/view/443/two\nlines".to_owned()), (6, "run/git/22".to_owned())]);
        }
    }
}
