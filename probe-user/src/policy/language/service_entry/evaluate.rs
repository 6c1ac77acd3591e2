//! What a mesh whose outbound traffic policy is `REGISTRY_ONLY` lets leave.

use std::net::IpAddr;

use ipnet::IpNet;

use super::read::{Address, Endpoint, Port, Resolution, ServiceEntry, Speaks};
use crate::{
    event::Protocol,
    policy::{
        language::{
            Decision, Evaluator, RuleId,
            outside::{is_alike, is_outside, unknown},
        },
        passage::Passage,
        world::{Party, World},
    },
};

/// The service entries of a cluster.
///
/// Who has a name is what the inventory says: an address has the host names of the endpoints whose blocks hold it.
pub struct ServiceEntries<'a> {
    world: &'a World<'a>,
    cluster: &'a str,
    entries: Vec<ServiceEntry>,
}

impl<'a> ServiceEntries<'a> {
    /// These.
    #[must_use]
    pub fn new(world: &'a World<'a>, cluster: &'a str, entries: Vec<ServiceEntry>) -> Self {
        Self { world, cluster, entries }
    }

    fn seen_from<'s>(&'s self, namespace: &'s str) -> impl Iterator<Item = &'s ServiceEntry> {
        self.entries.iter().filter(move |entry| is_seen(entry, namespace))
    }

    /// Whether what goes there is what the port is for: as the client asks for it, or as the sidecar passes it on.
    fn holds(&self, entry: &ServiceEntry, port: &Port, (address, asked): (IpAddr, u16)) -> bool {
        let is_held = || entry.addresses.iter().any(|block| block.contains(&address));
        let is_named = || self.is_named(&entry.hosts, address);
        let is_anywhere = entry.addresses.is_empty();
        // A listener of its own needs no server name (pilot/pkg/networking/core/tls.go).
        let is_own = || entry.addresses.iter().any(|block| *block == IpNet::from(address));
        // Whatever goes to the port is led to the entry's servers.
        let is_led_away = is_anywhere && entry.resolution != Resolution::None;
        let is_meant = match port.speaks {
            Speaks::Udp => return false,
            Speaks::Http => is_named() || is_held(),
            Speaks::Tls => is_own() || ((is_anywhere || is_held()) && is_named()),
            Speaks::Tcp => !is_led_away && (is_anywhere || is_held()),
        };
        (asked == port.number && is_meant) || self.is_passed_on(entry, port, (address, asked))
    }

    /// Whether a sidecar goes there itself for whoever asks for the port.
    fn is_passed_on(&self, entry: &ServiceEntry, port: &Port, (address, asked): (IpAddr, u16)) -> bool {
        let own = port.target.unwrap_or(port.number);
        if entry.endpoints.is_empty() {
            return entry.resolution == Resolution::Dns
                && asked == own
                && self.is_named(&entry.hosts, address);
        }
        entry.endpoints.iter().any(|Endpoint { address: at, ports }| {
            let is_there = match at {
                Address::Is(one) => *one == address,
                Address::Called(name) => self.is_named(std::slice::from_ref(name), address),
            };
            is_there && asked == ports.get(&port.name).copied().unwrap_or(own)
        })
    }

    fn is_named(&self, hosts: &[String], address: IpAddr) -> bool {
        self.world.hosts_at(address).any(|name| hosts.iter().any(|host| is_alike(host, name)))
    }

    fn id(&self, entry: &ServiceEntry, index: usize) -> RuleId {
        let document = format!("{}/{}/{}", self.cluster, entry.namespace, entry.name);
        RuleId { document, is_egress: true, index }
    }
}

impl Evaluator for ServiceEntries<'_> {
    fn decide(&self, passage: &Passage<'_>) -> Decision {
        let Party::Pod { cluster, pod, .. } = passage.party else { return Decision::NotGoverned };
        if !passage.is_egress || passage.protocol != Protocol::Tcp {
            return Decision::NotGoverned;
        }
        // A sidecar is asked before any service's address is translated; the cluster's services are in the registry.
        let asked = passage.dialled.unwrap_or((passage.peer.address(), passage.port));
        let is_leaving = is_outside(self.world, cluster, &self.world.at(cluster, asked.0));
        let mut seen = self.seen_from(&pod.workload.namespace).peekable();
        if !is_leaving || seen.peek().is_none() {
            return Decision::NotGoverned;
        }
        let mut by = Vec::new();
        for entry in seen {
            let ports = entry.ports.iter().enumerate();
            let holding = ports.filter(|(_, port)| self.holds(entry, port, asked));
            by.extend(holding.map(|(index, _)| self.id(entry, index)));
        }
        if by.is_empty() { Decision::Denied } else { Decision::Allowed(by) }
    }

    fn rules(&self) -> Vec<RuleId> {
        let of = |entry: &ServiceEntry| {
            let ports = entry.ports.iter().enumerate().filter(|(_, port)| port.speaks != Speaks::Udp);
            ports.map(|(index, _)| self.id(entry, index)).collect::<Vec<_>>()
        };
        let mut all: Vec<RuleId> = self.entries.iter().flat_map(of).collect();
        all.sort_unstable();
        all
    }

    fn notes(&self) -> Vec<String> {
        let selecting = self.entries.iter().filter(|entry| entry.selects).map(|entry| {
            format!(
                "{}/{}/{}: whom its workloadSelector finds is not known, and not compared",
                self.cluster, entry.namespace, entry.name
            )
        });
        let governed = format!(
            "{}: TCP that leaves the cluster from the namespaces that see a ServiceEntry is compared, as if each of their pods had a sidecar and an outbound traffic policy of REGISTRY_ONLY",
            self.cluster
        );
        let inner = format!(
            "{}: what goes to its nodes, and to its pods by their own addresses, is not compared, and such a policy CUTS it, but for pods of headless services",
            self.cluster
        );
        let unknown = unknown(self.world, self.cluster, self.entries.iter().flat_map(names));
        [governed, inner].into_iter().chain(selecting).chain(unknown).collect()
    }
}

/// The names by which alone something may pass.
fn names(entry: &ServiceEntry) -> impl Iterator<Item = &str> {
    let speaks_of_names = entry.ports.iter().any(|port| matches!(port.speaks, Speaks::Http | Speaks::Tls));
    let is_resolved = entry.resolution == Resolution::Dns && entry.endpoints.is_empty();
    let is_by_name = entry.addresses.is_empty() && (speaks_of_names || is_resolved);
    let hosts = entry.hosts.iter().filter(move |_| is_by_name).map(String::as_str);
    let at = entry.endpoints.iter().filter_map(|endpoint| match &endpoint.address {
        Address::Called(name) => Some(name.as_str()),
        Address::Is(_) => None,
    });
    hosts.chain(at)
}

/// Without a word it is for everybody (the mesh's own default).
fn is_seen(entry: &ServiceEntry, namespace: &str) -> bool {
    let is_to = |to: &String| match to.as_str() {
        "*" => true,
        "." => entry.namespace == namespace,
        named => named == namespace,
    };
    entry.export_to.is_empty() || entry.export_to.iter().any(is_to)
}
