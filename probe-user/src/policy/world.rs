//! Who stands at the ends of what was observed.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::IpAddr,
};

use hashbrown::HashMap;
use ipnet::IpNet;

use super::blocks::Blocks;
use crate::{
    flow::{Direction, Flow, Window},
    matrix::inventory::{Cluster, Inventory},
    workload::{ClusterObjects, Pod, Workload, container},
};

/// What the inventory and the clusters themselves say of who is where.
#[derive(Clone, Debug)]
pub struct World<'a> {
    /// The clusters' addresses, and the endpoints'.
    pub inventory: &'a Inventory,
    /// Pods and services, by cluster of the inventory; none of a cluster whose objects nobody gave.
    pub clusters: &'a BTreeMap<String, ClusterObjects>,
    /// Cluster and node of each roster's addresses.
    nodes: HashMap<IpAddr, (&'a str, &'a str)>,
    /// What each cluster has for itself.
    homes: BTreeMap<&'a str, Vec<IpNet>>,
}

/// One end of a connection, as a policy can speak of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Party<'a> {
    /// A pod with addresses of its own.
    Pod {
        /// Its cluster.
        cluster: &'a str,
        /// The pod.
        pod: &'a Pod,
        /// The address that was used.
        address: IpAddr,
    },
    /// A node's own process, or a pod that has its node's addresses.
    Node {
        /// Its cluster.
        cluster: &'a str,
        /// The node.
        node: &'a str,
        /// The address that was used.
        address: IpAddr,
        /// The pod on the node's network, where it is known to be one.
        pod: Option<&'a Pod>,
    },
    /// Somebody on a node, with a namespace and addresses of his own, of whom no cluster's objects tell.
    Guest {
        /// Its cluster.
        cluster: &'a str,
        /// The node.
        node: &'a str,
        /// The address that was used.
        address: IpAddr,
    },
    /// Whoever else has this address.
    Outside(IpAddr),
}

/// Whom a policy can be for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// All pods of a workload.
    Workload {
        /// Its cluster.
        cluster: String,
        /// What was deployed.
        workload: Workload,
    },
    /// A node with all that has its addresses.
    Node {
        /// Its cluster.
        cluster: String,
        /// The node.
        node: String,
    },
    /// What has an address of its own on a node, and is known by nothing else.
    Guest {
        /// Its cluster.
        cluster: String,
        /// The node.
        node: String,
        /// Its address.
        address: IpAddr,
    },
}

/// The same while it is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SubjectRef<'a> {
    /// Cluster, and what was deployed.
    Workload(&'a str, &'a Workload),
    /// Cluster and node.
    Node(&'a str, &'a str),
    /// Cluster, node and address.
    Guest(&'a str, &'a str, IpAddr),
}

impl SubjectRef<'_> {
    /// The cluster that it is in.
    #[must_use]
    pub fn cluster(&self) -> &str {
        match self {
            Self::Workload(cluster, _) | Self::Node(cluster, _) | Self::Guest(cluster, ..) => cluster,
        }
    }

    /// To be kept.
    #[must_use]
    pub fn to_subject(self) -> Subject {
        match self {
            Self::Workload(cluster, workload) => {
                Subject::Workload { cluster: cluster.to_owned(), workload: workload.clone() }
            }
            Self::Node(cluster, node) => Subject::Node { cluster: cluster.to_owned(), node: node.to_owned() },
            Self::Guest(cluster, node, address) => {
                Subject::Guest { cluster: cluster.to_owned(), node: node.to_owned(), address }
            }
        }
    }
}

impl Subject {
    /// The same to look for it.
    #[must_use]
    pub fn to_ref(&self) -> SubjectRef<'_> {
        match self {
            Self::Workload { cluster, workload } => SubjectRef::Workload(cluster, workload),
            Self::Node { cluster, node } => SubjectRef::Node(cluster, node),
            Self::Guest { cluster, node, address } => SubjectRef::Guest(cluster, node, *address),
        }
    }

    /// The cluster that it is in.
    #[must_use]
    pub fn cluster(&self) -> &str {
        match self {
            Self::Workload { cluster, .. } | Self::Node { cluster, .. } | Self::Guest { cluster, .. } => {
                cluster
            }
        }
    }
}

