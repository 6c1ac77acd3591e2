//! YAML with comments above the items of its lists, for people who review it.

use serde::Serialize;

use crate::escape;

/// A document as it grows.
#[derive(Clone, Debug, Default)]
pub(super) struct Yaml {
    text: String,
}

impl Yaml {
    /// A line of a comment; what comes from outside is escaped here.
    pub(super) fn comment(&mut self, indent: usize, words: &str) {
        self.line(indent, format!("# {}", escape::text(words)).trim_end());
    }

    /// A line as it is.
    pub(super) fn line(&mut self, indent: usize, words: &str) {
        self.text.push_str(&" ".repeat(indent));
        self.text.push_str(words);
        self.text.push('\n');
    }

    /// A key with its value.
    ///
    /// # Errors
    /// What the writer of YAML says.
    pub(super) fn entry(
        &mut self,
        indent: usize,
        key: &str,
        value: &impl Serialize,
    ) -> Result<(), serde_saphyr::SerializeError> {
        self.indented(indent, &one_lined(&std::collections::BTreeMap::from([(key, value)]))?);
        Ok(())
    }

    /// An item of a list.
    ///
    /// # Errors
    /// What the writer of YAML says.
    pub(super) fn item(
        &mut self,
        indent: usize,
        value: &impl Serialize,
    ) -> Result<(), serde_saphyr::SerializeError> {
        self.indented(indent, &one_lined(&[value])?);
        Ok(())
    }

    fn indented(&mut self, indent: usize, text: &str) {
        text.lines().for_each(|line| self.line(indent, line));
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }
}

/// A long text stays on its line, where `grep` and a reader's eye find it whole.
fn one_lined(value: &impl Serialize) -> Result<String, serde_saphyr::SerializeError> {
    let options = serde_saphyr::ser_options! { prefer_block_scalars: false };
    serde_saphyr::to_string_with_options(value, options)
}
