//! Names of endpoints that are known: given by the user, or learnt from the document itself.

use std::collections::HashMap;

use crate::matrix::model::EndpointName;

/// The names, found by how they compare.
#[derive(Clone, Debug, Default)]
pub struct Vocabulary {
    names: HashMap<String, String>,
    /// How many words the longest has.
    longest: usize,
}

impl Vocabulary {
    /// One name on each line; `#` begins a comment.
    #[must_use]
    pub fn of_text(text: &str) -> Self {
        let mut vocabulary = Self::default();
        for line in text.lines() {
            vocabulary.learn(line.split('#').next().unwrap_or_default());
        }
        vocabulary
    }

    /// Adds a name.
    pub fn learn(&mut self, name: &str) {
        let written = name.trim();
        if written.is_empty() {
            return;
        }
        self.longest = self.longest.max(written.split_whitespace().count());
        self.names.entry(key(written)).or_insert_with(|| written.to_owned());
    }

    pub(super) fn knows(&self, name: &str) -> bool {
        self.names.contains_key(&key(name))
    }

    /// How many words the longest name has.
    pub(super) fn longest(&self) -> usize {
        self.longest
    }
}

fn key(name: &str) -> String {
    EndpointName::new(&name.replace('’', "'")).key().to_owned()
}
