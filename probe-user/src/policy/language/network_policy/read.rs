//! Network policies that somebody wrote.

use k8s_openapi::{
    api::networking::v1::{IPBlock, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort},
    apimachinery::pkg::{apis::meta::v1::LabelSelector, util::intstr::IntOrString},
};

use crate::{
    event::Protocol,
    matrix::{
        Faults,
        resource::{self, Resource},
    },
    policy::language::{block::Block, number::Number, selector::Selector},
};

/// A policy as it is meant; every value is valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Its namespace; `default` where it names none, as for `kubectl apply`.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its pods.
    pub selector: Selector,
    /// Rules for who reaches them; `None` where it says nothing of that.
    pub ingress: Option<Vec<Rule>>,
    /// Rules for what they reach, likewise.
    pub egress: Option<Vec<Rule>>,
}

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Who is at the other end; `None` is anybody.
    pub peers: Option<Vec<Peer>>,
    /// The server's ports; `None` are all.
    pub ports: Option<Vec<Port>>,
}

/// Who is at the other end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Whoever has an address of it.
    Block(Block),
    /// Pods.
    Pods {
        /// Their namespaces; `None` is the policy's own.
        namespaces: Option<Selector>,
        /// Which of the pods there.
        pods: Selector,
    },
}

/// Which port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// The transport.
    pub protocol: Protocol,
    /// The number.
    pub number: Number,
}

/// Reads the policies of a document; `file` names it in faults.
///
/// # Errors
/// What is wrong with it: keys that the API does not have, and values that the API server would refuse.
pub fn read(text: &str, file: &str) -> Result<Vec<Policy>, Faults> {
    let mut policies = Vec::new();
    resource::each_of(text, file, super::KINDS, |resource| policies.extend(read_one(resource)))?;
    Ok(policies)
}

/// Reads one; what is wrong with it is noted.
pub(in crate::policy::language) fn read_one(resource: &mut Resource<'_>) -> Option<Policy> {
    // Kubernetes 1.24 to 1.27 had one.
    let written = resource.read_without_status::<NetworkPolicy>()?;
    Some(Reader { resource }.policy(written))
}

/// Peers and ports of a rule in either direction.
type WrittenRule = (Option<Vec<NetworkPolicyPeer>>, Option<Vec<NetworkPolicyPort>>);

/// Notes what is wrong and goes on: what it makes then is thrown away.
struct Reader<'a, 'n> {
    resource: &'a mut Resource<'n>,
}

impl Reader<'_, '_> {
    fn policy(&mut self, written: NetworkPolicy) -> Policy {
        let NetworkPolicy { metadata, spec } = written;
        let spec = spec.unwrap_or_default();
        let name = metadata.name.unwrap_or_default();
        if name.is_empty() {
            self.resource.fault("metadata.name", "found no name".to_owned());
        }
        let types = spec.policy_types.filter(|types| !types.is_empty()).unwrap_or_else(|| {
            // So the API server completes it: always ingress, and egress where it has rules for it.
            let egress = spec.egress.as_ref().filter(|rules| !rules.is_empty()).map(|_| "Egress".to_owned());
            ["Ingress".to_owned()].into_iter().chain(egress).collect()
        });
        for (index, kind) in
            types.iter().enumerate().filter(|(_, kind)| !["Ingress", "Egress"].contains(&kind.as_str()))
        {
            let message = format!("found `{kind}`, expected Ingress or Egress");
            self.resource.fault(&format!("spec.policyTypes[{index}]"), message);
        }
        let is_for = |kind: &str| types.iter().any(|one| one == kind);
        let ingress = spec.ingress.unwrap_or_default().into_iter().map(|rule| (rule.from, rule.ports));
        let ingress = self.rules("spec.ingress", "from", ingress.collect());
        let egress = spec.egress.unwrap_or_default().into_iter().map(|rule| (rule.to, rule.ports));
        let egress = self.rules("spec.egress", "to", egress.collect());
        Policy {
            namespace: metadata.namespace.unwrap_or_else(|| "default".to_owned()),
            name,
            selector: self.selector("spec.podSelector", spec.pod_selector.unwrap_or_default()),
            ingress: is_for("Ingress").then_some(ingress),
            egress: is_for("Egress").then_some(egress),
        }
    }

