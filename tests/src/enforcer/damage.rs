//! What a hand that slips does to policies: a list loses an item or has one twice, a key is gone, a number is another, a text stands
//! where it does elsewhere.

use fastrand::Rng;
use serde_json::Value;

/// Damages the specification of one of them in one place; whether it is another one now.
pub fn damage(documents: &mut [Value], rng: &mut Rng) -> bool {
    let mut texts: Vec<(String, String)> = Vec::new();
    documents.iter().for_each(|document| leaves("spec", &document["spec"], &mut texts));
    let index = rng.usize(0..documents.len());
    let spec = &mut documents[index]["spec"];
    let before = spec.clone();
    let mut places = 0;
    visit("spec", spec, &mut |_, _| places += 1);
    let chosen = rng.usize(0..places.max(1));
    let mut place = 0;
    visit("spec", spec, &mut |key, value| {
        if place == chosen {
            change(key, value, &texts, rng);
        }
        place += 1;
    });
    *spec != before
}

/// Texts with the keys under which they stand.
fn leaves(key: &str, value: &Value, found: &mut Vec<(String, String)>) {
    match value {
        Value::String(text) => found.push((key.to_owned(), text.clone())),
        Value::Array(items) => items.iter().for_each(|item| leaves(key, item, found)),
        Value::Object(entries) => entries.iter().for_each(|(key, value)| leaves(key, value, found)),
        _ => {}
    }
}

/// Every value but whether, with the key under which it stands.
fn visit(key: &str, value: &mut Value, see: &mut impl FnMut(&str, &mut Value)) {
    match value {
        Value::Array(items) => {
            items.iter_mut().for_each(|item| visit(key, item, see));
            see(key, value);
        }
        Value::Object(entries) => {
            entries.iter_mut().for_each(|(key, value)| visit(key, value, see));
            see(key, value);
        }
        Value::String(_) | Value::Number(_) => see(key, value),
        _ => {}
    }
}

fn change(key: &str, value: &mut Value, texts: &[(String, String)], rng: &mut Rng) {
    match value {
        Value::Array(items) if !items.is_empty() => {
            let index = rng.usize(0..items.len());
            if rng.bool() {
                items.remove(index);
            } else {
                items.push(items[index].clone());
            }
        }
        Value::Object(entries) if !entries.is_empty() => {
            let keys: Vec<String> = entries.keys().cloned().collect();
            entries.remove(&keys[rng.usize(0..keys.len())]);
        }
        Value::Number(number) => {
            let known = number.as_u64().unwrap_or_default();
            let other = [known + 1, known.saturating_sub(1), 443, 8000][rng.usize(0..4)];
            *value = other.into();
        }
        Value::String(text) => {
            let alike: Vec<&str> = texts
                .iter()
                .filter(|(other, found)| other == key && found != text)
                .map(|(_, found)| found.as_str())
                .collect();
            if !alike.is_empty() {
                *value = alike[rng.usize(0..alike.len())].into();
            }
        }
        _ => {}
    }
}
