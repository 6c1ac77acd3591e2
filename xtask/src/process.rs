//! Running other programs: every failure names the command.

use std::env;
use std::ffi::OsStr;
use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};

/// The cargo that started this task, without the variables by which it would steer another workspace member.
pub(crate) fn cargo() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Which build of the project a task runs.
#[derive(Clone, Default, clap::Args)]
pub(crate) struct Build {
    /// Run what `cargo build` builds: it is there after the tests, and slow
    #[arg(long)]
    debug: bool,
}

impl Build {
    /// Cargo's arguments for it.
    pub(crate) fn arguments(&self) -> &'static [&'static str] {
        if self.debug { &[] } else { &["--release"] }
    }

    /// Its folder below the target directory.
    pub(crate) fn folder(&self) -> &'static str {
        if self.debug { "debug" } else { "release" }
    }
}

/// A command that sees nothing of the toolchain which built this task: another toolchain's compiler must not
/// be handed that one's libraries, wrappers or version.
pub(crate) fn outside_cargo(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for name in ["CARGO", "RUSTC", "RUSTDOC", "RUSTUP_TOOLCHAIN", "RUSTFLAGS", "LD_LIBRARY_PATH"] {
        command.env_remove(name);
    }
    command
}

/// Runs to the end with our own output streams; anything but success is an error.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {}", words(command)))?;
    ensure!(status.success(), "{} failed: {status}", words(command));
    Ok(())
}

/// Runs to the end and returns what it wrote to its standard output.
pub(crate) fn read(command: &mut Command) -> Result<String> {
    let Output { status, stdout, stderr } =
        command.output().with_context(|| format!("cannot start {}", words(command)))?;
    let complaint = String::from_utf8_lossy(&stderr);
    ensure!(status.success(), "{} failed: {status}: {}", words(command), complaint.trim());
    Ok(String::from_utf8_lossy(&stdout).trim().to_owned())
}

fn words(command: &Command) -> String {
    let program = command.get_program();
    let all = std::iter::once(program).chain(command.get_args());
    all.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
