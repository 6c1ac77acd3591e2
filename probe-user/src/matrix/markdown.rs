//! A matrix as a Markdown table that holds all of it: for people to read, and for `import` to read back.
//!
//! Every text is escaped so that Markdown says it again as it is; the items of a list are parted by `<br>`.

use std::fmt::Write;

use super::convert::duration_of;
use super::import::{inline, pipes};
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

/// Reads the rows of every such table in a document; the lines that are none with what is wrong.
pub(super) fn rows(document: &str) -> (Vec<Row>, Vec<(u32, String)>) {
    let (mut rows, mut wrong) = (Vec::new(), Vec::new());
    let mut pool = Pool::default();
    let mut shown: Option<Vec<usize>> = None;
    let mut lines = (1..).zip(document.lines());
    while let Some((number, line)) = lines.next() {
        if line.contains(COLUMNS[0])
            && let Some(columns) = columns(&pipes::split(line))
        {
            shown = Some(columns);
            // The rule below the header.
            lines.next();
        } else if let Some(shown) = shown.as_ref().filter(|_| line.trim_start().starts_with('|')) {
            match row(number, line, shown, &mut pool) {
                Ok(row) => rows.push(row),
                Err(message) => wrong.push((number, message)),
            }
        } else {
            shown = None;
        }
    }
    (rows, wrong)
}

fn row(line: u32, text: &str, shown: &[usize], pool: &mut Pool) -> Result<Row, String> {
    let found = pipes::split(text);
    if found.len() > shown.len() {
        return Err(format!("found {} cells, expected {} as in the header", found.len(), shown.len()));
    }
    let mut cells: [Vec<String>; COLUMNS.len()] = Default::default();
    for (column, cell) in shown.iter().zip(&found) {
        cells[*column] = inline::parts_of(cell);
    }
    let [id, component, components, from, to, mut ports, app, expect, purpose, review, doubts, notes, source] =
        cells;
    let one = |cell: Vec<String>| cell.into_iter().next();
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
    Ok(Row {
        id: one(id).unwrap_or_default(),
        component: one(component),
        components,
        from,
        to,
        ports,
        each_port,
        app: one(app),
        expect: expect_of(one(expect).as_deref())?,
        purpose: one(purpose),
        source: one(source).map(|text| source_of(&text, pool)).transpose()?,
        review: !review.is_empty() || !doubts.is_empty(),
        doubts,
        notes: one(notes),
        line,
    })
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
        let (rows, wrong) = rows(&table);
        assert!(wrong.is_empty(), "{wrong:?}");
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
        let (rows, wrong) =
            rows("|Id|From|To|Ports|Expect|\n|-|-|-|-|-|\n|a|run|view|443/tcp|optional|more|\n");
        assert!(rows.is_empty() && wrong[0].1.contains("found 6 cells, expected 5"), "{wrong:?}");
    }
}
