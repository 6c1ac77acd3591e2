//! The verdicts, each with its reason.

use std::collections::BTreeSet;

/// What is said of a cell, and summed up of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// At least one connection succeeded and fits this row more narrowly than any other.
    Observed,
    /// Connections succeeded, but they fit these rows (indices, sorted) as well or better.
    Shared(BTreeSet<usize>),
    /// Some attempts succeed and others fail.
    Degraded,
    /// Only attempts.
    Failing(FarEnd),
    /// Expected, none attempted, and that is known.
    Missing(Claim),
    /// Optional, none seen, and that is known.
    Unused(Claim),
    /// Whether it happened cannot be told from these recordings.
    Inconclusive(Vec<Gap>),
    /// No recording of ours could tell.
    Unobservable {
        /// Why.
        reason: String,
        /// Who accepts that, in the inventory's words.
        acknowledged: Option<String>,
    },
}

impl Verdict {
    /// The word of the reports.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Observed => "observed",
            Self::Shared(_) => "shared",
            Self::Degraded => "degraded",
            Self::Failing(_) => "failing",
            Self::Missing(_) => "missing",
            Self::Unused(_) => "unused",
            Self::Inconclusive(_) => "inconclusive",
            Self::Unobservable { .. } => "unobservable",
        }
    }

    /// How much a row's summary must say it: the worst of its cells' verdicts is the row's.
    pub(super) fn weight(&self) -> u8 {
        match self {
            Self::Missing(_) => 7,
            Self::Failing(_) => 6,
            Self::Degraded => 5,
            Self::Inconclusive(_) => 4,
            Self::Unobservable { .. } => 3,
            Self::Shared(_) => 2,
            Self::Observed => 1,
            Self::Unused(_) => 0,
        }
    }
}

/// What the far end of a failing cell shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FarEnd {
    /// It is not watched: server or firewall, nobody can tell.
    Unwatched,
    /// It is watched whole, and nothing arrived.
    NothingArrived,
    /// It is watched, and took this many connections.
    Arrived(u64),
}

/// On what "none" rests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Every roster node of the source was watched: no attempt was made.
    NeverAttempted {
        /// Nodes watched, all there are.
        nodes: usize,
        /// For how long, nanoseconds.
        span: i64,
    },
    /// Every roster node of the destination was watched: nothing arrived.
    NeverArrived {
        /// Nodes watched, all there are.
        nodes: usize,
        /// For how long, nanoseconds.
        span: i64,
    },
    /// What fits also fits these narrower rows (indices, sorted), which take the credit.
    Ceded(BTreeSet<usize>),
    /// The row asks for any of its ports, and another is in use.
    OtherPort,
}

/// Why something is not known.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gap {
    /// A roster node without a recording.
    NoRecording {
        /// The cluster.
        cluster: String,
        /// The node.
        node: String,
    },
    /// A node whose recording has a gap.
    Coverage {
        /// The cluster.
        cluster: String,
        /// The node.
        node: String,
        /// What.
        gap: String,
    },
    /// Part of the end lies outside of the watched clusters.
    Beyond(String),
    /// The expectation asks for more than this flowdrift judges.
    Expectation(&'static str),
}

impl std::fmt::Display for Gap {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoRecording { cluster, node } => write!(formatter, "no recording from {cluster}/{node}"),
            Self::Coverage { cluster, node, gap } => write!(formatter, "{cluster}/{node}: {gap}"),
            Self::Beyond(end) => write!(formatter, "{end} is not watched as a whole"),
            Self::Expectation(words) => formatter.write_str(words),
        }
    }
}

/// What is said of a flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FlowVerdict {
    /// These cells take the credit, more than one when they fit equally.
    Declared {
        /// Indices, sorted.
        cells: Vec<usize>,
        /// A proxy stands between: which of them it was for cannot be told.
        source_hidden: bool,
    },
    /// This row of the baseline covers it.
    Baseline(usize),
    /// This exception covers it.
    Exempt {
        /// Its index.
        exception: usize,
        /// Whether it held no longer.
        expired: bool,
    },
    /// In scope, and nothing matches.
    Undeclared,
    /// The matrix does not speak of this kind of traffic.
    OutOfScope,
}
