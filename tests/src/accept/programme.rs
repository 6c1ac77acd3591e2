//! What every `accept-…` programme does: arguments, the lines one after the other, their figures as JSON.

use std::{
    collections::BTreeMap,
    error::Error,
    fs, io,
    process::{Command, ExitCode},
    thread,
};

use serde::Serialize;

use super::Line;

/// `[--full] [--json PATH] [LINE…]`.
#[derive(Debug, Default)]
pub struct Arguments {
    /// At full counts; about a twentieth of them otherwise.
    pub full: bool,
    /// Where the figures go.
    pub json: Option<String>,
    /// Lines to run.
    pub lines: Vec<u8>,
}

/// Reads the arguments; all lines are run when none is named.
///
/// # Errors
///
/// What was found and what was expected.
pub fn arguments(lines: impl IntoIterator<Item = u8>) -> Result<Arguments, Box<dyn Error>> {
    let lines: Vec<u8> = lines.into_iter().collect();
    let mut parsed = Arguments::default();
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--full" => parsed.full = true,
            "--json" => parsed.json = Some(words.next().ok_or("--json needs a path")?),
            line => match line.parse() {
                Ok(line) if lines.contains(&line) => parsed.lines.push(line),
                _ => return Err(format!("{line}: not one of the lines {lines:?}").into()),
            },
        }
    }
    if parsed.lines.is_empty() {
        parsed.lines = lines;
    }
    Ok(parsed)
}

/// What a programme writes as JSON: the lines, and what tells whether their figures may be quoted.
#[derive(Debug, Serialize)]
struct Report<'a> {
    /// At full counts.
    full: bool,
    /// Built with optimisation.
    optimised: bool,
    /// Where it ran.
    machine: String,
    /// Of what; nothing outside a git repository.
    commit: Option<String>,
    lines: &'a BTreeMap<u8, Line>,
}

/// Runs the lines and reports them; fails when one does.
///
/// Each has a thread of its own, so that none finds what another has left: the CPU that it stayed on, or a panic.
///
/// # Errors
///
/// When the figures cannot be written.
pub fn report(arguments: &Arguments, run: impl Fn(u8) -> Line + Sync) -> Result<ExitCode, Box<dyn Error>> {
    let mut lines = BTreeMap::new();
    for number in &arguments.lines {
        println!("line {number}");
        let line = thread::scope(|scope| scope.spawn(|| run(*number)).join());
        lines.insert(*number, line.unwrap_or_else(|_| Line::failed("it has panicked", &"see above")));
    }
    let mut code = ExitCode::SUCCESS;
    for (number, line) in &lines {
        let result = match (&line.skipped, line.pass) {
            (Some(why), _) => format!("skipped: {why}"),
            (None, true) => "holds".to_owned(),
            (None, false) => "fails".to_owned(),
        };
        println!("line {number} ({}): {result}", line.what);
        if line.is_failure() {
            code = ExitCode::FAILURE;
        }
    }
    if let Some(path) = &arguments.json {
        let report = Report {
            full: arguments.full,
            optimised: !cfg!(debug_assertions),
            machine: machine()?,
            commit: commit(),
            lines: &lines,
        };
        let figures = serde_json::to_vec_pretty(&report)?;
        fs::write(path, figures).map_err(|cause| format!("{path}: {cause}"))?;
    }
    Ok(code)
}

/// Processor and kernel, by its version: what follows that is the machine's own business.
fn machine() -> io::Result<String> {
    let cpus = fs::read_to_string("/proc/cpuinfo")?;
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let (_, model) = model.unwrap_or(("", "an unknown processor"));
    let number = cpus.lines().filter(|line| line.starts_with("processor")).count();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let version = kernel.trim().split('-').next().unwrap_or_default();
    Ok(format!("{number} CPUs of {model}, Linux {version}"))
}

/// The commit, and whether the tree has more than that.
fn commit() -> Option<String> {
    let git = Command::new("git").args(["describe", "--always", "--dirty"]).output().ok()?;
    git.status.success().then(|| String::from_utf8_lossy(&git.stdout).trim().to_owned())
}
