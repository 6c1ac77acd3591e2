//! Debian packages that a task needs and installs itself, always saying so.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Result, ensure};

use crate::process;

/// Whether packages could be installed here: Debian's tool, and the right to use it.
pub(crate) fn available() -> bool {
    Path::new("/usr/bin/apt-get").exists() && nix::unistd::geteuid().is_root()
}

/// Installs `packages`, after a line that says which and why.
pub(crate) fn install(packages: &[&str], why: &str) -> Result<()> {
    let names = packages.join(" ");
    ensure!(available(), "{why} needs the Debian packages {names}; install them, or run this as root");
    eprintln!("{why} needs {names}: installing with apt-get");
    process::run(apt_get().arg("update").arg("-qq"))?;
    process::run(apt_get().args(["install", "-y", "-qq", "--no-install-recommends"]).args(packages))
}

/// Installs iproute2 where `ip` is missing: labs and tests make network namespaces with it.
pub(crate) fn ensure_iproute2(why: &str) -> Result<()> {
    let has_ip = Command::new("ip").arg("-V").stdin(Stdio::null()).stdout(Stdio::null()).status().is_ok();
    if has_ip { Ok(()) } else { install(&["iproute2"], why) }
}

/// Installs the packages of those programs that are not there: each program with its package.
pub(crate) fn ensure_programs(programs: &[(&str, &str)], why: &str) -> Result<()> {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let is_missing = |program: &str| !std::env::split_paths(&paths).any(|path| path.join(program).exists());
    let missing: Vec<&str> =
        programs.iter().filter(|(program, _)| is_missing(program)).map(|(_, package)| *package).collect();
    if missing.is_empty() { Ok(()) } else { install(&missing, why) }
}

/// Installs what python3 needs to make a virtual environment, which Debian packages apart.
pub(crate) fn ensure_venv(why: &str) -> Result<()> {
    let mut python = Command::new("python3");
    python
        .args(["-c", "import ensurepip, venv"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let is_there = python.status().is_ok_and(|status| status.success());
    if is_there { Ok(()) } else { install(&["python3-venv"], why) }
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null()).stdout(Stdio::null());
    command
}
