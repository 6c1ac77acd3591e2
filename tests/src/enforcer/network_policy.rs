//! `NetworkPolicy` of `networking.k8s.io/v1`, by the API reference and by the page
//! concepts/services-networking/network-policies; what stands in quotation marks here is theirs.

use flowdrift::{event::Protocol, policy::Passage};
use serde_json::Value;

use super::{
    Enforcer, Site, Verdict,
    known::{KnownPod, entries, is_empty, is_with_itself, is_within, named_port, pod_of},
};

/// Enforces NetworkPolicies; a document of another kind is none of its business.
pub struct NetworkPolicies;

impl Enforcer for NetworkPolicies {
    fn verdict(&self, site: Site<'_>, documents: &[Value], passage: &Passage<'_>) -> Verdict {
        let Some(own) = pod_of(site, &passage.party) else { return Verdict::NotGoverned };
        let applying: Vec<&Value> =
            documents.iter().filter(|document| applies(document, &own, passage.is_egress)).collect();
        if applying.is_empty() {
            // "By default, a pod is non-isolated …; all … connections are allowed."
            Verdict::NotGoverned
        } else if cannot_be_blocked(passage) {
            Verdict::Beyond
        } else if applying.iter().any(|document| allows(site, document, passage)) {
            // "Network policies do not conflict; they are additive."
            Verdict::Allowed
        } else {
            Verdict::Denied
        }
    }
}

/// "A pod is isolated for egress if there is any NetworkPolicy that both selects the pod and has "Egress" in
/// its `policyTypes`; we say that such a policy applies to the pod for egress." And so for ingress.
fn applies(document: &Value, own: &KnownPod<'_>, is_egress: bool) -> bool {
    document["apiVersion"] == "networking.k8s.io/v1"
        && document["kind"] == "NetworkPolicy"
        && namespace(document) == own.pod.workload.namespace
        // Of any namespace by its labels, for that is asked above. "If it is not specified, it defaults to an
        // empty selector."
        && own.is_in(&Value::Null, &document["spec"]["podSelector"])
        && is_for(&document["spec"], is_egress)
}

/// "An empty namespace is equivalent to the "default" namespace" (ObjectMeta).
fn namespace(document: &Value) -> &str {
    document["metadata"]["namespace"].as_str().filter(|name| !name.is_empty()).unwrap_or("default")
}

/// "If no `policyTypes` are specified on a NetworkPolicy then by default `Ingress` will always be set and
/// `Egress` will be set if the NetworkPolicy has any egress rules."
fn is_for(spec: &Value, is_egress: bool) -> bool {
    let wanted = if is_egress { "Egress" } else { "Ingress" };
    if is_empty(&spec["policyTypes"]) {
        !is_egress || !is_empty(&spec["egress"])
    } else {
        entries(&spec["policyTypes"]).any(|one| one == wanted)
    }
}

/// "When a pod is isolated for ingress, the only allowed connections into the pod are those from the pod's
/// node and those allowed by the `ingress` list"; "a pod cannot block access to itself".
///
/// Of what goes to its own node the page's first lines say "traffic to and from the node where a Pod is running is
/// always allowed"; its paragraph on isolation for egress and the reference do not, and enforcers differ.
fn cannot_be_blocked(passage: &Passage<'_>) -> bool {
    passage.is_with_own_node() || is_with_itself(passage)
}

/// Whether a rule of a policy that applies lets the packet pass: it "allows traffic which matches both the
/// `from` and `ports` sections". An empty list of rules has none.
fn allows(site: Site<'_>, document: &Value, passage: &Passage<'_>) -> bool {
    let (rules, peers) = if passage.is_egress { ("egress", "to") } else { ("ingress", "from") };
    entries(&document["spec"][rules]).any(|rule| {
        // "If this field is empty or missing, this rule matches all sources", or destinations.
        let is_of_peers = is_empty(&rule[peers])
            || entries(&rule[peers]).any(|peer| is_peer(site, namespace(document), peer, passage));
        // "If this field is empty or missing, this rule matches all ports". Of ICMP the page says only that
        // "the behaviour is undefined"; here it passes where ports do not matter, and otherwise not.
        let is_of_ports =
            is_empty(&rule["ports"]) || entries(&rule["ports"]).any(|port| is_port(site, port, passage));
        is_of_peers && is_of_ports
    })
}

/// Whether the other end is one of whom a `NetworkPolicyPeer` speaks.
fn is_peer(site: Site<'_>, namespace: &str, peer: &Value, passage: &Passage<'_>) -> bool {
    let block = &peer["ipBlock"];
    if !block.is_null() {
        // "These should be cluster-external IPs" – should, for pods' addresses pass away; nothing exempts
        // them. Pods on the host network have their node's: "you can allow traffic from a `hostNetwork` Pod
        // using an `ipBlock` rule".
        let address = passage.peer.address();
        return is_within(&block["cidr"], address)
            && !entries(&block["except"]).any(|except| is_within(except, address));
    }
    // "The network plugin cannot properly distinguish `hostNetwork` pod traffic, and so it ignores
    // `hostNetwork` pods when matching `podSelector` and `namespaceSelector`. … (This is the most common
    // implementation.)"
    let Some(pod) = pod_of(site, &passage.peer) else { return false };
    let (namespaces, pods) = (&peer["namespaceSelector"], &peer["podSelector"]);
    if namespaces.is_null() {
        // "Otherwise it selects the pods matching podSelector in the policy's own namespace."
        pod.pod.workload.namespace == namespace && pod.is_in(namespaces, pods)
    } else {
        // "Otherwise it selects all pods in the namespaces selected by namespaceSelector."
        pod.is_in(namespaces, pods)
    }
}

/// Whether the server's port is one of which a `NetworkPolicyPort` speaks: "only traffic on the specified
/// protocol AND port".
fn is_port(site: Site<'_>, port: &Value, passage: &Passage<'_>) -> bool {
    // "If not specified, this field defaults to TCP."
    let protocol = match port["protocol"].as_str() {
        None | Some("TCP") => Protocol::Tcp,
        Some("UDP") => Protocol::Udp,
        Some("SCTP") => Protocol::Sctp,
        Some(other) => panic!("no policy has the protocol {other}"),
    };
    let own = u64::from(passage.port);
    protocol == passage.protocol
        && match (&port["port"], port["endPort"].as_u64()) {
            // "If this field is not provided, this matches all port names and numbers."
            (Value::Null, _) => true,
            // "a numerical or named port on a pod"
            (Value::String(name), _) => named_port(site, passage, name) == Some(passage.port),
            (number, None) => number.as_u64() == Some(own),
            // "the range of ports from port to endPort if set, inclusive"
            (first, Some(last)) => first.as_u64().is_some_and(|first| (first..=last).contains(&own)),
        }
}

#[cfg(test)]
mod tests;
