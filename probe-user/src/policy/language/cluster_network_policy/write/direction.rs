//! What becomes of the rules of one direction.

use std::collections::BTreeSet;

use ipnet::IpNet;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde_saphyr::SerializeError;

use super::{
    super::{MOST, domain::DomainName},
    entry::{Action, Entry, Peer, Pods as SelectedPods, Protocol},
    fit::fit,
};
use crate::{
    event,
    policy::{
        blocks::Blocks,
        explain,
        gather::Policies,
        language::{
            pods::{Pods, remark},
            yaml::Yaml,
        },
        quarantine::Stranger,
        reach::everywhere,
        rule::{Evidence, Flow, Peer as Whom, Rule},
        world::World,
    },
    workload::Workload,
};

/// The port on which names are asked for.
const DNS: u16 = 53;

/// The rules of one direction as they are written.
pub(super) struct Direction {
    is_egress: bool,
    entries: Vec<Entry>,
    /// What is said where nothing is governed.
    remarks: Vec<String>,
}

impl Direction {
    fn silent(is_egress: bool, remarks: Vec<String>) -> Self {
        Self { is_egress, entries: Vec::new(), remarks }
    }

    /// How many it needs.
    pub(super) fn policies(&self) -> usize {
        self.entries.len().div_ceil(MOST)
    }

    /// Writes what of it is in one of the policies.
    pub(super) fn write(&self, yaml: &mut Yaml, part: usize) -> Result<(), SerializeError> {
        if part == 0 {
            self.remarks.iter().for_each(|words| yaml.comment(2, words));
        }
        let Some(entries) = self.entries.chunks(MOST).nth(part) else { return Ok(()) };
        yaml.line(2, if self.is_egress { "egress:" } else { "ingress:" });
        entries.iter().try_for_each(|entry| entry.write(yaml, self.is_egress))
    }
}

/// Makes the directions of one workload, and notes what they are not.
pub(super) struct Directions<'a> {
    pub(super) world: &'a World<'a>,
    pub(super) policies: &'a Policies<'a>,
    pub(super) pods: &'a Pods<'a>,
    pub(super) warnings: Vec<String>,
}

/// Rules on their way.
#[derive(Default)]
struct Made {
    entries: Vec<Entry>,
    /// What stands above the Deny.
    notes: Vec<String>,
    /// Whether something may pass that the language cannot say, and that the Deny must leave alone.
    is_unsaid: bool,
}

impl Made {
    fn of(rules: &[Rule]) -> Self {
        let closed = rules.is_empty().then(|| explain::CLOSED.to_owned());
        Self { notes: closed.into_iter().collect(), ..Self::default() }
    }
}

