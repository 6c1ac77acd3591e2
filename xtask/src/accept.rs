//! `cargo xtask accept`: dispatches to the acceptance programmes of `flowdrift-tests`.

use std::fs;
use std::path::Path;

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::process;

/// Arguments of `cargo xtask accept`.
#[derive(Args)]
pub(crate) struct Options {
    /// Which programme
    programme: Programme,
    /// Passed on to the programme
    #[arg(last = true)]
    rest: Vec<String>,
}

/// An issue's acceptance programme, a binary `accept-NAME` of `flowdrift-tests`.
#[derive(Clone, Copy, ValueEnum)]
enum Programme {
    /// Live audit: direction and identity, exactness, kernel cost, clean ends
    Live,
}

impl Programme {
    fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
        }
    }
}

/// Runs the programme at full counts; its figures go to `target/accept/NAME.json`.
pub(crate) fn run(root: &Path, options: &Options) -> Result<()> {
    let name = options.programme.name();
    let figures = root.join("target/accept").join(format!("{name}.json"));
    fs::create_dir_all(root.join("target/accept"))?;
    let mut command = process::cargo();
    command.current_dir(root).args(["run", "--release", "-p", "flowdrift-tests", "--bin"]);
    command.arg(format!("accept-{name}")).args(["--", "--full", "--json"]).arg(&figures);
    process::run(command.args(&options.rest))?;
    println!("figures: target/accept/{name}.json");
    Ok(())
}
