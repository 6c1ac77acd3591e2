//! bpf-linker: found, or built once into `target/tools`.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::toolchain::{Origin, Toolchain};
use crate::process;

/// The one version that is used, because the object's bytes depend on it.
pub(super) const VERSION: &str = "0.13.0";
const LLVM_PREFIX: &str = "/usr/lib/llvm-22";

/// The directory that holds a bpf-linker of [`VERSION`].
pub(super) fn find_or_install(root: &Path, toolchain: &Toolchain) -> Result<PathBuf> {
    let tools = root.join("target/tools");
    if let Some(directory) = search(&tools) {
        return Ok(directory);
    }
    eprintln!(
        "bpf-linker {VERSION} links the probe and is not here: building it into target/tools (about a minute)"
    );
    install(&tools, toolchain)?;
    search(&tools).context("bpf-linker was installed and does not run")
}

fn search(tools: &Path) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let directories = std::iter::once(tools.join("bin")).chain(env::split_paths(&path));
    directories.into_iter().find(|directory| is_wanted(&directory.join("bpf-linker")))
}

fn is_wanted(program: &Path) -> bool {
    let version = || process::read(process::outside_cargo(program).arg("--version"));
    program.is_file() && version().is_ok_and(|words| words.ends_with(VERSION))
}

fn install(tools: &Path, toolchain: &Toolchain) -> Result<()> {
    let mut cargo = toolchain.cargo();
    cargo.args(["install", "--locked", "bpf-linker", "--version", VERSION, "--root"]).arg(tools);
    if toolchain.origin == Origin::Debian {
        // Debian's rustc and llvm-22-dev are the same LLVM; the default features expect rustup's.
        cargo.env("LLVM_PREFIX", LLVM_PREFIX).args(["--no-default-features", "--features", "llvm-22"]);
    }
    process::run(&mut cargo)
}