    fn rules(&mut self, path: &str, peers_key: &str, rules: Vec<WrittenRule>) -> Vec<Rule> {
        let numbered = rules.into_iter().enumerate();
        let rule = |(index, (peers, ports)): (usize, WrittenRule)| {
            // An empty list is as none: everybody, every port.
            let peers = peers.filter(|peers| !peers.is_empty()).map(|peers| {
                let at = |place| format!("{path}[{index}].{peers_key}[{place}]");
                peers
                    .into_iter()
                    .enumerate()
                    .filter_map(|(place, peer)| self.peer(&at(place), peer))
                    .collect()
            });
            let ports = ports.filter(|ports| !ports.is_empty()).map(|ports| {
                let at = |place| format!("{path}[{index}].ports[{place}]");
                ports
                    .into_iter()
                    .enumerate()
                    .filter_map(|(place, port)| self.port(&at(place), port))
                    .collect()
            });
            Rule { peers, ports }
        };
        numbered.map(rule).collect()
    }

    fn peer(&mut self, path: &str, peer: NetworkPolicyPeer) -> Option<Peer> {
        let NetworkPolicyPeer { ip_block, namespace_selector, pod_selector } = peer;
        match (ip_block, namespace_selector, pod_selector) {
            (Some(IPBlock { cidr, except }), None, None) => {
                Block::read(&cidr, except, &format!("{path}.ipBlock"), self.resource).map(Peer::Block)
            }
            (Some(_), ..) => {
                self.resource.fault(path, "found ipBlock beside a selector, expected one of them".to_owned());
                None
            }
            (None, None, None) => {
                let message =
                    "found an empty peer, expected ipBlock, namespaceSelector or podSelector".to_owned();
                self.resource.fault(path, message);
                None
            }
            (None, namespaces, pods) => Some(Peer::Pods {
                namespaces: namespaces.map(|one| self.selector(&format!("{path}.namespaceSelector"), one)),
                pods: self.selector(&format!("{path}.podSelector"), pods.unwrap_or_default()),
            }),
        }
    }

    fn port(&mut self, path: &str, port: NetworkPolicyPort) -> Option<Port> {
        let NetworkPolicyPort { protocol, port, end_port } = port;
        let protocol = match protocol.as_deref() {
            None | Some("TCP") => Protocol::Tcp,
            Some("UDP") => Protocol::Udp,
            Some("SCTP") => Protocol::Sctp,
            Some(other) => {
                self.resource.fault(path, format!("found the protocol `{other}`, expected TCP, UDP or SCTP"));
                return None;
            }
        };
        let number = |value: i32| u16::try_from(value).ok().filter(|port| *port > 0);
        let found = match (port, end_port) {
            (None, None) => Some(Number::Any),
            (Some(IntOrString::String(name)), None) => Some(Number::Name(name)),
            (Some(IntOrString::Int(first)), last) => {
                let range = number(first).zip(number(last.unwrap_or(first)));
                range.filter(|(first, last)| first <= last).map(|(first, last)| Number::Range(first, last))
            }
            (None | Some(IntOrString::String(_)), Some(_)) => None,
        };
        if found.is_none() {
            let message =
                "expected a port from 1 to 65535, with endPort none that is lower, or a name without endPort";
            self.resource.fault(path, message.to_owned());
        }
        Some(Port { protocol, number: found? })
    }

    fn selector(&mut self, path: &str, selector: LabelSelector) -> Selector {
        Selector::read(selector, path, self.resource)
    }
}
