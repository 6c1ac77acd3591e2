//! Rules as network policies: one for each workload.

use std::collections::BTreeMap;

use ipnet::IpNet;
use k8s_openapi::{
    api::networking::v1::{IPBlock, NetworkPolicyPeer},
    apimachinery::pkg::apis::meta::v1::LabelSelector,
};
use serde::Serialize;
use serde_saphyr::SerializeError;

use crate::{
    event::Protocol,
    policy::{
        explain,
        gather::Policies,
        language::{
            File, Written,
            pods::{Pods, of_namespace, remark, workloads},
            yaml::Yaml,
        },
        rule::{Peer, PortRange, Rule},
        world::World,
    },
};

/// Writes them.
///
/// # Errors
/// What the writer of YAML says.
pub fn write(world: &World<'_>, policies: &Policies<'_>) -> Result<Written, SerializeError> {
    workloads(world, policies, NODES, |pods| Writer { pods }.file())
}

/// Why a node's own traffic is in no file.
const NODES: &str = "it has its node's network, which a NetworkPolicy does not govern";

struct Writer<'a> {
    pods: Pods<'a>,
}

/// In the order in which people write it: first who, then which port.
#[derive(Serialize)]
struct IngressRule {
    from: Vec<NetworkPolicyPeer>,
    ports: Vec<Port>,
}

/// Likewise.
#[derive(Serialize)]
struct EgressRule {
    to: Vec<NetworkPolicyPeer>,
    ports: Vec<Port>,
}

/// Likewise.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Port {
    protocol: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_port: Option<u16>,
}

impl Writer<'_> {
    fn file(&self) -> Result<File, SerializeError> {
        let Pods { policy, labels, .. } = &self.pods;
        let mut yaml = self.pods.head("networking.k8s.io/v1", "NetworkPolicy")?;
        yaml.line(0, "spec:");
        yaml.entry(2, "podSelector", &selector(labels))?;
        // The concept's page lets through what goes to the pod's own node, and not all that enforce it do.
        let egress = policy.egress_with_own_nodes();
        let directions = [("ingress", "Ingress", &policy.ingress), ("egress", "Egress", &egress)];
        let types: Vec<&str> =
            directions.iter().filter(|(.., rules)| rules.is_some()).map(|(_, name, _)| *name).collect();
        yaml.entry(2, "policyTypes", &types)?;
        for (key, _, rules) in directions {
            match rules.as_deref() {
                None => {}
                Some([]) => {
                    yaml.comment(2, explain::CLOSED);
                    yaml.line(2, &format!("{key}: []"));
                }
                Some(rules) => {
                    yaml.line(2, &format!("{key}:"));
                    rules.iter().try_for_each(|rule| self.rule(&mut yaml, key, rule))?;
                }
            }
        }
        Ok(self.pods.file(yaml))
    }

    fn rule(&self, yaml: &mut Yaml, key: &str, rule: &Rule) -> Result<(), SerializeError> {
        for words in explain::rule(rule) {
            yaml.comment(4, &words);
        }
        if let Peer::Endpoint { hosts, .. } = &rule.flow.peer
            && !hosts.is_empty()
        {
            let hosts = hosts.join(", ");
            yaml.comment(
                4,
                &format!("a NetworkPolicy knows no names: {hosts} is written as the inventory's addresses"),
            );
        }
        if let Peer::Workload(workload) = &rule.flow.peer
            && let Some(remark) = remark(self.pods.objects, workload)
        {
            yaml.comment(4, &remark);
        }
        let Some(port) = port(&rule.flow.ports) else {
            yaml.comment(4, "a NetworkPolicy knows no ICMP: this is not written");
            return Ok(());
        };
        let (peers, ports) = (self.peers(rule), vec![port]);
        if key == "ingress" {
            yaml.item(4, &IngressRule { from: peers, ports })
        } else {
            yaml.item(4, &EgressRule { to: peers, ports })
        }
    }

    fn peers(&self, rule: &Rule) -> Vec<NetworkPolicyPeer> {
        let block = |(block, except): (IpNet, Vec<IpNet>)| {
            let except: Vec<String> = except.iter().map(ToString::to_string).collect();
            let except = (!except.is_empty()).then_some(except);
            let ip_block = Some(IPBlock { cidr: block.to_string(), except });
            NetworkPolicyPeer { ip_block, ..NetworkPolicyPeer::default() }
        };
        let Peer::Workload(workload) = &rule.flow.peer else {
            return rule.flow.peer.blocks().each().map(block).collect();
        };
        let (labels, _) = self.pods.objects.selector(workload);
        if labels.is_empty() {
            // A selector without labels would be that of every pod.
            return rule
                .evidence
                .addresses
                .iter()
                .map(|address| block((IpNet::from(*address), Vec::new())))
                .collect();
        }
        let is_neighbour = workload.namespace == self.pods.workload.namespace;
        vec![NetworkPolicyPeer {
            pod_selector: Some(selector(&labels)),
            namespace_selector: (!is_neighbour).then(|| selector(&of_namespace(&workload.namespace))),
            ..NetworkPolicyPeer::default()
        }]
    }
}

fn selector(labels: &BTreeMap<String, String>) -> LabelSelector {
    LabelSelector { match_labels: Some(labels.clone()), match_expressions: None }
}

/// Nothing of a transport that the language does not know.
fn port(ports: &PortRange) -> Option<Port> {
    let PortRange { protocol, first, last } = *ports;
    let protocol = match protocol {
        Protocol::Udp => "UDP",
        Protocol::Sctp => "SCTP",
        Protocol::Tcp => "TCP",
        Protocol::Icmp => return None,
    };
    let is_any = (first, last) == (0, u16::MAX);
    let end_port = (!is_any && last > first).then_some(last);
    Some(Port { protocol, port: (!is_any).then_some(first), end_port })
}
