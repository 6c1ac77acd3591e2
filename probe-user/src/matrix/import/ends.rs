//! Who talks to whom in a table's line: by its cells, and by what stands above them.

use std::{
    cell::RefCell,
    collections::{HashMap, HashSet},
};

use super::{
    cells::Cells,
    columns::Role,
    direction::{Pointed, Way, arrow, is_arrow, pointed, way},
    endpoint_cell::{self, Side},
    heading::{self, Subject},
    table::Table,
    text::is_blank,
    vocabulary::Vocabulary,
};
use crate::matrix::load::stem;

/// Reads the ends of a table's lines, one after the other.
pub(super) struct Reader<'t> {
    of_heading: Option<heading::Ends<'t>>,
    /// Sources that have lines of both directions: then the columns do not say who connects.
    turning: HashSet<String>,
    subject: Option<Subject>,
    file: &'t str,
    vocabulary: &'t Vocabulary,
    above: Above,
    /// Cells that were read: a long table says the same again and again.
    known: RefCell<HashMap<String, Side>>,
}

/// What an empty cell means where cells were merged: the one above it.
#[derive(Default)]
struct Above {
    from: String,
    to: String,
    line: u32,
    /// What these took from the line before them.
    inherited: Vec<String>,
}

/// What the line is about, unless its ends say it.
#[derive(Clone, Copy, Debug)]
pub(super) struct About<'t> {
    /// Its component, or that of the line above.
    pub(super) component: &'t str,
    pub(super) is_inherited: bool,
    /// The title above it.
    pub(super) part: Option<&'t str>,
}

impl<'t> Reader<'t> {
    /// For the lines of a table.
    pub(super) fn of(
        table: &'t Table,
        turning: HashSet<String>,
        file: &'t str,
        vocabulary: &'t Vocabulary,
    ) -> Self {
        Self {
            turning,
            of_heading: table.heading().and_then(heading::ends),
            subject: heading::subject(&table.headings),
            file,
            vocabulary,
            above: Above::default(),
            known: RefCell::default(),
        }
    }

    /// Takes note of a line's ends. Lines that declare nothing have to be seen, too: an empty cell below means them.
    pub(super) fn see(&mut self, line: Cells<'_>) {
        let above = std::mem::take(&mut self.above);
        let mut inherited = Vec::new();
        let mut own = |role: Role, above_it: String, what: &str| {
            let cell = line.cell(role).unwrap_or_default();
            if !is_ditto(cell) || above_it.is_empty() {
                return cell.to_owned();
            }
            let said = if cell.is_empty() { "is empty".to_owned() } else { format!("is `{cell}`") };
            inherited.push(format!("the {what} {said}; that of line {} is taken", above.line));
            above_it
        };
        let (from, to) = (own(Role::From, above.from, "source"), own(Role::To, above.to, "destination"));
        self.above = Above { from, to, line: line.number(), inherited };
    }

    /// Who talks to whom in the line that was seen last; twice where it goes both ways.
    ///
    /// # Errors
    ///
    /// What was found and what was expected, when an end cannot be told.
    pub(super) fn read(
        &self,
        line: Cells<'_>,
        about: About<'_>,
        doubts: &mut Vec<String>,
    ) -> Result<Vec<(Side, Side)>, String> {
        if line.has(Role::Peer) {
            return self.directed(line, about, doubts);
        }
        let (from, to) = (line.cell(Role::From), line.cell(Role::To));
        match (from, to, &self.of_heading) {
            (None, None, Some(ends)) => self.sides(ends.from, ends.to, ends.both),
            (Some(peer), None, _) => self.one_ended(line, peer, true, doubts),
            (None, Some(peer), _) => self.one_ended(line, peer, false, doubts),
            _ => self.named(line, doubts),
        }
    }

    /// Which way the headings say.
    fn told(&self) -> Option<Way> {
        let told = self.subject.as_ref().and_then(|subject| subject.is_inbound);
        told.map(|inbound| if inbound { Way::In } else { Way::Out })
    }

    /// One end stands in its column; the other is whom the line or the table is about.
    fn one_ended(
        &self,
        line: Cells<'_>,
        peer: &str,
        is_inbound: bool,
        doubts: &mut Vec<String>,
    ) -> Result<Vec<(Side, Side)>, String> {
        let way = line.cell(Role::Direction).and_then(way).or(self.told());
        let host = [Role::Host, Role::Component].into_iter().filter_map(|role| line.cell(role));
        let host = host.into_iter().find(|cell| !is_blank(cell));
        let what = if is_inbound { "destination" } else { "source" };
        let name = match (host, &self.subject) {
            (Some(host), _) => host,
            (None, Some(subject)) => {
                if subject.is_title {
                    doubts.push(format!("no column names the {what}; the title `{}` is taken", subject.name));
                }
                &subject.name
            }
            (None, None) => return Err(format!("found no {what}")),
        };
        match way {
            Some(Way::Both) => return self.sides(peer, name, true),
            Some(way) if (way == Way::In) == is_inbound => {}
            _ => doubts.push(format!("nothing says that `{name}` is the {what}")),
        }
        if is_inbound { self.sides(peer, name, false) } else { self.sides(name, peer, false) }
    }

