//! `flowdrift record` as users run it, in a process of its own.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
    time::Duration,
};

use flowdrift::{
    flow::{Flow, Outcomes, Window},
    source::recording,
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// How long the recorder may take to start or to finish.
const PATIENCE: Duration = Duration::from_secs(60);

/// A recorder that is live.
pub struct Recorder {
    child: Child,
    file: PathBuf,
    lines: mpsc::Receiver<String>,
}

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

impl Recorder {
    /// Starts `flowdrift record` with further arguments and waits until it is live.
    ///
    /// # Panics
    ///
    /// When it does not come up.
    #[must_use]
    pub fn start(arguments: &[&str]) -> Self {
        let file =
            std::env::temp_dir().join(format!("flowdrift-test-{}-{}.fdr", std::process::id(), unique()));
        let mut child = Command::new(binary())
            .args(["record", "--cluster", "test", "--node", "here", "-o"])
            .arg(&file)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let lines = follow(child.stderr.take().expect("it is piped"));
        let recorder = Self { child, file, lines };
        recorder.wait_until_live();
        recorder
    }

    /// Starts one that watches a single namespace.
    #[must_use]
    pub fn of_namespace(namespace: &Path) -> Self {
        Self::start(&["--netns", &namespace.display().to_string()])
    }

    fn wait_until_live(&self) {
        let mut said = Vec::new();
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            if line.starts_with("live: ") {
                return;
            }
            said.push(line);
        }
        panic!("the recorder did not become live: {}", said.join("\n"));
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal.
    ///
    /// # Panics
    ///
    /// When the process is gone.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).expect("the recorder runs");
    }

    /// Ends the window as Ctrl-C does and reads the recording.
    ///
    /// # Panics
    ///
    /// When it fails, or writes no recording.
    #[must_use]
    pub fn finish(mut self) -> Window {
        self.signal(Signal::SIGINT);
        let status = self.wait();
        assert!(status.success(), "the recorder ended with {status}: {}", self.said());
        let file = std::fs::File::open(&self.file).expect("it has written its recording");
        recording::read("test.fdr", file).expect("the recording is whole").window
    }

    /// Kills it without any chance to clean up.
    ///
    /// # Panics
    ///
    /// When the process is gone already.
    pub fn destroy(mut self) {
        self.signal(Signal::SIGKILL);
        self.wait();
    }

    fn wait(&mut self) -> ExitStatus {
        self.child.wait().expect("it is our child")
    }

    fn said(&self) -> String {
        self.lines.try_iter().collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_file(&self.file);
    }
}

fn unique() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static COUNT: AtomicU64 = AtomicU64::new(0);
    COUNT.fetch_add(1, Ordering::Relaxed)
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

/// The outcomes of all flows that `wanted` picks, together.
pub fn outcomes(window: &Window, wanted: impl Fn(&Flow) -> bool) -> Outcomes {
    let mut sum = Outcomes::default();
    window.flows.iter().filter(|flow| wanted(flow)).for_each(|flow| sum.add(&flow.outcomes));
    sum
}
