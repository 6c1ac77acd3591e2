//! Label selectors, as the resources of several languages have them.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};

use crate::matrix::resource::Resource;

/// A label selector (meta/v1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    requirements: Vec<(String, Requirement)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Requirement {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    DoesNotExist,
}

impl Selector {
    /// As it is written; what is wrong with it is noted under `path`.
    pub(super) fn read(written: LabelSelector, path: &str, resource: &mut Resource<'_>) -> Self {
        let LabelSelector { match_labels, match_expressions } = written;
        let equal = match_labels
            .unwrap_or_default()
            .into_iter()
            .map(|(key, value)| (key, Requirement::In(vec![value])));
        let mut requirements: Vec<(String, Requirement)> = equal.collect();
        for (index, expression) in match_expressions.unwrap_or_default().into_iter().enumerate() {
            let LabelSelectorRequirement { key, operator, values } = expression;
            let values = values.unwrap_or_default();
            let requirement = match (operator.as_str(), values.is_empty()) {
                ("In", false) => Requirement::In(values),
                ("NotIn", false) => Requirement::NotIn(values),
                ("Exists", true) => Requirement::Exists,
                ("DoesNotExist", true) => Requirement::DoesNotExist,
                _ => {
                    let message = format!(
                        "found `{operator}` with {} values, expected In or NotIn with some, or Exists or DoesNotExist with none",
                        values.len()
                    );
                    resource.fault(&format!("{path}.matchExpressions[{index}]"), message);
                    continue;
                }
            };
            requirements.push((key, requirement));
        }
        Self { requirements }
    }

    /// Labels, with their values, of which it selects nothing that has not every one.
    pub(super) fn needed(&self) -> impl Iterator<Item = (String, String)> {
        self.requirements.iter().filter_map(|(key, requirement)| match requirement {
            Requirement::In(values) if values.len() == 1 => Some((key.clone(), values[0].clone())),
            _ => None,
        })
    }

    /// Whether it selects what has these labels. One without requirements selects everything.
    #[must_use]
    pub fn selects(&self, labels: &BTreeMap<String, String>) -> bool {
        self.requirements.iter().all(|(key, requirement)| {
            let value = labels.get(key);
            match requirement {
                Requirement::In(values) => value.is_some_and(|value| values.contains(value)),
                // What has no such label is not in the set, either.
                Requirement::NotIn(values) => value.is_none_or(|value| !values.contains(value)),
                Requirement::Exists => value.is_some(),
                Requirement::DoesNotExist => value.is_none(),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An index finds a policy by what its selector needs: whoever it selects must have that.
    #[test]
    fn whoever_is_selected_has_what_is_needed() {
        let values = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
        let requirements = [
            Requirement::In(values(&["x"])),
            Requirement::In(values(&["x", "y"])),
            Requirement::NotIn(values(&["x"])),
            Requirement::NotIn(values(&["x", "y"])),
            Requirement::Exists,
            Requirement::DoesNotExist,
        ];
        let labels = [None, Some("x"), Some("y"), Some("z")];
        let mut needed = 0;
        for (of_a, of_b) in requirements.iter().flat_map(|a| requirements.iter().map(move |b| (a, b))) {
            let selector = Selector {
                requirements: vec![("a".to_owned(), of_a.clone()), ("b".to_owned(), of_b.clone())],
            };
            needed += selector.needed().count();
            for (a, b) in labels.iter().flat_map(|a| labels.iter().map(move |b| (a, b))) {
                let labels = [("a", a), ("b", b)].into_iter();
                let labels: BTreeMap<String, String> =
                    labels.filter_map(|(key, value)| Some((key.to_owned(), (*value)?.to_owned()))).collect();
                let has = |(key, value): (String, String)| labels.get(&key) == Some(&value);
                assert!(!selector.selects(&labels) || selector.needed().all(has), "{selector:?} {labels:?}");
            }
        }
        assert_eq!(needed, 12);
    }
}