    /// Both ends stand in the row.
    fn named(&self, line: Cells<'_>, doubts: &mut Vec<String>) -> Result<Vec<(Side, Side)>, String> {
        let Above { from, to, inherited, .. } = &self.above;
        doubts.extend(inherited.iter().cloned());
        let (from, to) = (from.as_str(), to.as_str());
        if let Some(direction) = line.cell(Role::Direction).filter(|cell| !cell.is_empty()) {
            match pointed(direction, from, to) {
                Some(Pointed::There) if self.turning.contains(from) => {
                    doubts.push(format!(
                        "`{from}` has lines of both directions, and stands first in all of them"
                    ));
                }
                Some(Pointed::There) => {}
                Some(Pointed::Back) => return self.sides(to, from, false),
                Some(Pointed::Both) => return self.sides(from, to, true),
                None if way(direction).is_some() && !self.turning.contains(from) => {}
                None => doubts.push(format!("the direction `{direction}` does not tell which end connects")),
            }
        }
        // "A <-> B" in one cell, or an arrow before the other one.
        for cell in [from, to] {
            if let Some(arrow) = arrow(cell) {
                let (one, other) = match (arrow.from, arrow.to) {
                    ("", _) | (_, "") => (from.trim_matches(is_arrow), to.trim_matches(is_arrow)),
                    ends => ends,
                };
                let rest = if cell == from { to } else { from };
                if !arrow.from.is_empty() && !arrow.to.is_empty() && !is_ditto(rest) && rest != cell {
                    doubts.push(format!("`{cell}` names both ends, and `{rest}` beside it is left out"));
                }
                return self.sides(one, other, arrow.both);
            }
        }
        if is_ditto(from) || is_ditto(to) {
            let what = if is_ditto(from) { "source" } else { "destination" };
            return Err(format!("found no {what}, and none above"));
        }
        self.sides(from, to, false)
    }

    /// The other end and a direction; the own end is what the row or the table is about.
    fn directed(
        &self,
        line: Cells<'_>,
        about: About<'_>,
        doubts: &mut Vec<String>,
    ) -> Result<Vec<(Side, Side)>, String> {
        let peer = line.cell(Role::Peer).unwrap_or_default();
        if let Some(arrow) = arrow(peer) {
            return self.sides(arrow.from, arrow.to, arrow.both);
        }
        let subject = self.subject.as_ref().map(|subject| subject.name.as_str());
        let About { component, is_inherited, part } = about;
        if is_inherited {
            doubts.push(format!(
                "the end that the line is about is empty; `{component}` of the line above is taken"
            ));
        }
        let own = [Some(component), part, subject];
        let own = own.into_iter().flatten().find(|own| !own.is_empty()).map(heading::part);
        let own = own.unwrap_or_else(|| {
            let own = stem(self.file);
            doubts
                .push(format!("nothing names the end that the table is about; the file's `{own}` is taken"));
            own
        });
        let direction = line.cell(Role::Direction).unwrap_or_default();
        match way(direction).or(self.told().filter(|_| is_blank(direction))) {
            Some(Way::Both) => self.sides(&own, peer, true),
            Some(Way::Out) => self.sides(&own, peer, false),
            Some(Way::In) => self.sides(peer, &own, false),
            None => Err(format!("found the direction `{direction}`, expected inbound, outbound or both")),
        }
    }

    fn sides(&self, from: &str, to: &str, both: bool) -> Result<Vec<(Side, Side)>, String> {
        let [from, to] = [from, to].map(|cell| self.side(cell));
        if from.names.is_empty() || to.names.is_empty() {
            let what = if from.names.is_empty() { "source" } else { "destination" };
            return Err(format!("found no {what}"));
        }
        // Who talks to itself both ways talks to itself.
        let both = both && from.names != to.names;
        Ok(if both { vec![(from.clone(), to.clone()), (to, from)] } else { vec![(from, to)] })
    }

    fn side(&self, cell: &str) -> Side {
        if let Some(side) = self.known.borrow().get(cell) {
            return side.clone();
        }
        /// More different ones are not worth their memory.
        const KNOWN: usize = 4_096;
        let side = endpoint_cell::read(cell, self.vocabulary);
        let mut known = self.known.borrow_mut();
        if known.len() < KNOWN {
            known.insert(cell.to_owned(), side.clone());
        }
        side
    }
}

/// Sources that have inbound lines and outbound ones.
pub(super) fn turning(table: &Table, roles: &[Role]) -> HashSet<String> {
    let mut ways: HashMap<&str, Way> = HashMap::new();
    let mut turning = HashSet::new();
    for line in table.rows.iter().map(|line| Cells::of(table, roles, line)) {
        let Some((source, way)) = line.cell(Role::From).zip(line.cell(Role::Direction).and_then(way)) else {
            continue;
        };
        if *ways.entry(source).or_insert(way) != way {
            turning.insert(source.to_owned());
        }
    }
    turning
}

/// Whether a cell says that it says what the one above it says.
fn is_ditto(cell: &str) -> bool {
    matches!(
        cell.to_lowercase().as_str(),
        "" | "\""
            | "''"
            | "\u{201d}"
            | "\u{3003}"
            | "\u{2033}"
            | "ditto"
            | "do."
            | "same"
            | "same as above"
            | "as above"
            | "idem"
            | "id."
            | "↑"
            | "^"
    )
}
