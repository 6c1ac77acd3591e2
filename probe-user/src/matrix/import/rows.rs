//! A table's lines → rows.

use super::{
    Problem,
    columns::Role,
    doubts::Context,
    endpoint_cell::{self, Side},
    footnotes, heading, port_cell,
    table::{Line, Table},
    vocabulary::Vocabulary,
};
use crate::matrix::model::{EndpointName, Expect, Row, SourceLine};

/// A row before it has an id, and what its neighbours are held against.
pub(super) struct Draft {
    pub(super) row: Row,
    pub(super) context: Context,
}

/// Reads the lines of a table whose columns are known.
pub(super) fn rows(
    table: &Table,
    roles: &[Role],
    file: &str,
    vocabulary: &Vocabulary,
    problems: &mut Vec<Problem>,
) -> Vec<Draft> {
    let mut reader = Reader { table, roles, file, vocabulary, part: None, above: Above::default() };
    let mut drafts = Vec::with_capacity(table.rows.len());
    for line in &table.rows {
        match reader.read(line) {
            Ok(read) => drafts.extend(read),
            Err(message) => problems.push(Problem::refused(line.number, message)),
        }
    }
    drafts
}

struct Reader<'t> {
    table: &'t Table,
    roles: &'t [Role],
    file: &'t str,
    vocabulary: &'t Vocabulary,
    /// A title between the rows.
    part: Option<String>,
    above: Above<'t>,
}

/// What an empty cell means where cells were merged: the one above it.
#[derive(Default)]
struct Above<'t> {
    component: &'t str,
    from: &'t str,
    to: &'t str,
    line: u32,
}

