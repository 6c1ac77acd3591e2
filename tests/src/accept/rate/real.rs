//! Line 6: what real connections lose by the audit, beside tools that see them, too.

use std::{
    net::Ipv4Addr,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use nix::sys::{
    resource::{UsageWho, getrusage},
    signal::Signal,
    time::TimeVal,
};
use serde::Serialize;
use serde_json::{Value, json};

use super::made_up::Site;
use crate::{
    accept::{
        Line,
        cost::{median, readings_of, wait_until_alone},
        tool::Tool,
    },
    folder::Folder,
    generator::{Ending, Server, Target, closed_loop},
    kernel::{
        peers::{self, Empty},
        programs::{self, OURS},
    },
    live::Live,
};

/// The tools beside it.
const TOOLS: [&str; 2] = ["tcplife", "tcpstates"];
/// Of the CPU time that a connection costs, the hooks may take so much.
const SHARE: f64 = 0.02;

/// How much to run.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    /// Turns with and without the audit; the tools have a third of them.
    pub turns: usize,
    /// How long each lasts.
    pub turn: Duration,
}

impl Scale {
    /// As the acceptance asks.
    pub const FULL: Self = Self { turns: 10, turn: Duration::from_secs(60) };
    /// About a twentieth.
    pub const REDUCED: Self = Self { turns: 3, turn: Duration::from_secs(5) };
}

/// Who looks on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Onlooker {
    Nobody,
    Flowdrift,
    Tool(&'static str),
}

/// One turn.
#[derive(Clone, Copy, Debug, Serialize)]
struct Turn {
    onlooker: Onlooker,
    /// Connections a second.
    speed: f64,
    /// CPU time of both ends of one, nanoseconds: what the processes are charged with.
    each: f64,
}

/// Runs turns with and without, and measures the hooks' own time apart: the kernel's statistics cost something themselves.
#[must_use]
pub fn line(root: &Path, scale: Scale) -> Line {
    const WHAT: &str = "real connections with and without the audit";
    if !peers::source(root).exists() {
        return Line::skipped(WHAT, format!("no handlers at {}", peers::source(root).display()));
    }
    Line::of(WHAT, measure(root, scale))
}

fn measure(root: &Path, scale: Scale) -> Result<(bool, Value)> {
    let mut turns = Vec::new();
    for number in 0..scale.turns {
        let mut onlookers = vec![Onlooker::Nobody, Onlooker::Flowdrift];
        if number % 2 == 1 {
            onlookers.reverse();
        }
        if number % 3 == 0 {
            onlookers.extend(TOOLS.into_iter().filter(|tool| Tool::is_installed(tool)).map(Onlooker::Tool));
        }
        for onlooker in onlookers {
            let turn = turn(onlooker, scale.turn)?;
            println!("  {turn:?}");
            turns.push(turn);
        }
    }
    let of = |who: Onlooker| turns.iter().filter(move |turn| turn.onlooker == who);
    let speed = |who| median(of(who).map(|turn| turn.speed));
    let (without, with) = (speed(Onlooker::Nobody), speed(Onlooker::Flowdrift));
    let speeds = || of(Onlooker::Nobody).map(|turn| turn.speed);
    let spread = speeds().fold(0.0, f64::max) - speeds().fold(f64::INFINITY, f64::min);
    let each = median(of(Onlooker::Nobody).map(|turn| turn.each));
    let hooks = hooks(root, scale.turn)?;
    let share = hooks / each;
    let tools: Vec<(&str, f64)> = TOOLS
        .into_iter()
        .filter(|tool| of(Onlooker::Tool(tool)).next().is_some())
        .map(|tool| (tool, speed(Onlooker::Tool(tool))))
        .collect();
    let figures = json!({
        "without": without, "with": with, "spread": spread, "tools": tools,
        "connection_nanoseconds": each, "hooks_nanoseconds": hooks, "share": share, "turns": turns,
    });
    println!(
        "  {without:.0} connections a second without and {with:.0} with it, spread {spread:.0}; the hooks take {hooks:.0} of \
         {each:.0} ns; {tools:?}"
    );
    Ok((share <= SHARE && without - with <= spread, figures))
}

/// Connects at full speed for a while.
fn turn(onlooker: Onlooker, duration: Duration) -> Result<Turn> {
    wait_until_alone()?;
    let tool = match onlooker {
        Onlooker::Tool(name) => Some(Tool::start(name)?),
        _ => None,
    };
    let audit = (onlooker == Onlooker::Flowdrift).then(audit).transpose()?;
    let (began, before) = (Instant::now(), cpu_time()?);
    let connections = connect(duration)?;
    let (seconds, used) = (began.elapsed().as_secs_f64(), cpu_time()? - before);
    if let Some((mut live, _folder)) = audit {
        live.end(Signal::SIGINT);
    }
    drop(tool);
    let (speed, each) = (connections as f64 / seconds, used * 1e9 / connections as f64);
    Ok(Turn { onlooker, speed, each })
}

/// What the hooks take of one connection, nanoseconds, net of what a handler reads that does nothing: that is the kernel's
/// clock.
fn hooks(root: &Path, duration: Duration) -> Result<f64> {
    wait_until_alone()?;
    let object = peers::build(root)?;
    let (mut live, _folder) = audit()?;
    let _statistics = programs::statistics().context("run-time statistics")?;
    let _empty = Empty::attach(&object)?;
    let mut connected = Ok(0);
    let (hooks, _) = readings_of(&[std::process::id(), live.id()], || {
        connected = connect(duration);
        0
    })?;
    live.end(Signal::SIGINT);
    let empty = hooks.iter().find(|hook| hook.name == "empty").context("it is attached")?.each();
    let ours = hooks.iter().filter(|hook| OURS.contains(&hook.name.as_str()));
    let net: f64 = ours.map(|hook| hook.nanoseconds as f64 - hook.runs as f64 * empty).sum();
    Ok(net / connected? as f64)
}

fn audit() -> Result<(Live, Folder)> {
    let folder = Folder::new("real");
    let arguments = Site { rows: 100 }.arguments(&folder)?;
    Ok((Live::start(&arguments), folder))
}

/// Connects and resets over loopback; how often.
fn connect(duration: Duration) -> Result<u64> {
    /// Some tenths of a second.
    const AT_ONCE: u64 = 10_000;
    let server = Server::start(Ipv4Addr::LOCALHOST.into(), 1)?;
    let began = Instant::now();
    let mut connections = 0;
    let mut last = None;
    while began.elapsed() < duration {
        let generated = closed_loop(Target::One(server.address()), AT_ONCE, Ending::Reset)?;
        connections += generated.connected;
        last = Some(generated);
    }
    if let Some(mut generated) = last {
        server.finish(&mut generated);
    }
    Ok(connections)
}

/// CPU time of this process, seconds.
fn cpu_time() -> Result<f64> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    let seconds = |time: TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    Ok(seconds(usage.user_time()) + seconds(usage.system_time()))
}
