//! Where the workspace is.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The workspace's top directory, found at run time so that a binary moved with its tree goes on working.
pub(crate) fn root() -> Result<PathBuf> {
    let start = env::var_os("CARGO_MANIFEST_DIR").map_or_else(env::current_dir, |path| Ok(path.into()))?;
    start
        .ancestors()
        .find(|directory| is_root(directory))
        .map(Path::to_path_buf)
        .context("not inside the flowdrift workspace")
}

fn is_root(directory: &Path) -> bool {
    directory.join("Cargo.lock").is_file() && directory.join("probe-ebpf").is_dir()
}
