//! The columns that tell a line's ports, brought into the form of one: ports and what carries them.

use super::cells::Cells;
use super::columns::Role;
use super::text::is_blank;
use super::{caveats, footnotes, port_cell};

/// Reads them; footnote marks go to `marks`.
///
/// # Errors
///
/// What was found and what was expected, when the ports cannot be told.
pub(super) fn read(line: Cells<'_>, marks: &mut Vec<String>) -> Result<port_cell::Reading, String> {
    let mut bare = |cell| {
        let (cell, mark) = footnotes::split(cell);
        marks.extend(mark.map(str::to_owned));
        cell
    };
    let mut cell = |role| line.cell(role).map(&mut bare);
    let [first, last] =
        [Role::FirstPort, Role::LastPort].map(|role| cell(role).filter(|cell| !is_blank(cell)));
    let ports = cell(Role::Ports);
    let [protocol, transport, app] = [Role::Protocol, Role::Transport, Role::App].map(&mut cell);
    let of_transports = line.of_transports(|role| matches!(role, Role::PortsOf(_)));
    let of_transports = of_transports.map(|(transport, cell)| format!("{transport}: {}", bare(cell)));
    let said = range(first, last).or_else(|| ports.map(str::to_owned)).into_iter().chain(of_transports);
    let said: Vec<String> = said.filter(|cell| !cell.is_empty()).collect();
    let ticked = ticked(line);
    port_cell::read(port_cell::Cells {
        ports: &said.join("\n"),
        protocol,
        transport: transport.or(ticked.as_deref()),
        app,
    })
}

/// The ends of a range in two columns.
fn range(first: Option<&str>, last: Option<&str>) -> Option<String> {
    match (first, last) {
        (Some(first), Some(last)) if first != last => Some(format!("{first}-{last}")),
        (one, other) => one.or(other).map(str::to_owned),
    }
}

/// The transports whose boxes are ticked.
fn ticked(line: Cells<'_>) -> Option<String> {
    let boxes = line.of_transports(|role| matches!(role, Role::Marks(_)));
    let ticked = boxes.filter(|(_, cell)| caveats::affirms(cell)).map(|(transport, _)| transport.to_string());
    let ticked = ticked.collect::<Vec<_>>().join("/");
    (!ticked.is_empty()).then_some(ticked)
}
