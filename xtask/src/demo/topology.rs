//! The lab as data: sites, their addresses, and what joins them.
//!
//! Every site is a network namespace on its own /24 with the router at `.1`. The addresses are those of
//! `policies/lab-inventory.yaml`; a test holds the two together.

use std::net::Ipv4Addr;

/// The namespace that every site is joined to.
pub(super) const ROUTER: &str = "router";

pub(super) const VIEW_1: Ipv4Addr = Ipv4Addr::new(10, 10, 0, 11);
pub(super) const BUILD_1: Ipv4Addr = Ipv4Addr::new(10, 20, 0, 11);
pub(super) const RUN_1: Ipv4Addr = Ipv4Addr::new(10, 30, 0, 11);
pub(super) const RUN_2: Ipv4Addr = Ipv4Addr::new(10, 30, 1, 11);
pub(super) const ITERATE_1: Ipv4Addr = Ipv4Addr::new(10, 40, 0, 11);
/// What the load balancer connects from.
pub(super) const BALANCER: Ipv4Addr = Ipv4Addr::new(10, 50, 0, 5);
pub(super) const VIEW_FRONT: Ipv4Addr = Ipv4Addr::new(10, 50, 0, 10);
pub(super) const RUN_FRONT: Ipv4Addr = Ipv4Addr::new(10, 50, 0, 30);
pub(super) const ITERATE_FRONT: Ipv4Addr = Ipv4Addr::new(10, 50, 0, 40);
/// DNS and NTP.
pub(super) const RESOLVER: Ipv4Addr = Ipv4Addr::new(10, 53, 0, 53);
pub(super) const GIT: Ipv4Addr = Ipv4Addr::new(10, 60, 0, 10);
pub(super) const REGISTRY: Ipv4Addr = Ipv4Addr::new(10, 61, 0, 10);
pub(super) const OIDC: Ipv4Addr = Ipv4Addr::new(10, 62, 0, 10);
pub(super) const DEPENDENCIES: Ipv4Addr = Ipv4Addr::new(10, 63, 0, 10);
pub(super) const IMAGES: Ipv4Addr = Ipv4Addr::new(10, 64, 0, 10);
pub(super) const VARIOUS: Ipv4Addr = Ipv4Addr::new(10, 65, 0, 10);
/// In no inventory.
pub(super) const UNDECLARED: Ipv4Addr = Ipv4Addr::new(10, 66, 0, 10);
/// People outside, who come in through the load balancer.
pub(super) const USERS: Ipv4Addr = Ipv4Addr::new(10, 70, 0, 10);

/// Pod addresses, the same in every cluster; the second node's pods are `.1.x`.
pub(super) const ENVOY_POD: Ipv4Addr = pod(0, 10);
pub(super) const APPLICATION_POD: Ipv4Addr = pod(0, 20);
pub(super) const GUI_POD: Ipv4Addr = pod(0, 30);
pub(super) const DATABASE_POD: Ipv4Addr = pod(0, 40);
pub(super) const SECOND_NODE_POD: Ipv4Addr = pod(1, 20);

pub(super) const fn pod(node: u8, host: u8) -> Ipv4Addr {
    Ipv4Addr::new(192, 168, node, host)
}

/// One namespace with its addresses.
#[derive(Clone, Copy)]
pub(super) struct Site {
    pub(super) name: &'static str,
    /// Its first address, from which it speaks.
    pub(super) address: Ipv4Addr,
    /// More addresses on the same interface.
    pub(super) fronts: &'static [Ipv4Addr],
    /// Pods, on the loopback interface: the router must not know them.
    pub(super) pods: &'static [Ipv4Addr],
}

const fn host(name: &'static str, address: Ipv4Addr) -> Site {
    Site { name, address, fronts: &[], pods: &[] }
}

const fn node(name: &'static str, address: Ipv4Addr, pods: &'static [Ipv4Addr]) -> Site {
    Site { name, address, fronts: &[], pods }
}

pub(super) const SITES: &[Site] = &[
    node("view-1", VIEW_1, &[ENVOY_POD, APPLICATION_POD, GUI_POD, DATABASE_POD]),
    node("build-1", BUILD_1, &[APPLICATION_POD]),
    node("run-1", RUN_1, &[ENVOY_POD, APPLICATION_POD]),
    node("run-2", RUN_2, &[SECOND_NODE_POD]),
    node("iterate-1", ITERATE_1, &[ENVOY_POD, APPLICATION_POD]),
    Site {
        name: "load-balancer",
        address: BALANCER,
        fronts: &[VIEW_FRONT, RUN_FRONT, ITERATE_FRONT],
        pods: &[],
    },
    host("resolver", RESOLVER),
    host("git", GIT),
    host("registry", REGISTRY),
    host("ldap-oidc", OIDC),
    host("dependencies", DEPENDENCIES),
    host("images", IMAGES),
    host("various", VARIOUS),
    host("undeclared", UNDECLARED),
    host("users", USERS),
];

