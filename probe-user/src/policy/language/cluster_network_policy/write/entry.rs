//! One rule as it is written.

use ipnet::IpNet;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde::Serialize;
use serde_saphyr::SerializeError;

use crate::{
    event,
    policy::{
        language::{pods::of_namespace, yaml::Yaml},
        rule::PortRange,
    },
    workload::Labels,
};

/// A rule, and what a reviewer reads above it.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) comments: Vec<String>,
    /// By what right, where that is short enough to be a rule's name.
    pub(super) name: Option<String>,
    pub(super) action: Action,
    pub(super) peers: Vec<Peer>,
    /// None for all.
    pub(super) protocols: Vec<Protocol>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) enum Action {
    Accept,
    Deny,
    Pass,
}

#[derive(Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Peer {
    /// Every pod of these namespaces.
    Namespaces(LabelSelector),
    Pods(Pods),
    Networks(Vec<IpNet>),
    DomainNames(Vec<String>),
}

/// In the order in which people write it.
#[derive(Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Pods {
    namespace_selector: LabelSelector,
    pod_selector: LabelSelector,
}

impl Pods {
    pub(super) fn of(namespace: &str, labels: &Labels) -> Self {
        Self { namespace_selector: selector(of_namespace(namespace)), pod_selector: selector(labels.clone()) }
    }
}

fn selector(labels: Labels) -> LabelSelector {
    LabelSelector { match_labels: Some(labels), match_expressions: None }
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Protocol {
    Tcp(Transport),
    Udp(Transport),
    Sctp(Transport),
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Transport {
    destination_port: Port,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
enum Port {
    Number(u16),
    Range { start: u16, end: u16 },
}

impl Protocol {
    /// Of what the language can say: ports from 1, of what has ports.
    pub(super) fn of(ports: PortRange) -> Option<Self> {
        let PortRange { protocol, first, last } = ports;
        let start = first.max(1);
        let destination_port = match last.checked_sub(start)? {
            0 => Port::Number(last),
            _ => Port::Range { start, end: last },
        };
        let transport = Transport { destination_port };
        match protocol {
            event::Protocol::Tcp => Some(Self::Tcp(transport)),
            event::Protocol::Udp => Some(Self::Udp(transport)),
            event::Protocol::Sctp => Some(Self::Sctp(transport)),
            event::Protocol::Icmp => None,
        }
    }

    /// All that it can say.
    pub(super) fn all() -> Vec<Self> {
        let of = |protocol| Self::of(PortRange { protocol, first: 1, last: u16::MAX });
        [event::Protocol::Tcp, event::Protocol::Udp, event::Protocol::Sctp]
            .into_iter()
            .filter_map(of)
            .collect()
    }
}

/// In the order in which people write it.
#[derive(Serialize)]
struct Ingress<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    action: Action,
    from: &'a [Peer],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    protocols: &'a [Protocol],
}

/// Likewise.
#[derive(Serialize)]
struct Egress<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    action: Action,
    to: &'a [Peer],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    protocols: &'a [Protocol],
}

impl Entry {
    pub(super) fn write(&self, yaml: &mut Yaml, is_egress: bool) -> Result<(), SerializeError> {
        let Self { comments, name, action, peers, protocols } = self;
        let (name, action) = (name.as_deref(), *action);
        comments.iter().for_each(|words| yaml.comment(4, words));
        if is_egress {
            yaml.item(4, &Egress { name, action, to: peers, protocols })
        } else {
            yaml.item(4, &Ingress { name, action, from: peers, protocols })
        }
    }
}
