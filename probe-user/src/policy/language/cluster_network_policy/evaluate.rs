//! What an enforcer of the tiers does.

use std::collections::{BTreeMap, BTreeSet};

use super::model::{Action, Peer, Pods, Policy, Port, Resource, Rule, Tier};
use crate::{
    policy::{
        language::{
            Decision, Evaluator, RuleId, index::ByLabel, network_policy::NetworkPolicies, selector::Selector,
        },
        passage::Passage,
        world::{Party, World},
    },
    workload::{Labels, Pod},
};

/// The policies of a cluster, and the NetworkPolicies between their tiers.
///
/// Which of two policies with one priority goes first is for the enforcer to say; here it is the name, and where both are for
/// one pod, a note.
pub struct ClusterNetworkPolicies<'a> {
    world: &'a World<'a>,
    cluster: &'a str,
    /// In the order in which they are asked.
    admin: ByLabel<Policy>,
    namespaced: NetworkPolicies<'a>,
    /// Likewise.
    baseline: ByLabel<Policy>,
}

/// What a tier says.
enum Outcome {
    /// None of its rules holds it.
    Undecided,
    /// It passes, by one of these.
    Accepted(Vec<RuleId>),
    Denied,
    /// The next tier decides, by one of these.
    PassedOn(Vec<RuleId>),
}

