//! What a window may claim: who watched, since when, what was lost and what nobody could see.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One hook of the probe and what its absence costs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hook {
    /// Program and attach point, such as `cgroup/connect4`.
    pub name: String,
    /// `None` when attached, otherwise why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub absent: Option<String>,
    /// What is not seen while it is absent.
    pub cost: String,
}

/// The sockets that were open before the hooks were.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Network namespaces that were read.
    pub namespaces: u64,
    /// Connections that were found and that no hook reported.
    pub connections: u64,
    /// Namespaces that could not be read, with the reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<String>,
}

/// Coverage of one node for one window.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// Every hook, attached or not.
    pub hooks: Vec<Hook>,
    /// Facts that did not reach a flow, by reason (the names of `probe_common::Loss` and our own).
    pub lost: BTreeMap<String, u64>,
    /// State changes for which the kernel may have run no program of ours, because they were interrupted on that CPU:
    /// an upper bound, and 0 where one of the two programs is always run (`capture/recursion.rs`).
    pub recursion_misses: u64,
    /// Facts that reached user space.
    pub events: u64,
    /// `None` when the older sockets were not read at all.
    pub snapshot: Option<Snapshot>,
    /// Whether a known loopback connection was seen after attaching and again before the window closed.
    pub canary: bool,
    /// The namespaces or cgroups to which the window is limited; empty when it is the whole node.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limited_to: Vec<String>,
    /// Traffic that no socket hook of this probe can show, one phrase each.
    pub blind: Vec<String>,
}

impl Coverage {
    /// Facts lost that could have been a connection's outcome or an attempt's only trace.
    #[must_use]
    pub fn lost_total(&self) -> u64 {
        self.lost.values().sum::<u64>() + self.recursion_misses
    }

    /// The network namespaces to which the window is limited. That is no gap by itself: a lab plays each of its
    /// nodes in one, so whoever limits a window vouches that it stands for the node, and the report says so.
    pub fn namespaces(&self) -> impl Iterator<Item = &str> {
        self.limited_to.iter().filter_map(|limit| limit.strip_prefix("netns "))
    }

    /// Why this window may not say that something did not happen; empty when it may. Losses of the reasons in
    /// `harmless` cannot have hidden it.
    #[must_use]
    pub fn gaps_beside(&self, harmless: &[&str]) -> Vec<String> {
        let mut gaps: Vec<String> = self
            .hooks
            .iter()
            .filter_map(|hook| {
                hook.absent.as_ref().map(|why| format!("{} not attached ({why}): {}", hook.name, hook.cost))
            })
            .collect();
        gaps.extend(
            self.lost
                .iter()
                .filter(|(reason, count)| **count > 0 && !harmless.contains(&reason.as_str()))
                .map(|(reason, count)| format!("{count} lost: {reason}")),
        );
        if self.recursion_misses > 0 {
            gaps.push(format!("{} skipped by the kernel: recursion", self.recursion_misses));
        }
        match &self.snapshot {
            None => gaps.push("older sockets were not read".to_owned()),
            Some(snapshot) => {
                gaps.extend(snapshot.unread.iter().map(|one| format!("older sockets not read: {one}")))
            }
        }
        gaps.extend(
            self.limited_to
                .iter()
                .filter(|limit| limit.starts_with("cgroup "))
                .map(|limit| format!("limited to {limit}")),
        );
        if !self.canary {
            gaps.push("the probe's own connection was not seen".to_owned());
        }
        gaps
    }
}
