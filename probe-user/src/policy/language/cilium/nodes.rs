//! Rules for nodes, which Cilium knows by what they are: the party's own, the others, and those with the API server.

use std::{collections::BTreeSet, net::IpAddr};

use super::{
    entries::{Entries, listed, unwritable},
    written::{Entry, HOST, KUBE_API_SERVER, Peers, REMOTE_NODE},
};
use crate::policy::{quarantine::Stranger, rule::Rule, world::Party};

impl Entries<'_> {
    /// Nodes are known by what they are to the party. A pod may run on any of them tomorrow, and what is another node now is
    /// its own then; from its own it is always reached.
    pub(super) fn nodes(&mut self, rule: &Rule, met: &BTreeSet<IpAddr>, is_egress: bool) -> Entry {
        let leaves_pods = is_egress && self.namespace.is_some();
        let mut words = Vec::new();
        // What goes to pods' own nodes has rules of its own.
        let has_host = self.policy.own_nodes.iter().any(|own| {
            own.flow.ports.covers(&rule.flow.ports) && !self.are_api_servers(&own.evidence.addresses)
        });
        let entities = if self.are_api_servers(met) {
            vec![KUBE_API_SERVER]
        } else if leaves_pods && has_host {
            vec![REMOTE_NODE]
        } else if leaves_pods
            && self.undeclared(rule, is_egress, |stranger| stranger.is_with_own_node).is_empty()
        {
            vec![HOST, REMOTE_NODE]
        } else {
            if leaves_pods {
                words.push(
                    "not also host, by which more would pass: a pod that comes to run there is cut"
                        .to_owned(),
                );
            }
            vec![REMOTE_NODE]
        };
        let blocks = rule.flow.peer.blocks();
        let is_within = |address: &IpAddr| blocks.hold(*address);
        let is_api_server = |address: &IpAddr| self.objects.api_servers.contains(address);
        let is_of_api_server = entities == [KUBE_API_SERVER];
        let is_wider = if is_of_api_server {
            !self.objects.api_servers.iter().all(is_within)
        } else {
            let own = self.world.inventory.clusters.get(self.cluster);
            let mut nodes = own.into_iter().flat_map(|own| own.nodes.values());
            nodes.any(|addresses| !addresses.iter().any(is_within))
        };
        if is_wider {
            words.push(format!(
                "WIDER than {}: Cilium knows nodes by what they are, and everyone that is {} passes",
                listed(met),
                entities.join(" or ")
            ));
        }
        let through = self.undeclared(rule, is_egress, |stranger| {
            !stranger.is_with_own_node && (!is_of_api_server || is_api_server(&stranger.address))
        });
        words.extend(lets_through(&through));
        words.iter().for_each(|words| self.warn_of(rule, words));
        self.entry(rule, Peers::Entities(entities), words)
    }

    /// Nodes with which was something that became no rule, on the ports of this one.
    fn undeclared(
        &self,
        rule: &Rule,
        is_egress: bool,
        is_asked: impl Fn(&Stranger<'_>) -> bool,
    ) -> BTreeSet<IpAddr> {
        let is_node =
            |party: &Party<'_>| matches!(party, Party::Node { cluster, .. } if *cluster == self.cluster);
        let passing = self.policies.quarantine.of(&self.policy.subject, is_egress).filter(|stranger| {
            is_node(&self.world.at(self.cluster, stranger.address))
                && rule.flow.ports.holds(stranger.protocol, stranger.port)
                && is_asked(stranger)
        });
        passing.map(|stranger| stranger.address).collect()
    }

    /// What a pod sends to its own node, which Cilium cuts like anything else.
    pub(super) fn own_node(&mut self, rule: &Rule) -> Entry {
        if let Some(why) = unwritable(&rule.flow.ports) {
            return self.unsaid(rule, why);
        }
        let is_of_api_server = self.are_api_servers(&rule.evidence.addresses);
        let entity = if is_of_api_server { KUBE_API_SERVER } else { HOST };
        let through = self.undeclared(rule, true, |stranger| {
            if is_of_api_server {
                self.objects.api_servers.contains(&stranger.address)
            } else {
                stranger.is_with_own_node
            }
        });
        let through = lets_through(&through);
        through.iter().for_each(|words| self.warn_of(rule, words));
        let whose =
            "of each pod to the node that it runs on, with all that has the node's network".to_owned();
        self.entry(rule, Peers::Entities(vec![entity]), [whose].into_iter().chain(through))
    }

    fn are_api_servers(&self, addresses: &BTreeSet<IpAddr>) -> bool {
        addresses.iter().all(|address| self.objects.api_servers.contains(address))
    }
}

fn lets_through(addresses: &BTreeSet<IpAddr>) -> Option<String> {
    let words = || format!("LETS THROUGH what became no rule: {}", listed(addresses));
    (!addresses.is_empty()).then(words)
}
