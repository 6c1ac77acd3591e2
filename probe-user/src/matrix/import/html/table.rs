//! A table that is being read, and the cells that reach into its other rows.

use std::cell::Cell;
use std::rc::Rc;

use html5ever::Attribute;

use super::super::heading::Headings;
use super::super::inline::struck;
use super::super::table::Line;
use super::super::text::clean;
use super::style::Style;

/// A table that is being read.
#[derive(Default)]
pub(super) struct Open {
    pub(super) line: u32,
    pub(super) headings: Headings,
    pub(super) rows: Vec<Line>,
    pub(super) row: Option<Row>,
    /// Cells from above that reach down: by column, what they say and for how many rows more.
    pub(super) hanging: Vec<Option<(String, u32)>>,
    pub(super) budget: Budget,
}

#[derive(Default)]
pub(super) struct Row {
    pub(super) line: u32,
    pub(super) cells: Vec<String>,
    pub(super) cell: Option<OpenCell>,
    pub(super) style: Option<Style>,
    /// Whether cells that span are missing.
    pub(super) is_cut: bool,
}

pub(super) struct OpenCell {
    pub(super) text: String,
    pub(super) columns: usize,
    pub(super) rows: u32,
}

/// More columns than any table has; a cell may not ask for more.
pub(super) const COLUMNS: usize = 64;

/// How many bytes spanning cells may still repeat: a document of a few kilobytes can ask for gigabytes.
#[derive(Clone, Debug, Default)]
pub(super) struct Budget(Rc<Cell<usize>>);

impl Budget {
    pub(super) fn of(document: &str) -> Self {
        Self(Rc::new(Cell::new(document.len() * 4 + (8 << 20))))
    }

    /// A copy, unless that is too much.
    pub(super) fn copy(&self, text: &str) -> Option<String> {
        let rest = self.0.get().checked_sub(text.len() + size_of::<String>())?;
        self.0.set(rest);
        Some(text.to_owned())
    }
}

impl Open {
    pub(super) fn start_cell(&mut self, attributes: &[Attribute], line: u32) {
        self.end_cell();
        let number = |name: &str| {
            let found = attributes.iter().find(|attribute| &*attribute.name.local == name);
            found.and_then(|attribute| attribute.value.trim().parse::<u32>().ok())
        };
        let columns = number("colspan").unwrap_or(1).clamp(1, COLUMNS as u32) as usize;
        // 0 means down to the end of the table.
        let rows = number("rowspan").map_or(1, |rows| if rows == 0 { u32::MAX } else { rows });
        let row = self.row.get_or_insert_with(|| Row { line, ..Row::default() });
        row.cell = Some(OpenCell { text: String::new(), columns, rows });
    }

    pub(super) fn end_cell(&mut self) {
        let Some(row) = &mut self.row else { return };
        let Some(cell) = row.cell.take() else { return };
        let text = clean(&cell.text);
        for _ in 0..cell.columns {
            row.fill(&mut self.hanging, &self.budget);
            if row.cells.len() == COLUMNS {
                return;
            }
            let place = row.cells.len();
            row.put(&text, &self.budget);
            if cell.rows > 1 {
                self.hanging.resize_with(self.hanging.len().max(place + 1), || None);
                self.hanging[place] = self.budget.copy(&text).map(|text| (text, cell.rows));
            }
        }
    }

    pub(super) fn end_row(&mut self) {
        self.end_cell();
        let Some(mut row) = self.row.take() else { return };
        row.fill(&mut self.hanging, &self.budget);
        for hanging in &mut self.hanging {
            *hanging = hanging.take().filter(|(_, rows)| *rows > 1).map(|(text, rows)| (text, rows - 1));
        }
        let hidden = (row.style == Some(Style::Hidden)).then(|| "the page does not show this row".to_owned());
        let cut =
            row.is_cut.then(|| "cells of other rows reach into it that say too much to be read".to_owned());
        if row.style == Some(Style::Struck) {
            let filled = row.cells.iter_mut().filter(|cell| !cell.is_empty());
            filled.for_each(|cell| *cell = struck(cell));
        }
        self.rows.push(Line {
            number: row.line,
            cells: row.cells,
            doubts: hidden.into_iter().chain(cut).collect(),
        });
    }
}

impl Row {
    pub(super) fn put(&mut self, text: &str, budget: &Budget) {
        let copy = budget.copy(text);
        self.is_cut |= copy.is_none();
        self.cells.push(copy.unwrap_or_default());
    }

    /// Puts the cells that reach down from above where they belong, as far as they come next.
    pub(super) fn fill(&mut self, hanging: &mut [Option<(String, u32)>], budget: &Budget) {
        while let Some(Some((text, _))) = hanging.get(self.cells.len()) {
            self.put(text, budget);
        }
    }
}
