//! `ClusterNetworkPolicy` of `policy.networking.k8s.io/v1alpha2` with the NetworkPolicies of its middle tier,
//! by the API's own descriptions and by network-policy-api.sigs.k8s.io/api-overview; what stands in quotation
//! marks here is theirs.

use flowdrift::{event::Protocol, policy::Passage};
use serde_json::Value;

use super::{
    Enforcer, Site, Verdict,
    known::{KnownPod, entries, is_empty, is_with_itself, is_within, named_port, pod_of},
    labels::selects,
    network_policy::NetworkPolicies,
};

/// Enforces ClusterNetworkPolicies and NetworkPolicies together; a document of another kind is none of its
/// business.
pub struct ClusterNetworkPolicies;

impl Enforcer for ClusterNetworkPolicies {
    /// "Policy tiers are evaluated in the following order: Admin tier, NetworkPolicy tier, Baseline tier."
    fn verdict(&self, site: Site<'_>, documents: &[Value], passage: &Passage<'_>) -> Verdict {
        let Some(own) = pod_of(site, &passage.party) else { return Verdict::NotGoverned };
        let packet = Packet { site, documents, passage, own };
        if let Some(decided) = packet.tier("Admin") {
            return decided;
        }
        // "v1.NetworkPolicy always makes a final decision for selected pods." A pod is selected for a
        // direction.
        let decided = NetworkPolicies.verdict(site, documents, passage);
        if decided != Verdict::NotGoverned {
            return decided;
        }
        // "If a given connection wasn't allowed or denied by any of the tiers, the default kubernetes policy
        // is applied, which says that all pods can communicate with each other."
        packet.tier("Baseline").unwrap_or(Verdict::NotGoverned)
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Action {
    Accept,
    Deny,
    Pass,
}

/// A packet at the pod that policies are for.
struct Packet<'e> {
    site: Site<'e>,
    documents: &'e [Value],
    passage: &'e Passage<'e>,
    own: KnownPod<'e>,
}

impl Packet<'_> {
    /// What a tier finally decides; nothing where none of its rules speaks of the packet, and where one
    /// "passes evaluation to the next tier".
    fn tier(&self, tier: &str) -> Option<Verdict> {
        // "A Pod connecting to its own Pod IP is not subject to CNP. A Pod connecting to a Service IP that
        // the service proxy load-balances back to the same Pod is subject to ClusterNetworkPolicy."
        if is_with_itself(self.passage) && self.passage.dialled.is_none() {
            return None;
        }
        let mut policies: Vec<&Value> =
            self.documents.iter().filter(|document| self.is_subject(document, tier)).collect();
        // "Policies with lower priority values have higher precedence". Of two of the same "the
        // implementation can apply any": here the one that is given first.
        policies.sort_by_key(|policy| policy["spec"]["priority"].as_i64());
        let direction = if self.passage.is_egress { "egress" } else { "ingress" };
        // "a rule that appears at the top … would take the highest precedence"
        let mut rules = policies.into_iter().flat_map(|policy| entries(&policy["spec"][direction]));
        match rules.find_map(|rule| self.action(rule))? {
            Action::Accept => Some(Verdict::Allowed),
            Action::Deny => Some(Verdict::Denied),
            // "Skips all further ClusterNetworkPolicy rules in the current tier".
            Action::Pass => None,
        }
    }

    /// Whether a document is a policy of the tier that is for the pod. Host-networked pods, which "are not
    /// included in subject selection", are nodes here.
    fn is_subject(&self, document: &Value, tier: &str) -> bool {
        let is_of_api = document["apiVersion"] == "policy.networking.k8s.io/v1alpha2"
            && document["kind"] == "ClusterNetworkPolicy";
        let spec = &document["spec"];
        is_of_api && spec["tier"] == tier && is_of_pods(&spec["subject"], &self.own)
    }

    /// What a rule does with the packet, where it speaks of it: "If any element matches … then the specified
    /// action is applied."
    fn action(&self, rule: &Value) -> Option<Action> {
        let action = match rule["action"].as_str() {
            Some("Accept") => Action::Accept,
            Some("Deny") => Action::Deny,
            Some("Pass") => Action::Pass,
            other => panic!("no rule has the action {other:?}"),
        };
        let peers = &rule[if self.passage.is_egress { "to" } else { "from" }];
        if entries(peers).any(|peer| !self.is_understood(peer, action)) {
            // "For "Accept" rules, "fail closed" means: "treat the rule as matching no traffic". For "Deny"
            // and "Pass" rules, "fail closed" means: "treat the rule as a 'Deny all' rule"."
            return (action != Action::Accept).then_some(Action::Deny);
        }
        let speaks = entries(peers).any(|peer| self.is_peer(peer)) && self.is_of_protocols(rule);
        speaks.then_some(action)
    }

