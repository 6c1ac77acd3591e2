//! Who in the inventory may have an address, without looking at each.

use std::net::IpAddr;

use hashbrown::HashMap;
use ipnet::IpNet;
use prefix_trie::joint::JointPrefixMap;

use super::width;
use crate::matrix::{
    EndpointName,
    inventory::{Endpoint, Inventory},
};

/// Endpoints and nodes by address.
#[derive(Clone, Debug)]
pub(super) struct Directory {
    /// Every endpoint, in the order of the names.
    endpoints: Vec<Entry>,
    /// Indices of the endpoints of each block.
    blocks: JointPrefixMap<IpNet, Vec<u32>>,
    /// Of those that may be at any address, for something else than their blocks binds them.
    anywhere: Vec<u32>,
    /// Cluster and node of each roster's addresses; no two have one.
    nodes: HashMap<IpAddr, (String, String)>,
}

/// One endpoint.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) name: EndpointName,
    /// How many addresses it holds.
    pub(super) width: u128,
}

impl Directory {
    pub(super) fn of(inventory: &Inventory) -> Self {
        let entry = |(name, endpoint): (&EndpointName, &Endpoint)| Entry {
            name: name.clone(),
            width: width::of_endpoint(endpoint),
        };
        let mut directory = Self {
            endpoints: inventory.endpoints.iter().map(entry).collect(),
            blocks: JointPrefixMap::new(),
            anywhere: Vec::new(),
            nodes: HashMap::new(),
        };
        for (index, endpoint) in (0..).zip(inventory.endpoints.values()) {
            if endpoint.ingress || !endpoint.cgroups.is_empty() {
                directory.anywhere.push(index);
            }
            for block in &endpoint.cidrs {
                directory.blocks.entry(block.trunc()).or_default().push(index);
            }
        }
        let rosters = inventory.clusters.iter().flat_map(|(name, cluster)| {
            cluster.nodes.iter().map(move |(node, addresses)| (name, node, addresses))
        });
        for (cluster, node, address) in
            rosters.flat_map(|(cluster, node, all)| all.iter().map(move |one| (cluster, node, *one)))
        {
            directory.nodes.insert(address, (cluster.clone(), node.clone()));
        }
        directory
    }

    /// Every endpoint that may be at the address, in the order of the names; it was seen to be that of those `learnt`.
    pub(super) fn candidates(
        &self,
        address: IpAddr,
        learnt: &[EndpointName],
    ) -> impl Iterator<Item = &Entry> {
        let place = |name: &EndpointName| self.endpoints.binary_search_by(|entry| entry.name.cmp(name)).ok();
        let learnt = learnt.iter().filter_map(place).map(|index| index as u32);
        let around = self.blocks.cover(&IpNet::from(address)).flat_map(|(_, endpoints)| endpoints);
        let mut found: Vec<u32> = around.chain(&self.anywhere).copied().chain(learnt).collect();
        found.sort_unstable();
        found.dedup();
        found.into_iter().map(|index| &self.endpoints[index as usize])
    }

    /// The node whose address it is, with its cluster.
    pub(super) fn node(&self, address: IpAddr) -> Option<(&str, &str)> {
        self.nodes.get(&address).map(|(cluster, node)| (cluster.as_str(), node.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::read_inventory;

    const INVENTORY: &str = r#"
apiVersion: flowdrift/v1
kind: Inventory
clusters:
  run: {nodes: {n1: 10.0.0.1, n2: 10.0.0.2}}
  view: {nodes: {v1: 10.0.0.4}}
endpoints:
  everywhere: {cidrs: [0.0.0.0/0]}
  here: {cluster: run, cgroups: [/kubepods]}
  hosts: {cidrs: [10.0.0.0/8, 10.0.0.0/24, "2001:db8::1"]}
  one: {cidrs: [10.0.0.1]}
"#;

    #[test]
    fn an_address_may_be_whose_block_holds_it_and_whoever_is_known_by_something_else() {
        let inventory = read_inventory(INVENTORY, "i.yaml").unwrap_or_else(|faults| panic!("{faults}"));
        let directory = Directory::of(&inventory);
        let with = |address: &str, learnt: &[&str]| {
            let learnt: Vec<EndpointName> = learnt.iter().map(|name| EndpointName::new(name)).collect();
            let found = directory.candidates(address.parse().expect("an address"), &learnt);
            found.map(|entry| entry.name.to_string()).collect::<Vec<_>>().join(" ")
        };
        let at = |address| with(address, &[]);
        assert_eq!(at("10.0.0.1"), "everywhere here hosts one");
        assert_eq!(at("10.255.255.255"), "everywhere here hosts");
        assert_eq!(at("11.0.0.0"), "everywhere here");
        assert_eq!(at("2001:db8::1"), "here hosts");
        assert_eq!(at("2001:db8::2"), "here");
        assert_eq!(with("2001:db8::2", &["hosts", "nobody"]), "here hosts");
        assert_eq!(with("10.0.0.1", &["one"]), "everywhere here hosts one");
        let node = |address: &str| directory.node(address.parse().expect("an address"));
        assert_eq!(
            [node("10.0.0.2"), node("10.0.0.4"), node("10.0.0.3")],
            [Some(("run", "n2")), Some(("view", "v1")), None]
        );
    }
}
