//! What Cilium does.

use super::{
    identity::Identity,
    labels::HOST_NAME,
    model::{Direction, Entity, Peer, Policy, Port, Reach, Rule, Side, Subject},
    name::Name,
};
use crate::{
    event::Protocol,
    policy::{
        language::{Decision, Evaluator, RuleId, index::ByLabel},
        passage::Passage,
        world::{Party, World},
    },
    workload::Labels,
};

/// The policies of a cluster, enforced by default (`enable-policy=default`).
///
/// DNS is not captured yet. Who has a name is what the inventory says: an address has the host names of the endpoints whose
/// blocks hold it.
pub struct Cilium<'a> {
    world: &'a World<'a>,
    cluster: &'a str,
    policies: ByLabel<Policy>,
}

impl<'a> Cilium<'a> {
    /// These.
    ///
    /// # Errors
    /// They speak of the API server, and nothing tells where it is.
    pub fn new(world: &'a World<'a>, cluster: &'a str, policies: Vec<Policy>) -> Result<Self, Vec<String>> {
        let is_known = world.clusters.get(cluster).is_some_and(|objects| !objects.api_servers.is_empty());
        let fault = |policy: &Policy| {
            format!(
                "{cluster}/{}: the entity `kube-apiserver` cannot be evaluated: no EndpointSlice of default/kubernetes tells where it is",
                policy.document
            )
        };
        let faults: Vec<String> =
            policies.iter().filter(|policy| !is_known && speaks_of_api_server(policy)).map(fault).collect();
        if !faults.is_empty() {
            return Err(faults);
        }
        let needed = |policy: &Policy| match &policy.subject {
            Subject::Pods(selector) | Subject::Nodes(selector) => selector.needed().collect(),
        };
        Ok(Self { world, cluster, policies: ByLabel::new(policies, needed) })
    }

    /// Labels of whom a policy can be for.
    fn subject(&self, party: &Party<'_>) -> Option<Labels> {
        match party {
            Party::Pod { cluster, pod, .. } if *cluster == self.cluster => {
                Some(Identity::of_pod(self.world, cluster, pod).labels)
            }
            Party::Node { cluster, node, .. } if *cluster == self.cluster => {
                let known = self.world.clusters.get(*cluster).and_then(|objects| objects.nodes.get(*node));
                // The kubelet gives it this one.
                let own = || [(HOST_NAME.to_owned(), (*node).to_owned())].into();
                Some(known.cloned().unwrap_or_else(own))
            }
            _ => None,
        }
    }

    fn selecting(&self, party: &Party<'_>) -> Vec<&Policy> {
        let Some(labels) = self.subject(party) else { return Vec::new() };
        let is_node = matches!(party, Party::Node { .. });
        let selects = |policy: &&Policy| match &policy.subject {
            Subject::Pods(selector) => !is_node && selector.selects(&labels),
            Subject::Nodes(selector) => is_node && selector.selects(&labels),
        };
        self.policies.of(|key| labels.get(key).map(String::as_str)).filter(selects).collect()
    }

    fn id(&self, policy: &Policy, is_egress: bool, index: usize) -> RuleId {
        RuleId { document: format!("{}/{}", self.cluster, policy.document), is_egress, index }
    }
}

/// One packet, and what the policies of its end say.
struct Packet<'a, 'p> {
    world: &'a World<'a>,
    passage: &'p Passage<'p>,
    peer: Identity,
    /// Names that the party may ask for.
    asks: Vec<&'p Name>,
}

impl Packet<'_, '_> {
    fn is_held(&self, rule: &Rule, requirements: &[&Side]) -> bool {
        let is_peer = match &rule.peers {
            None => rule.reach != Reach::Everything,
            Some(peers) => peers.iter().any(|peer| self.is_one(peer, requirements)),
        };
        is_peer && self.is_within(&rule.reach)
    }