    /// Whether the language says what such a peer is in such a rule: one of its fields must be there, and
    /// "DomainNames is only supported for Accept rules".
    fn is_understood(&self, peer: &Value, action: Action) -> bool {
        let is_there = |field: &str| !peer[field].is_null();
        let is_of_egress = || {
            let is_name = action == Action::Accept && is_there("domainNames");
            is_there("nodes") || is_there("networks") || is_name
        };
        is_there("namespaces") || is_there("pods") || (self.passage.is_egress && is_of_egress())
    }

    /// Whether the other end is one of whom a peer speaks. Of a node that reaches a pod no peer of ingress
    /// can speak: whether the pod's own node does so is for the other tier to say.
    fn is_peer(&self, peer: &Value) -> bool {
        let Passage { peer: other, is_egress, .. } = self.passage;
        // "Note that host-networked pods are not included in this type of peer."
        let pod = pod_of(self.site, other);
        if !is_egress {
            return pod.is_some_and(|pod| is_of_pods(peer, &pod));
        }
        // "cluster-internal traffic will be checked against the rule as well", by its address as any other.
        let address = other.address();
        pod.is_some_and(|pod| is_of_pods(peer, &pod))
            || entries(&peer["networks"]).any(|block| is_within(block, address))
            || self.is_node(&peer["nodes"])
            || entries(&peer["domainNames"]).any(|name| self.has_name(name))
    }

    /// "It selects the nodeIPs as the peer type by matching on the IPs present in the node.Status.Addresses
    /// field of the node", which are the roster's here. A node whose labels nobody listed has none: "if
    /// present but empty, it selects all Nodes".
    fn is_node(&self, selector: &Value) -> bool {
        let Site { world, cluster } = self.site;
        let Some(roster) = world.inventory.clusters.get(cluster) else { return false };
        let listed = world.clusters.get(cluster).map(|objects| &objects.nodes);
        let address = self.passage.peer.address();
        !selector.is_null()
            && roster.nodes.iter().filter(|(_, addresses)| addresses.contains(&address)).any(|(node, _)| {
                let labels = listed.and_then(|nodes| nodes.get(node));
                selects(selector, &labels.cloned().unwrap_or_default())
            })
    }

    /// Whether the other end's address has a name: ""*", the wildcard specifier, matches one or more entire
    /// labels." Names are the same in either case, and with the root's dot (RFC 4343, RFC 1034).
    fn has_name(&self, wanted: &Value) -> bool {
        let plain = |name: &str| name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        let wanted = plain(wanted.as_str().expect("a domain name is text"));
        self.site.world.hosts_at(self.passage.peer.address()).map(plain).any(|name| {
            match wanted.strip_prefix('*') {
                // `.kubernetes.io` is left, in front of which a name has one label or more.
                Some(parent) => name.ends_with(parent),
                None => name == wanted,
            }
        })
    }

    /// "If unspecified, protocol-specific attributes will not be used to match traffic": then it may be ICMP,
    /// too.
    fn is_of_protocols(&self, rule: &Value) -> bool {
        is_empty(&rule["protocols"]) || entries(&rule["protocols"]).any(|one| self.is_of_protocol(one))
    }

    /// "Exactly one field must be set."
    fn is_of_protocol(&self, wanted: &Value) -> bool {
        let Passage { port, protocol, .. } = *self.passage;
        if let Some(name) = wanted["destinationNamedPort"].as_str() {
            // "DestinationNamedPort selects a destination port on a pod based on the ContainerPort name",
            // with the protocol that it has there.
            return named_port(self.site, self.passage, name) == Some(port);
        }
        let attributes = match protocol {
            Protocol::Tcp => &wanted["tcp"],
            Protocol::Udp => &wanted["udp"],
            Protocol::Sctp => &wanted["sctp"],
            Protocol::Icmp => return false,
        };
        !attributes.is_null() && is_port(&attributes["destinationPort"], port)
    }
}

/// Whether a subject or a peer speaks of a pod, by its namespace or by both.
fn is_of_pods(selector: &Value, pod: &KnownPod<'_>) -> bool {
    let (namespaces, pods) = (&selector["namespaces"], &selector["pods"]);
    // "Namespaces is used to select pods via namespace selectors"; "Pods is used to select pods via namespace
    // AND pod selectors".
    (!namespaces.is_null() && pod.is_in(namespaces, &Value::Null))
        || (!pods.is_null() && pod.is_in(&pods["namespaceSelector"], &pods["podSelector"]))
}

/// "If `destinationPort` is omitted, all ports for the specified protocol match." A range is inclusive.
fn is_port(wanted: &Value, port: u16) -> bool {
    let port = u64::from(port);
    match (wanted["number"].as_u64(), wanted["range"]["start"].as_u64(), wanted["range"]["end"].as_u64()) {
        (Some(number), ..) => number == port,
        (None, Some(start), Some(end)) => (start..=end).contains(&port),
        _ => wanted.is_null(),
    }
}

#[cfg(test)]
mod tests;
