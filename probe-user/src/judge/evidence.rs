//! What was seen of one cell.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use super::join::{Observation, ObservedEnd};
use crate::{event::Protocol, flow::Outcomes, matching::Leg};

/// What one node saw of a cell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Connections that stood.
    pub succeeded: u64,
    /// Attempts that came to nothing.
    pub failed: u64,
}

/// Connections as either end counts them. Where the ends cannot be joined (translation, a proxy's two legs),
/// the same connection is in both counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ends {
    /// What the connecting end saw stand.
    pub client: u64,
    /// What the listening end took.
    pub server: u64,
}

impl Ends {
    /// Each connection counted once: those that one end alone saw may be among the other's.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.client.max(self.server)
    }

    fn add(&mut self, observation: &Observation<'_>) {
        self.client += observation.client_outcomes().succeeded();
        self.server += observation.server_outcomes().succeeded();
    }
}

/// Everything that was seen of one cell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// Connections that fit this cell more narrowly than any other.
    pub proven: Ends,
    /// Connections that fit other cells as well.
    pub shared: Ends,
    /// The rows of the cells that share, this one included.
    pub group: BTreeSet<usize>,
    /// The cells that share, this one included.
    pub among: BTreeSet<usize>,
    /// Connections that fit, but fit other rows better.
    pub ceded: u64,
    /// Attempts that came to nothing, likewise.
    pub ceded_failed: u64,
    /// Those rows; none when it is the baseline.
    pub ceded_to: BTreeSet<usize>,
    /// Arrivals behind a proxy or NAT that may have been for this cell.
    pub hidden: u64,
    /// Arrivals from an address that nothing places.
    pub unplaced: u64,
    /// Attempts that fit, of a socket whose workload is not known.
    pub unattributed: u64,
    /// Exchanges of the cell's source with peers that nobody saw.
    pub unaddressed: u64,
    /// Whether the same connections were seen at both ends.
    pub both_ends: bool,
    /// What the connecting end saw.
    pub client: Outcomes,
    /// What the listening end saw.
    pub server: Outcomes,
    /// The transports that were seen.
    pub protocols: BTreeSet<Protocol>,
    /// The hops that were seen.
    pub legs: BTreeSet<Leg>,
    /// Servers' addresses and ports as their clients know them, and as they are behind a translation on a watched node.
    pub translations: BTreeSet<[(IpAddr, u16); 2]>,
    /// By cluster and node of the connecting end.
    pub nodes: BTreeMap<(String, String), Seen>,
    /// Names of the processes that connected.
    pub processes: BTreeSet<String>,
    /// Wall-clock time of the first and last fact, nanoseconds since the Unix epoch; `None` without any.
    pub seen: Option<(i64, i64)>,
}

impl Evidence {
    /// Connections that stood.
    #[must_use]
    pub fn succeeded(&self) -> u64 {
        self.client.succeeded().max(self.server.succeeded())
    }

    /// Attempts that came to nothing, as the connecting end counts them.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.client.unsuccessful()
    }

    /// Whether nothing but datagrams was seen.
    #[must_use]
    pub fn is_udp(&self) -> bool {
        !self.protocols.is_empty() && self.protocols.iter().all(|protocol| *protocol == Protocol::Udp)
    }

    /// What is left when the shared arrivals turn out to be another cell's.
    pub(super) fn disowned(&self) -> Self {
        Self {
            ceded: self.ceded,
            ceded_to: self.ceded_to.clone(),
            hidden: self.hidden + self.shared.server,
            unplaced: self.unplaced,
            unaddressed: self.unaddressed,
            ..Self::default()
        }
    }

    /// Arrivals that may have been this cell's.
    #[must_use]
    pub fn untold(&self) -> u64 {
        self.hidden + self.unplaced
    }

    /// Counts an observation that fits these cells and rows, this one among them.
    pub(super) fn note(
        &mut self,
        observation: &Observation<'_>,
        leg: Leg,
        (cells, rows): (&BTreeSet<usize>, &BTreeSet<usize>),
    ) {
        if cells.len() == 1 {
            self.proven.add(observation);
        } else {
            self.shared.add(observation);
            self.group.extend(rows);
            self.among.extend(cells);
        }
        self.both_ends |= observation.both_ends();
        self.client.add(&observation.client_outcomes());
        self.server.add(&observation.server_outcomes());
        self.legs.insert(leg);
        self.translations.extend(observation.ends().filter_map(ObservedEnd::translation));
        self.protocols.extend(observation.ends().map(|end| end.flow.key.protocol));
        let (first, last) = observation.seen();
        let (before, after) = self.seen.unwrap_or((first, last));
        self.seen = Some((before.min(first), after.max(last)));
        for ObservedEnd { window, flow } in &observation.clients {
            let seen = self.nodes.entry((window.cluster.clone(), window.node.clone())).or_default();
            seen.succeeded += flow.outcomes.succeeded();
            seen.failed += flow.outcomes.unsuccessful();
            self.processes.extend(flow.processes.iter().map(|process| process.command.clone()));
        }
    }

    /// Counts an observation that fits, and fits these rows better.
    pub(super) fn cede(&mut self, observation: &Observation<'_>, rows: &BTreeSet<usize>) {
        self.ceded += observation.passed();
        self.ceded_failed += observation.client_outcomes().unsuccessful();
        self.ceded_to.extend(rows);
    }
}
