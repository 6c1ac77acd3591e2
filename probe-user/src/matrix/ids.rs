//! Ids for rows that have none: made of what the row says, so that they stay when others come and go.

use std::collections::HashMap;

use super::model::{EndpointName, Row};

/// Gives every row an id of its own. Rows with the same ends and ports are told apart by their component, and by a
/// number where that is the same too.
pub fn give(rows: &mut [Row]) {
    // An id that its author gave stays with the first row that has it.
    let mut given: HashMap<String, u32> = HashMap::new();
    let mut has_own = vec![false; rows.len()];
    for (row, has_own) in rows.iter().zip(&mut has_own).filter(|(row, _)| !row.id.is_empty()) {
        let count = given.entry(row.id.clone()).or_insert(0);
        *has_own = *count == 0;
        *count = 1;
    }
    let mut ends: HashMap<String, u32> = HashMap::new();
    for row in rows.iter().filter(|row| row.id.is_empty()) {
        *ends.entry(of_ends(row)).or_insert(0) += 1;
    }
    for (row, _) in rows.iter_mut().zip(has_own).filter(|(_, has_own)| !has_own) {
        let own = if row.id.is_empty() {
            let id = of_ends(row);
            let is_alone = ends.get(&id) == Some(&1);
            if is_alone { id } else { with_component(row, &id) }
        } else {
            std::mem::take(&mut row.id)
        };
        row.id = free(own, &mut given);
    }
}

/// The id, or with the next number that is free: the second of two is `…-2`.
fn free(own: String, given: &mut HashMap<String, u32>) -> String {
    let mut id = own.clone();
    loop {
        let count = given.entry(id.clone()).or_insert(0);
        *count += 1;
        if *count == 1 {
            return id;
        }
        // How often its stem was given says which number comes next.
        let number = if id == own {
            *count
        } else {
            given.get_mut(&own).map_or(2, |count| {
                *count += 1;
                *count
            })
        };
        id = format!("{own}-{number}");
    }
}

fn of_ends(row: &Row) -> String {
    let ports = row.ports.first().map(ToString::to_string).unwrap_or_default();
    cut(format!("{}-{}", between(&row.from, &row.to), slug(&ports)))
}

/// The id of a row for whatever goes between its ends.
#[must_use]
pub fn between(from: &[EndpointName], to: &[EndpointName]) -> String {
    let names =
        |names: &[EndpointName]| names.iter().map(|name| slug(name.as_str())).collect::<Vec<_>>().join("-");
    format!("{}-to-{}", names(from), names(to))
}

fn with_component(row: &Row, id: &str) -> String {
    match row.component.as_deref().or(row.components.first().map(String::as_str)).map(slug) {
        Some(component) if !component.is_empty() => cut(format!("{component}-{id}")),
        _ => id.to_owned(),
    }
}

/// A finding quotes it.
fn cut(id: String) -> String {
    const LONGEST: usize = 80;
    match id.char_indices().nth(LONGEST) {
        Some((place, _)) => id[..place].trim_end_matches('-').to_owned(),
        None => id,
    }
}

fn slug(text: &str) -> String {
    let words = text.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::tests::of_rows;

    fn ids(rows: &[(&str, &str, &str)]) -> Vec<String> {
        let row = |(index, (id, component, to)): (usize, &(&str, &str, &str))| {
            format!(
                "- {{id: r{index}, component: {component}, from: [run], to: [{to}], ports: [443/tcp], notes: '{id}'}}"
            )
        };
        let rows: Vec<String> = rows.iter().enumerate().map(row).collect();
        let mut rows = of_rows(&rows.join("\n")).rows;
        rows.iter_mut()
            .for_each(|row| row.id = row.notes.take().unwrap_or_default().trim_matches('-').to_owned());
        give(&mut rows);
        rows.into_iter().map(|row| row.id).collect()
    }

    #[test]
    fn ids_come_from_the_ends_and_are_unique() {
        assert_eq!(ids(&[("-", "Shop", "Git Repo")]), ["run-to-git-repo-443-tcp"]);
        assert_eq!(
            ids(&[("-", "Shop", "view"), ("-", "Bell", "view"), ("-", "Bell", "view")]),
            ["shop-run-to-view-443-tcp", "bell-run-to-view-443-tcp", "bell-run-to-view-443-tcp-2"]
        );
        assert_eq!(
            ids(&[("a", "Shop", "view"), ("a", "Shop", "x"), ("a-2", "Shop", "y")]),
            ["a", "a-3", "a-2"]
        );
    }
}