impl<'a> ClusterNetworkPolicies<'a> {
    /// These.
    ///
    /// # Errors
    /// They select nodes of which nothing tells the labels.
    pub fn new(
        world: &'a World<'a>,
        cluster: &'a str,
        resources: Vec<Resource>,
    ) -> Result<Self, Vec<String>> {
        let (mut policies, mut namespaced, mut faults) = (Vec::new(), Vec::new(), Vec::new());
        for resource in resources {
            match resource {
                Resource::Cluster(policy) => policies.push(policy),
                Resource::Namespaced(policy) => namespaced.push(policy),
            }
        }
        policies.sort_by(|left, right| (left.priority, &left.name).cmp(&(right.priority, &right.name)));
        let unlabelled = unlabelled_nodes(world, cluster);
        for policy in policies.iter().filter(|policy| !unlabelled.is_empty() && tells_nodes_apart(policy)) {
            faults.push(format!(
                "{cluster}/{}: its peers `nodes` cannot be evaluated: nothing tells the labels of {}",
                policy.name,
                unlabelled.join(", ")
            ));
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let (admin, baseline): (Vec<Policy>, Vec<Policy>) =
            policies.into_iter().partition(|policy| policy.tier == Tier::Admin);
        let by_label = |policies| ByLabel::new(policies, needed);
        let namespaced = NetworkPolicies::new(world, cluster, namespaced);
        Ok(Self { world, cluster, admin: by_label(admin), namespaced, baseline: by_label(baseline) })
    }

    /// Those of a tier that are for a pod, in the order in which they are asked.
    fn governing<'p>(
        &'p self,
        tier: &'p ByLabel<Policy>,
        pod: &'p Pod,
        is_egress: bool,
    ) -> impl Iterator<Item = &'p Policy> {
        let labels = self.labels(&pod.workload.namespace);
        let label = move |key: &str| match key.strip_prefix(OF_NAMESPACE) {
            Some(key) => labels?.get(key).map(String::as_str),
            None => pod.labels.get(key).map(String::as_str),
        };
        tier.of(label).filter(move |policy| self.is_for(policy, pod, is_egress))
    }

    fn labels(&self, namespace: &str) -> Option<&'a Labels> {
        self.world.clusters.get(self.cluster)?.namespaces.get(namespace)
    }

    fn is_for(&self, policy: &Policy, pod: &Pod, is_egress: bool) -> bool {
        !rules(policy, is_egress).is_empty() && self.is_one(&policy.subject, pod)
    }

    fn is_one(&self, Pods { namespaces, pods }: &Pods, pod: &Pod) -> bool {
        let labels = self.labels(&pod.workload.namespace);
        labels.is_some_and(|labels| namespaces.selects(labels)) && pods.selects(&pod.labels)
    }

    /// The first rule that holds it decides. Those behind it up to the next Deny are named, too: each is enough.
    fn ask(&self, tier: &ByLabel<Policy>, pod: &Pod, passage: &Passage<'_>) -> Outcome {
        let is_egress = passage.is_egress;
        let governing = self.governing(tier, pod, is_egress);
        let numbered = governing
            .flat_map(|policy| rules(policy, is_egress).iter().enumerate().map(move |rule| (policy, rule)));
        let mut holding = numbered.filter(|(_, (_, rule))| self.holds(rule, passage)).peekable();
        let Some(action) = holding.peek().map(|(_, (_, rule))| rule.action) else {
            return Outcome::Undecided;
        };
        let letting = holding.take_while(|(_, (_, rule))| rule.action != Action::Deny);
        let by = letting.map(|(policy, (index, _))| self.id(policy, is_egress, index)).collect();
        match action {
            Action::Accept => Outcome::Accepted(by),
            Action::Deny => Outcome::Denied,
            Action::Pass => Outcome::PassedOn(by),
        }
    }

    fn holds(&self, rule: &Rule, passage: &Passage<'_>) -> bool {
        let is_port = |port: &Port| {
            port.protocol.is_none_or(|protocol| protocol == passage.protocol) && port.number.holds(passage)
        };
        rule.ports.as_ref().is_none_or(|ports| ports.iter().any(is_port))
            && rule.peers.iter().any(|peer| self.is_peer(peer, &passage.peer))
    }

    fn is_peer(&self, peer: &Peer, party: &Party<'_>) -> bool {
        let address = party.address();
        match peer {
            Peer::Pods(pods) => match party {
                Party::Pod { cluster, pod, .. } if *cluster == self.cluster => self.is_one(pods, pod),
                // Of a pod that nobody lists nothing is known but that it is one.
                _ => self.is_inside(party) && *pods == everybody(),
            },
            Peer::Nodes(selector) => match party {
                Party::Node { cluster, node, .. } if *cluster == self.cluster => {
                    let objects = self.world.clusters.get(self.cluster);
                    let labels = objects.and_then(|objects| objects.nodes.get(*node));
                    labels.map_or(*selector == Selector::default(), |labels| selector.selects(labels))
                }
                _ => false,
            },
            Peer::Networks(blocks) => blocks.iter().any(|block| block.contains(&address)),
            Peer::Names(names) => {
                self.world.hosts_at(address).any(|host| names.iter().any(|name| name.holds(host)))
            }
        }
    }

    /// Whether it has an address of a pod that nobody lists.
    fn is_inside(&self, party: &Party<'_>) -> bool {
        let is_pod = matches!(party, Party::Pod { .. } | Party::Node { .. });
        !is_pod && self.world.is_inside(self.cluster, party.address())
    }

    /// Whether a rule for the direction could hold the peer at all.
    fn is_sayable(&self, passage: &Passage<'_>) -> bool {
        let is_own = matches!(passage.peer, Party::Pod { cluster, .. } if cluster == self.cluster);
        passage.is_egress || is_own || self.is_inside(&passage.peer)
    }

    fn id(&self, policy: &Policy, is_egress: bool, index: usize) -> RuleId {
        RuleId { document: format!("{}/{}", self.cluster, policy.name), is_egress, index }
    }
}

