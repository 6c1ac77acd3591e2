//! Endpoints of the inventory that are one workload or one node of a cluster, and nobody else.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use hashbrown::{HashMap, hash_map::Entry};
use ipnet::IpNet;

use crate::{
    matrix::{EndpointName, inventory::Endpoint},
    policy::world::World,
    workload::Workload,
};

/// Those of a cluster. Of several that fit, the first by its name: a fleet has as many endpoints as workloads, and nobody can
/// ask each endpoint about each.
pub(super) struct Exact<'a> {
    workloads: HashMap<&'a Workload, &'a EndpointName>,
    /// By their blocks, which are single addresses.
    nodes: HashMap<BTreeSet<IpNet>, &'a EndpointName>,
}

impl<'a> Exact<'a> {
    pub(super) fn new(world: &World<'a>, cluster: &str) -> Self {
        let pods = world.clusters.get(cluster).map(|objects| objects.pods.as_slice()).unwrap_or_default();
        let owned =
            pods.iter().flat_map(|pod| pod.addresses.iter().map(move |address| (*address, &pod.workload)));
        let mut owners: Vec<(IpAddr, &'a Workload)> = owned.collect();
        owners.sort_unstable();
        owners.dedup();
        let mut own: BTreeMap<&Workload, usize> = BTreeMap::new();
        for (_, workload) in &owners {
            *own.entry(*workload).or_default() += 1;
        }
        let (mut workloads, mut nodes) = (HashMap::new(), HashMap::new());
        let is_here = |endpoint: &Endpoint| endpoint.cluster.as_deref().is_none_or(|home| home == cluster);
        for (name, endpoint) in world.inventory.endpoints.iter().filter(|(_, endpoint)| is_here(endpoint)) {
            if let Some((workload, held)) = only(&owners, &endpoint.cidrs)
                && held == own[workload]
                && let Entry::Vacant(free) = workloads.entry(workload)
            {
                free.insert(name);
            }
            // One that is bound to nothing is nobody.
            if !endpoint.cidrs.is_empty() {
                nodes.entry(endpoint.cidrs.iter().copied().collect()).or_insert(name);
            }
        }
        Self { workloads, nodes }
    }

    /// The endpoint that holds all of a workload's addresses, and nobody else's.
    pub(super) fn workload(&self, workload: &Workload) -> Option<&'a EndpointName> {
        self.workloads.get(workload).copied()
    }

    /// The endpoint that has these addresses and no other.
    pub(super) fn node(&self, addresses: &BTreeSet<IpAddr>) -> Option<&'a EndpointName> {
        self.nodes.get(&addresses.iter().copied().map(IpNet::from).collect::<BTreeSet<_>>()).copied()
    }
}

/// The only workload of which blocks hold anything, and how many of its addresses; `owners` is sorted.
fn only<'a>(owners: &[(IpAddr, &'a Workload)], blocks: &[IpNet]) -> Option<(&'a Workload, usize)> {
    let mut met: Option<&'a Workload> = None;
    let mut held = 0;
    // No block is looked through twice.
    for block in IpNet::aggregate(&blocks.to_vec()) {
        let from = owners.partition_point(|(address, _)| *address < block.network());
        for (_, workload) in owners[from..].iter().take_while(|(address, _)| block.contains(address)) {
            if met.is_some_and(|met| met != *workload) {
                return None;
            }
            met = Some(workload);
            held += 1;
        }
    }
    met.map(|workload| (workload, held))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{matrix::read_inventory, workload::ClusterObjects};

    #[test]
    fn an_endpoint_is_a_workload_when_it_has_all_of_it_and_nothing_else() {
        let pod = |name: &str, address: &str| {
            serde_json::json!({"kind": "Pod", "metadata": {"namespace": "shop", "name": name, "labels": {"app": name}},
                "spec": {"nodeName": "n1", "containers": []}, "status": {"podIPs": [{"ip": address}]}})
        };
        let items =
            [pod("web", "10.0.0.1"), pod("db", "10.0.0.2"), pod("job", "10.0.0.9"), pod("late", "10.0.0.12")];
        let list = serde_json::json!({"items": items}).to_string();
        let read = ClusterObjects::read([(list.as_bytes(), "run.json")]);
        let objects = read.unwrap_or_else(|faults| panic!("{faults}"));
        let workload = |name: &str| {
            let pod = objects.pods.iter().find(|pod| pod.labels["app"] == name).expect("it is listed");
            pod.workload.clone()
        };
        let text = "apiVersion: flowdrift/v1\nkind: Inventory\n\
            clusters: {run: {nodes: {n1: 172.16.0.1}, pods: [10.0.0.0/16]}, view: {nodes: {v1: 172.16.1.1}, pods: [10.0.0.0/16]}}\n\
            endpoints:\n\
            \x20 a-both: {cidrs: [10.0.0.0/30]}\n\
            \x20 b-elsewhere: {cluster: view, cidrs: [10.0.0.1]}\n\
            \x20 c-web: {cluster: run, cidrs: [10.0.0.1]}\n\
            \x20 d-web: {cidrs: [10.0.0.1]}\n\
            \x20 e-job: {cidrs: [10.0.0.8/30]}\n\
            \x20 f-node: {cidrs: [172.16.0.1]}\n\
            \x20 g-nobody: {cidrs: []}\n";
        let inventory = read_inventory(text, "i.yaml").unwrap_or_else(|faults| panic!("{faults}"));
        let clusters = [("run".to_owned(), objects.clone())].into();
        let world = World::new(&inventory, &clusters);
        let exact = Exact::new(&world, "run");
        for (name, expected) in [("web", Some("c-web")), ("db", None), ("job", Some("e-job")), ("late", None)]
        {
            let found = exact.workload(&workload(name)).map(EndpointName::as_str);
            assert_eq!(found, expected, "{name}");
        }
        let node = |addresses: &[&str]| {
            let addresses = addresses.iter().map(|one| one.parse().expect("an address")).collect();
            exact.node(&addresses).map(EndpointName::as_str)
        };
        assert_eq!(node(&["172.16.0.1"]), Some("f-node"));
        assert_eq!((node(&["172.16.0.1", "172.16.0.2"]), node(&[])), (None, None));
    }
}
