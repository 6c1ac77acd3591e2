//! Line 1: the vendors' own documents, row by row as a careful reader reads them. They are no part of the project; where
//! they are not there, `tests/documents` has documents of the same shapes.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use flowdrift::matrix::{
    EndpointName, Matrix, Row,
    import::{Options, Vocabulary, import},
    lint::{Rule, lint},
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::accept::Line;

const WHAT: &str = "vendors' documents";

/// A document.
#[derive(Clone, Copy)]
struct Document {
    name: &'static str,
    rows: usize,
    /// Lines that say what others say.
    repeated: &'static [u32],
    /// Names that are given beside it.
    vocabulary: Option<&'static str>,
}

const DOCUMENTS: [Document; 3] = [
    Document {
        name: "tap-networking.txt",
        rows: 23,
        repeated: &[],
        vocabulary: Some("policies/tap-vocabulary.txt"),
    },
    Document { name: "tas-routing-paths.txt", rows: 39, repeated: &[12, 13], vocabulary: None },
    Document { name: "tko-port-diagram.md", rows: 33, repeated: &[], vocabulary: None },
];

/// A row as a careful reader reads it.
#[derive(Debug, Deserialize)]
struct Expected {
    line: u32,
    from: Vec<String>,
    to: Vec<String>,
    ports: Vec<String>,
    app: Option<String>,
    #[serde(default)]
    components: Vec<String>,
    review: bool,
}

/// What came out of one document.
#[derive(Debug, Serialize)]
struct Figures {
    document: &'static str,
    rows: usize,
    expected: usize,
    to_review: usize,
    differences: Vec<String>,
}

/// Reads the documents.
#[must_use]
pub fn line(root: &Path) -> Line {
    let seeds = root.join("../shared/seeds");
    if !seeds.join("expected").exists() {
        return Line::skipped(WHAT, "the vendors' documents are not beside the project".to_owned());
    }
    let read = DOCUMENTS.iter().map(|document| read(root, &seeds, *document)).collect::<Result<Vec<_>>>();
    match read {
        Ok(figures) => {
            for one in &figures {
                println!(
                    "  {}: {} of {} rows, {} to review",
                    one.document, one.rows, one.expected, one.to_review
                );
                one.differences.iter().for_each(|difference| println!("    {difference}"));
            }
            let holds = figures.iter().all(|one| one.differences.is_empty());
            Line::tried(WHAT, holds, json!(figures))
        }
        Err(error) => Line::failed(WHAT, &error),
    }
}

fn read(root: &Path, seeds: &Path, document: Document) -> Result<Figures> {
    let Document { name: document, rows: count, repeated, vocabulary: names } = document;
    let file = seeds.join(document);
    let bytes = fs::read(&file).with_context(|| file.display().to_string())?;
    let vocabulary = names.map(|names| fs::read_to_string(root.join(names))).transpose()?.unwrap_or_default();
    let options = Options { vocabulary: Vocabulary::of_text(&vocabulary), ..Options::default() };
    let rows = import(&bytes, document, &options)?.rows;
    let expected: PathBuf = seeds.join("expected").join(document).with_extension("json");
    let expected: Vec<Expected> = serde_json::from_slice(&fs::read(expected)?)?;
    let mut differences = Vec::new();
    if rows.len() != count || expected.len() != count {
        differences.push(format!("{} rows, expected {count}", rows.len()));
    }
    for (row, expected) in rows.iter().zip(&expected) {
        differences.extend(compare(row, expected));
    }
    let found = duplicates(&rows);
    if found != repeated {
        differences.push(format!("duplicates linted on the lines {found:?}, expected {repeated:?}"));
    }
    let to_review = rows.iter().filter(|row| row.review).count();
    Ok(Figures { document, rows: rows.len(), expected: expected.len(), to_review, differences })
}

/// Lines of the rows that repeat others.
fn duplicates(rows: &[Row]) -> Vec<u32> {
    let matrix =
        Matrix { name: String::new(), file: String::new(), digest: String::new(), rows: rows.to_vec() };
    let findings = lint(&[matrix], None).into_iter().filter(|finding| finding.rule == Rule::DuplicateRow);
    findings.filter_map(|finding| finding.rows.first().map(|place| place.line)).collect()
}

fn compare(row: &Row, expected: &Expected) -> Vec<String> {
    let line = row.source.as_ref().map_or(0, |source| source.line);
    let mut differences = Vec::new();
    let mut differ = |what: &str, found: String, expected: String| {
        if found != expected {
            differences.push(format!("line {line}: {what} `{found}`, expected `{expected}`"));
        }
    };
    differ("line", line.to_string(), expected.line.to_string());
    differ("from", keys(&row.from), keys(&named(&expected.from)));
    differ("to", keys(&row.to), keys(&named(&expected.to)));
    let ports: BTreeSet<String> = row.ports.iter().map(ToString::to_string).collect();
    differ(
        "ports",
        format!("{ports:?}"),
        format!("{:?}", expected.ports.iter().cloned().collect::<BTreeSet<_>>()),
    );
    if let Some(app) = &expected.app {
        differ("app", row.app.clone().unwrap_or_default(), app.clone());
    }
    let kept = |part: &&String| row.components.contains(part) || row.component.as_ref() == Some(part);
    let missing: Vec<&String> = expected.components.iter().filter(|part| !kept(part)).collect();
    differ("components without", format!("{missing:?}"), "[]".to_owned());
    if expected.review && !row.review {
        differences.push(format!("line {line}: not marked for review"));
    }
    differences
}

fn named(names: &[String]) -> Vec<EndpointName> {
    names.iter().map(|name| EndpointName::new(name)).collect()
}

fn keys(names: &[EndpointName]) -> String {
    names.iter().map(EndpointName::key).collect::<Vec<_>>().join(", ")
}
