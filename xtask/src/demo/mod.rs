//! `cargo xtask demo`: the lab.
//!
//! One kernel plays four clusters and the services around them in network namespaces. Each node is recorded
//! apart, the declared rows and the planted faults are played, and the recordings are audited together.

mod audit;
mod check;
mod client;
mod datagram;
mod enforce;
mod interrupt;
mod namespace;
mod network;
mod play;
mod recorder;
mod script;
mod server;
mod services;
mod topology;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, anyhow, ensure};
use clap::Args;
use nix::fcntl::{Flock, FlockArg};
use nix::unistd::geteuid;

use interrupt::Interrupt;
use play::Lab;
use recorder::Recorders;

use crate::process::Build;

/// Recordings of a real run, for whoever has no root.
const KEPT: &str = "policies/lab-recordings";
const OUTPUT: &str = "target/demo";
/// One kernel has room for one lab.
const LOCK: &str = "/run/flowdrift-lab.lock";

/// Arguments of `cargo xtask demo`.
#[derive(Args, Default)]
pub(crate) struct Options {
    /// Copy this run's recordings to policies/lab-recordings
    #[arg(long)]
    keep_recordings: bool,
    /// Then make policies of the recordings, enforce them in the lab's nodes, and play again
    #[arg(long)]
    enforce: bool,
    /// Make the lab and play, without recording or judging
    #[arg(long, hide = true)]
    play_only: bool,
    #[command(flatten)]
    build: Build,
}

impl Options {
    /// Those of a run that enforces its policies.
    pub(crate) fn enforcing(build: Build) -> Self {
        Self { enforce: true, build, ..Self::default() }
    }
}

/// Whether a run has left its recordings and its report.
pub(crate) fn has_run(root: &Path) -> bool {
    root.join(OUTPUT).join("report.json").exists()
}

/// Ends well only if the audit finds exactly the planted faults.
pub(crate) fn run(root: &Path, options: &Options) -> Result<()> {
    let start = Instant::now();
    let result = run_steps(root, options);
    println!("wall time: {:.1} s", start.elapsed().as_secs_f64());
    result
}

fn run_steps(root: &Path, options: &Options) -> Result<()> {
    fs::create_dir_all(root.join(OUTPUT))?;
    if !geteuid().is_root() {
        ensure!(!options.enforce, "policies are enforced by root only");
        eprintln!("not root, so no lab can be made: auditing the recordings in {KEPT}");
        let flowdrift = audit::build(root, &options.build)?;
        return judge(root, &flowdrift, &audit::recordings(&root.join(KEPT))?);
    }
    let interrupt = Interrupt::watch()?;
    let _only = lock()?;
    if options.play_only {
        return play_only(&interrupt);
    }
    let flowdrift = audit::build(root, &options.build)?;
    interrupt.check()?;
    let recordings = record(root, &flowdrift, &interrupt)?;
    interrupt.check()?;
    if options.keep_recordings {
        keep(root, &recordings)?;
    }
    judge(root, &flowdrift, &recordings)?;
    interrupt.check()?;
    if options.enforce {
        enforce::enforce(root, &flowdrift, &recordings)?;
    }
    Ok(())
}

fn lock() -> Result<Flock<File>> {
    let file = File::create(LOCK).with_context(|| format!("cannot write {LOCK}"))?;
    let locked = Flock::lock(file, FlockArg::LockExclusiveNonblock);
    locked.map_err(|(_, error)| anyhow!("another lab is running on this machine ({LOCK}: {error})"))
}

fn play_only(interrupt: &Interrupt) -> Result<()> {
    let lab = Lab::make()?;
    interrupt.check()?;
    println!("played {} connections, each as foreseen", lab.play()?);
    interrupt.check()
}

/// The lab is gone again when this returns, however it returns.
fn record(root: &Path, flowdrift: &Path, interrupt: &Interrupt) -> Result<Vec<PathBuf>> {
    let directory = root.join(OUTPUT);
    for stale in audit::recordings(&directory)? {
        fs::remove_file(stale)?;
    }
    eprintln!("making the lab");
    let lab = Lab::make()?;
    interrupt.check()?;
    let recorders = Recorders::start(flowdrift, &directory)?;
    interrupt.check()?;
    eprintln!("recording {} nodes, playing", topology::RECORDED.len());
    lab.play()?;
    interrupt.check()?;
    recorders.stop()?;
    audit::recordings(&directory)
}

fn keep(root: &Path, recordings: &[PathBuf]) -> Result<()> {
    let directory = root.join(KEPT);
    fs::create_dir_all(&directory)?;
    for recording in recordings {
        let name = recording.file_name().context("a recording without a name")?;
        fs::copy(recording, directory.join(name))?;
    }
    Ok(())
}

fn judge(root: &Path, flowdrift: &Path, recordings: &[PathBuf]) -> Result<()> {
    let report = audit::audit(root, flowdrift, recordings)?;
    check::check(&report)
}
