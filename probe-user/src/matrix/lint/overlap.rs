//! Rows that say the same, in part or in whole.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::{Finding, Located, Rule, finding};
use crate::matrix::model::{EndpointName, PortSpec, Ports, Row};

/// Rows between the same two endpoints are held against each other; so many at most, since more are no port table.
const MOST: usize = 2_000;

pub(super) fn findings(rows: &[Located<'_>]) -> Vec<Finding> {
    let (mut found, duplicates) = duplicates(rows);
    let groups = by_ends(rows);
    found.extend(contained(rows, &groups, &duplicates));
    found.extend(credit_groups(rows, &groups, &duplicates));
    found.extend(contradictions(rows));
    found
}

/// What makes a row the same as another: all but its id, its place, and whether it is doubted.
fn same(row: &Row) -> impl Eq + std::hash::Hash + use<> {
    let keys =
        |names: &[EndpointName]| names.iter().map(|name| name.key().to_owned()).collect::<BTreeSet<_>>();
    let text = |text: &Option<String>| text.as_deref().unwrap_or_default().to_lowercase();
    let ports: BTreeSet<PortSpec> = row.ports.iter().copied().collect();
    let words = (text(&row.component), text(&row.app), text(&row.purpose), row.components.clone());
    (keys(&row.from), keys(&row.to), ports, row.each_port, words)
}

/// The findings, and which rows repeat an earlier one.
fn duplicates(rows: &[Located<'_>]) -> (Vec<Finding>, HashSet<usize>) {
    let mut first = HashMap::new();
    let (mut found, mut repeated) = (Vec::new(), HashSet::new());
    for (index, located) in rows.iter().enumerate() {
        let earlier = *first.entry(same(located.row)).or_insert(index);
        if earlier != index {
            repeated.insert(index);
            let other = rows[earlier];
            let message = format!("says what `{}` says on line {}", other.row.id, other.row.line);
            found.push(finding(Rule::DuplicateRow, &[*located, other], message));
        }
    }
    (found, repeated)
}

type Ends<'m> = (&'m str, &'m str);

/// Rows by each pair of their endpoints.
fn by_ends<'m>(rows: &[Located<'m>]) -> BTreeMap<Ends<'m>, Vec<usize>> {
    let mut groups: BTreeMap<Ends<'m>, Vec<usize>> = BTreeMap::new();
    for (index, located) in rows.iter().enumerate() {
        for from in &located.row.from {
            for to in &located.row.to {
                groups.entry((from.key(), to.key())).or_default().push(index);
            }
        }
    }
    groups
}

