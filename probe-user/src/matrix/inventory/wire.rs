//! The inventory as it is written.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::matrix::located::{Entries, Located, OneOrMany};
use crate::matrix::wire::{ApiVersion, PortText};

/// The `kind` of an inventory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum InventoryKind {
    /// The only one.
    #[default]
    Inventory,
}

/// A list, for which one value may stand alone.
pub type Many<T> = Option<Located<OneOrMany<Located<T>>>>;

/// Each node's addresses.
pub type Roster = Entries<Located<OneOrMany<Located<String>>>>;

/// Declared or front port → the ports behind it.
pub type PortMap = Entries<OneOrMany<Located<u32>>>;

/// Row id → its ports.
pub type PortsOfRows = Entries<Located<Vec<Located<PortText>>>>;

/// The inventory: what each name of a matrix is here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Inventory {
    /// Version of this format.
    #[serde(rename = "apiVersion")]
    pub api_version: Located<ApiVersion>,
    /// What this document is.
    pub kind: Located<InventoryKind>,
    /// The watched clusters, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clusters: Option<Located<Entries<Located<Cluster>>>>,
    /// Everything else that a matrix names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoints: Option<Located<Entries<Located<Endpoint>>>>,
    /// Row id → its ports here, for rows whose ports vary by site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub varies: Option<Located<PortsOfRows>>,
    /// DNS servers whose answers count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolvers: Many<String>,
    /// NTP servers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_servers: Many<String>,
    /// Names of the endpoints that nodes pull images from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registries: Many<String>,
}

/// One cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Cluster {
    /// The name under which matrices know it; several clusters may play one role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Located<String>>,
    /// Roster: each node's addresses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes: Option<Located<Roster>>,
    /// Pod CIDRs; other clusters may use the same ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pods: Many<String>,
    /// Whether pod and service addresses are unique and reachable from elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routable: Option<Located<bool>>,
    /// Service CIDRs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub services: Many<String>,
    /// Addresses that the outside sees when this cluster connects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub egress: Many<String>,
    /// How traffic enters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ingress: Option<Located<Ingress>>,
    /// Why nobody needs to record this cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<Located<String>>,
}

/// How traffic enters a cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Ingress {
    /// The load balancer's front.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub addresses: Many<String>,
    /// Front port → the port on which the nodes listen for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listeners: Option<Located<Entries<Located<u32>>>>,
    /// Addresses that the front uses as a client of the listeners; its own unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxies: Many<String>,
    /// The ingress's addresses in the cluster, as a client of the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pods: Many<String>,
    /// Front port → the pods' ports behind it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub targets: Option<Located<PortMap>>,
}

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Endpoint {
    /// DNS names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hosts: Many<String>,
    /// The cluster that it runs in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<Located<String>>,
    /// Its addresses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cidrs: Many<String>,
    /// cgroup paths below the cgroup-v2 root; everything below them belongs to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cgroups: Many<String>,
    /// Kubernetes workload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<Located<Selector>>,
    /// Declared port → the ports that it has here; binds `varies` too, in rows that [`Inventory::varies`] does not name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ports: Option<Located<PortMap>>,
    /// Whether it is the ingress of whichever cluster the other end of the row is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ingress: Option<Located<bool>>,
    /// Why it need not be seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<Located<String>>,
}

/// A Kubernetes workload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Selector {
    /// Its namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<Located<String>>,
    /// Labels that its pods carry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<Located<Entries<Located<String>>>>,
}
