//! The inventory as it is meant; every value is valid.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::matrix::model::{EndpointName, PortSpec, Ports, Row};

/// Names that need no inventory: `any`, and those that the baseline uses, which are relative to the cluster
/// of the node that reports.
pub const BUILT_IN: [&str; 8] =
    ["any", "loopback", "nodes", "pods", "services", "resolvers", "time-servers", "registries"];

/// What each name of a matrix is here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    /// The document's name, as the user gave it.
    pub file: String,
    /// SHA-256 of the document's bytes, lower-case hex.
    pub digest: String,
    /// The watched clusters, by name.
    pub clusters: BTreeMap<String, Cluster>,
    /// Everything else that a matrix names.
    pub endpoints: BTreeMap<EndpointName, Endpoint>,
    /// By row id: its ports here, and the line that says so.
    pub varies: BTreeMap<String, (Vec<PortSpec>, u32)>,
    /// DNS servers whose answers count.
    pub resolvers: Vec<IpNet>,
    /// NTP servers.
    pub time_servers: Vec<IpNet>,
    /// Names of the endpoints that nodes pull images from; each is in `endpoints`.
    pub registries: Vec<EndpointName>,
}

/// One cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cluster {
    /// The name under which matrices know it.
    pub role: Option<String>,
    /// Roster: each node's addresses.
    pub nodes: BTreeMap<String, Vec<IpAddr>>,
    /// Pod CIDRs.
    pub pods: Vec<IpNet>,
    /// Whether pod and service addresses are unique and reachable from elsewhere.
    pub routable: bool,
    /// Service CIDRs.
    pub services: Vec<IpNet>,
    /// Addresses that the outside sees when this cluster connects.
    pub egress: Vec<IpNet>,
    /// How traffic enters.
    pub ingress: Option<Ingress>,
    /// Why nobody needs to record this cluster.
    pub acknowledged: Option<String>,
    /// Line of the document on which it starts.
    pub line: u32,
}

/// How traffic enters a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ingress {
    /// The load balancer's front.
    pub addresses: Vec<IpNet>,
    /// Front port → the port on which the nodes listen for it.
    pub listeners: BTreeMap<u16, u16>,
    /// Addresses that the front uses as a client of the listeners.
    pub proxies: Vec<IpNet>,
    /// The ingress's addresses in the cluster, as a client of the pods.
    pub pods: Vec<IpNet>,
    /// Front port → the pods' ports behind it.
    pub targets: BTreeMap<u16, Vec<u16>>,
}

/// What a name stands for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoint {
    /// DNS names.
    pub hosts: Vec<String>,
    /// The cluster that it runs in, a name of the inventory.
    pub cluster: Option<String>,
    /// Its addresses.
    pub cidrs: Vec<IpNet>,
    /// cgroup paths below the cgroup-v2 root, without a trailing slash.
    pub cgroups: Vec<String>,
    /// Kubernetes workload.
    pub selector: Option<Selector>,
    /// Declared port → the ports that it has here.
    pub ports: BTreeMap<u16, Vec<u16>>,
    /// Whether it is the ingress of whichever cluster the other end of the row is.
    pub ingress: bool,
    /// Why it need not be seen.
    pub acknowledged: Option<String>,
    /// Line of the document on which it starts.
    pub line: u32,
}

/// A Kubernetes workload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    /// Its namespace.
    pub namespace: Option<String>,
    /// Labels that its pods carry.
    pub labels: BTreeMap<String, String>,
}

impl Cluster {
    /// Each node's address as a block.
    pub fn node_blocks(&self) -> impl Iterator<Item = IpNet> {
        self.nodes.values().flatten().map(|address| IpNet::from(*address))
    }
}

impl Endpoint {
    /// Whether it is a name and nothing else: rows that use it cannot be seen.
    #[must_use]
    pub fn says_nothing(&self) -> bool {
        let Self { hosts, cluster, cidrs, cgroups, selector, ports: _, ingress, acknowledged, line: _ } =
            self;
        hosts.is_empty()
            && cidrs.is_empty()
            && cgroups.is_empty()
            && selector.is_none()
            && cluster.is_none()
            && !ingress
            && acknowledged.is_none()
    }
}

impl Inventory {
    /// The ports of a row here: its own, or those that this inventory gives for `varies`.
    pub fn ports_of<'a>(&'a self, row: &'a Row) -> impl Iterator<Item = PortSpec> + 'a {
        let bound = self.varies.get(&row.id).map_or(&[][..], |(ports, _)| ports.as_slice());
        row.ports.iter().flat_map(move |port| match port.ports {
            Ports::Varies if !bound.is_empty() => bound.to_vec(),
            _ => vec![*port],
        })
    }

    /// The clusters that `name` means: the one of that name and those that play that role.
    pub fn clusters_named<'a>(&'a self, name: &'a EndpointName) -> impl Iterator<Item = &'a str> {
        self.clusters
            .iter()
            .filter(|(cluster, entry)| {
                name.is(cluster) || entry.role.as_ref().is_some_and(|role| name.is(role))
            })
            .map(|(cluster, _)| cluster.as_str())
    }
}