    fn is_one(&self, peer: &Peer, requirements: &[&Side]) -> bool {
        match peer {
            Peer::Labelled(selector) => {
                let mut required = requirements.iter().flat_map(|side| &side.requirements);
                selector.selects(&self.peer.labels) && required.all(|one| one.selects(&self.peer.labels))
            }
            Peer::Block(block) => self.peer.has_address() && block.holds(self.passage.peer.address()),
            Peer::Entity(entity) => self.peer.is(*entity),
            // A name that nobody may ask for has no addresses.
            Peer::Named(name) => self.world.hosts_at(self.passage.peer.address()).any(|host| {
                self.peer.has_address() && name.holds(host) && self.asks.iter().any(|asked| asked.holds(host))
            }),
        }
    }

    fn is_within(&self, reach: &Reach) -> bool {
        let has_ports = self.passage.protocol != Protocol::Icmp;
        match reach {
            Reach::Everything => true,
            Reach::Icmp => !has_ports,
            Reach::Ports(ports) => has_ports && ports.iter().any(|port| self.is_port(port)),
        }
    }

    fn is_port(&self, port: &Port) -> bool {
        port.protocol.is_none_or(|protocol| protocol == self.passage.protocol)
            && port.number.holds(self.passage)
    }
}

impl Evaluator for Cilium<'_> {
    fn decide(&self, passage: &Passage<'_>) -> Decision {
        let selecting = self.selecting(&passage.party);
        if selecting.is_empty() || passage.is_within_node() {
            return Decision::NotGoverned;
        }
        let directions = || selecting.iter().map(|policy| (*policy, direction(policy, passage.is_egress)));
        let asking = selecting.iter().flat_map(|policy| &policy.egress.allow.rules);
        let packet = Packet {
            world: self.world,
            passage,
            peer: Identity::of_peer(self.world, self.cluster, &passage.party, &passage.peer),
            asks: asking.filter_map(|rule| rule.asks.as_ref()).flatten().collect(),
        };
        let denying: Vec<&Side> = directions().map(|(_, direction)| &direction.deny).collect();
        if denying.iter().any(|side| side.rules.iter().any(|rule| packet.is_held(rule, &denying))) {
            return Decision::Denied;
        }
        if !directions().any(|(_, direction)| direction.is_closed) {
            return Decision::NotGoverned;
        }
        if passage.is_with_own_node() && !passage.is_egress {
            return Decision::BeyondPolicies;
        }
        let allowing: Vec<&Side> = directions().map(|(_, direction)| &direction.allow).collect();
        let mut by = Vec::new();
        for (policy, direction) in directions() {
            let rules = direction.allow.rules.iter().enumerate();
            let holding = rules.filter(|(_, rule)| packet.is_held(rule, &allowing));
            by.extend(holding.map(|(index, _)| self.id(policy, passage.is_egress, index)));
        }
        if by.is_empty() { Decision::Denied } else { Decision::Allowed(by) }
    }

    /// Rules that hold nobody close a direction, and those that listen to DNS are there for the names: what passes says
    /// nothing of whether either is needed.
    fn rules(&self) -> Vec<RuleId> {
        let of = |policy: &Policy, is_egress: bool| {
            let rules = direction(policy, is_egress).allow.rules.iter().enumerate();
            let counting = rules.filter(|(_, rule)| !rule.is_empty() && rule.asks.is_none());
            counting.map(|(index, _)| self.id(policy, is_egress, index)).collect::<Vec<_>>()
        };
        let mut all: Vec<RuleId> = self
            .policies
            .all()
            .iter()
            .flat_map(|policy| [of(policy, false), of(policy, true)].concat())
            .collect();
        all.sort_unstable();
        all
    }

    fn notes(&self) -> Vec<String> {
        let of = |policy: &Policy| {
            let document = policy.document.clone();
            policy.notes.iter().map(move |note| format!("{document}: {note}")).collect::<Vec<_>>()
        };
        self.policies.all().iter().flat_map(of).map(|note| format!("{}/{note}", self.cluster)).collect()
    }
}

fn direction(policy: &Policy, is_egress: bool) -> &Direction {
    if is_egress { &policy.egress } else { &policy.ingress }
}

fn speaks_of_api_server(policy: &Policy) -> bool {
    let Policy { ingress, egress, .. } = policy;
    let rules = [ingress, egress].into_iter().flat_map(|one| one.allow.rules.iter().chain(&one.deny.rules));
    rules
        .flat_map(|rule| rule.peers.iter().flatten())
        .any(|peer| *peer == Peer::Entity(Entity::KubeApiServer))
}
