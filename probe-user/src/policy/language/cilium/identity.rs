//! What Cilium takes an address for.

use super::{
    labels::{NAMESPACE, OF_NAMESPACE, is_left_out},
    model::Entity,
};
use crate::{
    policy::world::{Party, World},
    workload::{Labels, Pod},
};

/// What it knows of somebody.
pub(super) struct Identity {
    /// Kubernetes' labels by their keys, Cilium's own by `reserved:` and theirs.
    pub(super) labels: Labels,
}

const WORLD: &str = "reserved:world";
/// That of IPv6, and that of IPv4.
const WORLD_OF: [&str; 2] = ["reserved:world-ipv6", "reserved:world-ipv4"];
const HOST: &str = "reserved:host";
const REMOTE_NODE: &str = "reserved:remote-node";
const KUBE_API_SERVER: &str = "reserved:kube-apiserver";
const UNMANAGED: &str = "reserved:unmanaged";

impl Identity {
    /// That of a peer, as it is seen where the party is. Clusters that are one mesh are taken to be none: another's pods and
    /// nodes are the world.
    pub(super) fn of_peer(world: &World<'_>, cluster: &str, party: &Party<'_>, peer: &Party<'_>) -> Self {
        let mut labels = match peer {
            Party::Pod { cluster: of, pod, .. } if *of == cluster => {
                return Self::of_pod(world, cluster, pod);
            }
            Party::Node { cluster: of, node, .. } if *of == cluster => {
                reserved(if node_of(party) == Some(*node) { HOST } else { REMOTE_NODE })
            }
            Party::Guest { cluster: of, .. } if *of == cluster => reserved(UNMANAGED),
            _ if world.is_inside(cluster, peer.address()) => reserved(UNMANAGED),
            _ => {
                let of_family = WORLD_OF[usize::from(peer.address().is_ipv4())];
                [WORLD, of_family].into_iter().flat_map(reserved).collect()
            }
        };
        let objects = world.clusters.get(cluster);
        if objects.is_some_and(|objects| objects.api_servers.contains(&peer.address())) {
            labels.extend(reserved(KUBE_API_SERVER));
        }
        Self { labels }
    }

    /// That of a pod with addresses of its own.
    pub(super) fn of_pod(world: &World<'_>, cluster: &str, pod: &Pod) -> Self {
        let namespace = &pod.workload.namespace;
        let own = pod.labels.iter().filter(|(key, _)| !is_left_out(key));
        let mut labels: Labels = own.map(|(key, value)| (key.clone(), value.clone())).collect();
        let of_namespace = world.clusters.get(cluster).and_then(|objects| objects.namespaces.get(namespace));
        let of_namespace = of_namespace.into_iter().flatten();
        labels.extend(of_namespace.map(|(key, value)| (format!("{OF_NAMESPACE}{key}"), value.clone())));
        labels.insert(NAMESPACE.to_owned(), namespace.clone());
        Self { labels }
    }

    /// Whether blocks of addresses are about it: endpoints and nodes are known by something better.
    pub(super) fn has_address(&self) -> bool {
        self.labels.contains_key(WORLD)
    }

    pub(super) fn is(&self, entity: Entity) -> bool {
        let has = |label: &str| self.labels.contains_key(label);
        match entity {
            Entity::All => true,
            Entity::World => has(WORLD),
            // `InitEntities` in Cilium's pkg/policy/api: an API server is of it, wherever it is.
            Entity::Cluster => !has(WORLD) || has(KUBE_API_SERVER),
            Entity::WorldOf { is_v4 } => has(WORLD_OF[usize::from(is_v4)]),
            Entity::Host => has(HOST),
            Entity::RemoteNode => has(REMOTE_NODE),
            Entity::KubeApiServer => has(KUBE_API_SERVER),
            Entity::Unmanaged => has(UNMANAGED),
            Entity::None => false,
        }
    }
}

fn reserved(label: &str) -> Labels {
    [(label.to_owned(), String::new())].into()
}

fn node_of<'a>(party: &Party<'a>) -> Option<&'a str> {
    match party {
        Party::Pod { pod, .. } => pod.node.as_deref(),
        Party::Node { node, .. } | Party::Guest { node, .. } => Some(node),
        Party::Outside(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_api_server_is_of_the_cluster_wherever_it_is() {
        let of = |labels: &[&str]| Identity { labels: labels.iter().copied().flat_map(reserved).collect() };
        let outside = of(&[WORLD, WORLD_OF[1], KUBE_API_SERVER]);
        for entity in [Entity::Cluster, Entity::World, Entity::KubeApiServer, Entity::WorldOf { is_v4: true }]
        {
            assert!(outside.is(entity), "{entity:?}");
        }
        assert!(!outside.is(Entity::WorldOf { is_v4: false }));
        assert!(!of(&[WORLD]).is(Entity::Cluster));
    }
}
