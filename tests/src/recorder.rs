//! `flowdrift record` as users run it, in a process of its own.

use std::path::Path;

use flowdrift::{
    event::TICKS,
    flow::{Flow, Outcomes, Window},
    source::recording,
};
use nix::sys::signal::Signal;

use crate::{folder::Folder, live::Live};

/// What it writes.
const FILE: &str = "test.fdr";

/// A recorder that is live.
pub struct Recorder {
    live: Live,
    /// Also what a recorder leaves that is killed.
    folder: Folder,
}

impl Recorder {
    /// Starts `flowdrift record` with further arguments and waits until it is live.
    ///
    /// # Panics
    ///
    /// When it does not come up.
    #[must_use]
    pub fn start(arguments: &[&str]) -> Self {
        Self::of_node(("test", "here"), arguments)
    }

    /// Starts one for a node of a cluster.
    #[must_use]
    pub fn of_node((cluster, node): (&str, &str), arguments: &[&str]) -> Self {
        let folder = Folder::new("recorder");
        let name = folder.at(FILE);
        let fixed = ["record", "--cluster", cluster, "--node", node, "-o", &name];
        Self { live: Live::start(fixed.iter().chain(arguments)), folder }
    }

    /// Starts one that watches a single namespace.
    #[must_use]
    pub fn of_namespace(namespace: &Path) -> Self {
        Self::start(&["--netns", &namespace.display().to_string()])
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.live.id()
    }

    /// Sends a signal.
    ///
    /// # Panics
    ///
    /// When the process is gone.
    pub fn signal(&self, signal: Signal) {
        self.live.signal(signal);
    }

    /// Ends the window as Ctrl-C does and reads the recording.
    ///
    /// # Panics
    ///
    /// When it fails, or writes no recording.
    #[must_use]
    pub fn finish(self) -> Window {
        self.finish_by(Signal::SIGINT)
    }

    /// Ends the window by a signal and reads the recording.
    ///
    /// # Panics
    ///
    /// When it fails, or writes no recording.
    #[must_use]
    pub fn finish_by(mut self, signal: Signal) -> Window {
        let (status, said) = self.live.end(signal);
        assert!(status.success(), "the recorder ended with {status}: {said}");
        let file = std::fs::File::open(self.folder.at(FILE)).expect("it has written its recording");
        let window = recording::read(FILE, file).expect("the recording is whole").window;
        assert_times_hold(&window);
        window
    }

    /// Kills it without any chance to clean up.
    ///
    /// # Panics
    ///
    /// When the process is gone already.
    pub fn destroy(mut self) {
        self.live.end(Signal::SIGKILL);
    }
}

/// Whatever a test is about: no flow lies outside of its window.
fn assert_times_hold(window: &Window) {
    // The window begins when its start is done; what happened meanwhile belongs to it.
    const START: i64 = 60_000_000_000;
    for flow in &window.flows {
        assert!(flow.first_seen <= flow.last_seen, "{flow:?}");
        assert!(flow.first_seen >= window.start - START, "{flow:?} before {}", window.start);
        assert!(flow.last_seen <= window.end + TICKS.cast_signed(), "{flow:?} after {}", window.end);
    }
}

/// The outcomes of all flows that `wanted` picks, together.
pub fn outcomes(window: &Window, wanted: impl Fn(&Flow) -> bool) -> Outcomes {
    let mut sum = Outcomes::default();
    window.flows.iter().filter(|flow| wanted(flow)).for_each(|flow| sum.add(&flow.outcomes));
    sum
}
