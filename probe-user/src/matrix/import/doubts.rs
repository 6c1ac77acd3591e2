//! What a careful reader doubts although every cell was read: rows whose words contradict their columns.

use super::direction::arrow;
use super::rows::Draft;
use super::text::words;
use crate::matrix::model::{EndpointName, Row};

/// What is no part of a row, and tells whether it was copied.
#[derive(Clone, Debug, Default)]
pub(super) struct Context {
    /// What stands in brackets at the destination.
    pub(super) to: Vec<String>,
}

/// Marks a row of a table; `above` is the one before it.
pub(super) fn mark(draft: &mut Draft, above: Option<(&Row, &Context)>) {
    let mut doubts = Vec::new();
    // Who talks to itself does so both ways.
    doubts.extend(both_ways(&draft.row).filter(|_| draft.row.from != draft.row.to));
    doubts.extend(opposite(&draft.row));
    doubts.extend(told_otherwise(&draft.row));
    doubts.extend(above.and_then(|above| copied(draft, above)));
    draft.row.review |= !doubts.is_empty();
    draft.row.doubts.extend(doubts);
}

/// An arrow or "initiates" in the words of a row that point the other way than its columns do.
fn told_otherwise(row: &Row) -> Option<String> {
    let texts = [row.purpose.as_deref(), row.notes.as_deref()];
    let [sources, destinations] = [&row.from, &row.to]
        .map(|names| names.iter().flat_map(|name| words(name.as_str())).collect::<Vec<_>>());
    // Of all that a text names: only that end, and not the other.
    let names = |text: &str, own: &[String], other: &[String]| {
        let words = words(text);
        words.iter().any(|word| own.contains(word)) && !words.iter().any(|word| other.contains(word))
    };
    let is_turned = |text: &str| {
        if let Some(arrow) = arrow(text)
            && names(arrow.from, &destinations, &sources)
            && names(arrow.to, &sources, &destinations)
        {
            return true;
        }
        let lower = text.to_lowercase();
        let initiator = match lower.split_once("initiated by") {
            Some((_, by)) => by.split([';', '.']).next(),
            None => lower.split_once("initiates").map(|(who, _)| who),
        };
        initiator.is_some_and(|who| names(who, &destinations, &sources))
    };
    let said = texts.into_iter().flatten().find(|text| is_turned(text))?;
    Some(format!("`{said}` lets the other end connect: {}", turned(row)))
}

fn list(names: &[EndpointName]) -> String {
    names.iter().map(EndpointName::as_str).collect::<Vec<_>>().join(", ")
}

fn turned(row: &Row) -> String {
    format!("`{}` → `{}` is the other reading", list(&row.to), list(&row.from))
}

fn both_ways(row: &Row) -> Option<String> {
    const SIGNS: [&str; 6] =
        ["vice versa", "vice-versa", "both directions", "bidirectional", "bi-directional", "two-way"];
    let told = [row.purpose.as_deref(), row.notes.as_deref()].into_iter().flatten();
    let told =
        told.chain(row.components.iter().map(String::as_str)).collect::<Vec<_>>().join(" ").to_lowercase();
    let sign = SIGNS.into_iter().find(|sign| told.contains(sign))?;
    Some(format!("the description says `{sign}`, and the row declares one way: {}", turned(row)))
}

/// The description fetches from the source, or hands something to it.
fn opposite(row: &Row) -> Option<String> {
    const FETCHING: [&str; 13] = [
        "clone", "copy", "create", "download", "fetch", "get", "import", "load", "obtain", "pull", "read",
        "retrieve", "sync",
    ];
    const HANDING: [&str; 7] = ["deliver", "export", "post", "push", "report", "send", "upload"];
    let words = words(row.purpose.as_deref()?);
    let (sources, destinations) = (significant(&row.from), significant(&row.to));
    let names_source = |word: &String| sources.contains(word) && !destinations.contains(word);
    let is_verb = |word: &str, verbs: &[&str]| {
        verbs.iter().any(|verb| word.starts_with(verb) && word.len() <= verb.len() + 3)
    };
    for (preposition, verbs) in [("from", &FETCHING[..]), ("to", &HANDING[..])] {
        let Some(verb) = words.iter().position(|word| is_verb(word, verbs)) else { continue };
        for (place, word) in words.iter().enumerate().skip(verb + 1) {
            // "from the git server"
            let names = || words[place + 1..].iter().take(2).find(|word| names_source(word));
            if word == preposition
                && let Some(named) = names()
            {
                return Some(format!(
                    "the description has `{} … {preposition} {named}`, which is the source: {}",
                    words[verb],
                    turned(row)
                ));
            }
        }
    }
    None
}

/// The destination's brackets are those of the row above, whose subject they share, and this row's subject does not.
fn copied(draft: &Draft, (above, context): (&Row, &Context)) -> Option<String> {
    let row = &draft.row;
    let is_another_subject = row.component.is_some() && row.component != above.component;
    if !is_another_subject
        || draft.context.to.is_empty()
        || draft.context.to != context.to
        || row.to != above.to
    {
        return None;
    }
    let subject = |row: &Row| {
        let mut subject = words(row.component.as_deref().unwrap_or_default());
        subject.extend(words(row.purpose.as_deref().unwrap_or_default()));
        subject
    };
    let told: Vec<String> =
        draft.context.to.iter().flat_map(|part| words(part)).filter(|word| word.len() > 3).collect();
    let (own, other) = (subject(row), subject(above));
    let fits_above = told.iter().any(|word| other.contains(word));
    let fits_here = told.iter().any(|word| own.contains(word));
    (fits_above && !fits_here).then(|| {
        format!(
            "the destination `{} ({})` reads as if copied from line {}",
            list(&row.to),
            draft.context.to.join(", "),
            above.line
        )
    })
}

/// The words of names that tell one from another.
fn significant(names: &[EndpointName]) -> Vec<String> {
    const COMMON: [&str; 9] =
        ["cluster", "server", "servers", "the", "external", "service", "services", "and", "any"];
    let words = names.iter().flat_map(|name| words(name.as_str()));
    words.filter(|word| word.len() > 2 && !COMMON.contains(&word.as_str())).collect()
}