impl<'t> Reader<'t> {
    fn cell(&self, line: &'t Line, role: Role) -> Option<&'t str> {
        let place = self.roles.iter().position(|other| *other == role)?;
        Some(line.cells.get(place).map_or("", String::as_str))
    }

    fn read(&mut self, line: &'t Line) -> Result<Vec<Draft>, String> {
        let filled = line.cells.iter().filter(|cell| !cell.is_empty()).count();
        if filled == 0 || line.cells == self.table.header {
            return Ok(Vec::new());
        }
        if filled == 1 && self.roles.len() > 2 && !line.cells[0].is_empty() {
            self.part = Some(line.cells[0].clone());
            return Ok(Vec::new());
        }
        let mut doubts = line.doubts.clone();
        let mut marks = Vec::new();
        let ports = self.ports(line, &mut marks)?;
        let ends = self.ends(line, &mut doubts)?;
        let component = self.component(line);
        doubts.extend(ports.doubts.iter().cloned());
        let others = self.others(line, &mut marks);
        let purpose = self.cell(line, Role::Purpose).unwrap_or_default();
        let expect = self.expect(line);
        let mut drafts = Vec::with_capacity(ends.len());
        for (from, to) in ends {
            let mut doubts = doubts.clone();
            doubts.extend(from.doubts.iter().chain(&to.doubts).cloned());
            let marks = from.marks.iter().chain(&to.marks).chain(&marks);
            let notes = [&component.remarks[..], &from.remarks, &to.remarks, &ports.notes, &others].concat();
            let notes = self.notes(marks, notes);
            let mut components = component.components.clone();
            for part in from.components.iter().chain(&to.components) {
                if !components.contains(part) {
                    components.push(part.clone());
                }
            }
            let names = |side: &Side| side.names.iter().map(|name| EndpointName::new(name)).collect();
            let row = Row {
                id: self.cell(line, Role::Id).unwrap_or_default().to_owned(),
                component: component.names.first().cloned(),
                components,
                from: names(&from),
                to: names(&to),
                ports: ports.ports.clone(),
                each_port: false,
                app: ports.app.clone(),
                expect,
                purpose: (!purpose.is_empty()).then(|| purpose.replace('\n', " ")),
                source: Some(SourceLine { file: self.file.to_owned(), line: line.number }),
                review: !doubts.is_empty(),
                doubts,
                notes,
                line: line.number,
            };
            drafts.push(Draft { row, context: Context { to: to.components.clone() } });
        }
        Ok(drafts)
    }

    fn ports(&self, line: &'t Line, marks: &mut Vec<String>) -> Result<port_cell::Reading, String> {
        let mut bare = |role| {
            self.cell(line, role).map(|cell| {
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
    fn ends(&mut self, line: &'t Line, doubts: &mut Vec<String>) -> Result<Vec<(Side, Side)>, String> {
        if self.roles.contains(&Role::Peer) {
            return self.directed(line, doubts);
        }
        let (mut from, mut to) = (self.cell(line, Role::From), self.cell(line, Role::To));
        if let (None, None, Some(ends)) = (from, to, self.table.heading.as_deref().and_then(heading::ends)) {
            (from, to) = (Some(ends.0), Some(ends.1));
        }
        let (mut from, mut to) = (from.unwrap_or_default(), to.unwrap_or_default());
        for (cell, above, what) in
            [(&mut from, self.above.from, "source"), (&mut to, self.above.to, "destination")]
        {
            if cell.is_empty() && !above.is_empty() {
                *cell = above;
                doubts.push(format!("the {what} is empty; that of line {} is taken", self.above.line));
            }
        }
        (self.above.from, self.above.to, self.above.line) = (from, to, line.number);
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
        self.sides(from, to, false)
    }

    /// The other end and a direction; the own end is what the row or the table is about.
    fn directed(&self, line: &'t Line, doubts: &mut Vec<String>) -> Result<Vec<(Side, Side)>, String> {
        let peer = self.cell(line, Role::Peer).unwrap_or_default();
        if let Some((one, other, both)) = arrow(peer) {
            return self.sides(one, other, both);
        }
        let direction = self.cell(line, Role::Direction).unwrap_or_default().to_lowercase();
        let own = [self.cell(line, Role::Component), self.part.as_deref(), self.table.heading.as_deref()];
        let own = own.into_iter().flatten().find(|own| !own.is_empty()).map(heading::part);
        let own = own.unwrap_or_else(|| {
            let stem = self.file.rsplit(['/', '\\']).next().unwrap_or_default();
            let own = stem.split('.').next().unwrap_or_default().to_owned();
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
        let [from, to] = [from, to].map(|cell| endpoint_cell::read(cell, self.vocabulary));
        if from.names.is_empty() || to.names.is_empty() {
            let what = if from.names.is_empty() { "source" } else { "destination" };
            return Err(format!("found no {what}"));
        }
        Ok(if both { vec![(from.clone(), to.clone()), (to, from)] } else { vec![(from, to)] })
    }

    fn component(&mut self, line: &'t Line) -> Side {
        let mut cell = self.cell(line, Role::Component).unwrap_or_default();
        if cell.is_empty() {
            cell = self.above.component;
        }
        self.above.component = cell;
        let heading = self.table.heading.as_deref().filter(|heading| heading::ends(heading).is_none());
        let fallback = || heading::part(self.part.as_deref().or(heading).unwrap_or_default());
        let text = if cell.is_empty() { fallback() } else { cell.replace('\n', " ") };
        let mut side = endpoint_cell::whole(&text);
        side.names.retain(|name| !name.is_empty());
        side
    }

    fn expect(&self, line: &'t Line) -> Expect {
        let cell = self.cell(line, Role::Expect).unwrap_or_default().to_lowercase();
        let says = |words: &[&str]| words.iter().any(|word| cell.starts_with(word));
        match () {
            () if says(&["optional", "no", "not ", "false"]) => Expect::Optional,
            () if says(&["required", "yes", "mandatory", "must", "true", "x", "✓", "✔", "r"]) => {
                Expect::Required
            }
            () => Expect::Optional,
        }
    }

    /// What stands in columns that a row has no place for.
    fn others(&self, line: &Line, marks: &mut Vec<String>) -> Vec<String> {
        let columns = self.table.header.iter().zip(self.roles).zip(&line.cells);
        let others = columns.filter(|((_, role), cell)| **role == Role::Other && !cell.is_empty());
        let other = |((name, _), cell): ((&String, _), &String)| {
            let (cell, mark) = footnotes::split(cell);
            marks.extend(mark.map(str::to_owned));
            let cell = cell.replace('\n', " ");
            if name.is_empty() { cell } else { format!("{name}: {cell}") }
        };
        others.map(other).collect()
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

fn is_arrow(letter: char) -> bool {
    "↔⇔⟷⇄→⇒-<>= ".contains(letter)
}

/// The two ends around an arrow, and whether it points both ways.
fn arrow(cell: &str) -> Option<(&str, &str, bool)> {
    const BOTH: [&str; 7] = ["<->", "<-->", "<=>", "↔", "⇔", "⟷", "⇄"];
    const ONE: [&str; 4] = ["->", "=>", "→", "⇒"];
    let split = |arrows: &[&str], both| {
        let found = arrows.iter().find_map(|arrow| cell.split_once(arrow))?;
        Some((found.0.trim(), found.1.trim(), both))
    };
    split(&BOTH, true).or_else(|| split(&ONE, false))
}
