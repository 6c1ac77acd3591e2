//! What can be known of a cell before any flow is seen: who must record, and what no recording can show.

use ipnet::IpNet;

use super::cell::{Cell, Place};
use super::hidden::is_concealed;
use super::reach::is_node_block;
use super::rows::Rows;
use crate::event::Protocol;
use crate::matrix::Ports;
use crate::matrix::inventory::{Cluster, Endpoint};

/// What the inventory says of one end of a cell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Binding {
    /// Clusters whose recordings show this end, sorted; empty when no watched cluster holds it.
    pub clusters: Vec<String>,
    /// Whether some of this end is outside of `clusters`, so that their silence is not the end's silence.
    pub beyond: bool,
    /// Why nothing can be matched to this end; `None` when something can.
    pub unbound: Option<String>,
    /// Why somebody accepts that this end is not seen.
    pub acknowledged: Option<String>,
}

impl Rows {
    /// What the inventory says of the cell's source.
    #[must_use]
    pub fn sources(&self, cell: &Cell) -> Binding {
        self.binding(&cell.source)
    }

    /// What the inventory says of the cell's destination, its ports included.
    #[must_use]
    pub fn destinations(&self, cell: &Cell) -> Binding {
        let binding = self.binding(&cell.destination);
        let unbound = binding.unbound.clone().or_else(|| self.unbound_port(cell));
        Binding { unbound, ..binding }
    }

    /// Why the probe cannot see the cell's protocol; `None` when it can.
    #[must_use]
    pub fn unseen_protocol(&self, cell: &Cell) -> Option<&'static str> {
        match cell.port.protocol {
            None | Some(Protocol::Tcp | Protocol::Udp) => None,
            Some(Protocol::Sctp) => Some("SCTP is not captured yet"),
            Some(Protocol::Icmp) => Some("ICMP has no socket that a hook could show"),
        }
    }

    /// Whether the destination sees somebody else instead of the source: translation hides it, or the
    /// destination has an ingress for a declared port, and the source is not that ingress or its front.
    #[must_use]
    pub fn source_hidden_at_destination(&self, cell: &Cell) -> bool {
        let at = cell.destination.cluster();
        let concealed = |endpoint: &Endpoint| is_concealed(&self.inventory, endpoint, at);
        let endpoint = match &cell.source {
            Place::Endpoint { name, .. } => self.inventory.endpoints.get(name),
            _ => None,
        };
        endpoint.is_some_and(concealed) || self.proxied(cell)
    }

    fn proxied(&self, cell: &Cell) -> bool {
        let Place::Cluster(cluster) = &cell.destination else { return false };
        let ingress = self.inventory.clusters.get(cluster).and_then(|cluster| cluster.ingress.as_ref());
        let Some(ingress) = ingress else { return false };
        let front = match &cell.source {
            Place::Ingress { .. } => true,
            Place::Endpoint { name, .. } => self.inventory.endpoints.get(name).is_some_and(|endpoint| {
                let proxies = &ingress.proxies;
                !proxies.is_empty() && proxies.iter().all(|proxy| covered(proxy, &endpoint.cidrs))
            }),
            _ => false,
        };
        !front && ingress.listeners.keys().any(|port| cell.port.ports.hold(*port))
    }

    fn binding(&self, place: &Place) -> Binding {
        match place {
            Place::Cluster(name) => self.of_cluster(name),
            Place::Endpoint { name, .. } => match self.inventory.endpoints.get(name) {
                Some(endpoint) => self.of_endpoint(endpoint),
                None => unbound(format!("endpoint `{name}` is not in the inventory")),
            },
            Place::Ingress { name, cluster } => self.of_ingress(name.as_str(), cluster.as_deref()),
            Place::Local(_) => Binding { clusters: self.every_cluster(), ..Binding::default() },
            Place::Any => Binding { clusters: self.every_cluster(), beyond: true, ..Binding::default() },
        }
    }

    fn every_cluster(&self) -> Vec<String> {
        self.inventory.clusters.keys().cloned().collect()
    }

    fn of_cluster(&self, name: &str) -> Binding {
        let acknowledged = self.inventory.clusters.get(name).and_then(|cluster| cluster.acknowledged.clone());
        Binding { clusters: vec![name.to_owned()], acknowledged, ..Binding::default() }
    }

    fn of_ingress(&self, name: &str, cluster: Option<&str>) -> Binding {
        let Some(cluster) = cluster else {
            return unbound(format!("`{name}` is an ingress, and the other end of the row is in no cluster"));
        };
        let ingress = self.inventory.clusters.get(cluster).and_then(|cluster| cluster.ingress.as_ref());
        let bound = ingress.is_some_and(|ingress| !ingress.pods.is_empty());
        let reason = || format!("cluster `{cluster}` has no `ingress.pods` that would bind `{name}`");
        Binding { unbound: (!bound).then(reason), ..self.of_cluster(cluster) }
    }

    /// An endpoint outside of the clusters is shown by those whose nodes it consists of; one that only cgroups
    /// bind may be in any.
    fn of_endpoint(&self, endpoint: &Endpoint) -> Binding {
        let clusters: Vec<String> = match &endpoint.cluster {
            Some(cluster) => vec![cluster.clone()],
            None if !endpoint.cgroups.is_empty() => self.every_cluster(),
            None => {
                let clusters = self.inventory.clusters.iter();
                clusters
                    .filter(|(_, cluster)| has_node_of(cluster, endpoint))
                    .map(|(name, _)| name.clone())
                    .collect()
            }
        };
        // An endpoint in a cluster that nobody needs to record need not be seen either.
        let home = || self.inventory.clusters.get(endpoint.cluster.as_ref()?)?.acknowledged.clone();
        let all_nodes =
            |block: &IpNet| self.inventory.clusters.values().any(|cluster| is_node_block(cluster, block));
        Binding {
            beyond: endpoint.cluster.is_none() && !endpoint.cidrs.iter().all(all_nodes),
            clusters,
            unbound: unbound_reason(endpoint).map(str::to_owned),
            acknowledged: endpoint.acknowledged.clone().or_else(home),
        }
    }

    fn unbound_port(&self, cell: &Cell) -> Option<String> {
        if cell.port.ports != Ports::Varies {
            return None;
        }
        let bound = match &cell.destination {
            Place::Endpoint { name, .. } => {
                self.inventory.endpoints.get(name).is_some_and(|endpoint| !endpoint.ports.is_empty())
            }
            _ => false,
        };
        let reason = || {
            format!("the row's ports vary, and the inventory gives none for it or for `{}`", cell.destination)
        };
        (!bound).then(reason)
    }
}

fn unbound(reason: String) -> Binding {
    Binding { unbound: Some(reason), ..Binding::default() }
}

fn unbound_reason(endpoint: &Endpoint) -> Option<&'static str> {
    if !endpoint.cidrs.is_empty() || !endpoint.cgroups.is_empty() {
        return None;
    }
    Some(match (&endpoint.selector, endpoint.hosts.is_empty()) {
        (Some(_), _) => "the inventory gives only a selector, which needs Kubernetes metadata",
        (None, false) => "the inventory gives only host names, which need DNS answers",
        (None, true) => "the inventory gives neither addresses nor cgroups",
    })
}

fn covered(block: &IpNet, by: &[IpNet]) -> bool {
    by.iter().any(|one| one.contains(block))
}

fn has_node_of(cluster: &Cluster, endpoint: &Endpoint) -> bool {
    endpoint.cidrs.iter().any(|block| is_node_block(cluster, block))
}
