//! Line 5: kernel time per loopback connection, both ends, net of an empty handler in the same run.

use std::{
    fmt,
    net::Ipv4Addr,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::{Value, json};

use super::{Line, Scale, tool::Tool};
use crate::{
    generator::{Ending, Server, Target, closed_loop},
    kernel::{
        peers::{self, Bare, Empty},
        programs::{self, OURS, Reading},
    },
    recorder::Recorder,
};

const WHAT: &str = "kernel cost";
const TCPLIFE: &str = "tcplife";
/// Microseconds per connection.
const LIMIT: f64 = 0.8;
/// Of `bare`'s cost.
const LIMIT_OF_BARE: f64 = 0.55;
/// How many times below tcplife's.
const BELOW_TCPLIFE: f64 = 20.0;

/// One handler's share of one round.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Hook {
    pub(super) id: u32,
    pub(super) name: String,
    pub(super) runs: u64,
    pub(super) nanoseconds: u64,
    recursion_misses: u64,
    verified_instructions: u64,
}

impl Hook {
    /// Nanoseconds per run, with what the statistics take themselves.
    pub(super) fn each(&self) -> f64 {
        self.nanoseconds as f64 / self.runs.max(1) as f64
    }
}

/// One round with an auditor, `empty` and `bare` side by side. Costs are microseconds per connection, net.
#[derive(Clone, Debug, Serialize)]
struct Round {
    before_bare: bool,
    connections: u64,
    empty_nanoseconds_per_run: f64,
    empty_when_first_nanoseconds_per_run: f64,
    auditor: f64,
    bare: f64,
    ratio: f64,
    hooks: Vec<Hook>,
}

/// Measures both ways to close.
#[must_use]
pub fn line(scale: &Scale, root: &Path) -> Line {
    let source = peers::source(root);
    if !source.exists() {
        return Line::skipped(WHAT, format!("no fixed baseline at {}", source.display()));
    }
    Line::of(WHAT, measure(scale, root))
}

fn measure(scale: &Scale, root: &Path) -> Result<(bool, Value)> {
    let object = peers::build(root)?;
    let mut pass = true;
    let mut figures = serde_json::Map::new();
    for (name, ending) in [("reset", Ending::Reset), ("finish", Ending::Finish)] {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for round in 0..scale.rounds {
            let before_bare = round % 2 == 0;
            ours.push(undisturbed(|| {
                beside_bare(Ours::start, &object, scale.measured, ending, before_bare)
            })?);
            if Tool::is_installed(TCPLIFE) {
                let start = || Tool::start(TCPLIFE);
                let round = || beside_bare(start, &object, scale.measured, ending, before_bare);
                theirs.push(undisturbed(round)?);
            }
        }
        let quiet = Figures::of(&quiet_half(&ours), &quiet_half(&theirs));
        let all = Figures::of(&ours.iter().collect::<Vec<_>>(), &theirs.iter().collect::<Vec<_>>());
        println!("  {name}: {quiet}");
        println!("    of all rounds, quiet or not: {all}");
        let holds = quiet.hold();
        pass &= holds;
        figures.insert(
            name.to_owned(),
            json!({ "quiet_half": quiet, "all_rounds": all, "pass": holds, "rounds": ours, "tcplife_rounds": theirs }),
        );
    }
    Ok((pass, figures.into()))
}

/// Medians of some rounds. Costs are microseconds per connection, net.
#[derive(Clone, Copy, Debug, Serialize)]
struct Figures {
    ours: f64,
    of_bare: f64,
    tcplife: Option<f64>,
    tcplife_over_ours: Option<f64>,
}

impl Figures {
    fn of(ours: &[&Round], theirs: &[&Round]) -> Self {
        let cost = |rounds: &[&Round]| median(rounds.iter().map(|round| round.auditor));
        let of_bare = median(ours.iter().map(|round| round.ratio));
        let ours = cost(ours);
        let tcplife = (!theirs.is_empty()).then(|| cost(theirs));
        Self { ours, of_bare, tcplife, tcplife_over_ours: tcplife.map(|tcplife| tcplife / ours) }
    }

    fn hold(&self) -> bool {
        self.ours <= LIMIT
            && self.of_bare <= LIMIT_OF_BARE
            && self.tcplife_over_ours.is_none_or(|times| times >= BELOW_TCPLIFE)
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "ours {:.3} µs, {:.3} of bare", self.ours, self.of_bare)?;
        if let (Some(tcplife), Some(times)) = (self.tcplife, self.tcplife_over_ours) {
            write!(out, ", tcplife {tcplife:.2} µs = {times:.1} times ours")?;
        }
        Ok(())
    }
}

/// The half of the rounds in which the machine's neighbours were quietest, by what a handler cost that does nothing:
/// they slow everything down for seconds, and a handler whose time is cache misses more than one that is long.
fn quiet_half(rounds: &[Round]) -> Vec<&Round> {
    let mut sorted: Vec<&Round> = rounds.iter().collect();
    let noise = |round: &Round| round.empty_when_first_nanoseconds_per_run;
    sorted.sort_by(|one, other| noise(one).total_cmp(&noise(other)));
    sorted.truncate(rounds.len().div_ceil(2));
    sorted
}

/// Who is measured: a process whose programs are attached.
trait Auditor {
    fn id(&self) -> u32;
    fn programs(&self) -> &[String];
}

/// `flowdrift record`.
struct Ours(Recorder, Vec<String>);

impl Ours {
    fn start() -> Result<Self> {
        Ok(Self(Recorder::start(&[]), OURS.map(str::to_owned).to_vec()))
    }
}

