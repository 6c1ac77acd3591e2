//! What Calico does with policies.

mod endpoint;
mod notes;
mod rule;

use self::rule::Packet;
use super::{
    CREATED_BY, HOST_NAME,
    expression::Labelled,
    model::{Action, Policy, Resource, Rule},
    tiers::{Adopted, Filled},
};
use crate::{
    event::Protocol,
    policy::{
        language::{Decision, Evaluator, RuleId},
        passage::Passage,
        world::{Party, World},
    },
};

/// Ports that host endpoints have open whatever policies say: FailsafeInboundHostPorts and FailsafeOutboundHostPorts, as they
/// are unless somebody changes them (FelixConfiguration's reference).
const FAILSAFE: [&[(Protocol, u16)]; 2] = [
    &[
        (Protocol::Tcp, 22),
        (Protocol::Udp, 68),
        (Protocol::Tcp, 179),
        (Protocol::Tcp, 2379),
        (Protocol::Tcp, 2380),
        (Protocol::Tcp, 5473),
        (Protocol::Tcp, 6443),
        (Protocol::Tcp, 6666),
        (Protocol::Tcp, 6667),
    ],
    &[
        (Protocol::Udp, 53),
        (Protocol::Udp, 67),
        (Protocol::Tcp, 179),
        (Protocol::Tcp, 2379),
        (Protocol::Tcp, 2380),
        (Protocol::Tcp, 5473),
        (Protocol::Tcp, 6443),
        (Protocol::Tcp, 6666),
        (Protocol::Tcp, 6667),
    ],
];

/// The policies of a cluster.
pub struct Calico<'a> {
    world: &'a World<'a>,
    cluster: &'a str,
    adopted: Adopted,
    /// Whether its nodes have host endpoints.
    has_host_endpoints: bool,
}

/// What a tier makes of a passage.
enum Outcome {
    Allowed(Vec<RuleId>),
    Denied,
    PassedOn,
}

impl<'a> Calico<'a> {
    /// These.
    ///
    /// # Errors
    /// Where they contradict each other, or tell too little to evaluate them.
    pub fn new(
        world: &'a World<'a>,
        cluster: &'a str,
        resources: Vec<Resource>,
    ) -> Result<Self, Vec<String>> {
        let adopted = Adopted::of(resources)
            .map_err(|faults| faults.iter().map(|fault| format!("{cluster}: {fault}")).collect::<Vec<_>>())?;
        // Policies do not tell whether a cluster has automatic host endpoints, and most have none. Whoever writes for them by
        // their own labels has.
        let is_hosts = |key: &str| key == CREATED_BY.0 || key == HOST_NAME;
        let names_hosts =
            |policy: &Policy| policy.namespace.is_none() && policy.endpoints.labels.names(&is_hosts);
        let has_host_endpoints = adopted.tiers.iter().flat_map(|tier| tier.policies.all()).any(names_hosts);
        Ok(Self { world, cluster, adopted, has_host_endpoints })
    }

