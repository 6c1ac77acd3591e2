//! Tables in a grid of cells: where each begins.

use super::{
    columns, commatrix,
    table::{Line, Table},
};

/// The tables of a grid: each begins with a line that reads as the header of one. A grid without any is one table whose
/// header is its first line, for whoever gives the columns by hand, or to say that it declares no flows.
pub(super) fn tables(mut lines: Vec<Line>, headings: &[String], begins_at: u32) -> Vec<Table> {
    if let Some(place) = lines.iter().position(|line| commatrix::is_header(&line.cells)) {
        let below = lines.split_off(place + 1);
        return lines.pop().map(|header| commatrix::table(&header, below)).into_iter().collect();
    }
    let told = Table { headings: headings.to_vec(), ..Table::default() }.told();
    let has_header = lines.iter().any(|line| columns::is_header(&line.cells, told));
    let mut tables: Vec<Table> = Vec::new();
    let mut title = None;
    let mut is_apart = true;
    for line in lines {
        let filled = line.cells.iter().filter(|cell| !cell.is_empty()).count();
        let begins = match (has_header, is_apart) {
            (false, _) => tables.is_empty() && filled > 0,
            (true, true) => columns::is_header(&line.cells, told),
            (true, false) => columns::is_header_within(&line.cells, told),
        };
        // What follows a blank line or a title may be something new.
        is_apart = filled < 2 || (is_apart && tables.is_empty());
        if begins {
            let is_same = tables.last().is_some_and(|table| table.header == line.cells);
            if !is_same {
                let headings = headings.iter().cloned().chain(title.take()).collect();
                let line_of_header = line.number.max(begins_at);
                tables.push(Table { headings, line: line_of_header, header: line.cells, ..Table::default() });
            }
        } else if let Some(table) = tables.last_mut() {
            table.rows.push(line);
        } else if let [only] = line.cells.iter().filter(|cell| !cell.is_empty()).collect::<Vec<_>>()[..] {
            title = is_title(only).then(|| only.clone());
        }
    }
    tables
}

/// Whether a line above a header names what follows: "Requester: Jane Doe" does not.
fn is_title(text: &str) -> bool {
    !text.trim_end_matches(':').contains(':')
}

/// The tables that a table is: a line within it may be the header of another.
pub(super) fn parted(table: Table) -> Vec<Table> {
    let told = table.told();
    let Table { headings, line, header, rows, notes, unread } = table;
    let mut tables = vec![Table {
        headings: headings.clone(),
        line,
        header,
        notes: notes.clone(),
        unread,
        ..Table::default()
    }];
    for line in rows {
        let Some(last) = tables.last_mut() else { break };
        if line.cells != last.header && columns::is_header_within(&line.cells, told) {
            let (headings, notes) = (headings.clone(), notes.clone());
            tables.push(Table { headings, line: line.number, header: line.cells, notes, ..Table::default() });
        } else {
            last.rows.push(line);
        }
    }
    tables
}
