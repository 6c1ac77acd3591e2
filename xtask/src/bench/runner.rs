//! gungraun's runner, which calls valgrind: found, or built once into `target/tools`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::{apt, process};

/// As the library's (`tests/Cargo.toml`): the two talk to each other.
const VERSION: &str = "0.20.0";

/// The runner, and the valgrind that it needs.
pub(super) fn find_or_install(root: &Path) -> Result<PathBuf> {
    apt::ensure_programs(&[("valgrind", "valgrind")], "counting instructions")?;
    let tools = root.join("target/tools");
    let runner = tools.join("bin/gungraun-runner");
    if !is_wanted(&runner) {
        eprintln!(
            "gungraun-runner {VERSION} counts instructions and is not here: building it into target/tools"
        );
        let mut cargo = process::cargo();
        cargo.args(["install", "--locked", "gungraun-runner", "--version", VERSION, "--root"]).arg(&tools);
        process::run(&mut cargo)?;
    }
    is_wanted(&runner).then_some(runner).context("gungraun-runner was installed and does not run")
}

fn is_wanted(program: &Path) -> bool {
    let version = || process::read(process::outside_cargo(program).arg("--version"));
    program.is_file() && version().is_ok_and(|words| words.ends_with(VERSION))
}
