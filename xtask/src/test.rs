//! `cargo xtask test`: the tests that a stable toolchain can run, with what this machine will skip said first.

use std::path::Path;

use anyhow::{Context, Result};
use clap::Args;
use nix::unistd::geteuid;

use crate::{apt, ebpf, process};

/// Arguments of `cargo xtask test`.
#[derive(Args)]
pub(crate) struct Options {
    /// Passed on to `cargo test`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

/// Checks the embedded object's digest, then runs the tests of the default members.
pub(crate) fn run(root: &Path, options: &Options) -> Result<()> {
    ebpf::ensure_fresh(root).context("the tests would load a probe that these sources do not describe")?;
    if let Some(reason) = no_privileges() {
        eprintln!("privileged tests (kernel hooks, network namespaces) will be skipped: {reason}");
    }
    if no_privileges().is_none() {
        apt::ensure_iproute2("making the tests' network namespaces")?;
    }
    // The tests run the binaries as users do, and cargo builds for a test only its own package's.
    let flags =
        options.rest.iter().filter(|word| ["--locked", "--release", "--offline"].contains(&word.as_str()));
    process::run(process::cargo().current_dir(root).arg("build").args(flags))?;
    process::run(process::cargo().current_dir(root).arg("test").args(&options.rest))
}

fn no_privileges() -> Option<&'static str> {
    if !geteuid().is_root() {
        return Some("not root");
    }
    let kernel_types = Path::new("/sys/kernel/btf/vmlinux");
    (!kernel_types.exists()).then_some("this kernel has no BTF at /sys/kernel/btf/vmlinux")
}