fn contained(
    rows: &[Located<'_>],
    groups: &BTreeMap<Ends<'_>, Vec<usize>>,
    repeated: &HashSet<usize>,
) -> Vec<Finding> {
    let mut found = BTreeMap::new();
    for indexes in groups.values().filter(|indexes| indexes.len() > 1 && indexes.len() <= MOST) {
        for inner in indexes.iter().filter(|index| !repeated.contains(index)) {
            let holds = |outer: &&usize| {
                *outer != inner && !repeated.contains(outer) && is_within(rows[*inner].row, rows[**outer].row)
            };
            if let Some(outer) = indexes.iter().find(holds) {
                found.entry(*inner).or_insert(*outer);
            }
        }
    }
    let message = |outer: &Row| format!("`{}` on line {} allows all of it, and more", outer.id, outer.line);
    let told = |(inner, outer): (usize, usize)| {
        finding(Rule::ContainedRow, &[rows[inner], rows[outer]], message(rows[outer].row))
    };
    found.into_iter().map(told).collect()
}

/// Whether `outer` allows all that `inner` allows, and more.
fn is_within(inner: &Row, outer: &Row) -> bool {
    let names = |inner: &[EndpointName], outer: &[EndpointName]| {
        outer.iter().any(|name| name.is("any")) || inner.iter().all(|name| outer.contains(name))
    };
    let holds = |outer: &Row, inner: &Row| {
        names(&inner.from, &outer.from)
            && names(&inner.to, &outer.to)
            && inner.ports.iter().all(|port| outer.ports.iter().any(|other| spec_holds(*other, *port)))
    };
    holds(outer, inner) && !holds(inner, outer)
}

fn spec_holds(outer: PortSpec, inner: PortSpec) -> bool {
    if outer.protocol != inner.protocol {
        return false;
    }
    match (outer.ports, inner.ports) {
        (outer, inner) if outer == inner => true,
        (Ports::Any, Ports::Range { .. }) => true,
        (Ports::Range { first, last }, Ports::Range { first: low, last: high }) => {
            first <= low && high <= last
        }
        _ => false,
    }
}

fn meet(one: &Row, other: &Row) -> bool {
    let meets = |(one, other): (PortSpec, PortSpec)| {
        one.protocol == other.protocol
            && match (one.ports, other.ports) {
                (Ports::Range { first, last }, Ports::Range { first: low, last: high }) => {
                    first <= high && low <= last
                }
                (Ports::Varies, _) | (_, Ports::Varies) => false,
                (one, other) => one == other || one == Ports::Any || other == Ports::Any,
            }
    };
    one.ports.iter().flat_map(|port| other.ports.iter().map(move |other| (*port, *other))).any(meets)
}

/// Rows that meet between the same ends on the same ports, joined through each other.
fn credit_groups(
    rows: &[Located<'_>],
    groups: &BTreeMap<Ends<'_>, Vec<usize>>,
    repeated: &HashSet<usize>,
) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut told: BTreeSet<Vec<usize>> = BTreeSet::new();
    for ((from, to), indexes) in
        groups.iter().filter(|(_, indexes)| indexes.len() > 1 && indexes.len() <= MOST)
    {
        let mut left: Vec<usize> =
            indexes.iter().copied().filter(|index| !repeated.contains(index)).collect();
        left.dedup();
        while let Some(first) = left.first().copied() {
            let mut group = vec![first];
            left.remove(0);
            let mut at = 0;
            while at < group.len() {
                let (joined, rest) =
                    left.iter().partition(|other| meet(rows[group[at]].row, rows[**other].row));
                let mut joined: Vec<usize> = joined;
                left = rest;
                group.append(&mut joined);
                at += 1;
            }
            group.sort_unstable();
            if group.len() > 1 && told.insert(group.clone()) {
                let located: Vec<Located<'_>> = group.iter().map(|index| rows[*index]).collect();
                let ids: Vec<&str> = located.iter().map(|located| located.row.id.as_str()).collect();
                let message = format!(
                    "a connection from `{from}` to `{to}` cannot tell {} rows apart: {}",
                    ids.len(),
                    ids.join(", ")
                );
                found.push(finding(Rule::CreditGroup, &located, message));
            }
        }
    }
    found
}

/// Destinations and single ports that two rows declare under different application protocols.
fn contradictions(rows: &[Located<'_>]) -> Vec<Finding> {
    let mut apps: BTreeMap<(&str, PortSpec), Vec<(String, usize)>> = BTreeMap::new();
    for (index, located) in rows.iter().enumerate() {
        let Some(app) = located.row.app.as_deref().map(str::to_lowercase) else { continue };
        // A list of several, or of what a site chooses, contradicts nobody.
        if app.contains([',', '/', '(']) || app == "varies" {
            continue;
        }
        for to in &located.row.to {
            for port in located.row.ports.iter().filter(|port| port.ports.count() == 1) {
                apps.entry((to.key(), *port)).or_default().push((app.clone(), index));
            }
        }
    }
    let mut found = Vec::new();
    for ((to, port), declared) in apps {
        let Some((first, index)) = declared.first() else { continue };
        if let Some((other, place)) = declared.iter().find(|(app, _)| app != first) {
            let message =
                format!("{port} of `{to}` is {other} here and {first} on line {}", rows[*index].row.line);
            found.push(finding(Rule::Contradiction, &[rows[*place], rows[*index]], message));
        }
    }
    found
}
