//! Names of hosts in rules.

/// A name, or a pattern of names (pkg/fqdn/matchpattern): `*` alone is every name; within a name it is any letters that a
/// label may have, and so no dot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(String);

impl Name {
    /// A name is the same in capitals, and with a dot behind it.
    pub(super) fn new(text: &str) -> Self {
        Self(plain(text))
    }

    /// Whether it holds a name, or the pattern that the inventory has in a name's place.
    pub(super) fn holds(&self, host: &str) -> bool {
        let host = plain(host);
        self.0 == "*" || self.0 == host || is_alike(self.0.as_bytes(), host.as_bytes())
    }
}

fn plain(text: &str) -> String {
    text.trim_end_matches('.').to_ascii_lowercase()
}

fn is_alike(pattern: &[u8], host: &[u8]) -> bool {
    match (pattern.split_first(), host.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) if is_alike(rest, host) => true,
        (Some((b'*', _)), Some((letter, behind))) => {
            (letter.is_ascii_alphanumeric() || b"-_".contains(letter)) && is_alike(pattern, behind)
        }
        (Some((wanted, rest)), Some((letter, behind))) => wanted == letter && is_alike(rest, behind),
        _ => false,
    }
}
