//! Calico's selector expressions, such as `app == 'web' && !has(debug)`.
//!
//! Facts are those of the reference's section on selectors and of `libcalico-go/lib/selector`: `||` binds least, then `&&`,
//! then `!`; what has no such label differs from every value and is in no set; strings know no escapes.

mod parse;

pub(super) use parse::Unparsable;

use std::collections::BTreeSet;

use crate::workload::Labels;

/// An expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expression {
    /// `all()`, and nothing at all.
    All,
    /// `global()`: what is in no namespace.
    Global,
    /// `has(key)`.
    Has(String),
    /// `key operator 'value'`.
    Compare(String, Comparison, String),
    /// `key in {'value', …}`.
    In(String, BTreeSet<String>),
    /// `!…`, and `key not in {…}`.
    Not(Box<Expression>),
    /// `… && …`.
    And(Vec<Expression>),
    /// `… || …`.
    Or(Vec<Expression>),
}

/// How a label's value is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `==`.
    Equals,
    /// `!=`.
    Differs,
    /// `contains`.
    Contains,
    /// `starts with`.
    StartsWith,
    /// `ends with`.
    EndsWith,
}

/// What an expression is asked of.
pub trait Labelled {
    /// The value of its label.
    fn label(&self, key: &str) -> Option<&str>;

    /// Whether it is one of `all()`.
    fn is_among_all(&self) -> bool;

    /// Whether it is in no namespace.
    fn is_global(&self) -> bool;
}

impl Expression {
    /// Reads one.
    ///
    /// # Errors
    /// Where it is none.
    pub fn read(text: &str) -> Result<Self, Unparsable> {
        parse::parse(text)
    }

    /// Whether it selects what has these labels.
    pub fn holds(&self, of: &impl Labelled) -> bool {
        match self {
            Self::All => of.is_among_all(),
            Self::Global => of.is_global(),
            Self::Has(key) => of.label(key).is_some(),
            Self::Compare(key, comparison, value) => compare(of.label(key), *comparison, value),
            Self::In(key, values) => of.label(key).is_some_and(|value| values.contains(value)),
            Self::Not(inner) => !inner.holds(of),
            Self::And(parts) => parts.iter().all(|part| part.holds(of)),
            Self::Or(parts) => parts.iter().any(|part| part.holds(of)),
        }
    }

    /// Labels, with their values, of which it selects nothing that has not every one.
    pub(super) fn needed(&self) -> Vec<(String, String)> {
        match self {
            Self::Compare(key, Comparison::Equals, value) => vec![(key.clone(), value.clone())],
            Self::And(parts) => parts.iter().flat_map(Self::needed).collect(),
            _ => Vec::new(),
        }
    }

    /// Whether any part of it is so.
    pub fn any(&self, is_so: &impl Fn(&Self) -> bool) -> bool {
        is_so(self)
            || match self {
                Self::Not(inner) => inner.any(is_so),
                Self::And(parts) | Self::Or(parts) => parts.iter().any(|part| part.any(is_so)),
                _ => false,
            }
    }

    /// Whether it asks for a label of these.
    pub fn names(&self, is_one: &impl Fn(&str) -> bool) -> bool {
        self.any(&|part| match part {
            Self::Has(key) | Self::Compare(key, ..) | Self::In(key, _) => is_one(key),
            _ => false,
        })
    }
}

fn compare(found: Option<&str>, comparison: Comparison, value: &str) -> bool {
    match comparison {
        Comparison::Equals => found == Some(value),
        Comparison::Differs => found != Some(value),
        Comparison::Contains => found.is_some_and(|found| found.contains(value)),
        Comparison::StartsWith => found.is_some_and(|found| found.starts_with(value)),
        Comparison::EndsWith => found.is_some_and(|found| found.ends_with(value)),
    }
}

/// The expression that selects what has all these labels; `None` where it cannot be said: what Calico takes for a key has
/// ASCII letters, digits and `_./-`, and a string with both quotation marks has no end.
pub(super) fn carrying(labels: &Labels) -> Option<String> {
    let part = |(key, value): (&String, &String)| {
        let quote = ['\'', '"'].into_iter().find(|quote| !value.contains(*quote))?;
        parse::is_key(key).then(|| format!("{key} == {quote}{value}{quote}"))
    };
    let parts: Vec<String> = labels.iter().map(part).collect::<Option<_>>()?;
    Some(parts.join(" && ")).filter(|written| !written.is_empty())
}

#[cfg(test)]
mod tests;
