//! A table's line by what its columns are for.

use super::columns::Role;
use super::inline::is_struck;
use super::table::{Line, Table};
use super::text::is_blank;
use crate::event::Protocol;

/// The cells of one line, each with the name and the role of its column.
#[derive(Clone, Copy)]
pub(super) struct Cells<'t> {
    header: &'t [String],
    roles: &'t [Role],
    line: &'t Line,
}

impl<'t> Cells<'t> {
    /// Those of a line of a table whose columns are known.
    pub(super) fn of(table: &'t Table, roles: &'t [Role], line: &'t Line) -> Self {
        Self { header: &table.header, roles, line }
    }

    /// The line's number in its document.
    pub(super) fn number(self) -> u32 {
        self.line.number
    }

    /// Why the reader is not sure of the cells.
    pub(super) fn doubts(self) -> &'t [String] {
        &self.line.doubts
    }

    /// Whether a column has this role.
    pub(super) fn has(self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    /// What stands in the column with this role; nothing where the line ends before it, `None` where there is none.
    pub(super) fn cell(self, role: Role) -> Option<&'t str> {
        let place = self.roles.iter().position(|other| *other == role)?;
        Some(self.line.cells.get(place).map_or("", String::as_str))
    }

    /// Column, role and text of each cell that is not empty.
    pub(super) fn filled(self) -> impl Iterator<Item = (&'t str, Role, &'t str)> {
        let columns = self.header.iter().zip(self.roles).zip(&self.line.cells);
        columns
            .filter(|(_, cell)| !cell.is_empty())
            .map(|((name, role), cell)| (name.as_str(), *role, cell.as_str()))
    }

    /// What stands in the columns that are about one transport alone, unless nothing does.
    pub(super) fn of_transports(self, is: fn(&Role) -> bool) -> impl Iterator<Item = (Protocol, &'t str)> {
        self.filled().filter(move |(_, role, cell)| is(role) && !is_blank(cell)).filter_map(
            |(_, role, cell)| match role {
                Role::PortsOf(transport) | Role::Marks(transport) => Some((transport, cell)),
                _ => None,
            },
        )
    }

    /// What stands behind the last column.
    pub(super) fn surplus(self) -> impl Iterator<Item = &'t str> {
        let more = self.line.cells.iter().skip(self.header.len());
        more.map(String::as_str).filter(|cell| !cell.is_empty())
    }

    /// Whether it is empty, a rule such as `+----+`, or the header again.
    pub(super) fn says_nothing(self) -> bool {
        let is_rule = |cell: &String| cell.chars().all(|letter| "+-=_| ".contains(letter)) && cell.len() != 1;
        self.line.cells.iter().all(is_rule) || self.line.cells == self.header
    }

    /// Whether its author has taken it out, as in scripts: `#web01`. Numbers such as `#1` count lines.
    pub(super) fn is_comment(self) -> bool {
        let mut filled = self.line.cells.iter().filter(|cell| !cell.is_empty());
        let Some(first) = filled.next() else { return false };
        let rest = ["#", "// ", "-- ", ";", "<!--"].into_iter().find_map(|mark| first.strip_prefix(mark));
        rest.is_some_and(|rest| !rest.trim().is_empty() && !rest.bytes().all(|byte| byte.is_ascii_digit()))
    }

    /// Whether all that it says is struck out.
    pub(super) fn is_struck(self) -> bool {
        let mut filled = self.line.cells.iter().filter(|cell| !cell.is_empty());
        filled.all(|cell| is_struck(cell))
    }

    /// What its first cell says when all the others say nothing, as a title between the lines does.
    pub(super) fn alone(self) -> Option<&'t str> {
        let (first, others) = self.line.cells.split_first()?;
        let is_alone = self.roles.len() > 2 && !first.is_empty() && others.iter().all(String::is_empty);
        is_alone.then_some(first.as_str())
    }
}
