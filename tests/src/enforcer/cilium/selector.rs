//! Labels with their sources, and selectors of them.

use serde_json::Value;

use crate::enforcer::plain;

/// Sources of labels, and what a pod's namespace is called.
pub(super) const KUBERNETES: &str = "k8s";
pub(super) const RESERVED: &str = "reserved";
pub(super) const NAMESPACE: &str = "io.kubernetes.pod.namespace";
pub(super) const NAMESPACE_LABELS: &str = "io.cilium.k8s.namespace.labels.";

/// A label of an identity, with the source that it comes from.
pub(super) struct Label {
    pub(super) source: &'static str,
    pub(super) key: String,
    pub(super) value: String,
}

pub(super) fn reserved(key: &str) -> Label {
    Label { source: RESERVED, key: key.to_owned(), value: String::new() }
}

pub(super) fn kubernetes(key: &str, value: &str) -> Label {
    Label { source: KUBERNETES, key: key.to_owned(), value: value.to_owned() }
}

/// One condition of a selector.
pub(super) struct Requirement {
    /// None where any source will do.
    pub(super) source: Option<String>,
    pub(super) key: String,
    operator: Operator,
    values: Vec<String>,
    /// Whether it stands below `matchLabels`.
    pub(super) is_label: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
}

pub(super) fn holds(requirements: &[Requirement], labels: &[Label]) -> bool {
    requirements.iter().all(|one| one.holds(labels))
}

pub(super) fn requirements(selector: &Value) -> Vec<Requirement> {
    plain::covers(selector, "selector", &["matchLabels", "matchExpressions"]);
    let labels = plain::pairs(&selector["matchLabels"]);
    let labels = labels.iter().map(|(key, value)| Requirement::label(key, value));
    let expressions = plain::items(selector, "matchExpressions").iter().map(|one| {
        let operator = match one["operator"].as_str() {
            Some("In") => Operator::In,
            Some("NotIn") => Operator::NotIn,
            Some("Exists") => Operator::Exists,
            Some("DoesNotExist") => Operator::DoesNotExist,
            other => panic!("not covered: operator {other:?}"),
        };
        let values = plain::texts(one, "values").map(str::to_owned).collect();
        Requirement::new(one["key"].as_str().expect("a key is given"), operator, values, false)
    });
    labels.chain(expressions).collect()
}

impl Requirement {
    pub(super) fn label(key: &str, value: &str) -> Self {
        Self::new(key, Operator::In, vec![value.to_owned()], true)
    }

    /// A key without a source, and one of `any`, are of every source.
    pub(super) fn new(key: &str, operator: Operator, values: Vec<String>, is_label: bool) -> Self {
        let (source, key) = key.split_once(':').unwrap_or(("any", key));
        assert!(!key.starts_with("io.cilium.k8s.policy."), "not covered: {key}");
        let source = (source != "any").then(|| source.to_owned());
        Self { source, key: key.to_owned(), operator, values, is_label }
    }

    pub(super) fn is(&self, source: &str, key: &str) -> bool {
        self.source.as_deref() == Some(source) && self.key == key
    }

    fn holds(&self, labels: &[Label]) -> bool {
        let is_source = |label: &Label| self.source.as_deref().is_none_or(|source| source == label.source);
        let mut found = labels.iter().filter(|label| is_source(label) && label.key == self.key);
        match self.operator {
            Operator::In => found.any(|label| self.values.contains(&label.value)),
            Operator::NotIn => !found.any(|label| self.values.contains(&label.value)),
            Operator::Exists => found.next().is_some(),
            Operator::DoesNotExist => found.next().is_none(),
        }
    }
}
