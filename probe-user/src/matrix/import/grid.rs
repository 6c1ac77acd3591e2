//! Tables in a grid of cells: where each begins.

use super::{
    columns, commatrix,
    table::{Line, Table},
};

/// The tables of a grid: each begins with a line that reads as the header of one. A grid without any is one table whose
/// header is its first line, for whoever gives the columns by hand, or to say that it declares no flows.
pub(super) fn tables(mut lines: Vec<Line>, heading: Option<&str>, begins_at: u32) -> Vec<Table> {
    if let Some(place) = lines.iter().position(|line| commatrix::is_header(&line.cells)) {
        let below = lines.split_off(place + 1);
        return lines.pop().map(|header| commatrix::table(&header, below)).into_iter().collect();
    }
    let mut tables: Vec<Table> = Vec::new();
    let is_told = heading.is_some_and(|heading| super::heading::ends(heading).is_some());
    let is_header = |line: &Line| columns::roles(&line.cells, None, is_told).is_some();
    let has_header = lines.iter().any(is_header);
    let mut title = heading.map(str::to_owned);
    for line in lines {
        let is_blank = line.cells.iter().all(String::is_empty);
        let begins = if has_header { is_header(&line) } else { tables.is_empty() && !is_blank };
        if begins {
            let is_same = tables.last().is_some_and(|table| table.header == line.cells);
            if !is_same {
                let heading = title.take().or_else(|| heading.map(str::to_owned));
                tables.push(Table {
                    heading,
                    line: line.number.max(begins_at),
                    header: line.cells,
                    ..Table::default()
                });
            }
        } else if let Some(table) = tables.last_mut() {
            table.rows.push(line);
        } else if let [only] = line.cells.iter().filter(|cell| !cell.is_empty()).collect::<Vec<_>>()[..] {
            // A title above the header.
            title = Some(only.clone());
        }
    }
    tables
}
