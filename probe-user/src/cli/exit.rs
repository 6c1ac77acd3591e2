//! What the exit code says; scripts and CI rely on these four.

use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: declaration and reality agree, or the command did what it was asked.
    Conforms,
    /// 1: drift.
    Drift,
    /// 2: usage, bad input, or a probe that cannot start.
    Usage,
    /// 3: no drift seen, but the coverage does not allow "conforms".
    Inconclusive,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Conforms => 0,
            Exit::Drift => 1,
            Exit::Usage => 2,
            Exit::Inconclusive => 3,
        })
    }
}
