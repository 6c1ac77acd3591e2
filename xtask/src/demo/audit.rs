//! The audit of the lab's recordings, as users run it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::process::{self, Build};

/// Drift was found, which is what the lab is for.
const DRIFT: i32 = 1;

/// Builds the `flowdrift` that records and audits.
pub(super) fn build(root: &Path, build: &Build) -> Result<PathBuf> {
    eprintln!("building flowdrift ({})", build.folder());
    let mut cargo = process::cargo();
    process::run(cargo.current_dir(root).args(["build", "-p", "flowdrift"]).args(build.arguments()))?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    Ok(root.join(target).join(build.folder()).join("flowdrift"))
}

/// Writes `report.txt` and `report.json` beside the recordings' results and prints the first.
pub(super) fn audit(root: &Path, flowdrift: &Path, recordings: &[PathBuf]) -> Result<PathBuf> {
    ensure!(!recordings.is_empty(), "there are no recordings to audit");
    let output = root.join("target/demo");
    let mut drift = Ok(());
    for (format, name) in [("text", "report.txt"), ("json", "report.json")] {
        let mut command = std::process::Command::new(flowdrift);
        command.current_dir(root);
        command.args(["audit", "--matrix", "policies/tap-multi-cluster.yaml"]);
        command.args(["--inventory", "policies/lab-inventory.yaml", "--from"]);
        // Relative, so that the report names no machine's directories.
        command.args(recordings.iter().map(|path| path.strip_prefix(root).unwrap_or(path)));
        command.args(["--format", format, "-o"]).arg(output.join(name));
        let status = command.status().context("cannot start flowdrift audit")?;
        if status.code() != Some(DRIFT) {
            drift = Err(anyhow::anyhow!("flowdrift audit ended with {status}, not with exit code {DRIFT}"));
        }
    }
    // The report is worth reading above all when the exit code is not the foreseen one.
    print!("{}", fs::read_to_string(output.join("report.txt")).unwrap_or_default());
    drift.map(|()| output.join("report.json"))
}

/// The recordings in a directory, by name.
pub(super) fn recordings(directory: &Path) -> Result<Vec<PathBuf>> {
    if !directory.is_dir() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(directory)?.map(|entry| Ok(entry?.path()));
    let mut paths = entries.collect::<Result<Vec<_>>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "fdr"));
    paths.sort();
    Ok(paths)
}
