//! Threads among which work is shared out.

use std::sync::OnceLock;

use anyhow::{Result, anyhow};
use rayon::{ThreadPoolBuildError, ThreadPoolBuilder};

/// Starts as many as there are CPUs, the caller counted: what it needs while it reads is its own again when it judges. Without
/// this, rayon leaves the caller idle.
///
/// # Errors
/// They cannot be started.
pub(super) fn start() -> Result<()> {
    static STARTED: OnceLock<Result<(), ThreadPoolBuildError>> = OnceLock::new();
    let start = || ThreadPoolBuilder::new().use_current_thread().build_global();
    STARTED.get_or_init(start).as_ref().map_err(|fault| anyhow!("starting threads: {fault}")).copied()
}
