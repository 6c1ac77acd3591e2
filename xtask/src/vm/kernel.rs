//! Debian's kernels, unpacked and not installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::process;

/// A kernel with its modules.
pub(super) struct Kernel {
    /// Where its package is unpacked.
    tree: PathBuf,
    series: String,
    release: String,
}

impl Kernel {
    /// The newest of a series that Debian's package lists of this machine have.
    pub(super) fn fetch(folder: &Path, series: &str) -> Result<Self> {
        let package = newest(series)?;
        let tree = folder.join(&package);
        if !tree.join("lib/modules").is_dir() {
            unpack(folder, &package, &tree)?;
        }
        let modules = fs::read_dir(tree.join("lib/modules"))?.next().context("a kernel has modules")??;
        let release = modules.file_name().to_string_lossy().into_owned();
        Ok(Self { tree, series: series.to_owned(), release })
    }

    /// The first two numbers of its version.
    pub(super) fn series(&self) -> &str {
        &self.series
    }

    /// As `uname -r` says it.
    pub(super) fn release(&self) -> &str {
        &self.release
    }

    pub(super) fn image(&self) -> PathBuf {
        self.tree.join("boot").join(format!("vmlinuz-{}", self.release))
    }

    pub(super) fn modules(&self) -> PathBuf {
        self.tree.join("lib/modules").join(&self.release)
    }
}

/// The package of the newest kernel of a series that is neither for clouds nor for real time.
fn newest(series: &str) -> Result<String> {
    let pattern = format!("^linux-image-{}[.][0-9.]+[^ ]*-amd64$", series.replace('.', "[.]"));
    let listed = process::read(Command::new("apt-cache").args(["search", "--names-only", &pattern]))?;
    let names = listed.lines().filter_map(|line| line.split(' ').next());
    let plain =
        names.filter(|name| !["-rt-", "-cloud-", "-unsigned", "-dbg"].iter().any(|part| name.contains(part)));
    let number = |name: &str| -> Vec<u64> {
        name.split(|letter: char| !letter.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect()
    };
    let newest = plain.max_by_key(|name| number(name));
    newest.map(str::to_owned).with_context(|| {
        format!("no package of a {series} kernel is listed here: it needs Debian's lists, backports included")
    })
}

fn unpack(folder: &Path, package: &str, tree: &Path) -> Result<()> {
    println!("downloading {package}");
    let into = folder.join(format!("{package}.download"));
    let _ = fs::remove_dir_all(&into);
    fs::create_dir_all(&into)?;
    process::run(Command::new("apt-get").args(["download", "-qq", package]).current_dir(&into))?;
    let archive = fs::read_dir(&into)?.next().context("apt-get has downloaded a file")??.path();
    process::run(Command::new("dpkg").arg("-x").arg(&archive).arg(into.join("tree")))?;
    ensure!(into.join("tree/boot").is_dir(), "{package} holds no kernel");
    // At once, so that a download that was cut off is not taken for a kernel.
    fs::rename(into.join("tree"), tree)?;
    fs::remove_dir_all(into)?;
    Ok(())
}
