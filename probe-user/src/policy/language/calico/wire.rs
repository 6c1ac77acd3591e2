//! Calico's resources as they are written; `model` is what they mean.
//!
//! One shape for all kinds of policy: which of them knows which key is checked when it is read.

use k8s_openapi::apimachinery::pkg::{apis::meta::v1::ObjectMeta, util::intstr::IntOrString};
use serde::{Deserialize, de::IgnoredAny};

use crate::matrix::located::Located;

/// A text at its place.
pub(super) type Text = Option<Located<String>>;
/// Ports.
pub(super) type Ports = Option<Vec<Located<IntOrString>>>;
/// What is there, and is not looked into.
pub(super) type Anything = Option<Located<IgnoredAny>>;

/// A resource of any kind.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Resource<S> {
    #[serde(rename = "apiVersion")]
    _api_version: String,
    #[serde(rename = "kind")]
    _kind: String,
    pub(super) metadata: ObjectMeta,
    pub(super) spec: Option<S>,
}

/// `spec` of a policy.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PolicySpec {
    pub(super) tier: Option<String>,
    pub(super) order: Option<f64>,
    pub(super) selector: Text,
    pub(super) namespace_selector: Text,
    pub(super) service_account_selector: Text,
    pub(super) types: Option<Vec<Located<String>>>,
    pub(super) ingress: Option<Vec<Rule>>,
    pub(super) egress: Option<Vec<Rule>>,
    pub(super) do_not_track: Option<Located<bool>>,
    #[serde(rename = "preDNAT")]
    pub(super) pre_dnat: Option<Located<bool>>,
    pub(super) apply_on_forward: Option<Located<bool>>,
    pub(super) performance_hints: Option<Vec<Located<String>>>,
    pub(super) staged_action: Text,
}

/// A rule.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Rule {
    pub(super) action: Located<String>,
    pub(super) ip_version: Option<Located<i64>>,
    pub(super) protocol: Option<Located<IntOrString>>,
    pub(super) not_protocol: Option<Located<IntOrString>>,
    pub(super) icmp: Anything,
    #[serde(rename = "notICMP")]
    pub(super) not_icmp: Anything,
    pub(super) http: Anything,
    /// For people.
    #[serde(rename = "metadata")]
    _metadata: Option<IgnoredAny>,
    pub(super) source: Option<Entity>,
    pub(super) destination: Option<Entity>,
}

/// One end of what a rule holds.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Entity {
    pub(super) nets: Option<Vec<Located<String>>>,
    pub(super) not_nets: Option<Vec<Located<String>>>,
    pub(super) selector: Text,
    pub(super) not_selector: Text,
    pub(super) namespace_selector: Text,
    pub(super) ports: Ports,
    pub(super) not_ports: Ports,
    pub(super) service_accounts: Anything,
    pub(super) services: Anything,
}

/// `spec` of a network set.
#[derive(Debug, Default, Deserialize)]
pub(super) struct SetSpec {
    pub(super) nets: Option<Vec<Located<String>>>,
}

/// `spec` of a tier.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TierSpec {
    pub(super) order: Option<f64>,
    pub(super) default_action: Text,
}
