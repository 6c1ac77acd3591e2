//! `cargo xtask accept`: dispatches to the acceptance programmes of `flowdrift-tests`.

use std::fs;
use std::path::Path;

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::{
    apt, demo, ebpf,
    process::{self, Build},
};

/// Arguments of `cargo xtask accept`.
#[derive(Args)]
pub(crate) struct Options {
    /// Which programme
    programme: Programme,
    /// Run about a twentieth of the counts, as CI does
    #[arg(long)]
    reduced: bool,
    #[command(flatten)]
    build: Build,
    /// Passed on to the programme: the acceptance lines to run, all when there are none
    #[arg(last = true)]
    rest: Vec<String>,
}

/// An issue's acceptance programme, a binary `accept-NAME` of `flowdrift-tests`.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Programme {
    /// Live audit: direction and identity, exactness, kernel cost, clean ends
    Live,
    /// Declared side: the vendors' documents
    Declared,
    /// Capture: UDP, older sockets, rights, kernel cost
    Capture,
    /// Line rate: matcher, drain, connections, recordings, memory and changes, beside others
    Rate,
    /// Policies: written, enforced, proven, in a large fleet
    Policy,
}

impl Programme {
    fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Declared => "declared",
            Self::Capture => "capture",
            Self::Rate => "rate",
            Self::Policy => "policy",
        }
    }
}

impl Options {
    /// Whether it is this programme, with one of these lines.
    fn asks(&self, programme: Programme, lines: &[&str]) -> bool {
        let is_one = |line: &String| lines.contains(&line.as_str());
        self.programme == programme && (self.rest.is_empty() || self.rest.iter().any(is_one))
    }
}

/// Runs the programme, at full counts unless told otherwise; its figures go to `target/accept/NAME.json`.
pub(crate) fn run(root: &Path, options: &Options) -> Result<()> {
    let name = options.programme.name();
    // Line 6 of the live programme judges what the demo has left.
    if options.asks(Programme::Live, &["6"]) && !demo::has_run(root) {
        demo::run(root, &demo::Options::default())?;
    }
    if options.asks(Programme::Policy, &["1"]) {
        apt::ensure_venv("holding policies against Kubernetes' schemas")?;
    }
    if options.asks(Programme::Policy, &["2"]) {
        demo::run(root, &demo::Options::enforcing(options.build.clone()))?;
    }
    // With made-up records.
    if options.asks(Programme::Rate, &["5", "8"]) {
        ebpf::synthetic(root)?;
    }
    let figures = root.join("target/accept").join(format!("{name}.json"));
    fs::create_dir_all(root.join("target/accept"))?;
    // The programmes run the flowdrift and the peers beside them: not older ones, and on a new machine there are none.
    let mut build = process::cargo();
    build.current_dir(root).args(["build", "-p", "flowdrift", "-p", "flowdrift-tests", "--bins"]);
    process::run(build.args(options.build.arguments()))?;
    let mut command = process::cargo();
    command.current_dir(root).arg("run").args(options.build.arguments());
    command
        .args(["-p", "flowdrift-tests", "--bin"])
        .arg(format!("accept-{name}"))
        .args(["--", "--json"])
        .arg(&figures);
    if !options.reduced {
        command.arg("--full");
    }
    process::run(command.args(&options.rest))?;
    println!("figures: target/accept/{name}.json");
    Ok(())
}