/// `cluster/namespace/name`, `cluster/node`, `cluster/node/address`.
impl fmt::Display for Subject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Workload { cluster, workload } => write!(formatter, "{cluster}/{workload}"),
            Self::Node { cluster, node } => write!(formatter, "{cluster}/{node}"),
            Self::Guest { cluster, node, address } => write!(formatter, "{cluster}/{node}/{address}"),
        }
    }
}

/// As its subject, or its address.
impl fmt::Display for Party<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.subject() {
            Some(subject) => subject.fmt(formatter),
            None => self.address().fmt(formatter),
        }
    }
}

impl<'a> Party<'a> {
    /// The address that was used.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        match self {
            Self::Pod { address, .. } | Self::Node { address, .. } | Self::Guest { address, .. } => *address,
            Self::Outside(address) => *address,
        }
    }

    /// The cluster that it is in, where that is known.
    #[must_use]
    pub fn cluster(&self) -> Option<&'a str> {
        match self {
            Self::Pod { cluster, .. } | Self::Node { cluster, .. } | Self::Guest { cluster, .. } => {
                Some(cluster)
            }
            Self::Outside(_) => None,
        }
    }

    /// Whom a policy would be for.
    #[must_use]
    pub fn subject(&self) -> Option<Subject> {
        self.subject_ref().map(SubjectRef::to_subject)
    }

    /// The same while it is looked for.
    #[must_use]
    pub fn subject_ref(&self) -> Option<SubjectRef<'a>> {
        match *self {
            Self::Pod { cluster, pod, .. } => Some(SubjectRef::Workload(cluster, &pod.workload)),
            Self::Node { cluster, node, .. } => Some(SubjectRef::Node(cluster, node)),
            Self::Guest { cluster, node, address } => Some(SubjectRef::Guest(cluster, node, address)),
            Self::Outside(_) => None,
        }
    }
}

impl<'a> World<'a> {
    /// Of these.
    #[must_use]
    pub fn new(inventory: &'a Inventory, clusters: &'a BTreeMap<String, ClusterObjects>) -> Self {
        let rosters = inventory.clusters.iter().flat_map(|(name, cluster)| {
            cluster.nodes.iter().map(move |(node, addresses)| (name.as_str(), node.as_str(), addresses))
        });
        let nodes = rosters.flat_map(|(cluster, node, addresses)| {
            addresses.iter().map(move |address| (*address, (cluster, node)))
        });
        let home = |(name, cluster): (&'a String, &Cluster)| {
            let inner = cluster.pods.iter().chain(&cluster.services).copied();
            (name.as_str(), inner.chain(cluster.node_blocks()).collect())
        };
        let homes = inventory.clusters.iter().map(home).collect();
        Self { inventory, clusters, nodes: nodes.collect(), homes }
    }

    /// The blocks of a cluster's pods, services and nodes; none of a cluster that the inventory does not have.
    #[must_use]
    pub fn home(&self, cluster: &str) -> &[IpNet] {
        self.homes.get(cluster).map(Vec::as_slice).unwrap_or_default()
    }

