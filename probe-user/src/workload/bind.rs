//! Endpoints that the inventory knows by labels become addresses.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use ipnet::IpNet;

use super::{ClusterObjects, Pod, Service, labels};
use crate::matrix::inventory::{Endpoint, Inventory, Selector};

/// Gives every endpoint with a selector the addresses of the pods that it selects, and of the services that lead to nobody
/// else, in its cluster, or where it names none and there are objects of one cluster only, in that. The services' ports
/// become the pods' where the inventory does not say itself what is behind a port. Returns what could not be bound, in words.
pub fn bind(inventory: &mut Inventory, clusters: &BTreeMap<String, ClusterObjects>) -> Vec<String> {
    let mut unbound = Vec::new();
    let services: BTreeMap<&String, Services<'_>> =
        clusters.iter().map(|(cluster, objects)| (cluster, services(objects))).collect();
    for (name, endpoint) in &mut inventory.endpoints {
        let Some(selector) = endpoint.selector.clone() else { continue };
        let only = clusters.keys().next().filter(|_| clusters.len() == 1).cloned();
        let Some(cluster) = endpoint.cluster.clone().or(only) else {
            unbound.push(format!("endpoint `{name}` has a selector, and names no cluster"));
            continue;
        };
        let Some(objects) = clusters.get(&cluster) else { continue };
        let there = match &selector.namespace {
            Some(namespace) => objects.pods_in(namespace),
            None => &objects.pods,
        };
        let pods: Vec<&Pod> = there.iter().filter(|pod| selects(&selector, pod)).collect();
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
        let namespaces: BTreeSet<&str> = pods.iter().map(|pod| pod.workload.namespace.as_str()).collect();
        let near = namespaces.into_iter().filter_map(|namespace| services[&cluster].get(namespace)).flatten();
        let leading: Vec<&Service> = near
            .filter(|(_, behind)| !behind.is_empty() && behind.iter().all(|pod| selects(&selector, pod)))
            .map(|(service, _)| *service)
            .collect();
        let ports = ports(objects, &leading);
        let fronts = leading.iter().flat_map(|service| &service.addresses);
        give(endpoint, cluster.clone(), own.chain(fronts).map(|address| IpNet::from(*address)));
        for (port, behind) in ports {
            endpoint.ports.entry(port).or_insert_with(|| behind.into_iter().collect());
        }
    }
    unbound
}

/// Services with the pods behind them, by namespace.
type Services<'a> = BTreeMap<&'a str, Vec<(&'a Service, Vec<&'a Pod>)>>;

fn services(objects: &ClusterObjects) -> Services<'_> {
    let mut services = Services::new();
    for service in &objects.services {
        let behind = objects.selected(service).collect();
        services.entry(&service.namespace).or_default().push((service, behind));
    }
    services
}

/// What is behind each port of some services, where that is another.
fn ports(objects: &ClusterObjects, services: &[&Service]) -> BTreeMap<u16, BTreeSet<u16>> {
    let mut ports: BTreeMap<u16, BTreeSet<u16>> = BTreeMap::new();
    for service in services {
        for port in &service.ports {
            let behind = objects.behind(service, port).map(|(_, target)| target);
            ports.entry(port.port).or_default().extend(behind);
        }
    }
    ports.retain(|port, behind| behind.iter().any(|target| target != port));
    ports
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
                "spec": {"clusterIPs": [address], "selector": selector, "ports": [{"port": 80, "targetPort": 8080}, {"port": 81}]}})
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
        let web = &inventory.endpoints[&crate::matrix::EndpointName::new("web")];
        assert_eq!(web.ports, [(80, vec![8080])].into());
    }
}
