//! Facts folded over one key, by the kernel's ids until the window closes, and then by their names.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hashbrown::HashMap;

use super::{
    Direction, Flow, FlowKey, Workload,
    fact::Fact,
    ledger::Ledger,
    tally::{self, Tally},
};
use crate::event::{Event, Face, Protocol};

/// Who, towards whom, by the kernel's ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct RawKey {
    pub(super) protocol: Protocol,
    pub(super) cgroup: Option<u64>,
    pub(super) netns: Option<u64>,
    pub(super) direction: Direction,
    pub(super) local: IpAddr,
    pub(super) remote: IpAddr,
    pub(super) port: u16,
    pub(super) translated: Option<Face>,
}

impl RawKey {
    /// That of an event of the connecting end.
    pub(super) fn outbound(event: &Event) -> Self {
        Self::of(event, Direction::Outbound)
    }

    pub(super) fn of(event: &Event, direction: Direction) -> Self {
        let port = if direction == Direction::Inbound { event.local.port } else { event.remote.port };
        Self {
            protocol: event.kind.protocol(),
            cgroup: event.cgroup,
            netns: event.netns,
            direction,
            local: event.local.address,
            remote: event.remote.address,
            port,
            translated: event.translated,
        }
    }
}

impl RawKey {
    fn named(&self, names: &impl Naming) -> FlowKey {
        // A group that went before it could be named is unknown: its id would mean nothing tomorrow.
        let cgroup = self.cgroup.and_then(|id| names.cgroup(id));
        FlowKey {
            workload: Workload { cgroup, netns: self.netns.and_then(|cookie| names.netns(cookie)) },
            direction: self.direction,
            local: self.local,
            remote: self.remote,
            port: self.port,
            protocol: self.protocol,
            translated: self.translated,
        }
    }
}

/// Names for the kernel's ids, and the clock.
pub trait Naming {
    /// Path of a cgroup below the root.
    fn cgroup(&self, id: u64) -> Option<String>;
    /// Name of a network namespace; `None` for the node's own.
    fn netns(&self, cookie: u64) -> Option<String>;
    /// Wall-clock time of a moment on `CLOCK_BOOTTIME`, nanoseconds since the Unix epoch.
    fn wall(&self, boot: u64) -> i64;
}

impl RawKey {
    /// The same with whomever: the workload's arrivals at a port of its own, or whatever it began.
    fn with_anybody(self) -> Self {
        let anybody = match self.remote {
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let port = if self.direction == Direction::Inbound { self.port } else { 0 };
        Self { remote: anybody, port, translated: None, ..self }
    }
}

/// Flows by the kernel's ids.
#[derive(Debug)]
pub(super) struct RawFlows {
    flows: HashMap<RawKey, Numbered>,
    /// So many are told apart; what comes beyond them is counted without its peer.
    limit: usize,
    /// Facts that were.
    beyond: u64,
    /// Where every fact is kept by itself, too, if it is.
    ledger: Option<Ledger>,
}

/// A flow by its number: they count up from 0.
#[derive(Debug)]
struct Numbered {
    number: u32,
    tally: Tally,
}

impl Default for RawFlows {
    fn default() -> Self {
        Self { flows: HashMap::new(), limit: usize::MAX, beyond: 0, ledger: None }
    }
}

impl RawFlows {
    /// So many flows, and if `every_fact`, every fact by itself, too.
    pub(super) fn new(limit: usize, every_fact: bool) -> Self {
        Self { limit, ledger: every_fact.then(Ledger::default), ..Self::default() }
    }

    /// Counts a fact.
    #[inline]
    pub(super) fn count(&mut self, key: RawKey, fact: &Fact<'_>) {
        let is_beyond = self.flows.len() >= self.limit && !self.flows.contains_key(&key);
        let key = if is_beyond { key.with_anybody() } else { key };
        self.beyond += u64::from(is_beyond);
        // A window of more flows would need more memory than a node has.
        let next = self.flows.len() as u32;
        let Numbered { number, tally } =
            self.flows.entry(key).or_insert_with(|| Numbered { number: next, tally: Tally::default() });
        tally.count(fact);
        if let Some(ledger) = &mut self.ledger {
            ledger.note(*number, fact);
        }
    }

    /// The same, unless nothing was counted under the key before.
    pub(super) fn count_further(&mut self, key: RawKey, fact: &Fact<'_>) {
        let known = [key, key.with_anybody()].into_iter().find(|key| self.flows.contains_key(key));
        if let Some(key) = known {
            self.count(key, fact);
        }
    }

    /// How many facts came when there were too many flows, and have lost their peer.
    pub(super) fn beyond(&self) -> u64 {
        self.beyond
    }

    /// Where every fact is kept.
    pub(super) fn ledger(&mut self) -> Option<&mut Ledger> {
        self.ledger.as_mut()
    }

    /// The flows by their names, in order; and, if every fact was kept, what is left of them and whose they are, by number.
    pub(super) fn named(self, names: &impl Naming) -> (Vec<Flow>, Option<(Ledger, Vec<FlowKey>)>) {
        let keys = self.ledger.is_some().then(|| {
            let mut numbered: Vec<_> =
                self.flows.iter().map(|(key, flow)| (flow.number, key.named(names))).collect();
            numbered.sort_unstable_by_key(|(number, _)| *number);
            numbered.into_iter().map(|(_, key)| key).collect()
        });
        let mut tallies: Vec<_> = self.flows.into_iter().collect();
        // In the order in which they came, whatever the table's is.
        tallies.sort_unstable_by_key(|(_, flow)| flow.number);
        let tallies = tallies.into_iter().map(|(key, flow)| (key.named(names), flow.tally));
        (tally::flows(tallies, |boot| names.wall(boot)), self.ledger.zip(keys))
    }
}