impl Evaluator for ClusterNetworkPolicies<'_> {
    fn decide(&self, passage: &Passage<'_>) -> Decision {
        let Party::Pod { pod, .. } = passage.party else { return Decision::NotGoverned };
        let mut turns = Vec::new();
        match self.ask(&self.admin, pod, passage) {
            Outcome::Accepted(by) => return Decision::Allowed(by),
            Outcome::Denied => return Decision::Denied,
            Outcome::PassedOn(by) => turns.push(by),
            Outcome::Undecided => {}
        }
        // Whoever it selects for a direction, a NetworkPolicy decides about.
        match self.namespaced.decide(passage) {
            Decision::NotGoverned => {}
            Decision::Allowed(by) => {
                turns.push(by);
                return in_turn(turns);
            }
            decided => return decided,
        }
        match self.ask(&self.baseline, pod, passage) {
            Outcome::Accepted(by) | Outcome::PassedOn(by) => turns.push(by),
            Outcome::Denied => return Decision::Denied,
            Outcome::Undecided => {}
        }
        let mut tiers = [&self.admin, &self.baseline].into_iter();
        if !tiers.any(|tier| self.governing(tier, pod, passage.is_egress).next().is_some()) {
            Decision::NotGoverned
        } else if self.is_sayable(passage) {
            in_turn(turns)
        } else {
            Decision::BeyondPolicies
        }
    }

    fn rules(&self) -> Vec<RuleId> {
        let of = |policy: &Policy, is_egress: bool| {
            let numbered = rules(policy, is_egress).iter().enumerate();
            let letting = numbered.filter(|(_, rule)| rule.action != Action::Deny);
            letting.map(|(index, _)| self.id(policy, is_egress, index)).collect::<Vec<_>>()
        };
        let policies = self.admin.all().iter().chain(self.baseline.all());
        let mut all: Vec<RuleId> =
            policies.flat_map(|policy| [of(policy, false), of(policy, true)].concat()).collect();
        all.extend(self.namespaced.rules());
        all.sort_unstable();
        all
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = BTreeSet::new();
        let pods = self.world.clusters.get(self.cluster).into_iter().flat_map(|objects| &objects.pods);
        for pod in pods.filter(|pod| !pod.on_host_network) {
            for (tier, is_egress) in
                [&self.admin, &self.baseline].into_iter().flat_map(|tier| [(tier, false), (tier, true)])
            {
                let mut first: BTreeMap<u16, &str> = BTreeMap::new();
                for policy in self.governing(tier, pod, is_egress) {
                    let earlier = *first.entry(policy.priority).or_insert(&policy.name);
                    if earlier != policy.name {
                        notes.insert(format!(
                            "{}/{}: has the priority {} like {earlier}, and is for pods of that, too: which goes first is for the enforcer to say, and here {earlier} does",
                            self.cluster, policy.name, policy.priority
                        ));
                    }
                }
            }
        }
        notes.into_iter().collect()
    }
}

/// By what it passes, tier after tier.
fn in_turn(mut turns: Vec<Vec<RuleId>>) -> Decision {
    match turns.len() {
        0 | 1 => Decision::Allowed(turns.pop().unwrap_or_default()),
        _ => Decision::AllowedInTurn(turns),
    }
}

fn rules(policy: &Policy, is_egress: bool) -> &[Rule] {
    if is_egress { &policy.egress } else { &policy.ingress }
}

/// Before the keys of a namespace's labels, which no key of a label may begin with.
const OF_NAMESPACE: &str = "namespace:";

fn needed(policy: &Policy) -> Vec<(String, String)> {
    let Pods { namespaces, pods } = &policy.subject;
    let of_namespace = namespaces.needed().map(|(key, value)| (format!("{OF_NAMESPACE}{key}"), value));
    pods.needed().chain(of_namespace).collect()
}

fn everybody() -> Pods {
    Pods { namespaces: Selector::default(), pods: Selector::default() }
}

/// Nodes of the roster that the cluster's objects do not list.
fn unlabelled_nodes<'a>(world: &World<'a>, cluster: &str) -> Vec<&'a str> {
    let roster = world.inventory.clusters.get(cluster).into_iter().flat_map(|cluster| cluster.nodes.keys());
    let listed = world.clusters.get(cluster).map(|objects| &objects.nodes);
    roster
        .map(|node| -> &str { node })
        .filter(|node| listed.is_none_or(|listed| !listed.contains_key(*node)))
        .collect()
}

fn tells_nodes_apart(policy: &Policy) -> bool {
    let peers = policy.egress.iter().flat_map(|rule| &rule.peers);
    peers.into_iter().any(|peer| matches!(peer, Peer::Nodes(selector) if *selector != Selector::default()))
}
