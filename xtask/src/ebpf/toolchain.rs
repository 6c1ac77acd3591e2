//! The two toolchains that can compile `core` for the BPF target: both need its source.
//!
//! Debian's compiler comes with a matching LLVM, and takes unstable options when told to; a rustup nightly
//! carries its own LLVM. Whichever is there serves.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::{apt, process};

/// Debian's packages; the linker is built against the same LLVM as the compiler.
const DEBIAN_PACKAGES: [&str; 4] = ["rustc-web", "cargo-web", "rust-web-src", "llvm-22-dev"];
/// aya-ebpf's `#[btf_map]` and the workspace's edition work from here on.
const OLDEST_RUSTC: u32 = 94;
const STANDARD_LIBRARY: &str = "lib/rustlib/src/rust";

/// Where a toolchain comes from, which decides how it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// `/usr/bin/rustc`, with `RUSTC_BOOTSTRAP=1`.
    Debian,
    /// `rustup run nightly`.
    Nightly,
}

/// A toolchain that was found able to build the probe.
pub(super) struct Toolchain {
    pub(super) origin: Origin,
    /// First line of `rustc --version`.
    pub(super) rustc: String,
    /// The LLVM that it was built with.
    pub(super) llvm: String,
    /// The standard library's source, as a path and with its symbolic links resolved.
    pub(super) library: [PathBuf; 2],
}

impl Toolchain {
    /// The first that works; on a Debian machine with root and neither, Debian's is installed.
    pub(super) fn find() -> Result<Self> {
        let (debian, nightly) = match (Self::probe(Origin::Debian), Self::probe(Origin::Nightly)) {
            (Ok(found), _) | (_, Ok(found)) => return Ok(found),
            (Err(debian), Err(nightly)) => (debian, nightly),
        };
        if apt::available() {
            eprintln!("no toolchain here builds for bpfel-unknown-none ({debian:#}; {nightly:#})");
            apt::install(&DEBIAN_PACKAGES, "building the probe")?;
            return Self::probe(Origin::Debian);
        }
        bail!(
            "no toolchain here builds for bpfel-unknown-none\n  \
             Debian's: {debian:#}\n    apt-get install {}\n  \
             rustup's: {nightly:#}\n    rustup toolchain install nightly --component rust-src",
            DEBIAN_PACKAGES.join(" ")
        )
    }

    pub(super) fn description(&self) -> String {
        let origin = match self.origin {
            Origin::Debian => "Debian's",
            Origin::Nightly => "rustup's nightly",
        };
        format!("{origin} {}, LLVM {}", self.rustc, self.llvm)
    }

    /// A cargo that calls this toolchain's compiler.
    pub(super) fn cargo(&self) -> Command {
        match self.origin {
            Origin::Debian => debian("cargo"),
            Origin::Nightly => nightly("cargo"),
        }
    }

    fn probe(origin: Origin) -> Result<Self> {
        let rustc = || if origin == Origin::Debian { debian("rustc") } else { nightly("rustc") };
        let verbose = process::read(rustc().arg("-vV"))?;
        let version = verbose.lines().next().unwrap_or_default().to_owned();
        let llvm = field(&verbose, "LLVM version: ").context("rustc -vV names no LLVM version")?;
        let release = field(&verbose, "release: ").context("rustc -vV names no release")?;
        ensure!(minor(release) >= Some(OLDEST_RUSTC), "{version} is older than 1.{OLDEST_RUSTC}");
        let library =
            PathBuf::from(process::read(rustc().args(["--print", "sysroot"]))?).join(STANDARD_LIBRARY);
        ensure!(library.join("library/core").is_dir(), "{version} has no rust-src");
        let resolved = library.canonicalize()?;
        Ok(Self { origin, rustc: version, llvm: llvm.to_owned(), library: [library, resolved] })
    }
}

fn debian(tool: &str) -> Command {
    let mut command = process::outside_cargo(Path::new("/usr/bin").join(tool));
    command.env("RUSTC_BOOTSTRAP", "1").env("RUSTC", "/usr/bin/rustc");
    command
}

fn nightly(tool: &str) -> Command {
    let mut command = process::outside_cargo("rustup");
    command.args(["run", "nightly", tool]);
    command
}

fn field<'text>(verbose: &'text str, name: &str) -> Option<&'text str> {
    verbose.lines().find_map(|line| line.strip_prefix(name))
}

fn minor(release: &str) -> Option<u32> {
    release.split('.').nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_from_what_rustc_prints() {
        let verbose = "rustc 1.96.0 (x)\nrelease: 1.96.0-nightly\nLLVM version: 22.1.8";
        assert_eq!(field(verbose, "LLVM version: "), Some("22.1.8"));
        assert_eq!(field(verbose, "release: ").and_then(minor), Some(96));
    }
}
