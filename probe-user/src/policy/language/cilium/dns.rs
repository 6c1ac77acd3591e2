//! The rule by which Cilium learns what names stand for.

use std::net::IpAddr;

use super::{
    entries::Entries,
    labels::NAMESPACE,
    written::{Entry, HOST, Peers, REMOTE_NODE},
};
use crate::{
    event::Protocol,
    policy::{
        blocks::Blocks,
        rule::PortRange,
        world::{Party, World},
    },
    workload::Labels,
};

const PORT: u16 = 53;

impl Entries<'_> {
    /// What the names of a policy need, once: answers are heard where they are let through already, or from the resolvers
    /// that the cluster has.
    pub(super) fn listen(&mut self, entries: &mut Vec<Entry>) {
        if !entries.iter().any(|entry| matches!(entry.peers, Some(Peers::Names(_)))) {
            return;
        }
        let is_dns = |entry: &Entry, protocol| entry.ports == [exactly(protocol)];
        let resolvers: Vec<Option<Peers>> = entries
            .iter()
            .filter(|entry| is_dns(entry, Protocol::Udp))
            .map(|entry| entry.peers.clone())
            .collect();
        let is_resolver = |entry: &Entry| {
            let is_named = matches!(entry.peers, Some(Peers::Names(_)) | None);
            let is_asked = is_dns(entry, Protocol::Udp) || is_dns(entry, Protocol::Tcp);
            !is_named && is_asked && resolvers.contains(&entry.peers)
        };
        let mut listens = false;
        for entry in entries.iter_mut().filter(|entry| is_resolver(entry)) {
            entry.listens = true;
            entry.comments.push("its answers tell what the names below toFQDNs stand for".to_owned());
            listens = true;
        }
        if !listens {
            entries.extend(self.resolvers());
        }
    }

    /// Nobody was seen to ask, and yet somebody must.
    fn resolvers(&mut self) -> Vec<Entry> {
        let words = "needed by the names below toFQDNs, and let through though nobody was seen to ask: Cilium learns what they stand for from these answers";
        self.warn("DNS is let through, though nobody was seen to ask: without its answers the names stand for nobody");
        let entry = |peers| Entry {
            peers: Some(peers),
            ports: vec![exactly(Protocol::Udp), exactly(Protocol::Tcp)],
            comments: vec![words.to_owned()],
            listens: true,
        };
        self.declared().into_iter().map(entry).collect()
    }

    /// The inventory's resolvers as Cilium knows them; the cluster's own where it has none.
    fn declared(&self) -> Vec<Peers> {
        let mut found: Vec<Peers> = Vec::new();
        for block in &self.world.inventory.resolvers {
            let service = self.objects.service_at(block.addr(), PORT, Protocol::Udp);
            let peers = match (service, self.is_node(self.world, block.addr())) {
                (Some((service, _)), _) if !service.selector.is_empty() => {
                    pods(&service.namespace, service.selector.clone())
                }
                (_, true) => Peers::Entities(vec![HOST, REMOTE_NODE]),
                _ => Peers::Blocks(Blocks::from_iter([*block])),
            };
            if !found.contains(&peers) {
                found.push(peers);
            }
        }
        if found.is_empty() {
            // As kubeadm and the charts of CoreDNS label it.
            found.push(pods("kube-system", [("k8s-app".to_owned(), "kube-dns".to_owned())].into()));
        }
        found
    }

    fn is_node(&self, world: &World<'_>, address: IpAddr) -> bool {
        matches!(world.at(self.cluster, address), Party::Node { cluster, .. } if cluster == self.cluster)
    }
}

fn pods(namespace: &str, mut labels: Labels) -> Peers {
    labels.insert(format!("k8s:{NAMESPACE}"), namespace.to_owned());
    Peers::Endpoints(vec![labels])
}

fn exactly(protocol: Protocol) -> PortRange {
    PortRange { protocol, first: PORT, last: PORT }
}
