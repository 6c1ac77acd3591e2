//! What is played, as data: the rows of the table, the noise, and the faults that the audit must find.

use std::net::{Ipv4Addr, SocketAddrV4};

use super::client::{Call, End};
use super::datagram::{Exchange, Service};
use super::topology::{
    APPLICATION_POD, BUILD_1, DATABASE_POD, DEPENDENCIES, ENVOY_POD, GIT, GUI_POD, IMAGES, ITERATE_1,
    ITERATE_FRONT, REGISTRY, RESOLVER, RUN_1, RUN_2, RUN_FRONT, SECOND_NODE_POD, UNDECLARED, VARIOUS, VIEW_1,
    VIEW_FRONT,
};

/// Agents probe the applications here, on a port that stands behind no declared one.
pub(super) const HEALTH: u16 = 8081;
/// The kubelet's own health, on loopback.
pub(super) const KUBELET_HEALTH: u16 = 10248;
/// Between the applications of one cluster.
pub(super) const INTERNAL: u16 = 9090;

const LOOPBACK: Ipv4Addr = Ipv4Addr::LOCALHOST;

const fn call(site: &'static str, process: &'static str, to: (Ipv4Addr, u16)) -> Call {
    let to = SocketAddrV4::new(to.0, to.1);
    Call { site, process, from: None, to, times: 2, end: End::Answered }
}

impl Call {
    const fn from(self, address: Ipv4Addr) -> Self {
        Self { from: Some(address), ..self }
    }

    const fn ends(self, end: End) -> Self {
        Self { end, ..self }
    }
}

/// Opened before the recorders start and closed after they end: only the snapshot of older sockets shows it.
/// Nothing else goes to the git server's ssh port from run.
pub(super) const SESSION: Call = call("run-1", "ns-provisioner", (GIT, 22));

/// The rows that conform. Contour → pods and load balancer → ingress happen behind these, in the proxies.
pub(super) const DECLARED: &[Call] = &[
    // run → view, through the load balancer: four rows share this tuple.
    call("run-1", "pinniped", (VIEW_FRONT, 443)),
    call("run-1", "api-auto-reg", (VIEW_FRONT, 443)),
    call("run-2", "alv-connector", (VIEW_FRONT, 443)),
    call("run-2", "appsso", (VIEW_FRONT, 443)),
    // build → view: three rows share it.
    call("build-1", "pinniped", (VIEW_FRONT, 443)),
    call("build-1", "alv-conventions", (VIEW_FRONT, 443)),
    call("build-1", "scst-scan", (VIEW_FRONT, 443)),
    // The git server itself calls, and people from outside do, on every listener.
    call("git", "accelerator", (VIEW_FRONT, 443)),
    call("users", "browser", (VIEW_FRONT, 443)),
    call("users", "browser", (VIEW_FRONT, 80)),
    call("users", "browser", (RUN_FRONT, 443)),
    call("users", "browser", (RUN_FRONT, 80)),
    call("users", "browser", (ITERATE_FRONT, 443)),
    call("users", "browser", (ITERATE_FRONT, 80)),
    // Sources.
    call("run-1", "flux", (GIT, 443)),
    call("run-2", "flux", (GIT, 80)),
    call("build-1", "flux", (GIT, 443)),
    call("build-1", "flux", (GIT, 80)),
    call("run-2", "ns-provisioner", (GIT, 443)),
    // The registry.
    call("build-1", "tekton", (REGISTRY, 443)),
    call("run-1", "knative-serving", (REGISTRY, 443)),
    call("run-2", "ns-provisioner", (REGISTRY, 443)),
    call("run-2", "knative-event", (VARIOUS, 443)),
    // Inside view, and from its portal to a cluster's API.
    call("view-1", "tap-gui", (DATABASE_POD, 5432)).from(GUI_POD),
    call("view-1", "tap-gui", (BUILD_1, 6443)),
    // iterate plays like the others, and nobody records it.
    call("iterate-1", "alv-connector", (VIEW_FRONT, 443)),
    call("iterate-1", "knative-serving", (REGISTRY, 443)),
    call("iterate-1", "ns-provisioner", (GIT, 443)),
    call("iterate-1", "ns-provisioner", (GIT, 22)),
    call("iterate-1", "knative-event", (VARIOUS, 443)),
];

