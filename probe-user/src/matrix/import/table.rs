//! Tables as the readers of the several kinds hand them over: cells, and the lines that they stand on.

use std::sync::Arc;

use super::columns::Told;
use super::heading;

/// A table of a document.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Table {
    /// The headings above it, the nearest last.
    pub(super) headings: Vec<String>,
    /// Line of the header, from 1.
    pub(super) line: u32,
    /// The header's cells.
    pub(super) header: Vec<String>,
    /// The lines below the header.
    pub(super) rows: Vec<Line>,
    /// What stands below the table for the marks in its cells.
    pub(super) notes: Arc<Vec<Note>>,
    /// Lines that are no rows, why, and whether they were meant to be.
    pub(super) unread: Vec<(u32, String, bool)>,
}

impl Table {
    /// The nearest heading.
    pub(super) fn heading(&self) -> Option<&str> {
        self.headings.last().map(String::as_str)
    }

    /// What its headings tell of the ends.
    pub(super) fn told(&self) -> Told {
        let subject = heading::subject(&self.headings);
        Told {
            ends: self.heading().is_some_and(|heading| heading::ends(heading).is_some()),
            subject: subject.is_some(),
            way: subject.is_some_and(|subject| subject.is_inbound.is_some()),
        }
    }
}

/// One line of a table.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Line {
    /// Line of the document, from 1.
    pub(super) number: u32,
    /// The cells, cleaned; `\n` within one where the document begins a new line there.
    pub(super) cells: Vec<String>,
    /// Why the reader is not sure that these are the cells.
    pub(super) doubts: Vec<String>,
}

/// A footnote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Note {
    /// The mark, such as `*`, `**` or `†`.
    pub(super) mark: String,
    /// What it says.
    pub(super) text: String,
}
