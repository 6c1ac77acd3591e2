//! Threads that live in one of the lab's namespaces.
//!
//! A thread's name is the `comm` that the probe reports, so one task plays every process of the lab.

use std::fs::File;
use std::thread::{Builder, JoinHandle};

use anyhow::{Context, Result, anyhow};
use nix::sched::{CloneFlags, setns};

use super::topology;

/// Starts `work` in `site`'s namespace as a thread named `process`.
pub(super) fn spawn<Output, Work>(site: &str, process: &str, work: Work) -> Result<JoinHandle<Result<Output>>>
where
    Output: Send + 'static,
    Work: FnOnce() -> Output + Send + 'static,
{
    let name = topology::namespace(site);
    let file = File::open(format!("/run/netns/{name}")).with_context(|| format!("no namespace {name}"))?;
    let thread = Builder::new().name(process.to_owned()).spawn(move || {
        setns(file, CloneFlags::CLONE_NEWNET).with_context(|| format!("cannot enter {name}"))?;
        Ok(work())
    });
    thread.with_context(|| format!("cannot start {process} in {site}"))
}

/// Runs `work` in `site`'s namespace and waits for its result.
pub(super) fn run<Output, Work>(site: &str, process: &str, work: Work) -> Result<Output>
where
    Output: Send + 'static,
    Work: FnOnce() -> Output + Send + 'static,
{
    join(spawn(site, process, work)?)
}

/// A thread's result; a panic in it is an error here.
pub(super) fn join<Output>(thread: JoinHandle<Result<Output>>) -> Result<Output> {
    thread.join().map_err(|_| anyhow!("an actor of the lab panicked"))?
}
