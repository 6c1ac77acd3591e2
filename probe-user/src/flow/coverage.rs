//! What a window may claim: who watched, since when, what was lost and what nobody could see.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::event::Protocol;

/// One hook of the probe and what its absence costs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hook {
    /// Program and attach point, such as `cgroup/connect4`.
    pub name: String,
    /// Whose traffic it shows.
    pub protocol: Protocol,
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
    /// The same facts by the cgroup that they belong to, where that is known.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub lost_by_cgroup: BTreeMap<String, u64>,
    /// Facts that were folded in the kernel, because the rings to user space were full: in flows, and without a process.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub folded: u64,
    /// Attempts that did not reach user space, and whose outcomes therefore have no process.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub callers_lost: u64,
    /// Facts that came when there were more flows than are told apart: counted with their workload, and without their peer.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub beyond_flows: u64,
    /// State changes for which the kernel may have run no program of ours, because they were interrupted on that CPU:
    /// an upper bound, and 0 where one of the two programs is always run (`capture/recursion.rs`).
    pub recursion_misses: u64,
    /// Facts that reached user space.
    pub events: u64,
    /// `None` when the older sockets were not read at all.
    pub snapshot: Option<Snapshot>,
    /// Whether a known loopback connection was seen after attaching and again before the window closed.
    pub canary: bool,
    /// Transports whose hooks are attached and of which a known loopback exchange was not seen all the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deaf_to: Vec<Protocol>,
    /// Why translations of addresses (NAT) by this node may not be known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub untranslated: Vec<String>,
    /// Why services behind a socket load-balancer may be known by their backends only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services_unknown: Vec<String>,
    /// UDP ports that were the kernel's own when the window began: its tunnels send and receive there without a socket call,
    /// and no hook shows them. Also those of processes that the recorder may not look into.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kernel_ports: Vec<u16>,
    /// How often the wall clock was set while the window was open. All times are by the clock as it was at the end.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub clock_steps: u64,
    /// By how much, together, nanoseconds.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub clock_moved: i64,
    /// For how long, together, the recorder did not run, nanoseconds: it was stopped, or starved of its CPU.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub stood_still: u64,
    /// The namespaces or cgroups to which the window is limited; empty when it is the whole node.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limited_to: Vec<String>,
    /// Traffic that no socket hook of this probe can show, one phrase each.
    pub blind: Vec<String>,
}

fn is_zero<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
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

    /// The cgroups to which the window is limited, as paths below the root.
    pub fn groups(&self) -> impl Iterator<Item = &str> {
        self.limited_to.iter().filter_map(|limit| limit.strip_prefix("cgroup "))
    }

    /// Why this window may not say that something did not happen; empty when it may.
    #[must_use]
    pub fn gaps(&self) -> Vec<CoverageGap> {
        let mut gaps: Vec<CoverageGap> = self.hooks.iter().filter_map(Hook::gap).collect();
        gaps.extend(self.lost.iter().filter(|(_, count)| **count > 0).map(|(reason, count)| {
            let (protocol, end) = could_hide(reason);
            CoverageGap { words: format!("{count} lost: {reason}"), protocol, end }
        }));
        if self.recursion_misses > 0 {
            let words = format!("{} skipped by the kernel: recursion", self.recursion_misses);
            gaps.push(CoverageGap { words, protocol: Some(Protocol::Tcp), end: None });
        }
        if self.beyond_flows > 0 {
            gaps.push(CoverageGap::of_all(&format!(
                "{} facts beyond the flows that are told apart (--flows): with whom is not known",
                self.beyond_flows
            )));
        }
        match &self.snapshot {
            None => gaps.push(CoverageGap::of_all("older sockets were not read")),
            Some(snapshot) => {
                let unread = snapshot.unread.iter();
                gaps.extend(unread.map(|one| CoverageGap::of_all(&format!("older sockets not read: {one}"))));
            }
        }
        gaps.extend(self.groups().map(|group| CoverageGap::of_all(&format!("limited to cgroup {group}"))));
        if self.clock_steps > 0 {
            let moved = self.clock_moved as f64 / 1e9;
            let words = match self.clock_steps {
                1 => format!("the clock was set, by {moved:+.1} s: times before that are not the wall's"),
                steps => format!(
                    "the clock was set {steps} times, by {moved:+.1} s together: times before that are not the wall's"
                ),
            };
            gaps.push(CoverageGap::of_all(&words));
        }
        if self.stood_still > 0 {
            let seconds = self.stood_still as f64 / 1e9;
            gaps.push(CoverageGap::of_all(&format!("the recorder stood still for {seconds:.1} s")));
        }
        if !self.canary {
            gaps.push(CoverageGap::of_all("the probe's own connection was not seen"));
        }
        let untranslated = self.untranslated.iter();
        gaps.extend(
            untranslated.map(|why| CoverageGap::of_all(&format!("translated addresses not known: {why}"))),
        );
        gaps.extend(self.services_unknown.iter().map(|why| CoverageGap {
            words: services_unknown(why),
            protocol: None,
            end: Some(End::Client),
        }));
        gaps.extend(self.deaf_to.iter().map(|protocol| CoverageGap {
            words: format!("the probe's own {protocol} exchange was not seen"),
            protocol: Some(*protocol),
            end: None,
        }));
        gaps
    }
}

impl Hook {
    fn gap(&self) -> Option<CoverageGap> {
        let Self { name, protocol, absent, cost } = self;
        let why = absent.as_ref()?;
        let words = format!("{name} not attached ({why}): {cost}");
        Some(CoverageGap { words, protocol: Some(*protocol), end: None })
    }
}

/// What it costs that another program of the cgroups may choose peers.
pub(crate) fn services_unknown(why: &str) -> String {
    format!("services may be known by their backends only: {why}")
}

/// Something that a window may not have seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoverageGap {
    /// For people.
    pub words: String,
    /// The transport whose traffic it can hide; any when `None`.
    pub protocol: Option<Protocol>,
    /// The end of a connection that it can hide; either when `None`.
    pub end: Option<End>,
}

/// An end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Who connects: attempts.
    Client,
    /// Who listens: arrivals.
    Server,
}

impl CoverageGap {
    fn of_all(words: &str) -> Self {
        Self { words: words.to_owned(), protocol: None, end: None }
    }

    /// Whether it can hide what a socket of this end and transport (any, when `None`) does.
    #[must_use]
    pub fn hides(&self, protocol: Option<Protocol>, end: End) -> bool {
        let is_of_protocol = match (self.protocol, protocol) {
            (Some(hidden), Some(asked)) => hidden == asked,
            _ => true,
        };
        is_of_protocol && self.end.is_none_or(|hidden| hidden == end)
    }
}

/// What a loss can hide (`probe_common::Loss`, `capture/probe.rs`).
fn could_hide(reason: &str) -> (Option<Protocol>, Option<End>) {
    match reason {
        "ring-full-accepted" => (Some(Protocol::Tcp), Some(End::Server)),
        "ring-full-attempt"
        | "ring-full-connected"
        | "ring-full-failed"
        | "ring-full-unrouted"
        | "outcome-unseen" => (Some(Protocol::Tcp), Some(End::Client)),
        "ring-full-datagram" => (Some(Protocol::Udp), None),
        _ => (None, None),
    }
}
