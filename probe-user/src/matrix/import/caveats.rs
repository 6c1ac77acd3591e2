//! What a line says besides its ends and ports: whether its flow must, may or must not be, and what puts that in doubt.

use super::cells::Cells;
use super::columns::Role;
use crate::matrix::model::Expect;

/// Whether the line says that its flow must be seen.
pub(super) fn expect(line: Cells<'_>, doubts: &mut Vec<String>) -> Expect {
    let said = line.cell(Role::Expect).unwrap_or_default();
    let cell = said.to_lowercase();
    if [" if", "only", "(", "unless", "except", "when"].iter().any(|word| cell.contains(word)) {
        doubts.push(format!("`{said}` is a condition; read as optional"));
        return Expect::Optional;
    }
    let begins = cell.split([' ', ',', ';', '/']).next().unwrap_or_default();
    match begins {
        "required" | "require" | "requires" | "yes" | "y" | "mandatory" | "must" | "true" | "always"
        | "x" | "✓" | "✔" | "r" | "m" => Expect::Required,
        "optional" | "optionally" | "no" | "n" | "not" | "false" | "o" | "" | "-" | "–" | "—" | "n/a"
        | "none" => Expect::Optional,
        _ => {
            doubts.push(format!("`{said}` says neither required nor optional; read as optional"));
            Expect::Optional
        }
    }
}

/// Why the line declares no flow, though it looks like one.
pub(super) fn denied(line: Cells<'_>) -> Option<&str> {
    const DENYING: [&str; 17] = [
        "deny",
        "denied",
        "block",
        "blocked",
        "drop",
        "dropped",
        "reject",
        "rejected",
        "no",
        "false",
        "forbidden",
        "never",
        "disabled",
        "removed",
        "prohibited",
        "✗",
        "❌",
    ];
    let says = |cell: &str| {
        let lower = cell.to_lowercase();
        DENYING.contains(&lower.split([' ', ',', '(']).next().unwrap_or_default())
    };
    let action = line.cell(Role::Action).filter(|cell| says(cell));
    let expect = line.cell(Role::Expect).filter(|cell| {
        let lower = cell.to_lowercase();
        ["must not", "not allowed", "forbidden", "never", "prohibited"]
            .iter()
            .any(|words| lower.contains(words))
    });
    action.or(expect)
}

/// What stands beside the cells that are read, and may change what they mean.
pub(super) fn beside(line: Cells<'_>) -> Vec<String> {
    let mut doubts = Vec::new();
    for (name, role, cell) in line.filled() {
        if role == Role::Second {
            doubts.push(format!("a second column of ports, `{name}`, says `{cell}` and is left out"));
        }
        let is_allowing = |cell: &str| {
            let lower = cell.to_lowercase();
            ["allow", "accept", "permit", "yes", "true", "enabled", "active", "✓", "✔", "pass"]
                .iter()
                .any(|word| lower.starts_with(word))
        };
        if role == Role::Action && !is_allowing(cell) {
            doubts.push(format!("`{name}` says `{cell}`, which neither allows nor denies"));
        }
        const GONE: [&str; 6] =
            ["deprecated", "obsolete", "no longer", "struck out", "removed in", "not used"];
        let lower = cell.to_lowercase();
        if let Some(words) = GONE.iter().find(|words| lower.contains(*words)) {
            doubts.push(format!("`{name}` says `{words}`"));
        }
    }
    let more = line.surplus().collect::<Vec<_>>().join("`, `");
    if !more.is_empty() {
        doubts.push(format!(
            "more cells than the header has: `{more}`; the others may stand in the wrong place"
        ));
    }
    doubts
}
