//! What is taken for granted where policies do not tell it.

use std::collections::BTreeSet;

use super::{Calico, rules};
use crate::policy::language::calico::{
    expression::Labelled,
    model::{Action, Policy},
};

impl Calico<'_> {
    /// In words, for whoever reads what becomes of flows.
    pub(super) fn assumed(&self) -> Vec<String> {
        let mut notes = vec![self.of_hosts()];
        if self.policies().any(|policy| policy.staged.is_some()) {
            notes.push(format!("{}: its staged policies are compared as if they were adopted", self.cluster));
        }
        notes.extend(self.of_nodes());
        notes.extend(self.of_equals());
        notes
    }

    fn policies(&self) -> impl Iterator<Item = &Policy> {
        self.adopted.tiers.iter().flat_map(|tier| tier.policies.all())
    }

    fn of_hosts(&self) -> String {
        let nodes = if self.has_host_endpoints {
            "as if each node had an automatic host endpoint, with Calico's own failsafe ports"
        } else {
            "as if no node had a host endpoint"
        };
        format!("{}: compared {nodes}, and with defaultEndpointToHostAction: Accept", self.cluster)
    }

    /// Policies that are for nodes, too, where these have host endpoints.
    fn of_nodes(&self) -> BTreeSet<String> {
        let Some(cluster) =
            self.world.inventory.clusters.get(self.cluster).filter(|_| !self.has_host_endpoints)
        else {
            return BTreeSet::new();
        };
        let hosts: Vec<_> = cluster.nodes.keys().map(|node| self.host(node)).collect();
        let is_for_any = |policy: &&Policy| {
            policy.namespace.is_none() && hosts.iter().any(|host| host.is_among(&policy.endpoints))
        };
        let note = |policy: &Policy| {
            format!(
                "{}/{}: is for nodes, too, where they have host endpoints, and what it does there is not compared",
                self.cluster, policy.name
            )
        };
        self.policies().filter(is_for_any).map(note).collect()
    }

    /// Policies of one order of which not each only allows: which goes first matters.
    fn of_equals(&self) -> BTreeSet<String> {
        let mut notes = BTreeSet::new();
        let objects = self.world.clusters.get(self.cluster);
        let pods = objects.into_iter().flat_map(|objects| &objects.pods).filter(|pod| !pod.on_host_network);
        for pod in pods {
            let pod = self.pod(pod);
            for tier in &self.adopted.tiers {
                for is_egress in [false, true] {
                    let governing = tier.policies.of(|key| pod.label(key)).filter(|policy| {
                        rules(policy, is_egress).is_some() && pod.is_among(&policy.endpoints)
                    });
                    let governing: Vec<&Policy> = governing.collect();
                    for equal in governing.chunk_by(|one, next| one.order == next.order) {
                        notes.extend(self.of_group(equal, is_egress));
                    }
                }
            }
        }
        notes
    }

    fn of_group(&self, equal: &[&Policy], is_egress: bool) -> Option<String> {
        let decides = |policy: &&&Policy| {
            let mut rules = rules(policy, is_egress).unwrap_or_default().iter();
            rules.any(|rule| matches!(rule.action, Action::Deny | Action::Pass))
        };
        let [first, _, ..] = equal else { return None };
        let names: Vec<String> = equal.iter().map(|policy| called(policy)).collect();
        equal.iter().find(decides)?;
        Some(format!(
            "{}: {} have one order and are for the same pods: which goes first is for Calico to say, and here {} does",
            self.cluster,
            names.join(", "),
            called(first)
        ))
    }
}

fn called(policy: &Policy) -> String {
    policy.namespace.iter().map(String::as_str).chain([policy.name.as_str()]).collect::<Vec<_>>().join("/")
}