/// What any cluster does besides: the baseline or no row's business.
pub(super) const NOISE: &[Call] = &[
    call("view-1", "coredns", (RESOLVER, 53)),
    call("build-1", "coredns", (RESOLVER, 53)),
    call("run-1", "coredns", (RESOLVER, 53)),
    call("run-2", "coredns", (RESOLVER, 53)),
    call("view-1", "kubelet", (APPLICATION_POD, HEALTH)).from(VIEW_1),
    call("build-1", "kubelet", (APPLICATION_POD, HEALTH)).from(BUILD_1),
    call("run-1", "kubelet", (APPLICATION_POD, HEALTH)).from(RUN_1),
    call("run-2", "kubelet", (SECOND_NODE_POD, HEALTH)).from(RUN_2),
    call("iterate-1", "kubelet", (APPLICATION_POD, HEALTH)).from(ITERATE_1),
    call("view-1", "kubelet", (LOOPBACK, KUBELET_HEALTH)),
    call("build-1", "kubelet", (LOOPBACK, KUBELET_HEALTH)),
    call("run-1", "kubelet", (LOOPBACK, KUBELET_HEALTH)),
    call("run-2", "kubelet", (LOOPBACK, KUBELET_HEALTH)),
    // The second node's agent asks its own cluster's API server.
    call("run-2", "kubelet", (RUN_1, 6443)),
    call("view-1", "containerd", (REGISTRY, 443)),
    call("build-1", "containerd", (REGISTRY, 443)),
    call("run-1", "containerd", (REGISTRY, 443)),
    call("run-2", "containerd", (REGISTRY, 443)),
    // Between pods of one cluster, on one node and across two.
    call("run-1", "workload", (SECOND_NODE_POD, INTERNAL)).from(APPLICATION_POD),
    call("run-2", "workload", (APPLICATION_POD, INTERNAL)).from(SECOND_NODE_POD),
    call("view-1", "workload", (APPLICATION_POD, INTERNAL)).from(ENVOY_POD),
];

const fn ask(site: &'static str, service: Service) -> Exchange {
    let (process, port) = match service {
        Service::Dns => ("coredns", 53),
        Service::Ntp => ("chronyd", 123),
    };
    Exchange { site, process, to: SocketAddrV4::new(RESOLVER, port), service }
}

/// Noise over UDP.
pub(super) const DATAGRAMS: &[Exchange] = &[
    ask("view-1", Service::Dns),
    ask("build-1", Service::Dns),
    ask("run-1", Service::Dns),
    ask("run-2", Service::Dns),
    ask("view-1", Service::Ntp),
    ask("build-1", Service::Ntp),
    ask("run-1", Service::Ntp),
    ask("run-2", Service::Ntp),
];

/// Connections that are not, or not as, the table says. Two more faults are silences: nobody in view calls
/// the OIDC provider, nor view's own Pinniped supervisor.
pub(super) const FAULTS: &[Call] = &[
    call("run-1", "miner", (UNDECLARED, 4444)),
    call("build-1", "psql", (VIEW_1, 5432)),
    call("run-1", "curl", (VIEW_1, 9443)),
    call("build-1", "kpack", (DEPENDENCIES, 443)).ends(End::Refused),
    call("build-1", "kpack", (IMAGES, 443)).ends(End::Unreachable),
    call("view-1", "tap-gui", (RUN_1, 6443)).ends(End::Unanswered),
];

/// A finding that the audit must make.
#[derive(Clone, Copy, Debug)]
pub(super) struct Planted {
    pub(super) kind: &'static str,
    /// `-` for a flow that no row declares.
    pub(super) row: &'static str,
    /// The source's cluster.
    pub(super) cluster: &'static str,
    pub(super) port: u16,
    /// The one field in which the nearest row differs.
    pub(super) near_miss: Option<&'static str>,
}

const fn of_row(kind: &'static str, row: &'static str, to: (&'static str, u16)) -> Planted {
    Planted { kind, row, cluster: to.0, port: to.1, near_miss: None }
}

const fn undeclared(cluster: &'static str, port: u16, near_miss: Option<&'static str>) -> Planted {
    Planted { kind: "undeclared", row: "-", cluster, port, near_miss }
}

/// These and no others.
pub(super) const PLANTED: &[Planted] = &[
    undeclared("run", 4444, None),
    undeclared("build", 5432, Some("source")),
    undeclared("run", 9443, Some("port")),
    of_row("failing", "build-service-dependencies", ("build", 443)),
    of_row("failing", "build-service-images", ("build", 443)),
    of_row("failing", "runtime-resources-viewer", ("view", 6443)),
    of_row("missing", "pinniped-supervisor-to-identity-provider", ("view", 443)),
    of_row("missing", "pinniped-concierge-to-supervisor", ("view", 443)),
];

/// What must be said of a cell that is no finding.
pub(super) struct Foreseen {
    pub(super) row: &'static str,
    pub(super) source: &'static str,
    pub(super) port: &'static str,
    pub(super) verdict: &'static str,
}

const fn cell(row: &'static str, end: (&'static str, &'static str), verdict: &'static str) -> Foreseen {
    Foreseen { row, source: end.0, port: end.1, verdict }
}

/// The older session counts; a tuple of many rows proves none of them; nobody watched iterate.
pub(super) const FORESEEN: &[Foreseen] = &[
    cell("namespace-provisioner-to-git", ("run", "22/tcp"), "observed"),
    cell("config-writer-to-registry", ("build", "443/tcp"), "observed"),
    cell("gui-backend-to-database", ("gui-backend", "5432/tcp"), "observed"),
    cell("api-auto-registration", ("run", "443/tcp"), "shared"),
    cell("live-view-connector", ("run", "443/tcp"), "shared"),
    cell("pinniped-concierge-to-supervisor", ("run", "443/tcp"), "shared"),
    cell("pinniped-concierge-to-supervisor", ("build", "443/tcp"), "shared"),
    cell("live-view-connector", ("iterate", "443/tcp"), "inconclusive"),
];
