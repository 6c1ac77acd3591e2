//! Names that are nearly others.

use std::collections::BTreeMap;

use super::{Finding, Located, Rule, finding};

/// Shorter words differ by a letter and mean something else: `web1`, `web2`, `run`, `ran`.
const SHORTEST: usize = 5;
/// More different words are no port table.
const MOST: usize = 5_000;

/// Words of endpoint names that occur in two spellings a letter apart: `vRealize`, `vRealzie`.
pub(super) fn findings(rows: &[Located<'_>]) -> Vec<Finding> {
    let mut words: BTreeMap<String, Vec<(usize, String)>> = BTreeMap::new();
    for (index, located) in rows.iter().enumerate() {
        for name in located.row.from.iter().chain(&located.row.to) {
            for word in name.key().split(|letter: char| !letter.is_alphanumeric()) {
                if word.chars().count() >= SHORTEST && !word.contains(|letter: char| letter.is_ascii_digit())
                {
                    words.entry(word.to_owned()).or_default().push((index, name.as_str().to_owned()));
                }
            }
        }
    }
    if words.len() > MOST {
        return Vec::new();
    }
    let list: Vec<(&String, &Vec<(usize, String)>)> = words.iter().collect();
    let mut found = Vec::new();
    for (place, (word, uses)) in list.iter().enumerate() {
        for (other, other_uses) in &list[place + 1..] {
            if !is_slip(word, other) {
                continue;
            }
            // The rarer one is the slip; where both are as rare, the later one.
            let (slip, right) =
                if uses.len() < other_uses.len() { (uses, other_uses) } else { (other_uses, uses) };
            let ((slip_row, slip_name), (right_row, right_name)) = match (slip.first(), right.first()) {
                (Some(slip), Some(right)) => (slip, right),
                _ => continue,
            };
            let message =
                format!("`{slip_name}` is nearly `{right_name}` on line {}", rows[*right_row].row.line);
            found.push(finding(Rule::LikelyMisspelling, &[rows[*slip_row], rows[*right_row]], message));
        }
    }
    found
}

/// One letter too many, too few, wrong or swapped. A word that goes on where the other ends is another form of it:
/// services, router.
fn is_slip(one: &str, other: &str) -> bool {
    one.len().abs_diff(other.len()) <= 4
        && strsim::osa_distance(one, other) == 1
        && !one.starts_with(other)
        && !other.starts_with(one)
}
