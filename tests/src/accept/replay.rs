//! Line 6: recordings judged again give the live run's findings, and the same bytes twice.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::Line;
use crate::live::binary;

const WHAT: &str = "replay";
const MATRIX: &str = "policies/tap-multi-cluster.yaml";
/// Where the demo leaves its recordings, its report, and the lab's inventory.
const DEMO: &str = "target/demo";
const INVENTORIES: [&str; 2] = ["target/demo/inventory.yaml", "policies/lab-inventory.yaml"];

/// Judges what the demo has left, twice.
#[must_use]
pub fn line(root: &Path) -> Line {
    let recordings = recordings(&root.join(DEMO));
    let inventory = INVENTORIES.iter().map(|path| root.join(path)).find(|path| path.exists());
    let (Some(inventory), false) = (inventory, recordings.is_empty()) else {
        return Line::skipped(WHAT, format!("no recordings and inventory of `cargo xtask demo` in {DEMO}"));
    };
    match judge_twice(root, &inventory, &recordings) {
        Ok((pass, figures)) => Line::tried(WHAT, pass, figures),
        Err(error) => Line::failed(WHAT, &error),
    }
}

fn recordings(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut found: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|ending| ending == "fdr")).collect();
    found.sort();
    found
}

fn judge_twice(root: &Path, inventory: &Path, recordings: &[PathBuf]) -> Result<(bool, Value)> {
    let [first, second] = [audit(root, inventory, recordings)?, audit(root, inventory, recordings)?];
    let live = std::fs::read(root.join(DEMO).join("report.json")).context("the live run's report")?;
    let (again, live) = (findings(&first)?, findings(&live)?);
    let is_same = first == second;
    let figures = json!({
        "recordings": recordings.len(),
        "bytes": first.len(),
        "same_bytes": is_same,
        "findings": again.len(),
        "same_findings": again == live,
    });
    println!("  {figures}");
    Ok((is_same && again == live, figures))
}

fn audit(root: &Path, inventory: &Path, recordings: &[PathBuf]) -> Result<Vec<u8>> {
    let output = Command::new(binary())
        .current_dir(root)
        .args(["audit", "--format", "json", "--matrix", MATRIX, "--inventory"])
        .arg(inventory)
        .arg("--from")
        .args(recordings)
        .output()?;
    let code = output.status.code();
    // Drift and inconclusive are answers; the demo plants both.
    ensure!(matches!(code, Some(0 | 1 | 3)), "{code:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(output.stdout)
}

fn findings(report: &[u8]) -> Result<BTreeSet<String>> {
    let report: Value = serde_json::from_slice(report)?;
    let findings = report["findings"].as_array().context("a report has findings")?;
    let ids = findings.iter().filter_map(|finding| finding["id"].as_str().map(str::to_owned));
    Ok(ids.collect())
}
