//! A matrix as a Markdown table that holds all of it: for people to read, and for `import` to read back.
//!
//! Every text is escaped so that Markdown says it again as it is; the items of a list are parted by `<br>`.

use std::fmt::Write;

use super::convert::duration_of;
use super::import::{Problem, inline, pipes};
use super::model::{EndpointName, Expect, Matrix, PortSpec, Row, SourceLine};
use super::pool::Pool;
use super::write::Shown;

/// The columns that a table may have, in their order.
const COLUMNS: [&str; 13] = [
    "Id",
    "Component",
    "Parts",
    "From",
    "To",
    "Ports",
    "App",
    "Expect",
    "Purpose",
    "Review",
    "Doubts",
    "Notes",
    "Source",
];

/// Those that every table has: by them it is known again.
const KEPT: [&str; 5] = ["Id", "From", "To", "Ports", "Expect"];

/// Stands before ports of which each must be seen.
const EACH: &str = "each of";

/// The matrix as a table, without columns that no row fills.
#[must_use]
pub fn markdown(matrix: &Matrix) -> String {
    let rows: Vec<[Vec<String>; COLUMNS.len()]> = matrix.rows.iter().map(cells).collect();
    let is_shown =
        |column: &usize| KEPT.contains(&COLUMNS[*column]) || rows.iter().any(|row| !row[*column].is_empty());
    let shown: Vec<usize> = (0..COLUMNS.len()).filter(is_shown).collect();
    let names: Vec<&str> = shown.iter().map(|column| COLUMNS[*column]).collect();
    let mut table = format!(
        "# {}\n\n| {} |\n|{}\n",
        escaped(&matrix.name),
        names.join(" | "),
        "---|".repeat(names.len())
    );
    for row in &rows {
        let cell = |parts: &[String]| parts.iter().map(|part| escaped(part)).collect::<Vec<_>>().join("<br>");
        let cells: Vec<String> = shown.iter().map(|column| cell(&row[*column])).collect();
        let _ = writeln!(table, "| {} |", cells.join(" | "));
    }
    table
}

/// Whether a table with this header is one that [`markdown`] wrote.
pub(super) fn is_own(header: &[String]) -> bool {
    columns(header).is_some()
}

/// Which of the columns a header has; `None` where it is another's.
fn columns(header: &[String]) -> Option<Vec<usize>> {
    let columns: Vec<usize> =
        header.iter().map(|name| COLUMNS.iter().position(|column| column == name)).collect::<Option<_>>()?;
    let has = |name: &&str| header.iter().any(|there| there == name);
    (columns.is_sorted_by(|one, next| one < next) && KEPT.iter().all(has)).then_some(columns)
}

fn cells(row: &Row) -> [Vec<String>; COLUMNS.len()] {
    let one = |text: &Option<String>| text.iter().cloned().collect::<Vec<_>>();
    let names = |names: &[EndpointName]| names.iter().map(|name| name.as_str().to_owned()).collect();
    let each = row.each_port.then(|| EACH.to_owned());
    let source = |SourceLine { file, line }: &SourceLine| format!("{file}:{line}");
    [
        vec![row.id.clone()],
        one(&row.component),
        row.components.clone(),
        names(&row.from),
        names(&row.to),
        each.into_iter().chain(row.ports.iter().map(ToString::to_string)).collect(),
        one(&row.app),
        vec![Shown::of(row, "").expectation()],
        one(&row.purpose),
        row.review.then(|| "yes".to_owned()).into_iter().collect(),
        row.doubts.clone(),
        one(&row.notes),
        row.source.iter().map(source).collect(),
    ]
}

/// Text that Markdown says again as it is.
#[must_use]
pub fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut after_space = true;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let is_inner_space =
            letter == ' ' && !after_space && letters.peek().is_some_and(|next| !next.is_whitespace());
        match letter {
            // CommonMark, 2.4.
            '\\' | '|' | '*' | '_' | '`' | '[' | ']' | '<' | '>' | '&' | '!' | '~' => {
                escaped.extend(['\\', letter])
            }
            _ if is_inner_space => escaped.push(' '),
            // CommonMark, 2.5: what would be trimmed, joined, or end the line.
            _ if letter.is_whitespace() || letter.is_control() => {
                let _ = write!(escaped, "&#{};", u32::from(letter));
            }
            _ => escaped.push(letter),
        }
        after_space = letter.is_whitespace();
    }
    escaped
}

