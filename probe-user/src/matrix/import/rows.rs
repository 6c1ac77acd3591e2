//! A table's lines → rows.

use std::{cell::RefCell, collections::HashMap, sync::Arc};

use super::{
    Import, Problem, caveats,
    cells::Cells,
    columns::Role,
    direction::{Pointed, arrow, is_arrow, pointed},
    doubts::{self, Context},
    endpoint_cell::{self, Side},
    footnotes, heading, port_cell,
    table::Table,
    vocabulary::Vocabulary,
};
use crate::matrix::load::stem;
use crate::matrix::model::{Expect, Row, SourceLine};

/// A row before it has an id, and what its neighbours are held against.
pub(super) struct Draft {
    pub(super) row: Row,
    pub(super) context: Context,
}

/// Reads the lines of a table whose columns are known.
pub(super) fn rows(
    mut table: Table,
    roles: &[Role],
    file: &Arc<str>,
    vocabulary: &Vocabulary,
    import: &mut Import,
) {
    // Each line goes when it was read: a large table does not fit into memory twice.
    let lines = std::mem::take(&mut table.rows);
    let mut reader = Reader {
        table: &table,
        file,
        vocabulary,
        part: None,
        above: Above::default(),
        problems: &mut import.problems,
        known: RefCell::default(),
    };
    import.rows.reserve(lines.len());
    let mut above: Option<Context> = None;
    for line in lines {
        match reader.read(Cells::of(&table, roles, &line)) {
            Ok(drafts) => {
                for mut draft in drafts {
                    doubts::mark(&mut draft, import.rows.last().zip(above.as_ref()));
                    above = Some(draft.context);
                    import.rows.push(draft.row);
                }
            }
            Err(message) => reader.problems.push(Problem::refused(line.number, message)),
        }
    }
}

struct Reader<'t> {
    table: &'t Table,
    file: &'t Arc<str>,
    vocabulary: &'t Vocabulary,
    /// A title between the rows.
    part: Option<String>,
    above: Above,
    problems: &'t mut Vec<Problem>,
    /// Cells that were read: a long table says the same again and again.
    known: RefCell<HashMap<String, Side>>,
}

/// What a line says besides its ends.
struct Said {
    ports: port_cell::Reading,
    component: Side,
    expect: Expect,
    doubts: Vec<String>,
    /// Footnote marks.
    marks: Vec<String>,
    /// Columns that a row has no place for.
    others: Vec<String>,
}

/// What an empty cell means where cells were merged: the one above it.
#[derive(Default)]
struct Above {
    component: String,
    from: String,
    to: String,
    line: u32,
}

