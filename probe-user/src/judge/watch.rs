//! What the recordings cover, and so what may be denied (invariant 2).

use std::collections::{BTreeMap, BTreeSet};

use super::verdict::Gap;
use crate::{
    event::Protocol,
    flow::{CoverageGap, Window, coverage::End},
    matrix::{
        Ports,
        inventory::{Cluster, Inventory},
    },
};

/// Recorders of many nodes are not started in one instant: this much may be unwatched without a word,
/// nanoseconds.
const UNSYNCHRONISED: i64 = 5_000_000_000;

/// What may go unwatched of an audit of this length before silence proves nothing: a hundredth, or what a start
/// takes, and never more than a tenth.
fn tolerance(span: i64) -> i64 {
    (span / 100).max(UNSYNCHRONISED).min(span / 10)
}

/// Which end's facts are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Attempts,
    Arrivals,
}

impl Asked {
    fn end(self) -> End {
        match self {
            Self::Attempts => End::Client,
            Self::Arrivals => End::Server,
        }
    }
}

/// One cluster's recordings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterWatch {
    /// Nodes in the roster.
    pub roster: usize,
    /// Nodes with a recording.
    pub recorded: usize,
    /// Why nothing may be claimed to be missing.
    open: Vec<Gap>,
    /// Why some things may not.
    partial: Vec<(CoverageGap, Gap)>,
    /// What went unwatched, though so little of it that a claim stands.
    tolerated: Vec<Gap>,
    /// Why somebody accepts that it is not recorded.
    pub acknowledged: Option<String>,
    /// Nodes of which only namespaces were watched: each stands for the whole node.
    pub limits: BTreeMap<String, BTreeSet<String>>,
    /// UDP ports where no hook sees anything, with the nodes: the kernel itself has them.
    kernel_ports: BTreeMap<u16, BTreeSet<String>>,
    /// For how long each of its recorded nodes was watched at the least, nanoseconds; `None` without any.
    length: Option<i64>,
}

impl ClusterWatch {
    /// Why the facts asked for, of one transport or of any, are not complete; nothing when they are.
    pub(super) fn gaps(&self, asked: Asked, protocol: Option<Protocol>) -> impl Iterator<Item = &Gap> {
        let partial = self.partial.iter().filter(move |(gap, _)| gap.hides(protocol, asked.end()));
        self.open.iter().chain(partial.map(|(_, gap)| gap))
    }

    /// The first of some UDP ports that a node's kernel has itself, and the node.
    pub(super) fn kernel_port(&self, ports: Ports) -> Option<(u16, &str)> {
        let (port, nodes) = self.kernel_ports.iter().find(|(port, _)| ports.hold(**port))?;
        nodes.first().map(|node| (*port, node.as_str()))
    }

    /// Everything that keeps silence from proving anything, of whatever it may be; what is tolerated is not among it.
    #[must_use]
    pub fn every_gap(&self) -> Vec<Gap> {
        let mut gaps: Vec<Gap> =
            self.open.iter().chain(self.partial.iter().map(|(_, gap)| gap)).cloned().collect();
        gaps.sort();
        gaps.dedup();
        gaps
    }

    /// For how long every node was watched, nanoseconds.
    #[must_use]
    pub fn length(&self) -> i64 {
        self.length.unwrap_or(0)
    }
}

/// All recordings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watches {
    /// By cluster of the inventory.
    pub clusters: BTreeMap<String, ClusterWatch>,
    /// First start and last end, nanoseconds since the Unix epoch; 0 without any recording.
    pub start: i64,
    /// See [`Watches::start`].
    pub end: i64,
}

impl Watches {
    pub(super) fn new(inventory: &Inventory, windows: &[Window]) -> Self {
        let start = windows.iter().map(|window| window.start).min().unwrap_or(0);
        let end = windows.iter().map(|window| window.end).max().unwrap_or(0).max(start);
        let watch = |(name, cluster): (&String, &Cluster)| {
            (name.clone(), of_cluster((name, cluster), windows, (start, end)))
        };
        Self { clusters: inventory.clusters.iter().map(watch).collect(), start, end }
    }

