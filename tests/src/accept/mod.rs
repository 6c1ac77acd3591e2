//! Acceptance, line by line: what the `accept-…` programmes run and report.

pub mod capture;
pub mod cost;
pub mod declared;
pub mod exactness;
pub mod policy;
pub mod programme;
pub mod rate;
pub mod replay;
pub mod suites;
mod tool;

use std::fmt::Display;

use serde::Serialize;
use serde_json::{Value, json};

/// What came out of one line of the acceptance.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// What it is about.
    pub what: &'static str,
    /// Whether it holds; a line that could not be tried does not.
    pub pass: bool,
    /// Why it could not be tried on this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
    /// Its figures.
    pub figures: Value,
}

impl Line {
    /// A line that was tried.
    #[must_use]
    pub fn tried(what: &'static str, pass: bool, figures: Value) -> Self {
        Self { what, pass, skipped: None, figures }
    }

    /// A line that was tried: whether it holds, and its figures, or why there are none.
    #[must_use]
    pub fn of(what: &'static str, outcome: anyhow::Result<(bool, Value)>) -> Self {
        match outcome {
            Ok((pass, figures)) => Self::tried(what, pass, figures),
            Err(error) => Self::failed(what, &error),
        }
    }

    /// A line that does not hold because of an error, which is told at once.
    #[must_use]
    pub fn failed(what: &'static str, error: &dyn Display) -> Self {
        println!("  {error:#}");
        Self::tried(what, false, json!({ "error": format!("{error:#}") }))
    }

    /// A line that could not be tried, and why.
    #[must_use]
    pub fn skipped(what: &'static str, why: String) -> Self {
        Self { what, pass: false, skipped: Some(why), figures: Value::Null }
    }

    /// Both must hold; what could not be tried does not excuse what failed.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let mut lines = [self, other];
        let pass = lines.iter().all(|line| line.pass);
        let has_failed = lines.iter().any(Self::is_failure);
        let skipped = if has_failed { None } else { lines.iter_mut().find_map(|line| line.skipped.take()) };
        let figures = lines.iter().map(|line| (line.what.to_owned(), line.figures.clone())).collect();
        Self { what: lines[0].what, pass, skipped, figures: Value::Object(figures) }
    }

    /// Whether it is a reason to fail: a line that could not be tried is none on a developer's machine.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        !self.pass && self.skipped.is_none()
    }
}

/// How much to run.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    /// Connections in one run of line 4.
    pub connections: u64,
    /// Rounds of line 4: each runs every load with the default ring.
    pub runs: u64,
    /// Connections in one round of line 5.
    pub measured: u64,
    /// Rounds of line 5, for each way to close.
    pub rounds: u64,
}

impl Scale {
    /// As the acceptance asks.
    pub const FULL: Self = Self { connections: 200_000, runs: 20, measured: 10_000, rounds: 24 };
    /// About a twentieth.
    pub const REDUCED: Self = Self { connections: 40_000, runs: 4, measured: 10_000, rounds: 2 };
}
