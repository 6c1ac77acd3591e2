//! How an endpoint's name compares.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// A name on either side of a row. It displays as written, and compares without case, with `-` and `_` as
/// spaces, and without a trailing "cluster": documents write one endpoint in several ways.
///
/// A clone shares the text: a large matrix says few names often.
#[derive(Clone, Debug)]
pub struct EndpointName(Arc<Texts>);

#[derive(Debug)]
struct Texts {
    written: String,
    key: String,
}

impl EndpointName {
    /// The name as it was written.
    #[must_use]
    pub fn new(written: &str) -> Self {
        Self(Arc::new(Texts { key: key(written), written: written.trim().to_owned() }))
    }

    /// The name as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0.written
    }

    /// What is compared.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.0.key
    }

    /// Whether this is `other`, written in whatever way.
    #[must_use]
    pub fn is(&self, other: &str) -> bool {
        self.0.key == other || self.0.key == key(other)
    }
}

fn key(written: &str) -> String {
    let lower = written.to_lowercase().replace(['-', '_'], " ");
    let mut words: Vec<&str> = lower.split_whitespace().collect();
    if words.len() > 1 && words.last() == Some(&"cluster") {
        words.pop();
    }
    words.join(" ")
}

impl From<&str> for EndpointName {
    fn from(written: &str) -> Self {
        Self::new(written)
    }
}

impl fmt::Display for EndpointName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.written)
    }
}

impl PartialEq for EndpointName {
    fn eq(&self, other: &Self) -> bool {
        self.0.key == other.0.key
    }
}

impl Eq for EndpointName {}

impl PartialOrd for EndpointName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for EndpointName {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.key.cmp(&other.0.key)
    }
}

impl Hash for EndpointName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.key.hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::EndpointName;

    #[test]
    fn names_compare_without_case_dashes_and_a_trailing_cluster() {
        let name = EndpointName::new("Git_Repository  Cluster");
        assert_eq!(name, EndpointName::new("git-repository"));
        assert_eq!(name.as_str(), "Git_Repository  Cluster");
        assert_ne!(name, EndpointName::new("git repo"));
    }

    #[test]
    fn cluster_alone_stays_a_name() {
        assert_ne!(EndpointName::new("cluster"), EndpointName::new(""));
    }
}