    /// Every gap of every cluster, for the report; an absence that somebody accepts is none.
    #[must_use]
    pub fn all_gaps(&self) -> Vec<Gap> {
        let all = |watch: &ClusterWatch| {
            let partial = watch.partial.iter().map(|(_, gap)| gap);
            watch.open.iter().chain(partial).chain(&watch.tolerated).cloned().collect::<Vec<Gap>>()
        };
        let counts = |watch: &&ClusterWatch| watch.acknowledged.is_none() || watch.recorded > 0;
        let mut gaps: Vec<Gap> = self.clusters.values().filter(counts).flat_map(all).collect();
        gaps.sort();
        gaps.dedup();
        gaps
    }
}

fn of_cluster((name, cluster): (&str, &Cluster), windows: &[Window], whole: (i64, i64)) -> ClusterWatch {
    let mut watch = ClusterWatch {
        roster: cluster.nodes.len(),
        acknowledged: cluster.acknowledged.clone(),
        ..ClusterWatch::default()
    };
    if cluster.nodes.is_empty() {
        watch.open.push(Gap::NoRoster { cluster: name.to_owned() });
    }
    for node in cluster.nodes.keys() {
        let is_mine = |window: &&Window| window.cluster == name && &window.node == node;
        let mine: Vec<&Window> = windows.iter().filter(is_mine).collect();
        if mine.is_empty() {
            watch.open.push(Gap::NoRecording { cluster: name.to_owned(), node: node.clone() });
        } else {
            watch.add((name, node), &mine, whole);
        }
    }
    watch
}

impl ClusterWatch {
    /// Adds a node's windows. They may follow each other, or be parts of the node that were watched side by side.
    fn add(&mut self, (cluster, node): (&str, &str), windows: &[&Window], (start, end): (i64, i64)) {
        let gap = |gap| Gap::Coverage { cluster: cluster.to_owned(), node: node.to_owned(), gap };
        self.recorded += 1;
        let found: BTreeMap<String, CoverageGap> = windows
            .iter()
            .flat_map(|window| window.coverage.gaps())
            .map(|gap| (gap.words.clone(), gap))
            .collect();
        self.partial.extend(found.into_iter().map(|(words, found)| (found, gap(words))));
        let (watched, span) = (watched(windows), end.saturating_sub(start));
        let unwatched = span.saturating_sub(watched);
        let short = || gap(format!("watched {} of the {} audited", seconds(watched), seconds(span)));
        if watched == 0 || unwatched > tolerance(span) {
            self.open.push(short());
        } else if unwatched > UNSYNCHRONISED {
            self.tolerated.push(short());
        }
        self.length = Some(self.length.map_or(watched, |length| length.min(watched)));
        for port in windows.iter().flat_map(|window| &window.coverage.kernel_ports) {
            self.kernel_ports.entry(*port).or_default().insert(node.to_owned());
        }
        let namespaces = windows.iter().flat_map(|window| window.coverage.namespaces());
        let namespaces: BTreeSet<String> = namespaces.map(str::to_owned).collect();
        if !namespaces.is_empty() {
            self.limits.insert(node.to_owned(), namespaces);
        }
    }
}

/// How much time the windows cover together, nanoseconds.
fn watched(windows: &[&Window]) -> i64 {
    let mut spans: Vec<(i64, i64)> = windows.iter().map(|window| (window.start, window.end)).collect();
    spans.sort_unstable();
    let (mut sum, mut covered) = (0_i64, i64::MIN);
    for (start, end) in spans {
        sum = sum.saturating_add(end.saturating_sub(start.max(covered)).max(0));
        covered = covered.max(end);
    }
    sum
}

fn seconds(nanoseconds: i64) -> String {
    format!("{:.1} s", nanoseconds as f64 / 1e9)
}
