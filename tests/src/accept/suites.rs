//! Lines 2, 3, 7 and 8: the test executables, run as `cargo test` runs them, each named test with its result.
//!
//! The tests stay where every developer runs them; the acceptance only counts. With `CI=true` a test that would
//! be skipped fails.

use std::{path::Path, process::Command};

use serde_json::json;

use super::Line;

/// Runs test files of this crate; all that is in them must pass.
#[must_use]
pub fn line(what: &'static str, root: &Path, suites: &[&str]) -> Line {
    run(what, root, suites, &[], &[])
}

/// The same as this programme was built, with variables of the environment, from which some tests take their counts.
#[must_use]
pub fn line_with(what: &'static str, root: &Path, suites: &[&str], variables: &[(&str, String)]) -> Line {
    let profile: &[&str] = if cfg!(debug_assertions) { &[] } else { &["--release"] };
    run(what, root, suites, variables, profile)
}

fn run(
    what: &'static str,
    root: &Path,
    suites: &[&str],
    variables: &[(&str, String)],
    profile: &[&str],
) -> Line {
    let cargo = || Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // The tests run the binaries beside them: not older ones.
    let mut build = cargo();
    build.current_dir(root).arg("build").args(profile);
    if !build.status().is_ok_and(|status| status.success()) {
        return Line::tried(what, false, json!({ "error": "cargo build failed" }));
    }
    let mut command = cargo();
    command.current_dir(root).env("CI", "true").env("RUST_BACKTRACE", "0");
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    command.args(["test", "-p", "flowdrift-tests", "--no-fail-fast"]).args(profile);
    suites.iter().for_each(|suite| {
        command.args(["--test", suite]);
    });
    let output = match command.output() {
        Ok(output) => output,
        Err(cause) => return Line::tried(what, false, json!({ "error": format!("cargo test: {cause}") })),
    };
    let text = String::from_utf8_lossy(&output.stdout);
    // What is ignored says where it runs instead.
    let is_run = |(_, result): &(&str, &str)| !result.starts_with("ignored");
    let results = text.lines().filter_map(|line| line.strip_prefix("test ")?.rsplit_once(" ... "));
    let results: Vec<(&str, &str)> = results.filter(is_run).collect();
    let failed: Vec<&str> =
        results.iter().filter(|(_, result)| *result != "ok").map(|(test, _)| *test).collect();
    let passed = results.len() - failed.len();
    let said = said_by_failures(&text);
    println!("  {what}: {passed} passed, {} failed {failed:?}", failed.len());
    said.iter().for_each(|line| println!("    {line}"));
    let figures = json!({
        "suites": suites,
        "passed": passed,
        "failed": failed,
        "said": said,
        "tests": results.iter().map(|(test, _)| *test).collect::<Vec<_>>(),
    });
    Line::tried(what, output.status.success() && passed > 0 && failed.is_empty(), figures)
}

/// What the failed tests printed: libtest puts it between two lines that say so, for each executable.
fn said_by_failures(text: &str) -> Vec<&str> {
    const HEADING: &str = "failures:";
    let mut headings = 0;
    let mut said = Vec::new();
    for line in text.lines() {
        match line {
            HEADING => headings += 1,
            line if headings % 2 == 1 && !line.is_empty() => said.push(line),
            _ => {}
        }
    }
    said
}
