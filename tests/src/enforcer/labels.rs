//! Label selectors as `LabelSelector` of `meta/v1` describes them, read straight from a document.

use flowdrift::workload::Labels;
use serde_json::Value;

/// Whether a selector selects what has these labels: all that it says must hold, and an empty one selects
/// everything. One that is missing reads as empty, too; where a field means something else without it, its
/// reader asks for the field first.
#[must_use]
pub(super) fn selects(selector: &Value, labels: &Labels) -> bool {
    let mut wanted = selector["matchLabels"].as_object().into_iter().flatten();
    let mut requirements = selector["matchExpressions"].as_array().into_iter().flatten();
    wanted.all(|(key, value)| carries(labels, key, value))
        && requirements.all(|requirement| meets(labels, requirement))
}

/// An entry of `matchLabels`. The API server reads a value that is null as an empty one.
fn carries(labels: &Labels, key: &str, value: &Value) -> bool {
    labels.get(key).is_some_and(|own| own == value.as_str().unwrap_or_default())
}

/// An entry of `matchExpressions`.
fn meets(labels: &Labels, requirement: &Value) -> bool {
    let own = requirement["key"].as_str().and_then(|key| labels.get(key));
    let is_listed = own.is_some_and(|own| {
        requirement["values"].as_array().into_iter().flatten().any(|value| value == own.as_str())
    });
    match requirement["operator"].as_str() {
        Some("In") => is_listed,
        // "… and all resources with no labels with the `tier` key"
        // (concepts/overview/working-with-objects/labels).
        Some("NotIn") => !is_listed,
        Some("Exists") => own.is_some(),
        Some("DoesNotExist") => own.is_none(),
        operator => panic!("no selector has the operator {operator:?}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn labels(text: &str) -> Labels {
        let pairs = text.split_whitespace().filter_map(|pair| pair.split_once('='));
        pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    fn selected(selector: &Value, all: &[&str]) -> Vec<bool> {
        all.iter().map(|one| selects(selector, &labels(one))).collect()
    }

    #[test]
    fn an_empty_selector_selects_everything() {
        for empty in [json!({}), json!({"matchLabels": {}}), json!({"matchExpressions": []}), Value::Null] {
            assert_eq!(selected(&empty, &["", "a=b"]), [true, true], "{empty}");
        }
    }

    #[test]
    fn all_labels_and_all_requirements_must_hold() {
        let selector = json!({"matchLabels": {"component": "redis"}, "matchExpressions": [
            {"key": "tier", "operator": "In", "values": ["cache"]},
            {"key": "environment", "operator": "NotIn", "values": ["dev"]},
        ]});
        let all = [
            "component=redis tier=cache",
            "component=redis tier=cache environment=qa",
            "component=redis tier=cache environment=dev",
            "component=redis tier=front",
            "component=redis",
            "tier=cache",
        ];
        assert_eq!(selected(&selector, &all), [true, true, false, false, false, false]);
    }

    #[test]
    fn each_operator_says_what_the_label_page_says() {
        let requirement = |operator: &str, values: Value| json!({"matchExpressions": [{"key": "tier", "operator": operator, "values": values}]});
        let all = ["tier=frontend", "tier=backend", "tier=", "other=frontend"];
        for (operator, values, expected) in [
            ("In", json!(["frontend", "backend"]), [true, true, false, false]),
            // Whoever has no such label is not in the list.
            ("NotIn", json!(["frontend", "backend"]), [false, false, true, true]),
            ("Exists", Value::Null, [true, true, true, false]),
            ("DoesNotExist", json!([]), [false, false, false, true]),
        ] {
            assert_eq!(selected(&requirement(operator, values), &all), expected, "{operator}");
        }
    }

    #[test]
    fn a_label_that_has_no_value_has_an_empty_one() {
        for value in [Value::Null, json!("")] {
            let selector = json!({"matchLabels": {"node-role.kubernetes.io/control-plane": value}});
            let all = [
                "node-role.kubernetes.io/control-plane=",
                "node-role.kubernetes.io/control-plane=true",
                "role=",
            ];
            assert_eq!(selected(&selector, &all), [true, false, false]);
        }
    }
}
