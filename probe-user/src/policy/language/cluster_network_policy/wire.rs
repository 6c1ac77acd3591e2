//! Resources as they are written (the CRD's experimental channel, which has all of it); `model` is what they mean.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use serde::{Deserialize, de::IgnoredAny};

use crate::matrix::located::Located;

#[derive(Deserialize)]
pub(super) struct Resource {
    #[serde(rename = "apiVersion")]
    _api_version: String,
    #[serde(rename = "kind")]
    _kind: String,
    pub(super) metadata: ObjectMeta,
    pub(super) spec: Spec,
    /// What enforcers say of it.
    #[serde(rename = "status")]
    _status: Option<IgnoredAny>,
}

#[derive(Deserialize)]
pub(super) struct Spec {
    pub(super) tier: Located<String>,
    pub(super) priority: Located<i64>,
    pub(super) subject: Located<Subject>,
    pub(super) ingress: Option<Located<Vec<Ingress>>>,
    pub(super) egress: Option<Located<Vec<Egress>>>,
}

#[derive(Deserialize)]
pub(super) struct Subject {
    pub(super) namespaces: Option<LabelSelector>,
    pub(super) pods: Option<Pods>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Pods {
    pub(super) namespace_selector: Option<LabelSelector>,
    pub(super) pod_selector: LabelSelector,
}

#[derive(Deserialize)]
pub(super) struct Ingress {
    name: Option<Located<String>>,
    action: Located<String>,
    from: Located<Vec<Located<IngressPeer>>>,
    protocols: Option<Located<Vec<Located<Protocol>>>>,
}

#[derive(Deserialize)]
pub(super) struct Egress {
    name: Option<Located<String>>,
    action: Located<String>,
    to: Located<Vec<Located<Peer>>>,
    protocols: Option<Located<Vec<Located<Protocol>>>>,
}

/// A rule of either direction.
pub(super) struct Rule {
    pub(super) name: Option<Located<String>>,
    pub(super) action: Located<String>,
    pub(super) peers: Located<Vec<Located<Peer>>>,
    pub(super) protocols: Option<Located<Vec<Located<Protocol>>>>,
}

#[derive(Deserialize)]
struct IngressPeer {
    namespaces: Option<LabelSelector>,
    pods: Option<Pods>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Peer {
    pub(super) namespaces: Option<LabelSelector>,
    pub(super) pods: Option<Pods>,
    pub(super) nodes: Option<LabelSelector>,
    pub(super) networks: Option<Located<Vec<Located<String>>>>,
    pub(super) domain_names: Option<Located<Vec<Located<String>>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Protocol {
    pub(super) tcp: Option<Located<Transport>>,
    pub(super) udp: Option<Located<Transport>>,
    pub(super) sctp: Option<Located<Transport>>,
    pub(super) destination_named_port: Option<Located<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Transport {
    pub(super) destination_port: Option<Located<Port>>,
}

#[derive(Deserialize)]
pub(super) struct Port {
    pub(super) number: Option<i64>,
    pub(super) range: Option<Range>,
}

#[derive(Deserialize)]
pub(super) struct Range {
    pub(super) start: i64,
    pub(super) end: i64,
}

impl From<Ingress> for Rule {
    fn from(Ingress { name, action, from, protocols }: Ingress) -> Self {
        let Located { line, path, value } = from;
        let peer = |IngressPeer { namespaces, pods }| Peer { namespaces, pods, ..Peer::default() };
        let located = |Located { line, path, value }: Located<IngressPeer>| Located {
            line,
            path,
            value: value.map(peer),
        };
        let value = value.map(|peers| peers.into_iter().map(located).collect());
        Self { name, action, peers: Located { line, path, value }, protocols }
    }
}

impl From<Egress> for Rule {
    fn from(Egress { name, action, to, protocols }: Egress) -> Self {
        Self { name, action, peers: to, protocols }
    }
}