impl Directions<'_> {
    /// Who reaches it. Where one who may is a pod that no rule can name, nobody is cut off.
    pub(super) fn ingress(&mut self) -> Direction {
        let Some(rules) = &self.pods.policy.ingress else { return Direction::silent(false, Vec::new()) };
        let mut made = Made::of(rules);
        for rule in rules {
            match self.sources(rule) {
                Ok(peers) if peers.is_empty() => {
                    made.notes.extend(explain::rule(rule));
                    made.notes.push("no pod of the cluster: it passes without a rule".to_owned());
                }
                Ok(peers) => {
                    let words = self.remark_of_source(rule);
                    self.add(&mut made, rule, Action::Pass, peers, words)
                }
                Err(why) => {
                    let words = format!("ingress is NOT GOVERNED: {}: {why}", rule.flow.peer);
                    self.warnings.push(words.clone());
                    return Direction::silent(false, vec![words]);
                }
            }
        }
        let beyond = "who is no pod of the cluster passes, if no NetworkPolicy stops him: rules of ingress know nobody else";
        if self.is_reached_from_beyond(rules) {
            self.warnings.push(format!("ingress: {beyond}"));
        }
        made.notes.push(beyond.to_owned());
        let everybody = Peer::Namespaces(LabelSelector::default());
        self.closed(made, false, everybody)
    }

    /// What it reaches, its own nodes among it: the API does not say that they are always reached.
    pub(super) fn egress(&mut self) -> Direction {
        let Some(rules) = self.pods.policy.egress_with_own_nodes() else {
            return Direction::silent(true, Vec::new());
        };
        let asks = rules.iter().any(|rule| rule.flow.ports.holds(event::Protocol::Udp, DNS));
        let mut made = Made::of(&rules);
        for rule in &rules {
            let (action, peers, words) = self.destinations(rule, asks);
            if peers.is_empty() {
                made.notes.extend(explain::rule(rule));
                made.notes.push("no address of it is known: this is not written".to_owned());
                self.warn(rule, "no address of it is known: this is not written");
            } else {
                self.add(&mut made, rule, action, peers, words);
            }
        }
        let everybody = Peer::Networks(everywhere().to_vec());
        self.closed(made, true, everybody)
    }

    fn add(&mut self, made: &mut Made, rule: &Rule, action: Action, peers: Vec<Peer>, words: Option<String>) {
        let comments: Vec<String> = explain::rule(rule).chain(words).collect();
        match Protocol::of(rule.flow.ports) {
            Some(protocol) => {
                let protocols = vec![protocol];
                made.entries.push(Entry { comments, name: name(&rule.evidence), action, peers, protocols });
            }
            None => {
                let words = "no rule can say it: it passes, since the Deny leaves it alone";
                self.warn(rule, words);
                made.notes.extend(comments);
                made.notes.push(words.to_owned());
                made.is_unsaid = true;
            }
        }
    }

    /// With the Deny behind the rest.
    fn closed(&self, made: Made, is_egress: bool, everybody: Peer) -> Direction {
        let Made { entries, notes, is_unsaid } = made;
        let mut entries = fit(entries);
        entries.push(Entry {
            comments: notes,
            name: Some("everything else".to_owned()),
            action: Action::Deny,
            peers: vec![everybody],
            protocols: if is_unsaid { Protocol::all() } else { Vec::new() },
        });
        Direction { is_egress, entries, remarks: Vec::new() }
    }

    /// Pods that a rule lets be clients; nobody where it speaks of others, and why where they cannot be told.
    fn sources(&self, rule: &Rule) -> Result<Vec<Peer>, &'static str> {
        if let Whom::Workload(workload) = &rule.flow.peer {
            return self.labelled(workload).map(|pods| vec![pods]).ok_or(
                "its pods have no label that stays, and ingress knows no addresses: it would be cut off",
            );
        }
        let Pods { cluster, .. } = self.pods;
        let inventory = self.world.inventory.clusters.get(*cluster);
        let pods: Vec<IpNet> = inventory.map(|cluster| cluster.pods.clone()).unwrap_or_default();
        let blocks = rule.flow.peer.blocks();
        let is_met = |pods: &IpNet| blocks.meet(pods);
        if !pods.iter().any(is_met) {
            Ok(Vec::new())
        } else if pods.iter().all(|pods| blocks.contain(pods)) {
            Ok(vec![Peer::Namespaces(LabelSelector::default())])
        } else {
            Err(
                "it has addresses of the cluster's pods, and ingress knows no addresses: it may be one that would be cut off",
            )
        }
    }

    fn labelled(&self, workload: &Workload) -> Option<Peer> {
        let (labels, _) = self.pods.objects.selector(workload);
        (!labels.is_empty()).then(|| Peer::Pods(SelectedPods::of(&workload.namespace, &labels)))
    }

    /// What a rule lets it reach, what becomes of that, and what is to be said of it.
    fn destinations(&mut self, rule: &Rule, asks: bool) -> (Action, Vec<Peer>, Option<String>) {
        let Rule { flow, evidence } = rule;
        let networks = |blocks: &Blocks| (!blocks.is_empty()).then(|| Peer::Networks(blocks.parts()));
        let (peer, words) = match &flow.peer {
            Whom::Workload(workload) => {
                let seen =
                    || networks(&Blocks::from_iter(evidence.addresses.iter().copied().map(IpNet::from)));
                (self.labelled(workload).or_else(seen), self.remark(rule))
            }
            Whom::Endpoint { hosts, blocks, .. } if !hosts.is_empty() => {
                let Some(why) = self.by_address(hosts, blocks, asks) else {
                    let words = by_name(hosts, blocks);
                    self.warn(rule, &words);
                    return (Action::Accept, vec![Peer::DomainNames(hosts.clone())], Some(words));
                };
                let words = format!("{} is written as the inventory's addresses: {why}", hosts.join(", "));
                (networks(blocks), Some(words))
            }
            other => (networks(&other.blocks()), None),
        };
        (Action::Pass, peer.into_iter().collect(), words)
    }

    /// Why names are not written as names.
    fn by_address(&self, hosts: &[String], blocks: &Blocks, asks: bool) -> Option<&'static str> {
        if !asks {
            Some("nobody was seen to ask for names, and without answers they stand for nobody")
        } else if !self.world.are_whole(hosts, blocks) {
            Some("the names stand for more than the rows declare")
        } else if !hosts.iter().all(|host| DomainName::new(host).is_some()) {
            Some("the API has no such names")
        } else {
            None
        }
    }

    fn remark_of_source(&self, rule: &Rule) -> Option<String> {
        let of_blocks = || "every pod of the cluster has such an address".to_owned();
        if matches!(rule.flow.peer, Whom::Workload(_)) { self.remark(rule) } else { Some(of_blocks()) }
    }

    fn remark(&self, rule: &Rule) -> Option<String> {
        match &rule.flow.peer {
            Whom::Workload(workload) => remark(self.pods.objects, workload),
            _ => None,
        }
    }

    /// Whether somebody who is no pod of the cluster was seen to reach it, or may.
    fn is_reached_from_beyond(&self, rules: &[Rule]) -> bool {
        let Pods { policy, cluster, .. } = self.pods;
        let is_pod = |stranger: &Stranger<'_>| {
            stranger.workload.is_some() || self.world.is_inside(cluster, stranger.address)
        };
        let mut quarantined = self.policies.quarantine.of(&policy.subject, false);
        rules.iter().any(|rule| !matches!(rule.flow.peer, Whom::Workload(_)))
            || quarantined.any(|stranger| !is_pod(stranger))
    }

    fn warn(&mut self, rule: &Rule, words: &str) {
        let Flow { peer, ports } = &rule.flow;
        self.warnings.push(format!("{peer} {ports}: {words}"));
    }
}

fn by_name(hosts: &[String], blocks: &Blocks) -> String {
    let written = blocks.to_string();
    format!(
        "by what DNS answers for {}, and not by the inventory's {written}: needs the API's experimental channel; who dials an address that no answer gave is cut, and no NetworkPolicy can refuse it",
        hosts.join(", ")
    )
}

/// What lets it pass, in a rule's name.
fn name(evidence: &Evidence) -> Option<String> {
    const LONGEST: usize = 100;
    let Evidence { rows, exceptions, .. } = evidence;
    let names: BTreeSet<&str> =
        rows.iter().map(|row| row.id.as_str()).chain(exceptions.iter().map(String::as_str)).collect();
    let name = names.into_iter().collect::<Vec<_>>().join(", ");
    (!name.is_empty() && name.chars().count() <= LONGEST).then_some(name)
}
