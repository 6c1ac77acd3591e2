//! A `flowdrift` that watches this machine, in a process of its own, as users run it.

use std::{
    ffi::OsStr,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// How long it may take to start.
const PATIENCE: Duration = Duration::from_secs(60);

/// The built binary, beside the test's own.
///
/// # Panics
///
/// When it has not been built.
#[must_use]
pub fn binary() -> PathBuf {
    built("flowdrift")
}

/// A binary of this workspace, likewise.
///
/// # Panics
///
/// When it has not been built.
#[must_use]
pub fn built(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("a running test has a path");
    let found = own.ancestors().skip(1).take(2).map(|folder| folder.join(name)).find(|path| path.exists());
    found.unwrap_or_else(|| panic!("`cargo build` makes the binary {name} before the tests run"))
}

/// `flowdrift record` or `flowdrift audit` without recordings, once it is live. Killed when dropped.
pub struct Live {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Live {
    /// Starts it and waits until its hooks are attached.
    ///
    /// # Panics
    ///
    /// When it does not become live.
    #[must_use]
    pub fn start(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        let live = Self::launch(arguments);
        live.wait_until_live();
        live
    }

    /// Starts it by way of another program and waits until its hooks are attached.
    ///
    /// # Panics
    ///
    /// When it does not become live.
    #[must_use]
    pub fn of(command: &mut Command) -> Self {
        let live = Self::spawn(command);
        live.wait_until_live();
        live
    }

    /// Starts it and does not wait.
    ///
    /// # Panics
    ///
    /// When there is no such binary.
    #[must_use]
    pub fn launch(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        Self::spawn(Command::new(binary()).args(arguments))
    }

    fn spawn(command: &mut Command) -> Self {
        let piped = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = piped.spawn().expect("the binary runs");
        let lines = follow(child.stderr.take().expect("it is piped"));
        Self { child, lines }
    }

    fn wait_until_live(&self) {
        let mut said = Vec::new();
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            if line.starts_with("live: ") {
                return;
            }
            said.push(line);
        }
        panic!("it did not become live: {}", said.join("\n"));
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The next line that it says, if one comes in this time.
    #[must_use]
    pub fn says(&self, within: Duration) -> Option<String> {
        self.lines.recv_timeout(within).ok()
    }

    /// Sends a signal.
    ///
    /// # Panics
    ///
    /// When the process is gone.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).expect("it runs");
    }

    /// Sends a signal and waits for the end; gives also what it said since it was live.
    ///
    /// # Panics
    ///
    /// When the process is gone.
    pub fn end(&mut self, by: Signal) -> (ExitStatus, String) {
        self.signal(by);
        let status = self.child.wait().expect("it is our child");
        (status, self.lines.iter().collect::<Vec<_>>().join("\n"))
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn follow(stderr: impl std::io::Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}
