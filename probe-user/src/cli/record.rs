//! `flowdrift record`: facts for a later audit, anywhere.

use std::path::PathBuf;

use anyhow::Result;

use super::{
    Exit,
    live::{self, LiveArguments},
    output::Output,
};
use crate::observe::Settings;

/// Record what this node's kernel sees, folded into flows, for a later audit anywhere
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The cluster that this node belongs to, a name of the inventory
    #[arg(long, value_name = "NAME")]
    cluster: String,
    /// This node's name in the cluster's roster; the host name when not given
    #[arg(long, value_name = "NAME")]
    node: Option<String>,
    /// Keep every connection by itself, with its time and its process, and not only the flows that they are folded into:
    /// ten to fifteen bytes each
    #[arg(long)]
    every_connection: bool,
    #[command(flatten)]
    live: LiveArguments,
    /// Where the recording goes; - is standard output
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

/// Watches, then writes the recording.
pub(super) fn run(arguments: &Arguments) -> Result<Exit> {
    let output = Output::open(&arguments.output)?;
    let node = arguments.node.clone().map_or_else(live::host_name, Ok)?;
    let settings = Settings {
        cluster: arguments.cluster.clone(),
        node,
        probe: arguments.live.options()?,
        flows: arguments.live.flows,
        every_connection: arguments.every_connection,
    };
    let (window, recorded) = live::watch(settings, &arguments.live, Some(output), None)?;
    recorded?;
    let connections: u64 = window.flows.iter().map(|flow| flow.outcomes.succeeded()).sum();
    let lost = window.coverage.lost_total();
    eprintln!("recorded {} flows, {connections} connections, {lost} lost", window.flows.len());
    Ok(Exit::Conforms)
}