/// The nodes of one cluster, joined directly so that pods reach each other without the router.
pub(super) struct PodLink {
    pub(super) ends: [&'static str; 2],
    /// The pod block behind each end.
    pub(super) blocks: [&'static str; 2],
}

pub(super) const POD_LINK: PodLink =
    PodLink { ends: ["run-1", "run-2"], blocks: ["192.168.0.0/24", "192.168.1.0/24"] };

/// What the router does not forward, and how it says so.
pub(super) struct Block {
    pub(super) from: Ipv4Addr,
    pub(super) to: Ipv4Addr,
    pub(super) port: u16,
    /// `blackhole` drops silently, `prohibit` answers with ICMP.
    pub(super) action: &'static str,
}

pub(super) const BLOCKS: &[Block] = &[
    Block { from: VIEW_1, to: RUN_1, port: 6443, action: "blackhole" },
    Block { from: BUILD_1, to: IMAGES, port: 443, action: "prohibit" },
];

/// A cluster's node that is recorded.
pub(super) struct Recorded {
    pub(super) cluster: &'static str,
    pub(super) node: &'static str,
}

/// Each recorded apart; iterate has no recording.
pub(super) const RECORDED: &[Recorded] = &[
    Recorded { cluster: "view", node: "view-1" },
    Recorded { cluster: "build", node: "build-1" },
    Recorded { cluster: "run", node: "run-1" },
    Recorded { cluster: "run", node: "run-2" },
];

/// The name of a site's network namespace.
pub(super) fn namespace(site: &str) -> String {
    format!("fd-{site}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn written() -> String {
        let root = crate::workspace::root().expect("tests run in the workspace");
        std::fs::read_to_string(root.join("policies/lab-inventory.yaml")).expect("the lab's inventory")
    }

    fn inventory() -> Value {
        serde_saphyr::from_str(&written()).expect("YAML")
    }

    fn text(address: Ipv4Addr) -> Value {
        Value::String(address.to_string())
    }

    #[test]
    fn the_inventory_names_every_node_at_its_address() {
        let inventory = inventory();
        let clusters = inventory["clusters"].as_object().expect("a mapping");
        let nodes = clusters.values().flat_map(|cluster| cluster["nodes"].as_object().expect("a mapping"));
        let mut listed: Vec<_> = nodes.map(|(name, address)| (name.clone(), address.clone())).collect();
        let mut laid_out: Vec<_> = SITES
            .iter()
            .filter(|site| !site.pods.is_empty())
            .map(|site| (site.name.to_owned(), text(site.address)))
            .collect();
        listed.sort_by_key(|(name, _)| name.clone());
        laid_out.sort_by_key(|(name, _)| name.clone());
        assert_eq!(listed, laid_out);
    }

    #[test]
    fn the_inventory_names_the_fronts_and_their_proxy() {
        let clusters = &inventory()["clusters"];
        for (cluster, front) in [("view", VIEW_FRONT), ("run", RUN_FRONT), ("iterate", ITERATE_FRONT)] {
            let ingress = &clusters[cluster]["ingress"];
            assert_eq!(ingress["addresses"][0], text(front));
            assert_eq!(ingress["proxies"][0], Value::String(format!("{BALANCER}/32")));
            assert_eq!(ingress["pods"][0], Value::String(format!("{ENVOY_POD}/32")));
        }
    }

    #[test]
    fn the_inventory_names_the_services_at_their_addresses() {
        let inventory = inventory();
        for (endpoint, addresses) in [
            ("git-repo", &[GIT][..]),
            ("git-repository", &[GIT]),
            ("external-git-helm-repository", &[GIT]),
            ("container-registry", &[REGISTRY]),
            ("ldap-oidc-providers", &[OIDC]),
            ("third-party-dependencies-repositories", &[DEPENDENCIES]),
            ("container-images-repository", &[IMAGES]),
            ("gui-backend", &[GUI_POD]),
            ("db", &[DATABASE_POD, VIEW_1]),
            ("build-k8s-api-server", &[BUILD_1]),
            ("run-k8s-api-server", &[RUN_1]),
        ] {
            let expected: Vec<_> = addresses.iter().map(|address| format!("{address}/32").into()).collect();
            assert_eq!(inventory["endpoints"][endpoint]["cidrs"], Value::Array(expected), "{endpoint}");
        }
        assert_eq!(inventory["resolvers"][0], text(RESOLVER));
        assert_eq!(inventory["time_servers"][0], text(RESOLVER));
    }

    #[test]
    fn nobody_declares_the_undeclared_host_or_the_users() {
        let written = written();
        for address in [UNDECLARED, USERS] {
            assert!(!written.contains(&address.to_string()));
        }
    }
}
