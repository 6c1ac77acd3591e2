//! demo
#[derive(clap::Args)]
pub(crate) struct Options {}
pub(crate) fn run(_root: &std::path::Path, _options: &Options) -> anyhow::Result<()> {
    Ok(())
}
