//! Resources as they are written (the CRDs of `cilium.io/v2`).

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use serde::{Deserialize, de::IgnoredAny};

/// Either kind.
#[derive(Deserialize)]
pub(super) struct Resource {
    #[serde(rename = "apiVersion")]
    _api_version: String,
    #[serde(rename = "kind")]
    _kind: String,
    pub(super) metadata: ObjectMeta,
    pub(super) spec: Option<Spec>,
    pub(super) specs: Option<Vec<Spec>>,
    #[serde(rename = "status")]
    _status: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Spec {
    pub(super) endpoint_selector: Option<LabelSelector>,
    pub(super) node_selector: Option<LabelSelector>,
    pub(super) ingress: Option<Vec<Ingress>>,
    pub(super) ingress_deny: Option<Vec<Ingress>>,
    pub(super) egress: Option<Vec<Egress>>,
    pub(super) egress_deny: Option<Vec<Egress>>,
    pub(super) enable_default_deny: Option<DefaultDeny>,
    #[serde(rename = "description")]
    _description: Option<String>,
    #[serde(rename = "labels")]
    _labels: Option<IgnoredAny>,
    #[serde(rename = "log")]
    _log: Option<IgnoredAny>,
}

#[derive(Clone, Copy, Default, Deserialize)]
pub(super) struct DefaultDeny {
    pub(super) ingress: Option<bool>,
    pub(super) egress: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Ingress {
    from_endpoints: Option<Vec<LabelSelector>>,
    from_requires: Option<Vec<LabelSelector>>,
    #[serde(rename = "fromCIDR")]
    from_cidr: Option<Vec<String>>,
    #[serde(rename = "fromCIDRSet")]
    from_cidr_set: Option<Vec<CidrRule>>,
    from_entities: Option<Vec<String>>,
    from_nodes: Option<IgnoredAny>,
    from_groups: Option<IgnoredAny>,
    to_ports: Option<Vec<PortRule>>,
    icmps: Option<Vec<Icmp>>,
    authentication: Option<Authentication>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Egress {
    to_endpoints: Option<Vec<LabelSelector>>,
    to_requires: Option<Vec<LabelSelector>>,
    #[serde(rename = "toCIDR")]
    to_cidr: Option<Vec<String>>,
    #[serde(rename = "toCIDRSet")]
    to_cidr_set: Option<Vec<CidrRule>>,
    to_entities: Option<Vec<String>>,
    to_nodes: Option<IgnoredAny>,
    to_groups: Option<IgnoredAny>,
    to_services: Option<IgnoredAny>,
    #[serde(rename = "toFQDNs")]
    to_fqdns: Option<Vec<NameRule>>,
    to_ports: Option<Vec<PortRule>>,
    icmps: Option<Vec<Icmp>>,
    authentication: Option<Authentication>,
}

/// A rule of either direction.
pub(super) struct Rule {
    pub(super) endpoints: Option<Vec<LabelSelector>>,
    pub(super) requires: Option<Vec<LabelSelector>>,
    pub(super) cidr: Option<Vec<String>>,
    pub(super) cidr_set: Option<Vec<CidrRule>>,
    pub(super) entities: Option<Vec<String>>,
    pub(super) names: Option<Vec<NameRule>>,
    pub(super) ports: Option<Vec<PortRule>>,
    pub(super) icmps: Option<Vec<Icmp>>,
    pub(super) authentication: Option<Authentication>,
    /// How keys of its peers begin.
    pub(super) prefix: &'static str,
    /// What nothing here can be compared with, by key.
    pub(super) unknowable: Vec<&'static str>,
}

impl From<Ingress> for Rule {
    fn from(rule: Ingress) -> Self {
        let unknowable =
            [("fromNodes", rule.from_nodes.is_some()), ("fromGroups", rule.from_groups.is_some())];
        Self {
            endpoints: rule.from_endpoints,
            requires: rule.from_requires,
            cidr: rule.from_cidr,
            cidr_set: rule.from_cidr_set,
            entities: rule.from_entities,
            names: None,
            ports: rule.to_ports,
            icmps: rule.icmps,
            authentication: rule.authentication,
            prefix: "from",
            unknowable: given(&unknowable),
        }
    }
}

impl From<Egress> for Rule {
    fn from(rule: Egress) -> Self {
        let unknowable = [
            ("toNodes", rule.to_nodes.is_some()),
            ("toGroups", rule.to_groups.is_some()),
            ("toServices", rule.to_services.is_some()),
        ];
        Self {
            endpoints: rule.to_endpoints,
            requires: rule.to_requires,
            cidr: rule.to_cidr,
            cidr_set: rule.to_cidr_set,
            entities: rule.to_entities,
            names: rule.to_fqdns,
            ports: rule.to_ports,
            icmps: rule.icmps,
            authentication: rule.authentication,
            prefix: "to",
            unknowable: given(&unknowable),
        }
    }
}

fn given(keys: &[(&'static str, bool)]) -> Vec<&'static str> {
    keys.iter().filter(|(_, is_given)| *is_given).map(|(key, _)| *key).collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CidrRule {
    pub(super) cidr: Option<String>,
    pub(super) except: Option<Vec<String>>,
    pub(super) cidr_group_ref: Option<String>,
    pub(super) cidr_group_selector: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NameRule {
    pub(super) match_name: Option<String>,
    pub(super) match_pattern: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PortRule {
    pub(super) ports: Option<Vec<Port>>,
    pub(super) rules: Option<L7Rules>,
    pub(super) listener: Option<IgnoredAny>,
    pub(super) server_names: Option<Vec<String>>,
    #[serde(rename = "originatingTLS")]
    pub(super) originating_tls: Option<IgnoredAny>,
    #[serde(rename = "terminatingTLS")]
    pub(super) terminating_tls: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Port {
    pub(super) port: String,
    pub(super) end_port: Option<i32>,
    pub(super) protocol: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct L7Rules {
    pub(super) http: Option<Vec<IgnoredAny>>,
    pub(super) kafka: Option<Vec<IgnoredAny>>,
    pub(super) l7: Option<Vec<BTreeMap<String, IgnoredAny>>>,
    pub(super) l7proto: Option<String>,
    pub(super) dns: Option<Vec<NameRule>>,
}

#[derive(Deserialize)]
pub(super) struct Icmp {
    #[serde(rename = "fields")]
    _fields: Option<Vec<IcmpField>>,
}

#[derive(Deserialize)]
struct IcmpField {
    #[serde(rename = "family")]
    _family: Option<String>,
    #[serde(rename = "type")]
    _kind: IgnoredAny,
}

#[derive(Deserialize)]
pub(super) struct Authentication {
    pub(super) mode: String,
}
