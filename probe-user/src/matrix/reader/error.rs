//! A fault of the reading, in words that a writer of YAML knows.

use std::cell::RefCell;
use std::fmt;

use serde::de::{Expected, Unexpected};

use crate::matrix::faults::{Fault, did_you_mean};

/// Where the faults go.
pub(super) type Sink = RefCell<Vec<Fault>>;

/// A fault on its way to the [`Located`](super::located::Located) that catches it.
#[derive(Debug)]
pub(super) struct Error {
    /// Line and path, set by the innermost value; `None` while still on the way there.
    pub(super) place: Option<(u32, String)>,
    pub(super) message: String,
}

impl Error {
    pub(super) fn at(mut self, line: u32, path: &str) -> Self {
        self.place.get_or_insert_with(|| (line, path.to_owned()));
        self
    }

    pub(super) fn note(self, sink: &Sink) {
        let (line, path) = self.place.unwrap_or_default();
        sink.borrow_mut().push(Fault { line, path, message: self.message });
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl serde::de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self { place: None, message: message.to_string() }
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        // serde's words for the shapes, in YAML's.
        let found = match found {
            Unexpected::Seq => "a list".to_owned(),
            Unexpected::Map => "a map".to_owned(),
            Unexpected::Unit => "nothing".to_owned(),
            other => other.to_string(),
        };
        let expected = match expected.to_string() {
            sequence if sequence == "a sequence" => "a list".to_owned(),
            structure if structure.starts_with("struct ") => "a map".to_owned(),
            other => other,
        };
        Self::custom(format!("found {found}, expected {expected}"))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(found, expected)
    }

    fn unknown_variant(found: &str, expected: &'static [&'static str]) -> Self {
        let hint =
            if expected.len() > 1 { did_you_mean(found, expected.iter().copied()) } else { String::new() };
        Self::custom(format!("found `{found}`, expected {}{hint}", one_of(expected)))
    }

    fn unknown_field(found: &str, expected: &'static [&'static str]) -> Self {
        let hint = did_you_mean(found, expected.iter().copied());
        Self::custom(format!("unknown key `{found}`{hint}, expected {}", one_of(expected)))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::custom(format!("key `{field}` is missing"))
    }
}

fn one_of(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" or ")
}
