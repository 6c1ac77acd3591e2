//! One rule as Calico has it.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::Serialize;
use serde_saphyr::DoubleQuoted;

use super::{super::expression::carrying, sets::Sets};
use crate::{
    event::Protocol,
    policy::{
        explain,
        language::pods::remark,
        rule::{Peer, PortRange, Rule},
    },
    workload::{ClusterObjects, Labels, Workload},
};

/// For whom rules are written.
pub(super) struct Rules<'a> {
    pub(super) cluster: &'a str,
    /// The policy's namespace.
    pub(super) home: Option<&'a str>,
    pub(super) objects: Option<&'a ClusterObjects>,
    pub(super) sets: &'a Sets<'a>,
    pub(super) is_egress: bool,
}

/// A rule in Calico's words, and in a reviewer's.
pub(super) struct Told {
    pub(super) comments: Vec<String>,
    /// Several where one cannot say it.
    pub(super) items: Vec<Item>,
    pub(super) warnings: Vec<String>,
}

/// In the order in which people write it.
#[derive(Serialize)]
pub(super) struct Item {
    action: &'static str,
    protocol: &'static str,
    #[serde(skip_serializing_if = "Entity::is_empty")]
    source: Entity,
    #[serde(skip_serializing_if = "Entity::is_empty")]
    destination: Entity,
}

/// Likewise.
#[derive(Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Entity {
    #[serde(skip_serializing_if = "Option::is_none")]
    selector: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace_selector: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    nets: Vec<IpNet>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ports: Vec<Port>,
}

impl Entity {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[derive(Clone, PartialEq, Serialize)]
#[serde(untagged)]
enum Port {
    Number(u16),
    /// `first:last`, which without quotation marks is a number of base 60 to readers of YAML 1.1.
    Range(DoubleQuoted<String>),
}

impl Rules<'_> {
    pub(super) fn tell(&self, rule: &Rule) -> Told {
        let Rule { flow, evidence } = rule;
        let mut told =
            Told { comments: explain::rule(rule).collect(), items: Vec::new(), warnings: Vec::new() };
        if let Peer::Endpoint { name, hosts, .. } = &flow.peer
            && !hosts.is_empty()
        {
            let words = format!(
                "Calico's open-source policies know no names: {} is written as the inventory's addresses",
                hosts.join(", ")
            );
            told.comments.push(words.clone());
            told.warnings.push(format!("{name}: {words}"));
        }
        let ends = match &flow.peer {
            Peer::Workload(workload) => {
                told.comments.extend(self.objects.and_then(|objects| remark(objects, workload)));
                self.workload(workload, evidence.addresses.iter().copied())
            }
            other => self.blocks(other),
        };
        if ends.is_empty() {
            let words = "no address of it is known: this is not written";
            told.comments.push(words.to_owned());
            told.warnings.push(format!("{}: {words}", flow.peer));
        }
        for End { entity, is_v4 } in ends {
            for protocol in protocols(flow.ports.protocol, is_v4) {
                told.items.push(self.item(protocol, entity.clone(), &flow.ports));
            }
        }
        told
    }

    fn item(&self, protocol: &'static str, mut peer: Entity, range: &PortRange) -> Item {
        let mut own = Entity::default();
        let server = if self.is_egress { &mut peer } else { &mut own };
        server.ports = ports(range);
        let (source, destination) = if self.is_egress { (own, peer) } else { (peer, own) };
        Item { action: "Allow", protocol, source, destination }
    }

    fn workload(&self, workload: &Workload, addresses: impl Iterator<Item = IpAddr>) -> Vec<End> {
        let Workload { namespace, .. } = workload;
        let labels = self.objects.map(|objects| objects.selector(workload).0);
        let name: Labels = [("projectcalico.org/name".to_owned(), namespace.clone())].into();
        let (Some(selector), Some(of)) = (labels.as_ref().and_then(carrying), carrying(&name)) else {
            return by_family(addresses.map(IpNet::from));
        };
        let namespace_selector = (self.home != Some(namespace)).then_some(of);
        let entity = Entity { selector: Some(selector), namespace_selector, ..Entity::default() };
        vec![End { entity, is_v4: None }]
    }

    fn blocks(&self, peer: &Peer) -> Vec<End> {
        let Some(selector) = self.sets.selector(self.cluster, peer) else {
            return by_family(peer.blocks().parts().into_iter());
        };
        let namespace_selector = Some("global()".to_owned());
        let entity = Entity { selector: Some(selector), namespace_selector, ..Entity::default() };
        vec![End { entity, is_v4: None }]
    }
}

/// The other end, and its family where it has only one.
struct End {
    entity: Entity,
    is_v4: Option<bool>,
}

/// Calico refuses a rule with both.
fn by_family(blocks: impl Iterator<Item = IpNet>) -> Vec<End> {
    let (v4, v6): (Vec<IpNet>, Vec<IpNet>) = blocks.partition(|block| block.addr().is_ipv4());
    let end = |(nets, is_v4): (Vec<IpNet>, bool)| {
        let entity = Entity { nets, ..Entity::default() };
        (!entity.is_empty()).then_some(End { entity, is_v4: Some(is_v4) })
    };
    [(v4, true), (v6, false)].into_iter().filter_map(end).collect()
}

/// ICMP is another transport in each family.
fn protocols(protocol: Protocol, is_v4: Option<bool>) -> Vec<&'static str> {
    match (protocol, is_v4) {
        (Protocol::Tcp, _) => vec!["TCP"],
        (Protocol::Udp, _) => vec!["UDP"],
        (Protocol::Sctp, _) => vec!["SCTP"],
        (Protocol::Icmp, Some(true)) => vec!["ICMP"],
        (Protocol::Icmp, Some(false)) => vec!["ICMPv6"],
        (Protocol::Icmp, None) => vec!["ICMP", "ICMPv6"],
    }
}

fn ports(range: &PortRange) -> Vec<Port> {
    match *range {
        PortRange { protocol: Protocol::Icmp, .. } | PortRange { first: 0, last: u16::MAX, .. } => Vec::new(),
        PortRange { first, last, .. } if first == last => vec![Port::Number(first)],
        PortRange { first, last, .. } => vec![Port::Range(DoubleQuoted(format!("{first}:{last}")))],
    }
}