/// Reads the rows of every such table in a document; the lines that are none with what is wrong. A table goes on as long as there
/// are pipes (GFM, 4.10), and what stands apart from it is told: it was meant to be read.
pub(super) fn rows(document: &str) -> (Vec<Row>, Vec<Problem>) {
    let (mut rows, mut problems) = (Vec::new(), Vec::new());
    let mut pool = Pool::default();
    let mut place = Place::Before;
    let mut lines = (1..).zip(document.lines()).peekable();
    while let Some((number, line)) = lines.next() {
        let is_header = line.contains('|') && lines.peek().is_some_and(|(_, next)| pipes::is_rule(next));
        if is_header {
            lines.next();
            place = columns(&pipes::split(line)).map_or(Place::Other, Place::Own);
            continue;
        }
        match &place {
            Place::Own(shown) if line.contains('|') => match row(number, line, shown, &mut pool) {
                Ok(Some(row)) => rows.push(row),
                Ok(None) => {
                    let message = "the row is struck out, and so no flow".to_owned();
                    problems.push(Problem::note(number, message));
                }
                Err(message) => problems.push(Problem::refused(number, message)),
            },
            Place::Own(_) => place = Place::Behind,
            Place::Behind if line.trim_start().starts_with('|') => {
                let message = "found a row apart from its table, expected no other line between them";
                problems.push(Problem::refused(number, message.to_owned()));
            }
            Place::Before | Place::Behind | Place::Other => {}
        }
    }
    (rows, problems)
}

/// Where a line of a document is.
enum Place {
    /// No such table was met.
    Before,
    /// In one that has these columns.
    Own(Vec<usize>),
    /// Behind one.
    Behind,
    /// In somebody else's table, or behind it.
    Other,
}

/// None of what is struck out.
fn row(line: u32, text: &str, shown: &[usize], pool: &mut Pool) -> Result<Option<Row>, String> {
    let found = pipes::split(text);
    if found.len() > shown.len() {
        return Err(format!("found {} cells, expected {} as in the header", found.len(), shown.len()));
    }
    let mut cells: [Vec<String>; COLUMNS.len()] = Default::default();
    for (column, cell) in shown.iter().zip(&found) {
        cells[*column] = inline::parts_of(cell);
        cells[*column].retain(|part| !part.is_empty());
    }
    let mut said = cells.iter().flatten().peekable();
    if said.peek().is_some() && said.all(|part| inline::is_struck(part.trim())) {
        return Ok(None);
    }
    let marks = inline::STRUCK.trim_start();
    if let Some(part) = cells.iter().flatten().find(|part| part.contains(marks)) {
        let part = part.trim();
        return Err(format!("found `{part}`, expected all of the row to be struck out, or nothing of it"));
    }
    let [id, component, components, from, to, mut ports, app, expect, purpose, review, doubts, notes, source] =
        cells;
    // Whoever breaks a line means both.
    let whole = |cell: Vec<String>| (!cell.is_empty()).then(|| cell.join("\n"));
    let mut names = |cell: &[String], what: &str| match cell {
        [] => Err(format!("found no {what}")),
        names => Ok(names.iter().map(|name| pool.name(name)).collect::<Vec<_>>()),
    };
    let (from, to) = (names(&from, "source")?, names(&to, "destination")?);
    let each_port = ports.first().is_some_and(|first| first == EACH);
    ports.drain(..usize::from(each_port));
    let ports = ports.iter().map(|port| port.parse()).collect::<Result<Vec<PortSpec>, String>>()?;
    if ports.is_empty() {
        return Err("found no port".to_owned());
    }
    Ok(Some(Row {
        id: one(&id, "id")?.unwrap_or_default().to_owned(),
        component: whole(component),
        components,
        from,
        to,
        ports,
        each_port,
        app: whole(app),
        expect: expect_of(one(&expect, "expectation")?)?,
        purpose: whole(purpose),
        source: one(&source, "source")?.map(|text| source_of(text, pool)).transpose()?,
        review: is_for_review(one(&review, "word")?)? || !doubts.is_empty(),
        doubts,
        notes: whole(notes),
        line,
    }))
}

fn one<'c>(cell: &'c [String], what: &str) -> Result<Option<&'c str>, String> {
    match cell {
        [] => Ok(None),
        [one] => Ok(Some(one)),
        several => Err(format!("found `{}`, expected one {what}", several.join("`, `"))),
    }
}

fn is_for_review(text: Option<&str>) -> Result<bool, String> {
    match text {
        None | Some("no") => Ok(false),
        Some("yes") => Ok(true),
        Some(text) => Err(format!("found `{text}` under Review, expected yes or no")),
    }
}

fn expect_of(text: Option<&str>) -> Result<Expect, String> {
    match text {
        None | Some("optional") => Ok(Expect::Optional),
        Some("required") => Ok(Expect::Required),
        Some("on deploy") => Ok(Expect::OnDeploy),
        Some(text) => text.strip_prefix("every ").and_then(duration_of).map(Expect::Periodic).ok_or_else(|| {
            format!("found `{text}`, expected required, optional, on deploy, or every with a duration such as 24h")
        }),
    }
}

