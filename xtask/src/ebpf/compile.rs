//! One build of the probe, reproducible from any directory.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::toolchain::Toolchain;
use crate::process;

const TARGET: &str = "bpfel-unknown-none";

/// What a build needs.
pub(super) struct Build<'build> {
    pub(super) root: &'build Path,
    pub(super) toolchain: &'build Toolchain,
    /// Directory of bpf-linker.
    pub(super) linker: &'build Path,
    /// Target directory, relative to the root.
    pub(super) directory: &'build str,
    pub(super) programs: Programs,
}

/// What the object has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Programs {
    /// The hooks.
    Hooks,
    /// They, and what writes made-up records.
    Synthetic,
}

/// Compiles and links; returns the object's path.
pub(super) fn compile(build: &Build<'_>) -> Result<PathBuf> {
    fetch(build)?;
    let target_directory = build.root.join(build.directory);
    let mut cargo = build.toolchain.cargo();
    cargo.current_dir(build.root);
    cargo.args([
        "build",
        "--release",
        "--locked",
        "-p",
        "probe-ebpf",
        "--target",
        TARGET,
        "-Z",
        "build-std=core",
    ]);
    cargo.arg("--target-dir").arg(&target_directory);
    if build.programs == Programs::Synthetic {
        cargo.args(["--features", "synthetic"]);
    }
    // Thin LTO is for user space; bpf-linker optimises the whole program itself.
    cargo.env("CARGO_PROFILE_RELEASE_LTO", "off");
    cargo.env("CARGO_ENCODED_RUSTFLAGS", flags(build)?.join("\u{1f}"));
    cargo.env("PATH", search_path(build.linker)?);
    process::run(&mut cargo)?;
    Ok(target_directory.join(TARGET).join("release/flowdrift-probe"))
}

/// The registry's directory must exist before the flags can name it.
fn fetch(build: &Build<'_>) -> Result<()> {
    process::run(build.toolchain.cargo().current_dir(build.root).args(["fetch", "--locked", "--quiet"]))
}

/// Debug information carries the BTF and, in it, paths: the places that differ between machines get names.
fn flags(build: &Build<'_>) -> Result<Vec<String>> {
    let mut names = vec![(build.root.to_path_buf(), "flowdrift")];
    names.extend(registries()?.into_iter().map(|directory| (directory, "registry")));
    names.extend(build.toolchain.library.iter().map(|library| (library.clone(), "rust")));
    let mut flags = vec!["-Cdebuginfo=2".to_owned(), "-Clink-arg=--btf".to_owned()];
    // What bpf-linker asks for otherwise keeps LLVM from writing a zeroed array as stores: each is a call then, of a loop
    // over bytes.
    flags.push("-Clink-arg=--disable-expand-memcpy-in-order".to_owned());
    flags.push(format!("-Clinker={}", build.linker.join("bpf-linker").display()));
    flags.extend(names.iter().map(|(path, name)| format!("--remap-path-prefix={}={name}", path.display())));
    Ok(flags)
}

/// One directory for each registry, with a hash of its address in the name.
fn registries() -> Result<Vec<PathBuf>> {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(env::home_dir()?.join(".cargo"))).context("no home directory")?;
    let sources = home.join("registry/src");
    let entries = fs::read_dir(&sources).with_context(|| format!("cannot list {}", sources.display()))?;
    Ok(entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?)
}

fn search_path(linker: &Path) -> Result<OsString> {
    let path = env::var_os("PATH").unwrap_or_default();
    let first = [linker.to_path_buf(), PathBuf::from("/usr/bin")];
    Ok(env::join_paths(first.into_iter().chain(env::split_paths(&path)))?)
}
