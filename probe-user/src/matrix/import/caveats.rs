//! What a line says besides its ends and ports: whether its flow must, may or must not be, and what puts that in doubt.

use super::cells::Cells;
use super::columns::Role;
use super::refusals::{REFUSING, REMOVING, turn};
use super::text::{is_blank, is_one_of, words};
use crate::matrix::model::Expect;

/// Whether the line says that its flow must be seen.
pub(super) fn expect(line: Cells<'_>, doubts: &mut Vec<String>) -> Expect {
    let filled = |role| line.cell(role).filter(|cell| !is_blank(cell));
    let (said, contrary) = match (filled(Role::Expect), filled(Role::Optional)) {
        (Some(said), _) => (said, false),
        (None, Some(said)) => (said, true),
        (None, None) => return Expect::Optional,
    };
    let cell = said.to_lowercase();
    if [" if", "only", "(", "unless", "except", "when"].iter().any(|word| cell.contains(word)) {
        doubts.push(format!("`{said}` is a condition; read as optional"));
        return Expect::Optional;
    }
    let begins = cell.split([' ', ',', ';']).next().unwrap_or_default();
    match begins {
        _ if cell.starts_with("not optional") => Expect::Required,
        "required" | "require" | "requires" | "mandatory" | "must" | "always" | "r" | "m"
        | "erforderlich" | "pflicht" | "benötigt" | "obligatoire" | "requis" | "obligatorio" => {
            Expect::Required
        }
        "optional" | "optionally" | "o" | "not" => Expect::Optional,
        _ if is_blank(&cell) => Expect::Optional,
        // "No" below "Optional".
        word if contrary && denies(word) => Expect::Required,
        word if contrary && affirms(word) => Expect::Optional,
        word if affirms(word) => Expect::Required,
        word if denies(word) => Expect::Optional,
        _ => {
            doubts.push(format!("`{said}` says neither required nor optional; read as optional"));
            Expect::Optional
        }
    }
}

/// Whether a cell ticks a box.
pub(super) fn affirms(cell: &str) -> bool {
    is_one_of(&cell.trim().to_lowercase(), "yes y true x ✓ ✔ ✅ ja oui sí si 1")
}

fn denies(cell: &str) -> bool {
    is_one_of(&cell.trim().to_lowercase(), "no n false ✗ ❌ nein non 0")
}

/// Why the line declares no flow, though it looks like one.
pub(super) fn denied(line: Cells<'_>) -> Option<&str> {
    // "Blocked (waiting for approval)" says more, and is doubted.
    let refuses = |cell: &str| is_one_of(&cell.to_lowercase(), REFUSING);
    // "Allowed: no", and not "Enabled: no": a rule that sleeps may be what another document needs.
    let is_allowance = |name: &str| {
        let words = words(name);
        words.iter().any(|word| is_one_of(word, "allow allowed permit permitted accept"))
    };
    let action = line.filled().find(|(name, role, cell)| {
        *role == Role::Action && (refuses(cell) || (is_allowance(name) && denies(cell)))
    });
    let denial = line.filled().find(|(_, role, cell)| *role == Role::Denial && affirms(cell));
    let expect = line.cell(Role::Expect).filter(|cell| {
        let lower = cell.to_lowercase();
        ["must not", "not allowed", "forbidden", "never", "prohibited"]
            .iter()
            .any(|words| lower.contains(words))
    });
    action.or(denial).map(|(.., cell)| cell).or(expect)
}

/// What stands beside the cells that are read, and may change what they mean.
pub(super) fn beside(line: Cells<'_>) -> Vec<String> {
    const ALLOWING: &str = "allow allowed accept accepted permit permitted yes y true enabled active ✓ ✔ ✅ pass open opened \
                            approved add new create implemented live granted \
                            done use in erlauben erlaubt zulassen freigeben freigegeben ja autoriser autorisé permitir \
                            permitido";
    let mut doubts = Vec::new();
    for (name, role, cell) in line.filled() {
        let lower = cell.to_lowercase();
        let first =
            lower.trim_start_matches(['[', '(']).split([' ', ',', '(', ';', ']']).next().unwrap_or_default();
        match role {
            Role::Second if !is_blank(cell) && !names_the_same(line, cell) => {
                doubts.push(format!("`{name}` says `{cell}` beside what is read, and is left out"));
            }
            Role::Action if !is_one_of(first, ALLOWING) && !affirms(cell) && !is_blank(cell) => {
                doubts.push(format!("`{name}` says `{cell}`, which neither allows nor denies"));
            }
            Role::Denial | Role::Turn if !denies(cell) && !is_blank(cell) => {
                doubts.push(format!("`{name}` says `{cell}`"));
            }
            Role::Marks(_) if !affirms(cell) && !denies(cell) && !is_blank(cell) => {
                doubts.push(format!("`{name}` says `{cell}`, which neither is a port nor ticks a box"));
            }
            // "Type: DENY", "Change: Delete": whatever the column is, that is no flow to expect.
            Role::Other if is_one_of(&lower, REFUSING) || is_one_of(first, REMOVING) => {
                doubts.push(format!("`{name}` says `{cell}`"));
            }
            Role::Other if words(name).iter().any(|word| is_one_of(word, ENABLING)) && denies(cell) => {
                doubts.push(format!("`{name}` says `{cell}`"));
            }
            // Their readers look for it.
            Role::From | Role::To | Role::Peer | Role::Ports => {}
            _ => doubts.extend(turn(cell).map(|words| format!("`{name}` says `{words}`"))),
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

/// Lines of ends beside as many lines of ports may belong together one by one.
pub(super) fn paired(line: Cells<'_>) -> Option<String> {
    let lines = |role| line.cell(role).map_or(0, |cell| cell.lines().count());
    let ports = lines(Role::Ports);
    let role = [Role::From, Role::To].into_iter().find(|role| ports > 1 && lines(*role) == ports)?;
    let what = if role == Role::From { "sources" } else { "destinations" };
    Some(format!("the {what} and the ports may belong together line by line; each is read with each"))
}

const ENABLING: &str = "enabled allow allowed permit permitted open active";

/// Whether a second column names the end that is read in another way: its address beside its name.
fn names_the_same(line: Cells<'_>, cell: &str) -> bool {
    let is_address =
        |cell: &str| cell.starts_with(|letter: char| letter.is_ascii_digit()) && cell.contains('.');
    let read = [Role::From, Role::To].into_iter().filter_map(|role| line.cell(role));
    let is_port = cell.bytes().all(|byte| byte.is_ascii_digit());
    !is_port
        && !cell.starts_with("255.")
        && read.into_iter().all(|other| is_address(other) != is_address(cell))
}
