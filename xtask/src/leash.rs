//! A program that ends when the task that started it does, even by SIGKILL: no recorder may stay attached.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::Args;
use nix::sys::{prctl, signal::Signal};
use nix::unistd::{Pid, getppid};

/// The hidden task by which another becomes a leashed program.
#[derive(Args)]
pub(crate) struct Options {
    /// The process that holds the leash
    holder: i32,
    /// The program and its arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    command: Vec<OsString>,
}

/// The command line that runs `program` on the caller's leash. The kernel ties it to the calling *thread*.
pub(crate) fn leashed(program: &std::path::Path) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe().context("cannot find this program")?);
    command.args(["leashed", &std::process::id().to_string()]).arg(program);
    Ok(command)
}

/// Asks for SIGINT at the holder's death and becomes the program: the wish survives `execve`.
pub(crate) fn run(options: &Options) -> Result<()> {
    prctl::set_pdeathsig(Signal::SIGINT)?;
    ensure!(getppid() == Pid::from_raw(options.holder), "the task that holds the leash is gone");
    let (program, arguments) = options.command.split_first().context("no program")?;
    let error = Command::new(program).args(arguments).exec();
    Err(error).with_context(|| format!("cannot start {}", program.to_string_lossy()))
}
