//! What becomes of rules: who stands at the other end, as Cilium knows him.

use std::{collections::BTreeSet, net::IpAddr};

use super::{
    labels::{NAMESPACE, is_left_out},
    written::{Entry, Peers, absorb},
};
use crate::{
    event::Protocol,
    policy::{
        explain,
        gather::{Policies, SubjectPolicy},
        rule::{Flow, Peer, PortRange, Rule},
        world::{Party, World},
    },
    workload::{ClusterObjects, Labels, Workload},
};

/// Makes the entries of one document, and notes what they are not.
pub(super) struct Entries<'a> {
    pub(super) world: &'a World<'a>,
    pub(super) policies: &'a Policies<'a>,
    pub(super) policy: &'a SubjectPolicy,
    pub(super) objects: &'a ClusterObjects,
    pub(super) cluster: &'a str,
    /// That of the document; none of one for a node.
    pub(super) namespace: Option<&'a str>,
    pub(super) warnings: Vec<String>,
}

impl<'a> Entries<'a> {
    /// Of a direction's rules.
    pub(super) fn of(&mut self, rules: &[Rule], is_egress: bool) -> Vec<Entry> {
        let mut entries: Vec<Entry> = rules.iter().flat_map(|rule| self.rule(rule, is_egress)).collect();
        if is_egress {
            entries.extend(self.policy.own_nodes.iter().map(|rule| self.own_node(rule)));
        }
        absorb(entries)
    }

    fn rule(&mut self, rule: &Rule, is_egress: bool) -> Vec<Entry> {
        if let Some(why) = unwritable(&rule.flow.ports) {
            return vec![self.unsaid(rule, why)];
        }
        if let Peer::Workload(workload) = &rule.flow.peer {
            return vec![self.workload(rule, workload)];
        }
        let met = Met::of(self, rule);
        let mut entries = Vec::new();
        if !met.nodes.is_empty() {
            entries.push(self.nodes(rule, &met.nodes, is_egress));
        }
        if !met.inside.is_empty() {
            let why = format!(
                "{} of the cluster's own pods are of no pod that it lists, and Cilium holds none of those by an address",
                listed(&met.inside)
            );
            entries.push(self.unsaid(rule, &why));
        }
        if !met.outside.is_empty() {
            entries.push(self.outside(rule, is_egress));
        }
        entries
    }

    /// A comment where a rule would be.
    pub(super) fn unsaid(&mut self, rule: &Rule, why: &str) -> Entry {
        let words = format!("NOT WRITTEN: {why}");
        self.warn_of(rule, &words);
        let comments = comments(rule, [words]);
        Entry { peers: None, ports: vec![rule.flow.ports], comments, listens: false }
    }

    fn workload(&mut self, rule: &Rule, workload: &Workload) -> Entry {
        let (mut labels, also) = self.objects.selector(workload);
        let mut words = Vec::new();
        if labels.is_empty() {
            words.push(format!(
                "its pods have no label that stays: every pod of {} passes",
                workload.namespace
            ));
        } else if !also.is_empty() {
            let also: Vec<String> = also.iter().map(ToString::to_string).collect();
            words.push(format!("its labels are also those of {}", also.join(", ")));
        }
        words.extend(left_out(&labels));
        words.iter().for_each(|words| self.warn_of(rule, words));
        if labels.is_empty() || self.namespace != Some(&workload.namespace) {
            labels.insert(format!("k8s:{NAMESPACE}"), workload.namespace.clone());
        }
        self.entry(rule, Peers::Endpoints(vec![labels]), words)
    }

    fn outside(&mut self, rule: &Rule, is_egress: bool) -> Entry {
        let Flow { peer, .. } = &rule.flow;
        let blocks = peer.blocks();
        let written = blocks.to_string();
        let Peer::Endpoint { hosts, .. } = peer else { return self.entry(rule, Peers::Blocks(blocks), []) };
        if hosts.is_empty() {
            return self.entry(rule, Peers::Blocks(blocks), []);
        }
        let names = hosts.join(", ");
        let by_address = if !is_egress {
            Some("who connects is not known by a name")
        } else if self.namespace.is_none() {
            Some(
                "the host firewall's rules for names are not used: a node's own names go through the agent then",
            )
        } else if !self.world.are_whole(hosts, &blocks) {
            Some("the names stand for more than the rows declare")
        } else {
            None
        };
        if let Some(why) = by_address {
            let words = format!("{names} is written as the inventory's addresses: {why}");
            return self.entry(rule, Peers::Blocks(blocks), [words]);
        }
        let words = format!(
            "by what DNS answers for {names}, and not by the inventory's {written}: with both, whoever has either would pass; who dials an address that no answer gave is cut"
        );
        self.warn_of(rule, &words);
        self.entry(rule, Peers::Names(hosts.clone()), [words])
    }

    pub(super) fn entry(&self, rule: &Rule, peers: Peers, words: impl IntoIterator<Item = String>) -> Entry {
        Entry {
            peers: Some(peers),
            ports: vec![rule.flow.ports],
            comments: comments(rule, words),
            listens: false,
        }
    }

    pub(super) fn warn_of(&mut self, rule: &Rule, words: &str) {
        let Flow { peer, ports } = &rule.flow;
        self.warn(&format!("{peer} {ports}: {words}"));
    }

    pub(super) fn warn(&mut self, words: &str) {
        let warning = format!("{}: {words}", self.policy.subject);
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }
}

/// Who was met, by what Cilium takes them for; where nobody was, who is declared.
#[derive(Default)]
struct Met {
    nodes: BTreeSet<IpAddr>,
    inside: BTreeSet<IpAddr>,
    outside: BTreeSet<IpAddr>,
}

impl Met {
    fn of(entries: &Entries<'_>, rule: &Rule) -> Self {
        let blocks = rule.flow.peer.blocks();
        // Of a block's first address nothing may be meant.
        let declared = blocks.parts().into_iter().map(|block| block.addr());
        let seen = &rule.evidence.addresses;
        let addresses: Vec<IpAddr> =
            if seen.is_empty() { declared.collect() } else { seen.iter().copied().collect() };
        let mut met = Self::default();
        for address in addresses {
            let class = match entries.world.at(entries.cluster, address) {
                Party::Node { cluster, .. } if cluster == entries.cluster => &mut met.nodes,
                Party::Outside(_) if entries.world.is_inside(entries.cluster, address) => &mut met.inside,
                Party::Guest { .. } => &mut met.inside,
                _ => &mut met.outside,
            };
            class.insert(address);
        }
        met
    }
}

/// Labels that select nobody unless the agent is told to keep them.
pub(super) fn left_out(labels: &Labels) -> Option<String> {
    let keys: Vec<&str> = labels.keys().map(String::as_str).filter(|key| is_left_out(key)).collect();
    (!keys.is_empty()).then(|| {
        format!(
            "selects NOBODY unless the agent's option `labels` keeps {}, which it leaves out by default",
            keys.join(", ")
        )
    })
}

/// Why Cilium cannot say it.
pub(super) fn unwritable(ports: &PortRange) -> Option<&'static str> {
    match (ports.protocol, ports.first, ports.last) {
        (Protocol::Icmp, ..) => Some("Cilium lets ICMP through by types, and nothing tells which these were"),
        (_, 0, 0) => Some("to Cilium, port 0 is every port"),
        _ => None,
    }
}

fn comments(rule: &Rule, words: impl IntoIterator<Item = String>) -> Vec<String> {
    explain::rule(rule).chain(words).collect()
}

pub(super) fn listed(addresses: &BTreeSet<IpAddr>) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
