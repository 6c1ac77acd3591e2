//! Excel workbooks.

mod hidden;

use std::io::{self, Cursor, Read};

use calamine::{DataRef, Dimensions, Font, Reader, Sheet, SheetType, SheetVisible, Xlsx};
use zip::ZipArchive;

use hidden::Hidden;

use super::{
    grid,
    inline::struck,
    table::{Line, Table},
    text::clean,
};

/// How every zip archive begins (APPNOTE.TXT, 4.3.7).
pub(super) const MAGIC: &[u8] = b"PK\x03\x04";

/// More columns than any table has.
const COLUMNS: u32 = 64;

/// Every table of every sheet.
///
/// # Errors
///
/// What is wrong with the workbook.
pub(super) fn tables(bytes: &[u8]) -> Result<Vec<Table>, String> {
    let hidden = unpacked(bytes)?;
    let said = |error: calamine::XlsxError| {
        format!("is no workbook that can be read: {}", error.to_string().to_lowercase())
    };
    let mut workbook = Xlsx::new(Cursor::new(bytes)).map_err(said)?;
    let mut tables = Vec::new();
    let mut budget = budget(bytes);
    let named = |is: fn(&Sheet) -> bool| {
        let sheets = workbook.sheets_metadata().iter().filter(|sheet| is(sheet));
        sheets.map(|sheet| sheet.name.clone()).collect::<Vec<_>>()
    };
    let hidden_sheets = named(|sheet| sheet.visible != SheetVisible::Visible);
    let cells_in = named(|sheet| sheet.typ == SheetType::WorkSheet);
    for sheet in workbook.sheet_names() {
        // A sheet of charts or macros has no cells.
        if !cells_in.contains(&sheet) {
            continue;
        }
        let merged = workbook.merge_cells_by_sheet_name(&sheet).map_err(said)?;
        let mut cells = workbook.worksheet_cells_reader(&sheet).map_err(said)?;
        let mut lines: Vec<Line> = Vec::new();
        while let Some((cell, style)) = cells.next_cell_with_style_id().map_err(said)? {
            let (row, column) = cell.get_position();
            let mut text = text_of(cell.get_value());
            if text.is_empty() || column >= COLUMNS {
                continue;
            }
            let font = cells.styles().get(style).and_then(|style| style.font.as_ref());
            if font.is_some_and(Font::has_strikethrough) {
                text = struck(&text);
            }
            budget = budget.checked_sub(text.len() + size_of::<String>()).ok_or(BOMB)?;
            if lines.last().is_none_or(|line| line.number != row + 1) {
                let doubt = hidden.has(row + 1).then(|| "a sheet of the workbook hides this row".to_owned());
                lines.push(Line { number: row + 1, doubts: doubt.into_iter().collect(), ..Line::default() });
            }
            if let Some(line) = lines.last_mut() {
                put(line, column, text);
            }
        }
        unmerge(&mut lines, &merged, &mut budget).ok_or(BOMB)?;
        if hidden_sheets.contains(&sheet) {
            lines
                .iter_mut()
                .for_each(|line| line.doubts.push(format!("the workbook hides the sheet `{sheet}`")));
        }
        tables.extend(grid::tables(lines, std::slice::from_ref(&sheet), 0));
    }
    Ok(tables)
}

const BOMB: &str = "unpacks to far more than it is: expected a workbook that a person wrote";

/// What may come out of it.
fn budget(bytes: &[u8]) -> usize {
    bytes.len() * 4 + (24 << 20)
}

/// Unpacks everything once and keeps nothing but the numbers of hidden rows: what an archive says of its sizes proves
/// nothing.
fn unpacked(bytes: &[u8]) -> Result<Hidden, String> {
    /// Sheets are read as a stream.
    const SHEETS: u64 = 1 << 30;
    let said = |error: zip::result::ZipError| format!("is no workbook: {}", error.to_string().to_lowercase());
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(said)?;
    let mut rest = budget(bytes) as u64;
    let mut hidden = Hidden::default();
    for index in 0..archive.len() {
        let entry = archive.by_index(index).map_err(said)?;
        let is_sheet = entry.name().is_ok_and(|name| name.starts_with("xl/worksheets/sheet"));
        let limit = if is_sheet { SHEETS } else { rest };
        let mut entry = entry.take(limit + 1);
        let read = if is_sheet {
            hidden.begin();
            io::copy(&mut entry, &mut hidden)
        } else {
            io::copy(&mut entry, &mut io::sink())
        };
        let read = read.map_err(|error| format!("is no workbook: {}", error.to_string().to_lowercase()))?;
        if read > limit {
            return Err(BOMB.to_owned());
        }
        rest -= if is_sheet { 0 } else { read };
    }
    Ok(hidden.end())
}

fn text_of(value: &DataRef<'_>) -> String {
    match value {
        DataRef::String(text) | DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => clean(text),
        DataRef::SharedString(text) => clean(text),
        DataRef::Int(number) => number.to_string(),
        // A port is a float there: 443 is 443.0.
        DataRef::Float(number) => number.to_string(),
        DataRef::Bool(yes) => if *yes { "yes" } else { "no" }.to_owned(),
        // Excel makes a date of a range of ports such as 1-2.
        DataRef::DateTime(date) => format!("the date {}", date.as_f64()),
        DataRef::Error(error) => format!("the error {error}"),
        DataRef::Empty => String::new(),
    }
}

fn put(line: &mut Line, column: u32, text: String) {
    let column = column as usize;
    if line.cells.len() <= column {
        line.cells.resize_with(column + 1, String::new);
    }
    line.cells[column] = text;
}

/// A merged cell says in each of its places what its first place says.
fn unmerge(lines: &mut [Line], merged: &[Dimensions], budget: &mut usize) -> Option<()> {
    for Dimensions { start: (top, left), end: (bottom, right) } in merged {
        let place = |row: u32| lines.partition_point(|line| line.number <= row);
        let (first, last) = (place(*top), place(bottom.saturating_add(1)));
        let said = lines.get(first).filter(|line| line.number == top + 1);
        let said = said.and_then(|line| line.cells.get(*left as usize)).filter(|text| !text.is_empty());
        let Some(text) = said.cloned() else { continue };
        for line in lines.iter_mut().take(last).skip(first) {
            for column in *left..=(*right).min(COLUMNS - 1) {
                *budget = budget.checked_sub(text.len() + size_of::<String>())?;
                put(line, column, text.clone());
            }
        }
    }
    Some(())
}