impl Auditor for Ours {
    fn id(&self) -> u32 {
        self.0.id()
    }
    fn programs(&self) -> &[String] {
        &self.1
    }
}

impl Auditor for Tool {
    fn id(&self) -> u32 {
        self.id()
    }
    fn programs(&self) -> &[String] {
        self.programs()
    }
}

/// The hooks see the whole node: a round in which somebody else connected says nothing, and is run again.
pub(super) fn undisturbed<T>(mut round: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    const TRIALS: u32 = 10;
    for _ in 0..TRIALS {
        if let Some(measured) = round()? {
            return Ok(measured);
        }
        println!("    somebody else used the network: again");
    }
    anyhow::bail!("somebody else used the network in each of {TRIALS} rounds")
}

/// A connection's two ends change their states six times when it is reset and ten times when it is finished; its
/// listener, and a packet that comes twice, add a few.
fn is_disturbed(runs: u64, connections: u64, ending: Ending) -> bool {
    let changes = match ending {
        Ending::Reset => 7,
        Ending::Finish => 11,
    };
    runs > changes * connections + 100
}

/// Another recorder's programs would come first, and warm what ours are to find cold. Those of the round before go
/// a moment after their process.
pub(super) fn wait_until_alone() -> Result<()> {
    const PATIENCE: Duration = Duration::from_secs(5);
    let began = Instant::now();
    while let programs @ [_, ..] = programs::loaded().as_slice() {
        anyhow::ensure!(began.elapsed() < PATIENCE, "another recorder is attached: programs {programs:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// One round; `None` when it was disturbed.
///
/// The first handler of a tracepoint finds the statistics' own clock and counters cold, 6 ns a run on a quiet machine and
/// 30 on a busy one. So one `empty` comes before all others, and the one that comes last is what is subtracted: neither
/// its reading nor any other has that in it.
fn beside_bare<A: Auditor>(
    start: impl Fn() -> Result<A>,
    object: &Path,
    count: u64,
    ending: Ending,
    before_bare: bool,
) -> Result<Option<Round>> {
    wait_until_alone()?;
    let _statistics = programs::statistics().context("run-time statistics")?;
    let _first = Empty::attach(object)?;
    // Whoever comes first of these finds the socket cold in the cache.
    let early = if before_bare { Some(start()?) } else { None };
    let attached_bare = Bare::attach(object)?;
    let auditor = early.map_or_else(start, Ok)?;
    let _last = Empty::attach(object)?;
    let holders = [std::process::id(), auditor.id()];
    let (hooks, connections) = readings_of(&holders, || connect(count, ending))?;
    let mut empties: Vec<&Hook> = hooks.iter().filter(|hook| hook.name == "empty").collect();
    empties.sort_by_key(|hook| hook.id);
    let [first, last] = empties[..] else { anyhow::bail!("not both attached: {empties:?}") };
    if is_disturbed(last.runs, connections, ending) {
        return Ok(None);
    }
    let empty = last.each();
    let net =
        |hook: &Hook| (hook.nanoseconds as f64 - hook.runs as f64 * empty) / 1000.0 / connections as f64;
    let bare = hooks.iter().find(|hook| hook.name == "bare").context("not attached")?;
    attached_bare.assert_drained(bare.runs)?;
    let bare = net(bare);
    let cost = hooks.iter().filter(|hook| auditor.programs().contains(&hook.name)).map(net).sum::<f64>();
    hooks.iter().for_each(show);
    let ratio = cost / bare;
    println!("    before bare: {before_bare}: {cost:.3} µs, bare {bare:.3} µs, ratio {ratio:.3}");
    Ok(Some(Round {
        before_bare,
        connections,
        empty_nanoseconds_per_run: empty,
        empty_when_first_nanoseconds_per_run: first.each(),
        auditor: cost,
        bare,
        ratio,
        hooks,
    }))
}

fn show(hook: &Hook) {
    let Hook { id: _, name, runs, nanoseconds, recursion_misses, verified_instructions } = hook;
    let each = hook.each();
    println!(
        "    {name:<16} {runs:>8} runs {nanoseconds:>10} ns {each:>6.1} ns/run, {recursion_misses} recursion misses, \
         {verified_instructions} instructions verified"
    );
}

/// What the programs of some processes did while `work` ran.
pub(super) fn readings_of(holders: &[u32], work: impl FnOnce() -> u64) -> Result<(Vec<Hook>, u64)> {
    let read = || -> Result<Vec<Reading>> {
        let all =
            holders.iter().map(|holder| programs::of_process(*holder)).collect::<Result<Vec<_>, _>>()?;
        Ok(all.into_iter().flatten().collect())
    };
    let before = read()?;
    let connections = work();
    let after = read()?;
    let since = |now: Reading| {
        let then = before.iter().find(|then| then.id == now.id).cloned().unwrap_or_default();
        Hook {
            id: now.id,
            name: now.name,
            runs: now.runs - then.runs,
            nanoseconds: now.nanoseconds - then.nanoseconds,
            recursion_misses: now.recursion_misses - then.recursion_misses,
            verified_instructions: now.verified_instructions,
        }
    };
    Ok((after.into_iter().map(since).collect(), connections))
}

fn connect(count: u64, ending: Ending) -> u64 {
    let server = Server::start(Ipv4Addr::LOCALHOST.into(), 1).expect("loopback is up");
    let mut generated =
        closed_loop(Target::One(server.address()), count, ending).expect("sockets can be made");
    server.finish(&mut generated);
    assert_eq!(generated.connected, generated.attempted, "{generated:?}");
    generated.connected
}

pub(super) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { f64::midpoint(values[middle - 1], values[middle]) }
}
