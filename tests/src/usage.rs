//! What a process or a thread has used of CPUs and memory.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use nix::{
    sched::{CpuSet, sched_setaffinity},
    unistd::{Pid, gettid},
};

/// Keeps the first thread of a process, or this thread (0), and whatever they start then, on one CPU.
///
/// # Errors
///
/// When there is no such CPU, or the process is gone.
pub fn keep_on_cpu(process: u32, cpu: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu)?;
    Ok(sched_setaffinity(Pid::from_raw(process.cast_signed()), &set)?)
}

/// The time that a process had a CPU, all threads together.
///
/// # Errors
///
/// When it is gone.
pub fn cpu_time(process: u32) -> Result<Duration> {
    let mut sum = Duration::ZERO;
    for thread in fs::read_dir(format!("/proc/{process}/task"))? {
        sum += scheduled(&thread?.path())?;
    }
    Ok(sum)
}

/// A thread of this process.
#[derive(Clone, Debug)]
pub struct Thread(PathBuf);

impl Thread {
    /// The one that asks.
    #[must_use]
    pub fn this() -> Self {
        Self(format!("/proc/self/task/{}", gettid()).into())
    }

    /// The time that it had a CPU.
    ///
    /// # Errors
    ///
    /// When it is gone.
    pub fn cpu_time(&self) -> Result<Duration> {
        scheduled(&self.0)
    }
}

/// The first number of `schedstat` (`man 5 proc`), nanoseconds.
fn scheduled(thread: &Path) -> Result<Duration> {
    let text = fs::read_to_string(thread.join("schedstat"))?;
    let nanoseconds = text.split(' ').next().and_then(|first| first.parse().ok());
    Ok(Duration::from_nanos(nanoseconds.context("no schedstat")?))
}

/// What a process has of memory, bytes.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// Now (`VmRSS`).
    pub now: u64,
    /// At most until now (`VmHWM`).
    pub most: u64,
}

/// Lets [`Memory::most`] begin anew with what the process has now (`man 5 proc_pid_clear_refs`).
///
/// # Errors
///
/// When it is gone, or somebody else's.
pub fn forget_peak(process: u32) -> Result<()> {
    Ok(fs::write(format!("/proc/{process}/clear_refs"), "5")?)
}

/// What a process has of memory (`man 5 proc_pid_status`).
///
/// # Errors
///
/// When it is gone.
pub fn memory(process: u32) -> Result<Memory> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        kib.map(|kib| kib << 10).context("no such field")
    };
    Ok(Memory { now: field("VmRSS:")?, most: field("VmHWM:")? })
}

/// A process that has ended.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    /// How.
    pub status: ExitStatus,
    /// How long it took, seconds.
    pub seconds: f64,
    /// What it had of memory at most, bytes, as far as it was looked at.
    pub memory: u64,
}

/// Runs a command to its end, and looks at its memory meanwhile.
///
/// # Errors
///
/// When it cannot be started.
pub fn of_command(command: &mut Command) -> Result<Ended> {
    const LOOK: Duration = Duration::from_millis(10);
    let began = Instant::now();
    let mut child = command.spawn()?;
    let mut most = 0;
    let status = loop {
        most = memory(child.id()).map_or(most, |now| now.most.max(most));
        if let Some(status) = child.try_wait()? {
            break status;
        }
        std::thread::sleep(LOOK);
    };
    Ok(Ended { status, seconds: began.elapsed().as_secs_f64(), memory: most })
}
