//! Line 2: policies enforced in the lab, as `cargo xtask demo --enforce` has left it.

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::accept::Line;

/// Where the demo writes what it has enforced.
const FIGURES: &str = "target/demo/enforced.json";

/// Reads what the lab showed: it fails by itself where anything else works or is cut than was predicted.
#[must_use]
pub fn line(root: &Path) -> Line {
    const WHAT: &str = "policies enforced in the lab";
    Line::of(WHAT, figures(root))
}

fn figures(root: &Path) -> Result<(bool, Value)> {
    let text = fs::read_to_string(root.join(FIGURES)).with_context(|| FIGURES.to_owned())?;
    let runs: Vec<Value> = serde_json::from_str(&text)?;
    let count = |run: &Value, key: &str| run[key].as_u64().unwrap_or_default();
    let shows = |run: &Value| count(run, "connections_that_work") > 0 && count(run, "connections_cut") > 0;
    ensure!(!runs.is_empty(), "{FIGURES} has no run");
    println!("  {}", json!(runs));
    Ok((runs.iter().all(shows), json!(runs)))
}
