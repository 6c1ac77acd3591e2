//! Rows split into cells, so that one talking cluster cannot hide a silent one.

use std::fmt;

use crate::matrix::inventory::Inventory;
use crate::matrix::{EndpointName, PortSpec, Row};

/// One row's demand for one source, one destination and one port entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Index of the row, over all matrices.
    pub row: usize,
    /// Who connects.
    pub source: Place,
    /// Who is connected to.
    pub destination: Place,
    /// The server's ports.
    pub port: PortSpec,
}

/// One end of a cell.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// A watched cluster.
    Cluster(String),
    /// An endpoint of the inventory, in a cluster or outside of them.
    Endpoint {
        /// Its name, as the inventory writes it.
        name: EndpointName,
        /// The cluster that it runs in.
        cluster: Option<String>,
    },
    /// The ingress workload of the cluster at the cell's other end.
    Ingress {
        /// The endpoint that is bound as `ingress: true`.
        name: EndpointName,
        /// That cluster; `None` when the other end is in none.
        cluster: Option<String>,
    },
    /// A built-in name, relative to the reporter's cluster.
    Local(LocalKind),
    /// Whoever it is.
    Any,
}

/// What the baseline names, relative to the cluster of the node that reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LocalKind {
    /// The node itself, over its loopback.
    Loopback,
    /// The roster of the cluster.
    Nodes,
    /// Its pods.
    Pods,
    /// Its service addresses.
    Services,
    /// The declared DNS servers.
    Resolvers,
    /// The declared NTP servers.
    TimeServers,
    /// The declared registries.
    Registries,
}

impl LocalKind {
    const ALL: [Self; 7] = [
        Self::Loopback,
        Self::Nodes,
        Self::Pods,
        Self::Services,
        Self::Resolvers,
        Self::TimeServers,
        Self::Registries,
    ];

    /// The built-in name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Loopback => "loopback",
            Self::Nodes => "nodes",
            Self::Pods => "pods",
            Self::Services => "services",
            Self::Resolvers => "resolvers",
            Self::TimeServers => "time-servers",
            Self::Registries => "registries",
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cluster(cluster) => formatter.write_str(cluster),
            Self::Ingress { name, cluster: Some(cluster) } => write!(formatter, "{name} of {cluster}"),
            Self::Endpoint { name, .. } | Self::Ingress { name, .. } => name.fmt(formatter),
            Self::Local(kind) => formatter.write_str(kind.name()),
            Self::Any => formatter.write_str("any"),
        }
    }
}

impl Place {
    /// The one cluster that it is in.
    #[must_use]
    pub fn cluster(&self) -> Option<&str> {
        match self {
            Self::Cluster(cluster) => Some(cluster),
            Self::Endpoint { cluster, .. } | Self::Ingress { cluster, .. } => cluster.as_deref(),
            Self::Local(_) | Self::Any => None,
        }
    }

    /// An ingress becomes that of the cluster at the other end.
    fn beside(&self, other: &Self) -> Self {
        match self {
            Self::Ingress { name, .. } => {
                Self::Ingress { name: name.clone(), cluster: other.cluster().map(str::to_owned) }
            }
            place => place.clone(),
        }
    }
}

/// The cells of one row, in the order of its `from`, `to` and `ports`.
pub(super) fn split(index: usize, row: &Row, inventory: &Inventory) -> Vec<Cell> {
    let destinations = places(&row.to, inventory);
    let mut cells = Vec::new();
    for source in places(&row.from, inventory) {
        let asked = |destination: &&Place| !is_self_pair(row, &source, destination, inventory);
        for destination in destinations.iter().filter(asked) {
            cells.extend(inventory.ports_of(row).map(|port| Cell {
                row: index,
                source: source.beside(destination),
                destination: destination.beside(&source),
                port,
            }));
        }
    }
    cells
}

/// A row from a role to the same role speaks of its clusters among themselves: where there are several, it does
/// not ask that each also talks to itself, unless the row names that cluster by a name of its own.
fn is_self_pair(row: &Row, source: &Place, destination: &Place, inventory: &Inventory) -> bool {
    let Place::Cluster(cluster) = source else { return false };
    let means = |name: &EndpointName| inventory.clusters_named(name).any(|one| one == cluster);
    let alone = |name: &EndpointName| inventory.clusters_named(name).count() == 1;
    let by_role = |names: &[EndpointName]| !names.iter().any(|name| means(name) && alone(name));
    let is_common = |name: &EndpointName| row.to.contains(name) && means(name);
    source == destination && row.from.iter().any(is_common) && by_role(&row.from) && by_role(&row.to)
}

/// A name that two names of the list mean is one place.
fn places(names: &[EndpointName], inventory: &Inventory) -> Vec<Place> {
    let mut places: Vec<Place> = Vec::new();
    for place in names.iter().flat_map(|name| meanings(name, inventory)) {
        if !places.contains(&place) {
            places.push(place);
        }
    }
    places
}

/// What one name means; an ingress does not know its cluster yet.
pub(super) fn meanings(name: &EndpointName, inventory: &Inventory) -> Vec<Place> {
    if name.is("any") {
        return vec![Place::Any];
    }
    if let Some(kind) = LocalKind::ALL.into_iter().find(|kind| name.is(kind.name())) {
        return vec![Place::Local(kind)];
    }
    let clusters = inventory.clusters_named(name).map(|cluster| Place::Cluster(cluster.to_owned()));
    let clusters: Vec<Place> = clusters.collect();
    if !clusters.is_empty() {
        return clusters;
    }
    vec![match inventory.endpoints.get_key_value(name) {
        Some((name, endpoint)) if endpoint.ingress => Place::Ingress { name: name.clone(), cluster: None },
        Some((name, endpoint)) => Place::Endpoint { name: name.clone(), cluster: endpoint.cluster.clone() },
        None => Place::Endpoint { name: name.clone(), cluster: None },
    }]
}
