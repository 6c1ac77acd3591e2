//! A span of time on one node: its flows and the coverage that they rest on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Coverage, FlowKey};

/// How often each outcome was seen for one flow. Each connection counts once, at this end. The connections of UDP are its
/// exchanges: one socket and one peer, connected when a datagram from the peer arrived, accepted when the peer's came
/// first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcomes {
    /// Attempts that succeeded.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub connected: u64,
    /// Connections that a listener took.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub accepted: u64,
    /// Open before the audit began and reported by no hook since; of UDP, those that answer and of which nobody knows who
    /// began.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub older: u64,
    /// Attempts that failed, by errno (asm-generic/errno.h); 0 = given up by the application or local.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub failed: BTreeMap<u16, u64>,
    /// Attempts still in SYN_SENT when the window closed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unanswered: u64,
    /// Attempts so young when the window closed that their first SYN might yet be answered.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub pending: u64,
    /// Attempts that died before any packet: no route, prohibit, blackhole, or a cgroup's program that
    /// refuses.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unrouted: u64,
    /// UDP: exchanges of which datagrams were sent and none was received. They may be one-way by nature, or dropped.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unreplied: u64,
    /// UDP: sockets older than the audit that are connected and over which no datagram went.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub silent: u64,
    /// UDP: calls that sent; see [`crate::event::Datagrams`].
    #[serde(default, skip_serializing_if = "is_zero")]
    pub datagrams_sent: u64,
    /// UDP: calls that received.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub datagrams_received: u64,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Outcomes {
    /// Connections that stood: connected, accepted or older.
    #[must_use]
    pub fn succeeded(&self) -> u64 {
        self.connected.saturating_add(self.accepted).saturating_add(self.older)
    }

    /// Connections that stood, and exchanges that went unanswered: nobody at this end can say that these were stopped.
    #[must_use]
    pub fn passed(&self) -> u64 {
        self.succeeded().saturating_add(self.unreplied)
    }

    /// Attempts that came to nothing.
    #[must_use]
    pub fn unsuccessful(&self) -> u64 {
        let failed = self.failed.values().fold(0u64, |sum, count| sum.saturating_add(*count));
        failed.saturating_add(self.unanswered).saturating_add(self.unrouted)
    }

    /// Adds another end's or window's counts to these.
    pub fn add(&mut self, other: &Self) {
        let Self {
            connected,
            accepted,
            older,
            failed,
            unanswered,
            pending,
            unrouted,
            unreplied,
            silent,
            datagrams_sent,
            datagrams_received,
        } = other;
        let add = |sum: &mut u64, count: &u64| *sum = sum.saturating_add(*count);
        add(&mut self.connected, connected);
        add(&mut self.accepted, accepted);
        add(&mut self.older, older);
        failed.iter().for_each(|(error, count)| add(self.failed.entry(*error).or_default(), count));
        add(&mut self.unanswered, unanswered);
        add(&mut self.pending, pending);
        add(&mut self.unrouted, unrouted);
        add(&mut self.unreplied, unreplied);
        add(&mut self.silent, silent);
        add(&mut self.datagrams_sent, datagrams_sent);
        add(&mut self.datagrams_received, datagrams_received);
    }
}

/// A process that called `connect()` for a flow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessSeen {
    /// The thread's name; hostile text.
    pub command: String,
    /// The last process id under that name.
    pub id: u32,
    /// Attempts under that name.
    pub attempts: u64,
}

impl ProcessSeen {
    /// Counts attempts under a name, as long as there is room for it (see [`Flow::PROCESSES`]).
    pub(crate) fn note(known: &mut Vec<Self>, command: &str, id: u32, attempts: u64) {
        if let Some(seen) = known.iter_mut().find(|seen| seen.command == command) {
            seen.id = id;
            seen.attempts = seen.attempts.saturating_add(attempts);
        } else if known.len() < Flow::PROCESSES {
            known.push(Self { command: command.to_owned(), id, attempts });
        }
    }
}

/// Connections folded over one key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flow {
    /// Who talked to whom.
    pub key: FlowKey,
    /// How it went, and how often.
    pub outcomes: Outcomes,
    /// Wall-clock time of the first and last fact, nanoseconds since the Unix epoch.
    pub first_seen: i64,
    /// See [`Flow::first_seen`].
    pub last_seen: i64,
    /// Processes that connected, by name, at most [`Flow::PROCESSES`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub processes: Vec<ProcessSeen>,
    /// Connections of the connecting end whose process is not known, because they were folded while the rings to user
    /// space were full.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub folded: u64,
}

impl Flow {
    /// How many process names one flow keeps; the attempts of further ones still count in the outcomes.
    pub const PROCESSES: usize = 8;

    /// Adds what another window, or another id of the same name, saw under the same key.
    pub fn merge(&mut self, outcomes: &Outcomes, seen: (i64, i64), by: (&[ProcessSeen], u64)) {
        let (processes, folded) = by;
        self.folded = self.folded.saturating_add(folded);
        self.outcomes.add(outcomes);
        self.first_seen = self.first_seen.min(seen.0);
        self.last_seen = self.last_seen.max(seen.1);
        for process in processes {
            ProcessSeen::note(&mut self.processes, &process.command, process.id, process.attempts);
        }
        self.processes.sort_by(|left, right| left.command.cmp(&right.command));
    }
}

/// One node's facts for one span of time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// The cluster that the node belongs to, a name of the inventory.
    pub cluster: String,
    /// The node, a name of the cluster's roster.
    pub node: String,
    /// When every hook was attached and the snapshot taken, wall clock, nanoseconds since the Unix epoch.
    pub start: i64,
    /// When the window closed, likewise.
    pub end: i64,
    /// What the window may claim.
    pub coverage: Coverage,
    /// The flows, ordered by their key.
    pub flows: Vec<Flow>,
}
