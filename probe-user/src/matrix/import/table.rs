//! Tables as the readers of the several kinds hand them over: cells, and the lines that they stand on.

/// A table of a document.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Table {
    /// The nearest heading above it.
    pub(super) heading: Option<String>,
    /// Line of the header, from 1.
    pub(super) line: u32,
    /// The header's cells.
    pub(super) header: Vec<String>,
    /// The lines below the header.
    pub(super) rows: Vec<Line>,
    /// What stands below the table for the marks in its cells.
    pub(super) notes: Vec<Note>,
    /// Lines that are no rows, why, and whether they were meant to be.
    pub(super) unread: Vec<(u32, String, bool)>,
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
