//! Endpoints that the inventory knows by labels become addresses.

use std::{collections::BTreeMap, net::IpAddr};

use ipnet::IpNet;

use super::{ClusterObjects, Pod, Service, labels};
use crate::matrix::inventory::{Endpoint, Inventory, Selector};

/// Gives every endpoint with a selector the addresses of the pods that it selects, and of the services that lead to nobody
/// else, in its cluster, or where it names none and there are objects of one cluster only, in that. Returns what could not be bound, in words.
pub fn bind(inventory: &mut Inventory, clusters: &BTreeMap<String, ClusterObjects>) -> Vec<String> {
    let mut unbound = Vec::new();
    let services: BTreeMap<&String, Vec<(&Service, Vec<&Pod>)>> = clusters
        .iter()
        .map(|(cluster, objects)| {
            let services = objects.services.iter();
            (cluster, services.map(|service| (service, objects.selected(service).collect())).collect())
        })
        .collect();
    for (name, endpoint) in &mut inventory.endpoints {
        let Some(selector) = endpoint.selector.clone() else { continue };
        let only = clusters.keys().next().filter(|_| clusters.len() == 1).cloned();
        let Some(cluster) = endpoint.cluster.clone().or(only) else {
            unbound.push(format!("endpoint `{name}` has a selector, and names no cluster"));
            continue;
        };
        let Some(objects) = clusters.get(&cluster) else { continue };
        let pods: Vec<&Pod> = objects.pods.iter().filter(|pod| selects(&selector, pod)).collect();
        if pods.is_empty() {
            unbound.push(format!("endpoint `{name}` selects no pod of the cluster `{cluster}`"));
        }
        let hosted = pods.iter().filter(|pod| pod.on_host_network).count();
        if hosted > 0 {
            unbound.push(format!(
                "endpoint `{name}` selects {hosted} pods with their node's network, whose addresses are not theirs alone"
            ));
        }
        // The address of a pod that has ended may be another's by now.
        let own = pods.iter().filter(|pod| !pod.on_host_network).flat_map(|pod| {
            let is_its = |address: &&IpAddr| objects.pod_at(**address).is_none_or(|other| other == *pod);
            pod.addresses.iter().filter(is_its)
        });
        // A service that leads to these pods only is another address of theirs.
        let leads_here = |(_, behind): &&(&Service, Vec<&Pod>)| {
            !behind.is_empty() && behind.iter().all(|pod| selects(&selector, pod))
        };
        let services =
            services[&cluster].iter().filter(leads_here).flat_map(|(service, _)| &service.addresses);
        give(endpoint, cluster.clone(), own.chain(services).map(|address| IpNet::from(*address)));
    }
    unbound
}

fn selects(selector: &Selector, pod: &Pod) -> bool {
    let Selector { namespace, labels: wanted } = selector;
    namespace.as_ref().is_none_or(|namespace| *namespace == pod.workload.namespace)
        && labels::carries(&pod.labels, wanted)
}

fn give(endpoint: &mut Endpoint, cluster: String, addresses: impl Iterator<Item = IpNet>) {
    endpoint.cluster = Some(cluster);
    endpoint.cidrs.extend(addresses);
    endpoint.cidrs.sort_unstable();
    endpoint.cidrs.dedup();
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::matrix::read_inventory;

    #[test]
    fn a_selector_becomes_its_pods_addresses_and_what_has_none_is_told() {
        let pod = |name: &str, app: &str, address: &str, on_host_network: bool| {
            json!({"kind": "Pod", "metadata": {"namespace": "shop", "name": name, "labels": {"app": app, "tier": "x"}},
                "spec": {"hostNetwork": on_host_network, "containers": []}, "status": {"podIPs": [{"ip": address}]}})
        };
        let service = |name: &str, selector: serde_json::Value, address: &str| {
            json!({"kind": "Service", "metadata": {"namespace": "shop", "name": name},
                "spec": {"clusterIPs": [address], "selector": selector, "ports": [{"port": 80}]}})
        };
        let items = [
            service("web", json!({"app": "web"}), "10.96.0.1"),
            service("all", json!({"tier": "x"}), "10.96.0.2"),
            pod("a", "web", "10.0.0.1", false),
            pod("b", "web", "fd00::1", false),
            pod("c", "agent", "172.16.0.1", true),
        ];
        let list = json!({"items": items}).to_string();
        let objects =
            ClusterObjects::read([(list.as_bytes(), "run.json")]).unwrap_or_else(|faults| panic!("{faults}"));
        let text = "apiVersion: flowdrift/v1\nkind: Inventory\nclusters: {run: {nodes: {n1: 172.16.0.1}, pods: [10.0.0.0/8, 'fd00::/8']}}\n\
                    endpoints:\n  web: {cluster: run, selector: {namespace: shop, labels: {app: web}}}\n  \
                    agent: {cluster: run, selector: {namespace: shop, labels: {app: agent}}}\n  \
                    gone: {cluster: run, selector: {namespace: shop, labels: {app: gone}}}\n";
        let mut inventory = read_inventory(text, "i.yaml").unwrap_or_else(|faults| panic!("{faults}"));
        let unbound = bind(&mut inventory, &[("run".to_owned(), objects)].into());
        let blocks = |name: &str| {
            let endpoint = &inventory.endpoints[&crate::matrix::EndpointName::new(name)];
            endpoint.cidrs.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(
            (blocks("web").as_str(), blocks("agent").as_str()),
            ("10.0.0.1/32 10.96.0.1/32 fd00::1/128", "")
        );
        assert_eq!(unbound.len(), 2, "{unbound:?}");
    }
}
