//! A table's lines → rows.

use std::collections::HashSet;
use std::sync::Arc;

use super::{
    Import, Problem, caveats,
    cells::Cells,
    columns::Role,
    doubts::{self, Context},
    endpoint_cell::{self, Side},
    ends::{self, About},
    footnotes, heading, port_cell, port_columns, refusals,
    table::Table,
    vocabulary::Vocabulary,
};
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
    let turning = ends::turning(&table, roles);
    // Each line goes when it was read: a large table does not fit into memory twice.
    let lines = std::mem::take(&mut table.rows);
    let mut reader = Reader::of(&table, turning, file, vocabulary, &mut import.problems);
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
    ends: ends::Reader<'t>,
    /// What the rows belong to unless they say it.
    heading: String,
    /// What the headings say against the rows, and behind these what the title does.
    caveats: Vec<String>,
    of_headings: usize,
    /// A title between the rows.
    part: Option<String>,
    /// The component of the row above.
    above: String,
    problems: &'t mut Vec<Problem>,
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

impl<'t> Reader<'t> {
    fn of(
        table: &'t Table,
        turning: HashSet<String>,
        file: &'t Arc<str>,
        vocabulary: &'t Vocabulary,
        problems: &'t mut Vec<Problem>,
    ) -> Self {
        // "Indexer" with "Inbound" below it.
        let subject = heading::subject(&table.headings).filter(|subject| subject.is_inbound.is_some());
        let heading = table.heading().filter(|heading| heading::ends(heading).is_none());
        let heading =
            heading.map(|heading| subject.map_or_else(|| heading::part(heading), |subject| subject.name));
        let caveats: Vec<String> =
            table.headings.iter().filter_map(|heading| refusals::of_heading(heading)).collect();
        Self {
            table,
            file,
            of_headings: caveats.len(),
            caveats,
            ends: ends::Reader::of(table, turning, file, vocabulary),
            heading: heading.unwrap_or_default(),
            part: None,
            above: String::new(),
            problems,
        }
    }

    fn read(&mut self, line: Cells<'_>) -> Result<Vec<Draft>, String> {
        if line.says_nothing() {
            return Ok(Vec::new());
        }
        if line.is_struck() {
            let message = "the row is struck out, and so no flow".to_owned();
            self.problems.push(Problem::note(line.number(), message));
            return Ok(Vec::new());
        }
        if line.is_comment() {
            self.problems.push(Problem::note(line.number(), "commented out, and so no flow".to_owned()));
            return Ok(Vec::new());
        }
        if let Some(title) = line.alone() {
            return self.title(line.number(), title);
        }
        self.ends.see(line);
        let component = line.cell(Role::Component).filter(|cell| !cell.is_empty());
        if let Some(component) = component {
            component.clone_into(&mut self.above);
        }
        let is_inherited = component.is_none() && !self.above.is_empty();
        if let Some(denied) = caveats::denied(line) {
            self.problems.push(Problem::note(line.number(), format!("`{denied}`: denied, and so no flow")));
            return Ok(Vec::new());
        }
        let mut doubts = line.doubts().to_vec();
        doubts.extend(self.caveats.iter().cloned());
        let mut marks = Vec::new();
        let ports = port_columns::read(line, &mut marks)?;
        let about = About { component: &self.above, is_inherited, part: self.part.as_deref() };
        let ends = self.ends.read(line, about, &mut doubts)?;
        let component = self.component();
        doubts.extend(ports.doubts.iter().cloned());
        doubts.extend(caveats::beside(line));
        doubts.extend(caveats::paired(line));
        let others = Self::others(line, &mut marks);
        let expect = caveats::expect(line, &mut doubts);
        let said = Said { ports, component, expect, doubts, marks, others };
        Ok(ends.into_iter().map(|(from, to)| self.draft(line, from, to, &said)).collect())
    }

    /// The row of one pair of ends.
    fn draft(&self, line: Cells<'_>, from: Side, to: Side, said: &Said) -> Draft {
        let Said { ports, component, expect, doubts, marks, others } = said;
        let mut doubts: Vec<String> = [&doubts[..], &from.doubts, &to.doubts].concat();
        let mut remarks = [&component.remarks[..], &from.remarks, &to.remarks, &ports.notes, others].concat();
        // Brackets that tell two ends of one name apart lose that by standing in one list.
        if from.names == to.names && !from.components.is_empty() && !to.components.is_empty() {
            let told = format!("{} → {}", from.components.join(", "), to.components.join(", "));
            doubts.push(format!("both ends have one name, and only their brackets tell them apart: {told}"));
            remarks.push(told);
        }
        let explained = self.explained(from.marks.iter().chain(&to.marks).chain(marks));
        let turned = |text: &String| refusals::turn(text).map(|words| format!("`{text}` says `{words}`"));
        let other = explained.iter().filter(|text| names_port(text));
        doubts.extend(other.map(|text| format!("the footnote `{text}` names a port, which is a note only")));
        doubts.extend(explained.iter().chain(&from.remarks).chain(&to.remarks).filter_map(turned));
        remarks.extend(explained);
        let notes = (!remarks.is_empty()).then(|| remarks.join("; "));
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

    fn component(&self) -> Side {
        let part = self.part.as_deref().map_or_else(|| self.heading.clone(), heading::part);
        let text = if self.above.is_empty() { part } else { self.above.replace('\n', " ") };
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
        self.above.clear();
        self.caveats.truncate(self.of_headings);
        self.caveats.extend(refusals::of_heading(title));
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

    /// What the footnotes say.
    fn explained<'m>(&self, marks: impl Iterator<Item = &'m String>) -> Vec<String> {
        let mut texts: Vec<String> = Vec::new();
        for mark in marks {
            let found = self.table.notes.iter().find(|note| note.mark == *mark);
            let text = found
                .map_or_else(|| format!("marked {mark}, which nothing explains"), |note| note.text.clone());
            if !texts.contains(&text) {
                texts.push(text);
            }
        }
        texts
    }
}

/// Whether a footnote has a number that may be a port, and no year or version.
fn names_port(text: &str) -> bool {
    text.split(|letter: char| !(letter.is_alphanumeric() || letter == '.')).any(|word| {
        let number = word.trim_end_matches('.').parse::<u16>();
        number.is_ok_and(|number| number > 19 && !(1990..2050).contains(&number))
    })
}
