//! `flowdrift record`, one process for each node.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::topology::{self, RECORDED, Recorded};
use crate::leash;

/// Loading and attaching take a second or two; reading older sockets is bounded by their number.
const UNTIL_LIVE: Duration = Duration::from_secs(30);
const UNTIL_WRITTEN: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(20);
/// Ends a recorder by itself should every other way fail.
const AT_MOST: &str = "5m";

/// A running recorder; dropping it kills it.
struct Recorder {
    node: &'static str,
    child: Child,
    live: Receiver<()>,
    log: PathBuf,
}

/// Every recorder of the lab.
pub(super) struct Recorders(Vec<Recorder>);

impl Recorders {
    /// Starts them all, then waits until each says that it is live.
    pub(super) fn start(flowdrift: &Path, directory: &Path) -> Result<Self> {
        let start = |recorded| Recorder::start(flowdrift, directory, recorded);
        let recorders = Self(RECORDED.iter().map(start).collect::<Result<_>>()?);
        recorders.0.iter().try_for_each(Recorder::wait_until_live)?;
        Ok(recorders)
    }

    /// Asks them all to write their recordings, then waits for each.
    pub(super) fn stop(mut self) -> Result<()> {
        for recorder in &self.0 {
            kill(recorder.pid()?, Signal::SIGINT)?;
        }
        self.0.iter_mut().try_for_each(Recorder::wait_until_written)
    }
}

impl Recorder {
    fn start(flowdrift: &Path, directory: &Path, recorded: &'static Recorded) -> Result<Self> {
        let Recorded { cluster, node } = recorded;
        let log = directory.join(format!("{node}.log"));
        let mut command = leash::leashed(flowdrift)?;
        command.args(["record", "--cluster", cluster, "--node", node, "--duration", AT_MOST, "--netns"]);
        command.arg(Path::new("/run/netns").join(topology::namespace(node)));
        command.arg("-o").arg(directory.join(format!("{node}.fdr")));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("cannot record {node}"))?;
        let diagnostics = child.stderr.take().context("a recorder without stderr")?;
        let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let (say_live, live) = mpsc::channel();
        thread::spawn(move || follow(diagnostics, file, &say_live));
        Ok(Self { node, child, live, log })
    }

    fn wait_until_live(&self) -> Result<()> {
        if self.live.recv_timeout(UNTIL_LIVE).is_err() {
            bail!("the recorder of {} did not become live: {}", self.node, self.last_words());
        }
        Ok(())
    }

    fn wait_until_written(&mut self) -> Result<()> {
        let status = self.wait()?;
        ensure!(status.success(), "the recorder of {} ended with {status}: {}", self.node, self.last_words());
        Ok(())
    }

    fn wait(&mut self) -> Result<ExitStatus> {
        let end = Instant::now() + UNTIL_WRITTEN;
        while Instant::now() < end {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            thread::sleep(POLL);
        }
        bail!("the recorder of {} did not stop: {}", self.node, self.last_words())
    }

    fn pid(&self) -> Result<Pid> {
        Ok(Pid::from_raw(self.child.id().try_into()?))
    }

    fn last_words(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let last = log.lines().rev().take(3).collect::<Vec<_>>();
        last.into_iter().rev().collect::<Vec<_>>().join("; ")
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        // Both fail when it has ended already, which is how it should be.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Keeps what a recorder says, and tells when it says that it is live.
fn follow(diagnostics: ChildStderr, mut log: File, live: &Sender<()>) {
    for line in BufReader::new(diagnostics).lines().map_while(Result::ok) {
        writeln!(log, "{line}").ok();
        if line.starts_with("live") {
            live.send(()).ok();
        }
    }
}