    /// Who owns the socket that a recording tells of.
    #[must_use]
    pub fn owner(&self, window: &'a Window, flow: &'a Flow) -> Party<'a> {
        let (cluster, node, address) = (window.cluster.as_str(), window.node.as_str(), flow.key.local);
        let objects = self.clusters.get(cluster);
        let workload = &flow.key.workload;
        let container = workload.cgroup.as_deref().and_then(container);
        let by_group = || objects?.pod_of(container.as_ref()?);
        // A pod that is not listed any more had an address that another may have by now.
        let is_unlisted = container.as_ref().is_some_and(|found| found.pod.is_some());
        let pod = by_group().or_else(|| objects?.pod_at(address).filter(|_| !is_unlisted));
        match pod {
            Some(pod) if pod.on_host_network => Party::Node { cluster, node, address, pod: Some(pod) },
            Some(pod) => Party::Pod { cluster, pod, address },
            None if workload.netns.is_none() => Party::Node { cluster, node, address, pod: None },
            None => Party::Guest { cluster, node, address },
        }
    }

    /// Every address that a subject is known to have.
    #[must_use]
    pub fn addresses(&self, subject: &Subject) -> BTreeSet<IpAddr> {
        match subject {
            Subject::Workload { cluster, workload } => {
                let pods =
                    self.clusters.get(cluster).into_iter().flat_map(|objects| objects.pods_of(workload));
                pods.flat_map(|pod| &pod.addresses).copied().collect()
            }
            Subject::Node { cluster, node } => {
                let roster = self.inventory.clusters.get(cluster).and_then(|cluster| cluster.nodes.get(node));
                roster.into_iter().flatten().copied().collect()
            }
            Subject::Guest { address, .. } => [*address].into(),
        }
    }

    /// Who has an address, as a node of `cluster` sees it: invariant 6.
    #[must_use]
    pub fn at(&self, cluster: &'a str, address: IpAddr) -> Party<'a> {
        let pod = |cluster: &'a str| {
            let pod = self.clusters.get(cluster)?.pod_at(address)?;
            Some(Party::Pod { cluster, pod, address })
        };
        let node = || {
            let (cluster, node) = *self.nodes.get(&address)?;
            Some(Party::Node { cluster, node, address, pod: None })
        };
        let elsewhere = || {
            let routable =
                self.inventory.clusters.iter().filter(|(name, entry)| entry.routable && *name != cluster);
            routable.into_iter().find_map(|(name, _)| pod(name))
        };
        pod(cluster).or_else(node).or_else(elsewhere).unwrap_or(Party::Outside(address))
    }

    /// Whether it is an address of a cluster's pods, listed or not.
    #[must_use]
    pub fn is_inside(&self, cluster: &str, address: IpAddr) -> bool {
        let own = self.inventory.clusters.get(cluster);
        own.is_some_and(|own| own.pods.iter().any(|block| block.contains(&address)))
    }

    /// Whether an address is of a cluster's pods or services, whoever lists it.
    #[must_use]
    pub fn is_within(&self, cluster: &str, address: IpAddr) -> bool {
        let own = self.inventory.clusters.get(cluster);
        own.is_some_and(|own| own.pods.iter().chain(&own.services).any(|block| block.contains(&address)))
    }

    /// The host names that the inventory gives to an address.
    pub fn hosts_at(&self, address: IpAddr) -> impl Iterator<Item = &'a str> {
        let endpoints = self.inventory.endpoints.values();
        let there = endpoints.filter(move |one| one.cidrs.iter().any(|block| block.contains(&address)));
        there.flat_map(|endpoint| endpoint.hosts.iter().map(String::as_str))
    }

    /// Whether the inventory gives these names no address beyond the blocks.
    #[must_use]
    pub fn are_whole(&self, hosts: &[String], blocks: &Blocks) -> bool {
        let endpoints = self.inventory.endpoints.values();
        let named = endpoints.filter(|endpoint| endpoint.hosts.iter().any(|host| hosts.contains(host)));
        named.flat_map(|endpoint| &endpoint.cidrs).all(|cidr| blocks.iter().any(|block| block.contains(cidr)))
    }

    /// The pods behind an address of a service, and their port for it; nobody where it is no service's.
    #[must_use]
    pub fn behind(&self, cluster: &'a str, flow: &Flow) -> Vec<(Party<'a>, u16)> {
        let key = &flow.key;
        if key.direction == Direction::Inbound {
            return Vec::new();
        }
        let Some(objects) = self.clusters.get(cluster) else { return Vec::new() };
        let Some((service, port)) = objects.service_at(key.remote, key.port, key.protocol) else {
            return Vec::new();
        };
        let is_same_family = |address: &&IpAddr| address.is_ipv4() == key.remote.is_ipv4();
        let party = |(pod, port): (&'a Pod, u16)| {
            let address = *pod.addresses.iter().find(is_same_family)?;
            let party = match &pod.node {
                Some(node) if pod.on_host_network => Party::Node { cluster, node, address, pod: Some(pod) },
                _ => Party::Pod { cluster, pod, address },
            };
            Some((party, port))
        };
        objects.behind(service, port).filter_map(party).collect()
    }
}
