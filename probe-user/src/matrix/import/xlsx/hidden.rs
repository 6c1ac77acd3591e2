//! Rows that a workbook hides, found while its sheets are unpacked for the first time.
//!
//! No reader of workbooks tells them. A sheet may unpack to a gigabyte, so it goes through as a stream and only the tags of
//! its rows are looked at (ECMA-376 part 1, 18.3.1.73).

use std::io::{self, Write};

/// Longer tags are none of a row.
const LONGEST: usize = 512;
/// Of more hidden rows only the last is kept, and all between count as hidden.
const MOST: usize = 100_000;

/// Row numbers, from 1.
#[derive(Debug, Default)]
pub(super) struct Hidden {
    /// First and last of each stretch, as they come.
    rows: Vec<(u32, u32)>,
    tag: Vec<u8>,
    is_open: bool,
    /// The row that was read last.
    row: u32,
}

impl Hidden {
    /// Another sheet begins.
    pub(super) fn begin(&mut self) {
        (self.row, self.is_open) = (0, false);
    }

    /// All of them, for [`Self::has`].
    pub(super) fn end(mut self) -> Self {
        self.rows.sort_unstable();
        let mut merged: Vec<(u32, u32)> = Vec::with_capacity(self.rows.len());
        for (first, last) in self.rows {
            match merged.last_mut() {
                Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
                _ => merged.push((first, last)),
            }
        }
        Self { rows: merged, ..Self::default() }
    }

    /// Whether some sheet hides the row.
    pub(super) fn has(&self, row: u32) -> bool {
        let begun = self.rows.partition_point(|(first, _)| *first <= row);
        begun.checked_sub(1).is_some_and(|place| row <= self.rows[place].1)
    }

    fn tag(&mut self) {
        let tag = std::mem::take(&mut self.tag);
        if let Ok(text) = str::from_utf8(&tag)
            && let Some((name, attributes)) = text.split_once(char::is_whitespace)
            && name.rsplit(':').next() == Some("row")
        {
            let value = |key: &str| {
                let key = format!("{key}=");
                let mut places = attributes.match_indices(&key).map(|(place, _)| place);
                let place = places
                    .find(|place| attributes[..*place].chars().next_back().is_none_or(char::is_whitespace))?;
                let after = &attributes[place + key.len()..];
                let quote = after.chars().next().filter(|quote| ['"', '\''].contains(quote))?;
                after[1..].split(quote).next()
            };
            self.row = value("r").and_then(|row| row.parse().ok()).unwrap_or(self.row.saturating_add(1));
            if matches!(value("hidden"), Some("1" | "true")) {
                // Not merged here: `end` does.
                if self.rows.len() < MOST {
                    self.rows.push((self.row, self.row));
                } else if let Some((_, last)) = self.rows.last_mut() {
                    *last = self.row.max(*last);
                }
            }
        }
        self.tag = tag;
        self.tag.clear();
    }
}

impl Write for Hidden {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for byte in bytes {
            match byte {
                b'<' => {
                    self.is_open = true;
                    self.tag.clear();
                }
                b'>' if self.is_open => {
                    self.is_open = false;
                    self.tag();
                }
                byte if self.is_open && self.tag.len() < LONGEST => self.tag.push(*byte),
                // What is cut off is none of the attributes that count: writers put them first.
                _ => {}
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_wherever_the_stream_is_cut() {
        let sheet = "<sheetData><row r=\"1\"><c r=\"A1\"/></row><row r=\"2\" hidden=\"1\"/><row hidden='true'/>\
                     <x:row xr:r=\"9\" r=\"7\" ht=\"3\" hidden=\"true\"><row r=\"8\" hidden=\"0\"></sheetData>";
        for size in 1..sheet.len() {
            let mut hidden = Hidden::default();
            hidden.begin();
            sheet.as_bytes().chunks(size).for_each(|chunk| hidden.write_all(chunk).expect("no end"));
            let hidden = hidden.end();
            let rows: Vec<u32> = (0..20).filter(|row| hidden.has(*row)).collect();
            assert_eq!(rows, [2, 3, 7], "{size}");
        }
    }
}
