//! Line 5: a flood of one cgroup hides no other cgroup's flow.

use std::{collections::BTreeSet, net::IpAddr, thread, time::Duration};

use flowdrift::flow::{Direction, Window};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::{
    accept::Line,
    dial,
    group::TestGroup,
    namespace::TestNamespace,
    peer::{Dialler, ServerProcess},
    recorder::Recorder,
};

/// The quiet cgroup's connections follow each other by so much, milliseconds.
const PAUSE: u64 = 10;
/// The consumer stands still for most of each round.
const STILL: Duration = Duration::from_millis(250);
const AWAKE: Duration = Duration::from_millis(50);
/// KiB: less than what the flood brings while the consumer stands still.
const RING: &str = "64";
const SPILL: &str = "1024";
/// Addresses of the quiet cgroup; those of the flood come before them.
const QUIET: u32 = 0x00c0_0000;

/// What was seen of `flows` new flows beside a flood.
#[derive(Debug)]
pub struct Figures {
    /// Flows of the quiet cgroup that were reported, by end.
    pub client: usize,
    /// Likewise.
    pub server: usize,
    /// Facts that the flooding cgroup lost.
    pub lost_by_flood: u64,
    /// Facts that anybody else lost.
    pub lost_by_others: u64,
    /// Flows of the flood that were reported.
    pub flood: usize,
    /// Facts that were folded.
    pub folded: u64,
}

impl Figures {
    /// As JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        let Self { client, server, lost_by_flood, lost_by_others, flood, folded } = self;
        json!({
            "client": client, "server": server, "lost_by_flood": lost_by_flood,
            "lost_by_others": lost_by_others, "flood": flood, "folded": folded,
        })
    }
}

/// Runs it with so many new flows of the quiet cgroup.
#[must_use]
pub fn line(flows: u32) -> Line {
    let figures = run(flows);
    let all = [figures.client, figures.server].iter().all(|seen| *seen == flows as usize);
    let pass = all && figures.lost_by_flood > 0 && figures.lost_by_others == 0;
    let words = json!({ "new_flows_of_the_quiet_cgroup": flows, "reported": figures.json() });
    Line::tried("fairness", pass, words)
}

/// Two processes of one cgroup connect to ever new addresses, a third of another cgroup now and then to one of its own, and
/// the consumer stands still for most of the time.
///
/// # Panics
///
/// When the recorder or a process fails.
#[must_use]
pub fn run(flows: u32) -> Figures {
    let namespace = TestNamespace::new("flood");
    let [noisy, quiet] = ["noisy", "quiet"].map(TestGroup::new);
    let [noisy_server, quiet_server] =
        [&noisy, &quiet].map(|group| ServerProcess::that_takes_all(group, &namespace));
    let path = namespace.path().display().to_string();
    let recorder = Recorder::start(&["--ring", RING, "--spill", SPILL, "--netns", &path]);
    let flood: Vec<_> = [0, QUIET / 2]
        .map(|first| Dialler::start(&noisy, &namespace, (noisy_server.port, first), (QUIET / 2, 0)))
        .into();
    let mut one = Dialler::start(&quiet, &namespace, (quiet_server.port, QUIET), (flows, PAUSE));
    while !one.is_done() {
        recorder.signal(Signal::SIGSTOP);
        thread::sleep(STILL);
        recorder.signal(Signal::SIGCONT);
        thread::sleep(AWAKE);
    }
    drop(flood);
    let window = recorder.finish();
    figures(&window, (quiet_server.port, noisy_server.port), noisy.name(), flows)
}

fn figures(window: &Window, (quiet, noisy): (u16, u16), group: &str, flows: u32) -> Figures {
    let expected: BTreeSet<IpAddr> =
        (0..flows).map(|number| IpAddr::V4(dial::loopback(QUIET + number))).collect();
    let seen = |port, direction| {
        let of_port = window.flows.iter().filter(move |flow| flow.key.port == port);
        let of_end = of_port.filter(move |flow| flow.key.direction == direction);
        of_end.map(move |flow| if direction == Direction::Inbound { flow.key.local } else { flow.key.remote })
    };
    let quiet = |direction| seen(quiet, direction).filter(|address| expected.contains(address)).count();
    let lost = &window.coverage.lost_by_cgroup;
    let lost_by_flood = lost.get(group).copied().unwrap_or(0);
    Figures {
        client: quiet(Direction::Outbound),
        server: quiet(Direction::Inbound),
        lost_by_flood,
        lost_by_others: lost.values().sum::<u64>() - lost_by_flood,
        flood: seen(noisy, Direction::Outbound).count(),
        folded: window.coverage.folded,
    }
}