impl Reader<'_> {
    fn read(&mut self, line: Cells<'_>) -> Result<Vec<Draft>, String> {
        if line.says_nothing() {
            return Ok(Vec::new());
        }
        if let Some(title) = line.alone() {
            return self.title(line.number(), title);
        }
        if let Some(denied) = caveats::denied(line) {
            self.problems.push(Problem::note(line.number(), format!("`{denied}`: denied, and so no flow")));
            return Ok(Vec::new());
        }
        let mut doubts = line.doubts().to_vec();
        let mut marks = Vec::new();
        let ports = Self::ports(line, &mut marks)?;
        let ends = self.ends(line, &mut doubts)?;
        let component = self.component(line);
        doubts.extend(ports.doubts.iter().cloned());
        doubts.extend(caveats::beside(line));
        let others = Self::others(line, &mut marks);
        let expect = caveats::expect(line, &mut doubts);
        let said = Said { ports, component, expect, doubts, marks, others };
        Ok(ends.into_iter().map(|(from, to)| self.draft(line, from, to, &said)).collect())
    }

    /// The row of one pair of ends.
    fn draft(&self, line: Cells<'_>, from: Side, to: Side, said: &Said) -> Draft {
        let Said { ports, component, expect, doubts, marks, others } = said;
        let doubts: Vec<String> = [&doubts[..], &from.doubts, &to.doubts].concat();
        let mut remarks = [&component.remarks[..], &from.remarks, &to.remarks, &ports.notes, others].concat();
        // Brackets that tell two ends of one name apart lose that by standing in one list.
        if from.names == to.names && !from.components.is_empty() && !to.components.is_empty() {
            remarks.push(format!("{} → {}", from.components.join(", "), to.components.join(", ")));
        }
        let notes = self.notes(from.marks.iter().chain(&to.marks).chain(marks), remarks);
        let mut components = component.components.clone();
        for part in from.components.iter().chain(&to.components) {
            if !components.contains(part) {
                components.push(part.clone());
            }
        }
        let purpose = line.cell(Role::Purpose).unwrap_or_default();
        let row = Row {
            id: line.cell(Role::Id).unwrap_or_default().to_owned(),
            component: component.names.first().map(|name| name.as_str().to_owned()),
            components,
            from: from.names,
            to: to.names,
            ports: ports.ports.clone(),
            each_port: false,
            app: ports.app.clone(),
            expect: *expect,
            purpose: (!purpose.is_empty()).then(|| purpose.replace('\n', " ")),
            source: Some(SourceLine { file: Arc::clone(self.file), line: line.number() }),
            review: !doubts.is_empty(),
            doubts,
            notes,
            line: line.number(),
        };
        Draft { row, context: Context { to: to.components } }
    }

    fn ports(line: Cells<'_>, marks: &mut Vec<String>) -> Result<port_cell::Reading, String> {
        let mut bare = |role| {
            line.cell(role).map(|cell| {
                let (cell, mark) = footnotes::split(cell);
                marks.extend(mark.map(str::to_owned));
                cell
            })
        };
        let cells = port_cell::Cells {
            ports: bare(Role::Ports).unwrap_or_default(),
            protocol: bare(Role::Protocol),
            transport: bare(Role::Transport),
            app: bare(Role::App),
        };
        port_cell::read(cells)
    }

    /// Who talks to whom; twice where it goes both ways.
    fn ends(&mut self, line: Cells<'_>, doubts: &mut Vec<String>) -> Result<Vec<(Side, Side)>, String> {
        if line.has(Role::Peer) {
            return self.directed(line, doubts);
        }
        let (mut from, mut to) = (line.cell(Role::From), line.cell(Role::To));
        if let (None, None, Some(ends)) = (from, to, self.table.heading.as_deref().and_then(heading::ends)) {
            (from, to) = (Some(ends.0), Some(ends.1));
        }
        let above = std::mem::take(&mut self.above);
        let mut own = |cell: Option<&str>, above_it: &str, what: &str| {
            let cell = cell.unwrap_or_default();
            if !is_ditto(cell) || above_it.is_empty() {
                return cell.to_owned();
            }
            let said = if cell.is_empty() { "is empty".to_owned() } else { format!("is `{cell}`") };
            doubts.push(format!("the {what} {said}; that of line {} is taken", above.line));
            above_it.to_owned()
        };
        let (from, to) = (own(from, &above.from, "source"), own(to, &above.to, "destination"));
        let component = above.component;
        self.above = Above { component, from: from.clone(), to: to.clone(), line: line.number() };
        let (from, to) = (from.as_str(), to.as_str());
        if let Some(direction) = line.cell(Role::Direction).filter(|cell| !cell.is_empty()) {
            match pointed(direction) {
                Some(Pointed::There) => {}
                Some(Pointed::Back) => return self.sides(to, from, false),
                Some(Pointed::Both) => return self.sides(from, to, true),
                None => doubts.push(format!("the direction `{direction}` does not tell which end connects")),
            }
        }
        // "A <-> B" in one cell, or an arrow before the other one.
        for cell in [from, to] {
            if let Some((one, other, both)) = arrow(cell) {
                let (one, other) = match (one, other) {
                    ("", _) | (_, "") => (from.trim_matches(is_arrow), to.trim_matches(is_arrow)),
                    ends => ends,
                };
                return self.sides(one, other, both);
            }
        }
        if is_ditto(from) || is_ditto(to) {
            let what = if is_ditto(from) { "source" } else { "destination" };
            return Err(format!("found no {what}, and none above"));
        }
        self.sides(from, to, false)
    }

    /// The other end and a direction; the own end is what the row or the table is about.
    fn directed(&self, line: Cells<'_>, doubts: &mut Vec<String>) -> Result<Vec<(Side, Side)>, String> {
        let peer = line.cell(Role::Peer).unwrap_or_default();
        if let Some((one, other, both)) = arrow(peer) {
            return self.sides(one, other, both);
        }
        let direction = line.cell(Role::Direction).unwrap_or_default().to_lowercase();
        let own = [line.cell(Role::Component), self.part.as_deref(), self.table.heading.as_deref()];
        let own = own.into_iter().flatten().find(|own| !own.is_empty()).map(heading::part);
        let own = own.unwrap_or_else(|| {
            let own = stem(self.file);
            doubts
                .push(format!("nothing names the end that the table is about; the file's `{own}` is taken"));
            own
        });
        let has = |words: &[&str]| words.iter().any(|word| direction.contains(word));
        let is_in = has(&["inbound", "ingress", "incoming", "in"]);
        let is_out = has(&["outbound", "egress", "outgoing", "out"]);
        let is_both = has(&["both", "bidirectional", "bi-directional", "two-way", "↔"])
            || (is_out && has(&["inbound", "ingress", "in/", "in &"]));
        match (is_both, is_out, is_in) {
            (true, ..) => self.sides(&own, peer, true),
            (false, true, _) => self.sides(&own, peer, false),
            (false, false, true) => self.sides(peer, &own, false),
            _ => Err(format!("found the direction `{direction}`, expected inbound, outbound or both")),
        }
    }

    fn sides(&self, from: &str, to: &str, both: bool) -> Result<Vec<(Side, Side)>, String> {
        let [from, to] = [from, to].map(|cell| self.side(cell));
        if from.names.is_empty() || to.names.is_empty() {
            let what = if from.names.is_empty() { "source" } else { "destination" };
            return Err(format!("found no {what}"));
        }
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

    fn component(&mut self, line: Cells<'_>) -> Side {
        let own = line.cell(Role::Component).filter(|cell| !cell.is_empty());
        if let Some(own) = own {
            own.clone_into(&mut self.above.component);
        }
        let cell = &self.above.component;
        let heading = self.table.heading.as_deref().filter(|heading| heading::ends(heading).is_none());
        let fallback = || heading::part(self.part.as_deref().or(heading).unwrap_or_default());
        let text = if cell.is_empty() { fallback() } else { cell.replace('\n', " ") };
        let mut side = endpoint_cell::whole(&text);
        side.names.retain(|name| !name.as_str().is_empty());
        side
    }

    /// A line with a single cell stands for the rows below it.
    fn title(&mut self, number: u32, title: &str) -> Result<Vec<Draft>, String> {
        /// More words are no title.
        const WORDS: usize = 12;
        if title.contains('\n') || title.split_whitespace().count() > WORDS {
            return Err("found a single cell, expected a row".to_owned());
        }
        self.part = Some(title.to_owned());
        self.problems
            .push(Problem::note(number, format!("`{title}` is taken for a title of the rows below")));
        Ok(Vec::new())
    }

    /// What stands in columns that a row has no place for.
    fn others(line: Cells<'_>, marks: &mut Vec<String>) -> Vec<String> {
        let unread = |(_, role, _): &(&str, Role, &str)| [Role::Other, Role::Second].contains(role);
        let other = |(name, _, cell): (&str, Role, &str)| {
            let (cell, mark) = footnotes::split(cell);
            marks.extend(mark.map(str::to_owned));
            let cell = cell.replace('\n', " ");
            if name.is_empty() { cell } else { format!("{name}: {cell}") }
        };
        line.filled().filter(unread).map(other).collect()
    }

    fn notes<'m>(&self, marks: impl Iterator<Item = &'m String>, remarks: Vec<String>) -> Option<String> {
        let mut notes = remarks;
        for mark in marks {
            let found = self.table.notes.iter().find(|note| note.mark == *mark);
            let text = found
                .map_or_else(|| format!("marked {mark}, which nothing explains"), |note| note.text.clone());
            if !notes.contains(&text) {
                notes.push(text);
            }
        }
        (!notes.is_empty()).then(|| notes.join("; "))
    }
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
