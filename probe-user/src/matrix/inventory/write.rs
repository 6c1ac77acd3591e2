//! An inventory as it is written.

use std::collections::BTreeMap;

use ipnet::IpNet;

use super::{Cluster, ClusterService, FromKubernetes, Ingress, wire};
use crate::matrix::located::{Entries, Located, OneOrMany};
use crate::matrix::wire::ApiVersion;
use crate::wording;

/// The canonical YAML of the clusters by name. A service becomes an endpoint `namespace/name` of its cluster; with
/// several clusters, `cluster/namespace/name`.
///
/// # Errors
///
/// None that such an inventory gives; what the writer says otherwise.
pub fn yaml(clusters: &BTreeMap<String, FromKubernetes>) -> Result<String, serde_saphyr::SerializeError> {
    let entry =
        |(name, told): (&String, &FromKubernetes)| (name.clone().into(), cluster(&told.cluster).into());
    let mut endpoints = Vec::new();
    for (cluster, told) in clusters {
        for (service, ClusterService { addresses, ports }) in &told.services {
            let name = if clusters.len() > 1 { format!("{cluster}/{service}") } else { service.clone() };
            endpoints.push((name.into(), endpoint(cluster, addresses, ports).into()));
        }
    }
    serde_saphyr::to_string(&wire::Inventory {
        api_version: ApiVersion::V1.into(),
        kind: wire::InventoryKind::Inventory.into(),
        clusters: Some(Entries(clusters.iter().map(entry).collect()).into()),
        endpoints: (!endpoints.is_empty()).then(|| Entries(endpoints).into()),
        varies: None,
        resolvers: None,
        time_servers: None,
        registries: None,
    })
}

fn cluster(cluster: &Cluster) -> wire::Cluster {
    let nodes = cluster.nodes.iter().map(|(node, addresses)| {
        let addresses = addresses.iter().map(|address| address.to_string().into()).collect();
        (node.clone().into(), OneOrMany(addresses).into())
    });
    wire::Cluster {
        role: None,
        nodes: Some(Entries(nodes.collect()).into()),
        pods: blocks(&cluster.pods),
        routable: None,
        services: blocks(&cluster.services),
        egress: None,
        ingress: cluster.ingress.as_ref().map(|one| ingress(one).into()),
        acknowledged: None,
    }
}

fn ingress(ingress: &Ingress) -> wire::Ingress {
    let listeners = ingress.listeners.iter();
    let listeners: Vec<_> =
        listeners.map(|(front, port)| (front.to_string().into(), u32::from(*port).into())).collect();
    wire::Ingress {
        addresses: blocks(&ingress.addresses),
        listeners: (!listeners.is_empty()).then(|| Entries(listeners).into()),
        proxies: blocks(&ingress.proxies),
        pods: blocks(&ingress.pods),
        targets: ports(&ingress.targets),
    }
}

fn endpoint(cluster: &str, addresses: &[IpNet], targets: &BTreeMap<u16, Vec<u16>>) -> wire::Endpoint {
    wire::Endpoint {
        hosts: None,
        cluster: Some(cluster.to_owned().into()),
        cidrs: blocks(addresses),
        cgroups: None,
        selector: None,
        ports: ports(targets),
        ingress: None,
        acknowledged: None,
    }
}

fn blocks(blocks: &[IpNet]) -> wire::Many<String> {
    let text = |block: &IpNet| -> Located<String> { wording::block(block).into() };
    (!blocks.is_empty()).then(|| OneOrMany(blocks.iter().map(text).collect()).into())
}

fn ports(ports: &BTreeMap<u16, Vec<u16>>) -> Option<Located<wire::PortMap>> {
    let entry = |(port, targets): (&u16, &Vec<u16>)| {
        (port.to_string().into(), OneOrMany(targets.iter().map(|port| u32::from(*port).into()).collect()))
    };
    (!ports.is_empty()).then(|| Entries(ports.iter().map(entry).collect()).into())
}
