//! Names as the API has them (`DomainName`).

/// A name, or every name that ends like it and has one label or more before that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DomainName {
    /// In small letters, without the dot behind it and the star before it.
    plain: String,
    is_pattern: bool,
}

impl DomainName {
    /// As it is written; nothing where the API refuses it. A name has two labels or more.
    pub(super) fn new(text: &str) -> Option<Self> {
        let (is_pattern, name) = match text.strip_prefix("*.") {
            Some(name) => (true, name),
            None => (false, text),
        };
        let plain = name.strip_suffix('.').unwrap_or(name);
        let is_name = plain.contains('.') && plain.split('.').all(is_label);
        is_name.then(|| Self { plain: plain.to_ascii_lowercase(), is_pattern })
    }

    /// Whether it holds a name, or the pattern that the inventory has in a name's place.
    pub(super) fn holds(&self, host: &str) -> bool {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        if !self.is_pattern {
            return host == self.plain;
        }
        let before = host.strip_suffix(&self.plain).and_then(|before| before.strip_suffix('.'));
        before.is_some_and(|before| !before.is_empty())
    }
}

/// The API's own pattern says `A-z`, by which `[`, `\`, `]`, `^`, `_` and the grave accent may begin a label.
fn is_label(label: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let [first, rest @ ..] = label.as_bytes() else { return false };
    let is_begun = matches!(first, b'0'..=b'9' | b'A'..=b'z');
    is_begun
        && rest.iter().all(|byte| is_inner(*byte))
        && rest.last().is_none_or(|last| last.is_ascii_alphanumeric())
}
