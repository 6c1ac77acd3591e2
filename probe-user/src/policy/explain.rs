//! What a rule rests on, in a reviewer's words.

use super::{
    passage::Standing,
    rule::{Evidence, Flow, Rule},
};
use crate::wording::{moment, plural, some};

/// Of a direction that is governed and has no rule, which only what nobody declared brings about.
pub(super) const CLOSED: &str =
    "nobody: what was seen is declared by nobody, and awaits approval in quarantine.yaml";

/// A line that says what passes, one that says on what it rests, where anything was seen, and those that say what is left out.
pub(super) fn rule(rule: &Rule) -> impl Iterator<Item = String> {
    let Rule { flow: Flow { peer, ports }, evidence } = rule;
    let seen = (evidence.connections > 0).then(|| sightings(evidence));
    let apart = "without what the cluster has for itself, which is not what its row means";
    let apart = (!peer.blocks().is_whole()).then(|| apart.to_owned());
    std::iter::once(format!("{peer} {ports}: {}", grounds(evidence)))
        .chain(seen)
        .chain(aliases(evidence))
        .chain(apart)
}

/// On what it rests, in one line.
pub(super) fn evidence(evidence: &Evidence) -> String {
    let seen = (evidence.connections > 0).then(|| sightings(evidence));
    [grounds(evidence)].into_iter().chain(seen).collect::<Vec<_>>().join("; ")
}

/// By what right.
fn grounds(evidence: &Evidence) -> String {
    let Evidence { standings, rows, exceptions, .. } = evidence;
    let of = |is_of_baseline| some(rows.iter().filter(move |row| row.is_of_baseline == is_of_baseline));
    let words = |standing: &Standing| match standing {
        Standing::Declared => format!("declared by {}", of(false)),
        Standing::Baseline => format!("of the baseline, {}", of(true)),
        Standing::Exempt => format!("excepted by {}", some(exceptions)),
        Standing::OutOfScope => "NOT DECLARED: the matrix does not speak of it; observed".to_owned(),
        Standing::Undeclared => "NOT DECLARED: observed, and nothing allows it".to_owned(),
    };
    let words = standings.iter().map(words).collect::<Vec<_>>().join("; ");
    if evidence.connections == 0 { words + ", and never observed" } else { words }
}

/// Why it is by address.
fn aliases(evidence: &Evidence) -> Option<String> {
    let aliases = &evidence.aliases;
    match aliases.len() {
        0 => None,
        1 => Some(format!("by address: a row knows it as {}, and another by its address", some(aliases))),
        _ => {
            Some(format!("by address: rows know it as {}, and nothing tells which was meant", some(aliases)))
        }
    }
}

/// How often, when, and by whom.
fn sightings(evidence: &Evidence) -> String {
    let Evidence { connections, addresses, dialled, groups, processes, seen, .. } = evidence;
    let mut words = plural(*connections, "connection");
    if let Some((first, last)) = seen {
        words += &format!(", {} to {}", moment(*first), moment(*last));
    }
    if addresses.len() > 1 {
        words += &format!(", {} addresses", addresses.len());
    }
    if !dialled.is_empty() {
        let dialled =
            dialled.iter().map(|(address, port)| std::net::SocketAddr::new(*address, *port).to_string());
        words += &format!(", dialled as {}", some(dialled));
    }
    if !groups.is_empty() {
        words += &format!(", in {}", some(groups));
    }
    if !processes.is_empty() {
        words += &format!(", by {}", some(processes));
    }
    words
}
