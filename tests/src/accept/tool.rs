//! The tools of libbpf-tools that see connections as well, each with its own consumer.

use std::{
    io::Read,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail};

use crate::kernel::programs;

/// One of them, running.
pub(super) struct Tool {
    child: Child,
    programs: Vec<String>,
}

impl Tool {
    /// Whether it is there.
    pub(super) fn is_installed(name: &str) -> bool {
        Command::new(name).arg("--version").output().is_ok()
    }

    /// It attaches through tracefs, which is not mounted everywhere: in a mount namespace of its own it is.
    pub(super) fn start(name: &str) -> Result<Self> {
        const MOUNTED: &str =
            "mountpoint -q /sys/kernel/tracing || mount -t tracefs tracefs /sys/kernel/tracing; exec";
        let mut command = Command::new("unshare");
        let script = format!("{MOUNTED} {name}");
        command.args(["--mount", "sh", "-c", &script]).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut started = Self { child: command.spawn().context("unshare")?, programs: Vec::new() };
        while programs::of_process(started.child.id()).is_ok_and(|all| all.is_empty()) {
            if started.child.try_wait()?.is_some() {
                let mut said = String::new();
                started.child.stderr.take().context("it is piped")?.read_to_string(&mut said)?;
                bail!("{name} does not start here: {}", said.trim());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        // It attaches after it has loaded.
        std::thread::sleep(Duration::from_millis(500));
        let programs = programs::of_process(started.child.id())?;
        started.programs = programs.into_iter().map(|program| program.name).collect();
        Ok(started)
    }

    /// Its process id.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Names of its programs.
    pub(super) fn programs(&self) -> &[String] {
        &self.programs
    }
}

impl Drop for Tool {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
