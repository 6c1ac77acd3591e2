//! A live window: what `record` and `audit` have in common on the command line.

use std::{
    io::{self, IsTerminal},
    path::PathBuf,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use indicatif::ProgressBar;
use tokio::signal::unix::{SignalKind, signal};

use super::{follow::Follower, output::Output, recorder::Recorder};
use crate::{
    capture::{Namespace, Options, lockdown},
    flow::Window,
    observe::{Settings, Watch},
};

/// What to watch, and for how long.
#[derive(Debug, clap::Args)]
pub(super) struct LiveArguments {
    /// How long to watch, such as 90s, 10m or 2h; until Ctrl-C when not given
    #[arg(long, value_parser = duration)]
    pub(super) duration: Option<Duration>,
    /// Watch only this network namespace: a bind mount such as /run/netns/blue, or /proc/PID/ns/net
    #[arg(long, value_name = "PATH")]
    pub(super) netns: Vec<PathBuf>,
    /// Watch only this cgroup and what is below it, a path below the cgroup-v2 root
    #[arg(long, value_name = "PATH")]
    pub(super) cgroup: Vec<PathBuf>,
    /// Size of the rings to user space in KiB, together: a power of two
    #[arg(long, value_name = "KIB", default_value_t = 16_384, value_parser = ring)]
    pub(super) ring: u32,
    /// Size of what takes over while the rings are full, in KiB: a power of two. It folds what differs in no more than the
    /// client's port, eight kinds of facts per KiB
    #[arg(long, value_name = "KIB", default_value_t = 8_192, value_parser = spill)]
    pub(super) spill: u32,
    /// How many flows are told apart. What comes beyond them is counted with its workload and without its peer, and the
    /// coverage says so
    #[arg(long, value_name = "COUNT", default_value_t = 262_144, value_parser = flows)]
    pub(super) flows: usize,
    /// Show UDP by its packets instead of the calls that send and receive (always so before Linux 6.3): it tells who sent
    /// what a socket received without asking, and costs a little for every packet, TCP's too
    #[arg(long)]
    pub(super) udp_by_packets: bool,
    /// Keep the capabilities after the start: namespaces that come later then have names
    #[arg(long)]
    pub(super) keep_rights: bool,
    /// Print the probe's own diagnostics
    #[arg(long)]
    pub(super) probe_log: bool,
}

impl LiveArguments {
    /// Resolves what was typed.
    pub(super) fn options(&self) -> Result<Options> {
        let namespace = |path: &PathBuf| {
            Namespace::at(path)
                .with_context(|| format!("--netns {}: no network namespace there", path.display()))
        };
        Ok(Options {
            ring_bytes: self.ring << 10,
            spill_bytes: self.spill << 10,
            namespaces: self.netns.iter().map(namespace).collect::<Result<_>>()?,
            cgroups: self.cgroup.clone(),
            udp_by_packets: self.udp_by_packets,
            diagnostics: self.probe_log,
        })
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let span: jiff::SignedDuration = text.parse().map_err(|error: jiff::Error| error.to_string())?;
    Duration::try_from(span).map_err(|_| "a duration is not negative".to_owned())
}

fn flows(text: &str) -> Result<usize, String> {
    const MOST: usize = 1 << 28;
    let flows: usize = text.parse().map_err(|_| "expected a number of flows".to_owned())?;
    match (1..=MOST).contains(&flows) {
        true => Ok(flows),
        false => Err(format!("expected from 1 to {MOST}")),
    }
}

fn ring(text: &str) -> Result<u32, String> {
    kib(text, 4)
}

fn spill(text: &str) -> Result<u32, String> {
    kib(text, 1)
}

fn kib(text: &str, least: u32) -> Result<u32, String> {
    const MOST: u32 = 1 << 21;
    let size: u32 = text.parse().map_err(|_| "expected a number of KiB".to_owned())?;
    match size.is_power_of_two() && (least..=MOST).contains(&size) {
        true => Ok(size),
        false => Err(format!("expected a power of two from {least} to {MOST}")),
    }
}

/// Watches until the duration is over or the user stops it, closes the window, and records it where that is asked for; what
/// became of that.
pub(super) fn watch(
    settings: Settings,
    arguments: &LiveArguments,
    record: Option<Output>,
    mut follower: Option<&mut Follower>,
) -> Result<(Window, Result<()>)> {
    let duration = arguments.duration;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // Before anything is attached: from here on a signal ends the window and never loses it.
        let stopped = stop_signals()?;
        let mut watch = Watch::start(settings.clone()).context("the probe does not start")?;
        // What stands there already is not lost to a probe that does not start.
        let mut recorder = record.map(|output| Recorder::begin(output, &settings));
        for gap in watch.gaps() {
            eprintln!("flowdrift: coverage gap: {gap}");
        }
        if !arguments.keep_rights {
            lockdown::engage().context("giving up the rights that are not needed any more")?;
        }
        eprintln!(
            "live: {} hooks attached, {} older connections",
            watch.attached(),
            watch.older_connections()
        );
        let progress = progress();
        if let Some(follower) = &mut follower {
            follower.begin().context("watching the declaration")?;
        }
        let look = |watch: &mut Watch| {
            if let Some(recorder) = &mut recorder {
                recorder.keep(&watch.take_pages());
            }
            follower.as_mut().map_or(Ok(false), |follower| follower.look(watch))
        };
        watch.run(duration, stopped, look).await?;
        progress.finish_and_clear();
        let closed = watch.close().context("closing the window")?;
        let recorded = recorder.map_or(Ok(()), |recorder| recorder.end(&closed));
        Ok((closed.window, recorded))
    })
}

/// Shown on a terminal, silent in a pipe.
fn progress() -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new_spinner().with_message("watching; Ctrl-C ends the window and reports");
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// Takes over Ctrl-C, SIGTERM and the end of the terminal's session now; the future ends at the first of them.
fn stop_signals() -> Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt()).context("taking over SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("taking over SIGTERM")?;
    let mut hangup = signal(SignalKind::hangup()).context("taking over SIGHUP")?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    })
}

/// The name of this machine, for a node that the user did not name.
pub(super) fn host_name() -> Result<String> {
    let name = nix::unistd::gethostname().context("this machine has no host name")?;
    match name.into_string() {
        Ok(name) => Ok(name),
        Err(name) => bail!("the host name {} is not text; name the node with --node", name.display()),
    }
}
