//! What an enforcer of network policies does.

use hashbrown::HashMap;

use super::read::{Peer, Policy, Port, Rule};
use crate::{
    policy::{
        language::{Decision, Evaluator, RuleId, index::ByLabel},
        passage::Passage,
        world::{Party, World},
    },
    workload::Labels,
};

/// The policies of a cluster.
pub struct NetworkPolicies<'a> {
    world: &'a World<'a>,
    cluster: &'a str,
    /// By namespace.
    policies: HashMap<String, ByLabel<Policy>>,
}

impl<'a> NetworkPolicies<'a> {
    /// These.
    #[must_use]
    pub fn new(world: &'a World<'a>, cluster: &'a str, policies: Vec<Policy>) -> Self {
        let mut namespaces: HashMap<String, Vec<Policy>> = HashMap::new();
        for policy in policies {
            namespaces.entry(policy.namespace.clone()).or_default().push(policy);
        }
        let of_namespace = |(namespace, policies)| {
            (namespace, ByLabel::new(policies, |policy: &Policy| policy.selector.needed().collect()))
        };
        Self { world, cluster, policies: namespaces.into_iter().map(of_namespace).collect() }
    }

    fn holds(&self, policy: &Policy, rule: &Rule, passage: &Passage<'_>) -> bool {
        let is_one = |peer: &Peer| self.is_peer(policy, peer, passage);
        let is_peer = rule.peers.as_ref().is_none_or(|peers| peers.iter().any(is_one));
        let is_port = rule.ports.as_ref().is_none_or(|ports| ports.iter().any(|port| is_port(port, passage)));
        is_peer && is_port
    }

    fn is_peer(&self, policy: &Policy, peer: &Peer, passage: &Passage<'_>) -> bool {
        match peer {
            Peer::Block(block) => block.holds(passage.peer.address()),
            Peer::Pods { namespaces, pods } => {
                // Selectors speak of this cluster's pods; one with its node's network is the node to them.
                let Party::Pod { cluster, pod, .. } = passage.peer else { return false };
                let namespace = &pod.workload.namespace;
                let is_in = match namespaces {
                    None => *namespace == policy.namespace,
                    Some(selector) => self.labels(namespace).is_some_and(|labels| selector.selects(labels)),
                };
                cluster == self.cluster && is_in && pods.selects(&pod.labels)
            }
        }
    }

    fn labels(&self, namespace: &str) -> Option<&'a Labels> {
        self.world.clusters.get(self.cluster)?.namespaces.get(namespace)
    }
}

impl Evaluator for NetworkPolicies<'_> {
    fn decide(&self, passage: &Passage<'_>) -> Decision {
        let Party::Pod { pod, .. } = passage.party else { return Decision::NotGoverned };
        let Some(policies) = self.policies.get(&pod.workload.namespace) else { return Decision::NotGoverned };
        let selects = |policy: &&Policy| {
            policy.selector.selects(&pod.labels) && rules(policy, passage.is_egress).is_some()
        };
        let mut governing =
            policies.of(|key| pod.labels.get(key).map(String::as_str)).filter(selects).peekable();
        if governing.peek().is_none() {
            return Decision::NotGoverned;
        }
        // "Traffic to and from the node where a Pod is running is always allowed" (the concept's page). Of what goes there not
        // all that enforce it say so, and a rule for it is needed by these.
        let is_beyond = passage.is_with_own_node();
        if is_beyond && !passage.is_egress {
            return Decision::BeyondPolicies;
        }
        let mut by = Vec::new();
        for policy in governing {
            let rules = rules(policy, passage.is_egress).unwrap_or_default().iter().enumerate();
            let holding = rules.filter(|(_, rule)| self.holds(policy, rule, passage));
            by.extend(holding.map(|(index, _)| id((self.cluster, policy), passage.is_egress, index)));
        }
        match by.as_slice() {
            [] if is_beyond => Decision::BeyondPolicies,
            [] => Decision::Denied,
            _ => Decision::Allowed(by),
        }
    }

    fn rules(&self) -> Vec<RuleId> {
        let of = |policy: &Policy, is_egress| {
            let count = rules(policy, is_egress).map_or(0, <[Rule]>::len);
            (0..count).map(|index| id((self.cluster, policy), is_egress, index)).collect::<Vec<_>>()
        };
        let mut all: Vec<RuleId> = self
            .policies
            .values()
            .flat_map(ByLabel::all)
            .flat_map(|policy| [of(policy, false), of(policy, true)].concat())
            .collect();
        all.sort_unstable();
        all
    }
}

fn rules(policy: &Policy, is_egress: bool) -> Option<&[Rule]> {
    if is_egress { policy.egress.as_deref() } else { policy.ingress.as_deref() }
}

fn id((cluster, policy): (&str, &Policy), is_egress: bool, index: usize) -> RuleId {
    RuleId { document: format!("{cluster}/{}/{}", policy.namespace, policy.name), is_egress, index }
}

fn is_port(port: &Port, passage: &Passage<'_>) -> bool {
    port.protocol == passage.protocol && port.number.holds(passage)
}
