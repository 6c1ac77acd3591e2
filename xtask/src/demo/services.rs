//! The listeners that the script's calls meet, as data.

use std::net::{Ipv4Addr, SocketAddrV4};

use super::datagram::Service;
use super::script::{HEALTH, INTERNAL, KUBELET_HEALTH};
use super::server::{Role, Server};
use super::topology::{
    APPLICATION_POD, BALANCER, BUILD_1, DATABASE_POD, ENVOY_POD, GIT, IMAGES, ITERATE_1, ITERATE_FRONT, OIDC,
    REGISTRY, RESOLVER, RUN_1, RUN_FRONT, SECOND_NODE_POD, UNDECLARED, VARIOUS, VIEW_1, VIEW_FRONT,
};

type Place = (Ipv4Addr, u16);

const fn socket(place: Place) -> SocketAddrV4 {
    SocketAddrV4::new(place.0, place.1)
}

const fn answer(site: &'static str, process: &'static str, listen: Place) -> Server {
    Server { site, process, listen: socket(listen), role: Role::Answer }
}

/// The load balancer: 443 in front is 8443 behind.
const fn front(listen: Place, to: Place) -> Server {
    let role = Role::Proxy { from: BALANCER, to: socket(to) };
    Server { site: "load-balancer", process: "haproxy", listen: socket(listen), role }
}

/// A cluster's Envoy, which goes on to a pod from its own pod address.
const fn ingress(site: &'static str, listen: Place, to: Place) -> Server {
    let role = Role::Proxy { from: ENVOY_POD, to: socket(to) };
    Server { site, process: "envoy", listen: socket(listen), role }
}

const fn datagrams(service: Service, process: &'static str, port: u16) -> Server {
    let listen = socket((RESOLVER, port));
    Server { site: "resolver", process, listen, role: Role::Datagrams(service) }
}

/// Nothing listens at the dependency repository: it refuses.
pub(super) const SERVERS: &[Server] = &[
    front((VIEW_FRONT, 443), (VIEW_1, 8443)),
    front((VIEW_FRONT, 80), (VIEW_1, 8080)),
    front((RUN_FRONT, 443), (RUN_1, 8443)),
    front((RUN_FRONT, 80), (RUN_1, 8080)),
    front((ITERATE_FRONT, 443), (ITERATE_1, 8443)),
    front((ITERATE_FRONT, 80), (ITERATE_1, 8080)),
    ingress("view-1", (VIEW_1, 8443), (APPLICATION_POD, 7000)),
    ingress("view-1", (VIEW_1, 8080), (APPLICATION_POD, 7080)),
    // In run one application is on the ingress's own node and one on the other.
    ingress("run-1", (RUN_1, 8443), (SECOND_NODE_POD, 7000)),
    ingress("run-1", (RUN_1, 8080), (APPLICATION_POD, 7080)),
    ingress("iterate-1", (ITERATE_1, 8443), (APPLICATION_POD, 7000)),
    ingress("iterate-1", (ITERATE_1, 8080), (APPLICATION_POD, 7080)),
    answer("view-1", "tap-gui", (APPLICATION_POD, 7000)),
    answer("view-1", "learning-center", (APPLICATION_POD, 7080)),
    answer("run-2", "appsso", (SECOND_NODE_POD, 7000)),
    answer("run-1", "workload", (APPLICATION_POD, 7080)),
    answer("iterate-1", "appsso", (APPLICATION_POD, 7000)),
    answer("iterate-1", "workload", (APPLICATION_POD, 7080)),
    answer("view-1", "tap-gui", (APPLICATION_POD, HEALTH)),
    answer("build-1", "kpack", (APPLICATION_POD, HEALTH)),
    answer("run-1", "workload", (APPLICATION_POD, HEALTH)),
    answer("run-2", "workload", (SECOND_NODE_POD, HEALTH)),
    answer("iterate-1", "workload", (APPLICATION_POD, HEALTH)),
    answer("view-1", "workload", (APPLICATION_POD, INTERNAL)),
    answer("run-1", "workload", (APPLICATION_POD, INTERNAL)),
    answer("run-2", "workload", (SECOND_NODE_POD, INTERNAL)),
    answer("view-1", "kubelet", (Ipv4Addr::LOCALHOST, KUBELET_HEALTH)),
    answer("build-1", "kubelet", (Ipv4Addr::LOCALHOST, KUBELET_HEALTH)),
    answer("run-1", "kubelet", (Ipv4Addr::LOCALHOST, KUBELET_HEALTH)),
    answer("run-2", "kubelet", (Ipv4Addr::LOCALHOST, KUBELET_HEALTH)),
    answer("view-1", "postgres", (DATABASE_POD, 5432)),
    answer("view-1", "postgres", (VIEW_1, 5432)),
    answer("view-1", "webhook", (VIEW_1, 9443)),
    answer("build-1", "kube-apiserver", (BUILD_1, 6443)),
    answer("run-1", "kube-apiserver", (RUN_1, 6443)),
    answer("git", "git-daemon", (GIT, 443)),
    answer("git", "git-daemon", (GIT, 80)),
    answer("git", "sshd", (GIT, 22)),
    answer("registry", "registry", (REGISTRY, 443)),
    answer("ldap-oidc", "dex", (OIDC, 443)),
    answer("images", "registry", (IMAGES, 443)),
    answer("various", "cloud-events", (VARIOUS, 443)),
    answer("undeclared", "pool", (UNDECLARED, 4444)),
    answer("resolver", "named", (RESOLVER, 53)),
    datagrams(Service::Dns, "named", 53),
    datagrams(Service::Ntp, "ntpd", 123),
];
