//! The verdicts, each with its reason.

use std::collections::BTreeSet;

use crate::wording::{length, plural};

/// What is said of a cell, and summed up of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// At least one connection succeeded and fits this row more narrowly than any other.
    Observed,
    /// Connections succeeded, but they fit these rows (indices, sorted) as well or better; no row when it is the
    /// baseline that they fit better.
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
    /// It is watched, and took this many connections of which nobody can say who made them.
    CannotTell(u64),
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
        /// Of how many nodes only a network namespace was watched.
        limited: usize,
    },
    /// Every roster node of the destination was watched: nothing arrived.
    NeverArrived {
        /// Nodes watched, all there are.
        nodes: usize,
        /// For how long, nanoseconds.
        span: i64,
        /// Of how many nodes only a network namespace was watched.
        limited: usize,
    },
    /// What fits also fits these narrower rows (indices, sorted), which take the credit.
    Ceded(BTreeSet<usize>),
    /// The row asks for any of its ports, and another is in use.
    OtherPort,
    /// The row asks for any of its ports, and another was tried.
    OtherPortTried,
}

impl std::fmt::Display for Claim {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NeverAttempted { nodes, span, limited } => {
                write!(formatter, "no attempt {}", watched(*nodes, *span, *limited))
            }
            Self::NeverArrived { nodes, span, limited } => {
                write!(formatter, "nothing arrived {}", watched(*nodes, *span, *limited))
            }
            Self::OtherPortTried => formatter.write_str("another port of the row was tried"),
            Self::Ceded(_) => formatter.write_str("narrower rows take the credit"),
            Self::OtherPort => formatter.write_str("another port of the row is in use"),
        }
    }
}

fn watched(nodes: usize, span: i64, limited: usize) -> String {
    let limit = match limited {
        0 => String::new(),
        limited if limited == nodes => "; of each node only a network namespace was watched".to_owned(),
        limited => format!("; of {} only a network namespace was watched", plural(limited as u64, "node")),
    };
    format!("on {nodes}/{nodes} nodes, in these {}{limit}", length(span))
}

/// Why something is not known.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gap {
    /// A cluster whose nodes nobody has listed.
    NoRoster {
        /// The cluster.
        cluster: String,
    },
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
    /// Any port of the row is enough, and one of them cannot be seen.
    OtherPort,
    /// A flow that may be the cell's, of a socket whose workload the recording does not know.
    UnknownWorkload,
    /// So many exchanges that may be the cell's, with peers that nobody saw.
    UnknownPeer(u64),
    /// So many attempts were under way when the window closed.
    Pending(u64),
    /// So many exchanges of datagrams were sent and not answered.
    Unreplied(u64),
    /// So many UDP sockets that are older than the audit are connected, and no datagram went over them.
    Silent(u64),
    /// So many arrivals that may be the cell's, from addresses that do not tell.
    UnknownSource(u64),
    /// The expectation asks for more than this flowdrift judges.
    Expectation(&'static str),
}

impl Gap {
    /// The cluster that nobody recorded, or could say to have recorded, where that is the gap.
    pub(super) fn unrecorded(&self) -> Option<&str> {
        match self {
            Self::NoRoster { cluster } | Self::NoRecording { cluster, .. } => Some(cluster),
            _ => None,
        }
    }
}

impl std::fmt::Display for Gap {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoRoster { cluster } => {
                write!(formatter, "{cluster} has no roster: nobody can say that all of it was watched")
            }
            Self::OtherPort => {
                formatter.write_str("another port of the row would be enough, and cannot be seen")
            }
            Self::UnknownPeer(1) => {
                formatter.write_str("1 exchange of the source, with a peer that nobody saw")
            }
            Self::UnknownPeer(count) => {
                write!(formatter, "{count} exchanges of the source, with peers that nobody saw")
            }
            Self::Unreplied(count) => write!(
                formatter,
                "datagrams were sent {count} times and no answer was seen: one-way, or dropped, cannot tell"
            ),
            Self::Silent(1) => {
                formatter.write_str("1 UDP socket older than the audit is connected there and was silent")
            }
            Self::Silent(count) => write!(
                formatter,
                "{count} UDP sockets older than the audit are connected there and were silent"
            ),
            Self::Pending(1) => formatter.write_str("1 attempt was under way when the window closed"),
            Self::Pending(count) => {
                write!(formatter, "{count} attempts were under way when the window closed")
            }
            Self::UnknownWorkload => formatter.write_str("a flow's workload is not known"),
            Self::UnknownSource(1) => formatter.write_str("1 arrival whose source cannot be told"),
            Self::UnknownSource(count) => write!(formatter, "{count} arrivals whose source cannot be told"),
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
        /// A proxy or NAT stands between, or the workload is not known: which of them it was cannot be told.
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
