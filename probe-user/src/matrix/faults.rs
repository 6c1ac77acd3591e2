//! What is wrong with a document: all of it, each with its place.

use std::fmt;

/// One thing that is wrong with a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Line of the document, from 1; 0 where the fault belongs to the whole file.
    pub line: u32,
    /// Path of the value, such as `rows[3].ports[0]`; empty at the top.
    pub path: String,
    /// What was found and what was expected, in lower case and without a full stop.
    pub message: String,
}

/// Everything that is wrong with one document; displays as one line per fault, `file:line: path: message`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Faults {
    /// The document's name, as the user gave it.
    pub file: String,
    /// The faults, by line.
    pub faults: Vec<Fault>,
}

impl Faults {
    /// The faults of `file`, brought into the order of its lines.
    #[must_use]
    pub fn new(file: &str, mut faults: Vec<Fault>) -> Self {
        faults.sort_by_key(|fault| fault.line);
        Self { file: file.to_owned(), faults }
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.faults.iter().enumerate() {
            if index > 0 {
                formatter.write_str("\n")?;
            }
            formatter.write_str(&self.file)?;
            if fault.line > 0 {
                write!(formatter, ":{}", fault.line)?;
            }
            if !fault.path.is_empty() {
                write!(formatter, ": {}", fault.path)?;
            }
            write!(formatter, ": {}", fault.message)?;
        }
        Ok(())
    }
}

/// ` (did you mean …?)` for the candidate nearest to `word`, or nothing when none is near.
pub(crate) fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    let lower = word.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (strsim::osa_distance(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.len().min(word.len()) / 3).max(1))
        .min()
        .map_or_else(String::new, |(_, candidate)| format!(" (did you mean `{candidate}`?)"))
}
