//! What the recordings cover, and so what may be denied (invariant 2).

use std::collections::BTreeMap;

use super::verdict::Gap;
use crate::{
    flow::Window,
    matrix::inventory::{Cluster, Inventory},
};

/// Losses that only accepts can suffer: they cannot hide an attempt.
const ACCEPT_LOSSES: [&str; 1] = ["ring-full-accepted"];
/// Losses that only the connecting end can suffer: they cannot hide an arrival.
const CONNECT_LOSSES: [&str; 5] =
    ["ring-full-attempt", "ring-full-connected", "ring-full-failed", "ring-full-unrouted", "unpaired-full"];

/// Less than this share of the audited span is not the whole of it: nine tenths, since recorders of many nodes
/// are not started in one instant.
const WHOLE: (i64, i64) = (9, 10);

/// Which end's facts are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Attempts,
    Arrivals,
}

/// One cluster's recordings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterWatch {
    /// Nodes in the roster.
    pub roster: usize,
    /// Nodes with a recording.
    pub recorded: usize,
    /// Why a missing attempt may not be claimed.
    attempts: Vec<Gap>,
    /// Why a missing arrival may not be claimed.
    arrivals: Vec<Gap>,
    /// Why somebody accepts that it is not recorded.
    acknowledged: Option<String>,
    /// What all its nodes were watched for: nanoseconds since the Unix epoch.
    span: Option<(i64, i64)>,
}

impl ClusterWatch {
    /// Why the facts asked for are not complete; empty when they are.
    pub(super) fn gaps(&self, asked: Asked) -> &[Gap] {
        match asked {
            Asked::Attempts => &self.attempts,
            Asked::Arrivals => &self.arrivals,
        }
    }

    /// For how long every node was watched, nanoseconds.
    #[must_use]
    pub fn length(&self) -> i64 {
        self.span.map_or(0, |(start, end)| end - start)
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
        let end = windows.iter().map(|window| window.end).max().unwrap_or(0);
        let watch = |(name, cluster): (&String, &Cluster)| {
            (name.clone(), of_cluster((name, cluster), windows, (start, end)))
        };
        Self { clusters: inventory.clusters.iter().map(watch).collect(), start, end }
    }

    /// Every gap of every cluster, for the report; an absence that somebody accepts is none.
    #[must_use]
    pub fn all_gaps(&self) -> Vec<Gap> {
        let both =
            |watch: &ClusterWatch| watch.attempts.iter().chain(&watch.arrivals).cloned().collect::<Vec<_>>();
        let is_open = |watch: &&ClusterWatch| watch.acknowledged.is_none() || watch.recorded > 0;
        let mut gaps: Vec<Gap> = self.clusters.values().filter(is_open).flat_map(both).collect();
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
    for node in cluster.nodes.keys() {
        let mine: Vec<&Window> =
            windows.iter().filter(|window| window.cluster == name && &window.node == node).collect();
        if mine.is_empty() {
            let gap = Gap::NoRecording { cluster: name.to_owned(), node: node.clone() };
            watch.attempts.push(gap.clone());
            watch.arrivals.push(gap);
            continue;
        }
        watch.recorded += 1;
        for (asked, gaps) in [(Asked::Attempts, &mut watch.attempts), (Asked::Arrivals, &mut watch.arrivals)]
        {
            let words = node_gaps(&mine, asked, whole);
            gaps.extend(words.into_iter().map(|gap| Gap::Coverage {
                cluster: name.to_owned(),
                node: node.clone(),
                gap,
            }));
        }
        watch.span = Some(mine.iter().fold(watch.span.unwrap_or(whole), |(start, end), window| {
            (start.max(window.start), end.min(window.end))
        }));
    }
    watch
}

fn node_gaps(windows: &[&Window], asked: Asked, (start, end): (i64, i64)) -> Vec<String> {
    let unseen = match asked {
        Asked::Attempts => ACCEPT_LOSSES.as_slice(),
        Asked::Arrivals => CONNECT_LOSSES.as_slice(),
    };
    let mut gaps: Vec<String> =
        windows.iter().flat_map(|window| window.coverage.gaps_beside(unseen)).collect();
    let watched: i64 = windows.iter().map(|window| window.end - window.start).sum();
    let (part, of) = WHOLE;
    if watched.saturating_mul(of) < (end - start).saturating_mul(part) {
        gaps.push(format!("watched {} of the {} audited", seconds(watched), seconds(end - start)));
    }
    gaps
}

fn seconds(nanoseconds: i64) -> String {
    format!("{:.1} s", nanoseconds as f64 / 1e9)
}