    /// The policies of a tier that are for the passage's own end, in its direction.
    fn governing<'t>(&self, tier: &'t Filled, passage: &Passage<'_>) -> Vec<(&'t Policy, &'t [Rule])> {
        let Some(party) = self.endpoint(&passage.party) else { return Vec::new() };
        let of = |policy: &'t Policy| {
            let rules = rules(policy, passage.is_egress)?;
            party.is_among(&policy.endpoints).then_some((policy, rules))
        };
        tier.policies.of(|key| party.label(key)).filter_map(of).collect()
    }

    /// The first rule that holds it decides. Those behind it that would allow it as well are named, too: each is enough.
    fn ask(&self, tier: &Filled, governing: &[(&Policy, &[Rule])], passage: &Passage<'_>) -> Outcome {
        let numbered = governing.iter().flat_map(|(policy, rules)| {
            rules.iter().enumerate().map(move |(index, rule)| (*policy, index, rule))
        });
        let packet = Packet::of(self, passage);
        let mut deciding = numbered
            .filter(|(_, _, rule)| rule.action != Action::Log && packet.is_held_by(rule))
            .map(|(policy, index, rule)| (rule.action, self.id(policy, passage.is_egress, index)))
            .peekable();
        match deciding.peek() {
            None if tier.passes_on => Outcome::PassedOn,
            None | Some((Action::Deny, _)) => Outcome::Denied,
            Some((Action::Allow, _)) => {
                let allowing = deciding.take_while(|(action, _)| *action == Action::Allow);
                Outcome::Allowed(allowing.map(|(_, id)| id).collect())
            }
            Some((Action::Pass | Action::Log, _)) => Outcome::PassedOn,
        }
    }

    fn id(&self, policy: &Policy, is_egress: bool, index: usize) -> RuleId {
        let namespace =
            policy.namespace.as_ref().map(|namespace| format!("{namespace}/")).unwrap_or_default();
        RuleId { document: format!("{}/{namespace}{}", self.cluster, policy.name), is_egress, index }
    }

    /// What no policy cuts: Felix asks none for what a node sends to its own pods, and none for a host endpoint's failsafe
    /// ports. What a pod sends to its own node passes its egress policies first (`DefaultEndpointToHostAction`, which is
    /// taken to be Accept, as in Calico's manifests for Kubernetes).
    fn is_beyond(&self, passage: &Passage<'_>) -> bool {
        let Party::Node { cluster, node, .. } = passage.party else {
            return !passage.is_egress && passage.is_with_own_node();
        };
        let is_own_pod = matches!(passage.peer, Party::Pod { cluster: of, pod, .. }
            if of == cluster && pod.node.as_deref() == Some(node));
        let failsafe = FAILSAFE[usize::from(passage.is_egress)];
        is_own_pod || failsafe.contains(&(passage.protocol, passage.port))
    }
}

impl Evaluator for Calico<'_> {
    fn decide(&self, passage: &Passage<'_>) -> Decision {
        let mut is_governed = false;
        for tier in &self.adopted.tiers {
            let governing = self.governing(tier, passage);
            if governing.is_empty() {
                continue;
            }
            is_governed = true;
            let is_pod = matches!(passage.party, Party::Pod { .. });
            if is_pod && self.is_beyond(passage) {
                return Decision::BeyondPolicies;
            }
            match self.ask(tier, &governing, passage) {
                Outcome::PassedOn => {}
                Outcome::Allowed(by) => return Decision::Allowed(by),
                Outcome::Denied if self.is_beyond(passage) => return Decision::BeyondPolicies,
                Outcome::Denied => return Decision::Denied,
            }
        }
        // Behind the last tier are profiles: those of namespaces and of automatic host endpoints let everything pass.
        if is_governed { Decision::Allowed(Vec::new()) } else { Decision::NotGoverned }
    }

    /// Only those by which something may pass: nothing passes for want of another.
    fn rules(&self) -> Vec<RuleId> {
        let of = |policy: &Policy, is_egress| {
            let numbered = rules(policy, is_egress).unwrap_or_default().iter().enumerate();
            let allowing = numbered.filter(|(_, rule)| rule.action == Action::Allow);
            allowing.map(|(index, _)| self.id(policy, is_egress, index)).collect::<Vec<_>>()
        };
        let policies = self.adopted.tiers.iter().flat_map(|tier| tier.policies.all());
        let mut all: Vec<RuleId> =
            policies.flat_map(|policy| [of(policy, false), of(policy, true)].concat()).collect();
        all.sort_unstable();
        all
    }

    fn notes(&self) -> Vec<String> {
        self.assumed()
    }
}

fn rules(policy: &Policy, is_egress: bool) -> Option<&[Rule]> {
    if is_egress { policy.egress.as_deref() } else { policy.ingress.as_deref() }
}