fn source_of(text: &str, pool: &mut Pool) -> Result<SourceLine, String> {
    let parted = text.rsplit_once(':').and_then(|(file, line)| Some((file, line.parse().ok()?)));
    let (file, line) = parted
        .ok_or_else(|| format!("found the source `{text}`, expected a file and a line such as tap.md:12"))?;
    Ok(SourceLine { file: pool.file(file), line })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::read_matrix;

    #[test]
    fn a_table_has_the_columns_that_its_rows_fill() {
        let text = "apiVersion: flowdrift/v1\nkind: FlowMatrix\nmetadata: {name: m}\nrows:\n\
                    - {id: a, from: [run], to: [view], ports: [443/tcp], purpose: login}\n\
                    - {id: b, from: [run], to: [view], ports: [22/tcp], notes: 'a|b'}\n";
        let matrix = read_matrix(text, "m.yaml").expect("a matrix");
        let table = markdown(&matrix);
        assert!(table.contains("| Id | From | To | Ports | Expect | Purpose | Notes |"), "{table}");
        let (rows, problems) = rows(&table);
        assert!(problems.is_empty(), "{problems:?}");
        let unplaced =
            |rows: &[Row]| rows.iter().map(|row| Row { line: 0, ..row.clone() }).collect::<Vec<_>>();
        assert_eq!(unplaced(&rows), unplaced(&matrix.rows));
    }

    #[test]
    fn others_tables_are_not_taken_for_own_ones() {
        let own = |header: &str| is_own(&pipes::split(header));
        assert!(own(&COLUMNS.join("|")) && own(&KEPT.join("|")));
        for header in [
            "Id|From|To|Ports",
            "Id|To|From|Ports|Expect",
            "Id|From|To|Ports|Expect|Owner",
            "Id|Id|From|To|Ports|Expect",
            "",
        ] {
            assert!(!own(header), "{header}");
        }
    }

    /// What a table says when somebody has edited it: the ids of its rows, and what is told.
    fn edited(text: &str) -> (Vec<String>, Vec<String>) {
        const HEAD: &str = "| Id | From | To | Ports | Expect | Purpose | Review | Notes |\n|---|---|---|---|---|---|---|---|\n";
        let (rows, problems) = rows(&format!("{HEAD}{text}"));
        let ids = rows.into_iter().map(|row| row.id).collect();
        (ids, problems.into_iter().map(|problem| format!("{}: {}", problem.line, problem.message)).collect())
    }

    #[test]
    fn no_row_of_an_edited_table_is_lost_without_a_word() {
        for (text, ids, told) in [
            (
                "| a | run | view | 1/tcp | optional |\nb | run | view | 2/tcp | optional\n| c | run | view | 3/tcp |\n",
                &["a", "b", "c"][..],
                &[][..],
            ),
            (
                "| a | run | view | 1/tcp | |\n\n| b | run | view | 2/tcp | |\n",
                &["a"],
                &["5: found a row apart from its table"],
            ),
            (
                "| a | run | view | 1/tcp | |\n\nFor | example.\n\n| A | B |\n|---|---|\n| 1 | 2 |\n",
                &["a"],
                &[],
            ),
            ("| a | run | view | 1/tcp | optional | | | | more |\n", &[], &["3: found 9 cells, expected 8"]),
            (
                "| ~~a~~ | ~~run~~ | ~~view~~ | ~~1/tcp~~ | ~~optional~~ |\n",
                &[],
                &["3: the row is struck out"],
            ),
            (
                "| a | ~~run~~ | view | 1/tcp | |\n",
                &[],
                &["3: found `(struck out: run)`, expected all of the row"],
            ),
            (
                "| a | run | view | 1/tcp | required<br>on deploy |\n",
                &[],
                &["3: found `required`, `on deploy`, expected one expectation"],
            ),
            (
                "| a | run | view | 1/tcp | | | maybe |\n",
                &[],
                &["3: found `maybe` under Review, expected yes or no"],
            ),
        ] {
            let (found, said) = edited(text);
            assert_eq!(found, ids, "{text}");
            assert_eq!(said.len(), told.len(), "{text}: {said:?}");
            assert!(said.iter().zip(told).all(|(said, told)| said.starts_with(told)), "{text}: {said:?}");
        }
    }

    #[test]
    fn lines_that_somebody_broke_are_kept() {
        let text = "| Id | From | To | Ports | Expect | Purpose | Review | Notes |\n|-|-|-|-|-|-|-|--|\n\
                    | a | run | view | 1/tcp | | one<br>two | no | ticket 1<br>not in prod |\n";
        let (rows, problems) = rows(text);
        assert!(problems.is_empty(), "{problems:?}");
        assert_eq!(rows[0].purpose.as_deref(), Some("one\ntwo"));
        assert_eq!(rows[0].notes.as_deref(), Some("ticket 1\nnot in prod"));
        assert!(!rows[0].review);
    }
}
