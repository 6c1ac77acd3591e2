//! `flowdrift audit`.
use super::Exit;
use anyhow::Result;
/// Hold what was seen against the declared flow matrix
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {}
pub(super) fn run(_arguments: &Arguments) -> Result<Exit> {
    anyhow::bail!("under construction")
}
