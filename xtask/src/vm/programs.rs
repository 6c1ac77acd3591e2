//! What runs on the emulated machine.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::process;

/// A program of this workspace.
pub(super) struct Program {
    /// Its name without cargo's hash.
    pub(super) name: String,
    pub(super) file: PathBuf,
    pub(super) is_test: bool,
}

/// Builds the binaries and the named tests, optimised, since an emulated machine pays for every instruction.
pub(super) fn build(root: &Path, tests: &[&str]) -> Result<Vec<Program>> {
    let build = |what: &[&str]| {
        let mut command = process::cargo();
        command.current_dir(root).args(what);
        command.args(["--profile", "vm", "--message-format", "json-render-diagnostics"]);
        command.args(["-p", "flowdrift", "-p", "flowdrift-tests"]);
        executables(&process::read(&mut command)?)
    };
    let flags: Vec<&str> =
        ["test", "--no-run"].into_iter().chain(tests.iter().flat_map(|test| ["--test", test])).collect();
    let mut programs = build(&flags)?;
    programs.retain(|program| program.is_test);
    programs.extend(build(&["build", "--bins"])?);
    for test in tests {
        ensure!(programs.iter().any(|program| program.name == *test), "there is no test file {test}");
    }
    Ok(programs)
}

/// From what cargo says of each artifact.
fn executables(said: &str) -> Result<Vec<Program>> {
    let mut programs = Vec::new();
    for line in said.lines() {
        let message: serde_json::Value = serde_json::from_str(line).context("cargo speaks JSON")?;
        let Some(file) = message["executable"].as_str() else { continue };
        let name = message["target"]["name"].as_str().unwrap_or_default().to_owned();
        let is_test = message["profile"]["test"].as_bool().unwrap_or(false);
        programs.push(Program { name, file: file.into(), is_test });
    }
    Ok(programs)
}
