//! Excel workbooks, taken apart and made.

use std::{
    fmt::Write as _,
    io::{Cursor, Read, Write},
};

use anyhow::{Context, Result};
use zip::{ZipArchive, ZipWriter, write::SimpleFileOptions};

use super::large;

/// What is in a workbook, by name; `None` when it is none.
pub(super) fn entries(bytes: &[u8]) -> Option<Vec<(String, Vec<u8>)>> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).ok()?;
    let mut entries = Vec::with_capacity(archive.len());
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).ok()?;
        let name = entry.name().ok()?.into_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).ok()?;
        entries.push((name, content));
    }
    Some(entries)
}

/// The workbook of some contents.
pub(super) fn packed(entries: &[(String, Vec<u8>)]) -> Result<Vec<u8>> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in entries {
        archive.start_file(name, SimpleFileOptions::default())?;
        archive.write_all(content)?;
    }
    Ok(archive.finish()?.into_inner())
}

/// The workbook of `tests/documents` with a sheet of so many rows.
pub(super) fn of_rows(rows: usize) -> Result<Vec<u8>> {
    let fixture = include_bytes!("../../../documents/workbook/input.xlsx");
    let mut entries = entries(fixture).context("the fixture is a workbook")?;
    let mut sheet = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
                     <worksheet xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\"><sheetData>"
        .to_owned();
    let text = |column: char, row: usize, text: &str| {
        format!("<c r=\"{column}{row}\" t=\"inlineStr\"><is><t>{text}</t></is></c>")
    };
    let header = ["Source", "Destination", "Port", "Protocol", "Purpose"];
    let header: String = ('A'..).zip(header).map(|(column, name)| text(column, 1, name)).collect();
    let _ = write!(sheet, "<row r=\"1\">{header}</row>");
    for row in 2..rows + 2 {
        let [from, to, port] = large::flow(row);
        let _ = write!(
            sheet,
            "<row r=\"{row}\">{}{}<c r=\"C{row}\"><v>{port}</v></c>{}{}</row>",
            text('A', row, &format!("node-{from}")),
            text('B', row, &format!("service {to}")),
            text('D', row, "TCP"),
            text('E', row, "why")
        );
    }
    sheet += "</sheetData></worksheet>";
    let place =
        entries.iter_mut().find(|(name, _)| name == "xl/worksheets/sheet1.xml").context("it has a sheet")?;
    place.1 = sheet.into_bytes();
    packed(&entries)
}
