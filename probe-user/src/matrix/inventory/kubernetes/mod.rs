//! An inventory from what `kubectl get nodes,services,endpointslices,namespaces,pods -A -o json` printed.
//!
//! Only what a cluster says of itself is written: the size of a service CIDR, the addresses that the outside sees, and
//! what names of a matrix mean are for a person to add.

mod objects;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use k8s_openapi::api::{
    core::v1::{Node, Pod, Service},
    discovery::v1::EndpointSlice,
    networking::v1::ServiceCIDR,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{Cluster, Ingress};
use crate::matrix::faults::{Fault, Faults};
pub use objects::{Object, read};

/// What one cluster says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FromKubernetes {
    /// The cluster's entry.
    pub cluster: Cluster,
    /// Its services as `namespace/name`.
    pub services: BTreeMap<String, ClusterService>,
    /// What could not be told from the document.
    pub notes: Vec<String>,
}

/// A service of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterService {
    /// Its virtual addresses, and those of the pods behind it.
    pub addresses: Vec<IpNet>,
    /// Its ports → the pods' ports.
    pub ports: BTreeMap<u16, Vec<u16>>,
}

/// Reads one cluster's list; `file` names it in faults.
///
/// # Errors
///
/// It is no list of Kubernetes objects, or has no nodes; every object that cannot be read is told.
pub fn from_kubernetes(bytes: &[u8], file: &str) -> Result<FromKubernetes, Faults> {
    let mut objects = Objects::default();
    read(bytes, file, |object| objects.keep(object))?;
    if objects.nodes.is_empty() {
        let message = "has no nodes: a roster is what an inventory begins with".to_owned();
        return Err(Faults::new(file, vec![Fault { line: 0, path: String::new(), message }]));
    }
    Ok(objects.told())
}

#[derive(Default)]
struct Objects {
    nodes: Vec<Node>,
    services: Vec<Service>,
    slices: Vec<EndpointSlice>,
    pods: Vec<Pod>,
    service_cidrs: Vec<ServiceCIDR>,
}

impl Objects {
    fn keep(&mut self, object: Object) {
        match object {
            Object::Node(node) => self.nodes.push(*node),
            Object::Service(service) => self.services.push(*service),
            Object::EndpointSlice(slice) => self.slices.push(*slice),
            Object::Pod(pod) => self.pods.push(*pod),
            Object::ServiceCidr(block) => self.service_cidrs.push(*block),
            Object::Namespace(_) => {}
        }
    }

    fn told(&self) -> FromKubernetes {
        let mut told = FromKubernetes::default();
        self.nodes(&mut told);
        self.blocks(&mut told);
        self.services(&mut told);
        told
    }

    fn nodes(&self, told: &mut FromKubernetes) {
        for node in &self.nodes {
            let name = node.metadata.name.clone().unwrap_or_default();
            let addresses = node.status.iter().flat_map(|status| status.addresses.iter().flatten());
            let internal = addresses.filter(|address| address.type_ == "InternalIP");
            let mut addresses: Vec<IpAddr> =
                internal.filter_map(|address| address.address.parse().ok()).collect();
            addresses.dedup();
            if addresses.is_empty() {
                told.notes.push(format!("node `{name}` has no internal address"));
            }
            told.cluster.nodes.insert(name, addresses);
        }
    }

    fn blocks(&self, told: &mut FromKubernetes) {
        let specs = self.nodes.iter().filter_map(|node| node.spec.as_ref());
        let blocks = specs.flat_map(|spec| spec.pod_cidrs.iter().flatten().chain(&spec.pod_cidr));
        let mut pods: Vec<IpNet> = blocks.filter_map(|block| block.parse().ok()).collect();
        if pods.is_empty() {
            // Some network plug-ins keep their blocks to themselves.
            let of_network =
                |pod: &&Pod| pod.spec.as_ref().is_some_and(|spec| spec.host_network != Some(true));
            let statuses = self.pods.iter().filter(of_network).filter_map(|pod| pod.status.as_ref());
            let addresses = statuses.flat_map(|status| status.pod_ips.iter().flatten());
            pods = addresses.filter_map(|one| Some(IpNet::from(one.ip.parse::<IpAddr>().ok()?))).collect();
            told.notes.push("the nodes name no pod CIDRs; the pods' own addresses stand for them, and later pods will have others".to_owned());
        }
        told.cluster.pods = IpNet::aggregate(&pods);
        let blocks = self
            .service_cidrs
            .iter()
            .filter_map(|one| one.spec.as_ref())
            .flat_map(|spec| spec.cidrs.iter().flatten());
        let mut services: Vec<IpNet> = blocks.filter_map(|block| block.parse().ok()).collect();
        if services.is_empty() {
            services = self.services.iter().flat_map(virtual_addresses).collect();
            told.notes.push("no ServiceCIDR object says how large the services' block is; the services' own addresses stand for it".to_owned());
        }
        told.cluster.services = IpNet::aggregate(&services);
    }

    fn services(&self, told: &mut FromKubernetes) {
        let mut ingress = Ingress::default();
        let (mut fronts, mut behind) = (BTreeSet::new(), BTreeSet::new());
        for service in &self.services {
            let Some(name) = name_of(service) else { continue };
            let slices: Vec<&EndpointSlice> =
                self.slices.iter().filter(|slice| is_of(slice, service)).collect();
            let pods: BTreeSet<IpNet> = slices
                .iter()
                .flat_map(|slice| slice.endpoints.iter().flatten())
                .flat_map(|one| &one.addresses)
                .filter_map(|address| Some(IpNet::from(address.parse::<IpAddr>().ok()?)))
                .collect();
            let ports = targets(service, &slices);
            for (port, node_port) in node_ports(service) {
                if let (Some(status), Some(node_port)) = (fronts_of(service), node_port) {
                    fronts.extend(status);
                    behind.extend(pods.iter().copied());
                    let on_host = self.host_port(&pods, ports.get(&port));
                    ingress.listeners.entry(port).or_insert(on_host.unwrap_or(node_port));
                    ingress.targets.entry(port).or_default().extend(ports.get(&port).into_iter().flatten());
                }
            }
            let addresses: Vec<IpNet> = virtual_addresses(service).into_iter().chain(pods).collect();
            if !addresses.is_empty() {
                told.services.insert(name, ClusterService { addresses, ports });
            }
        }
        if !fronts.is_empty() {
            // What stands behind a front of its own is the ingress as a client of the pods.
            ingress.addresses = fronts.into_iter().collect();
            ingress.pods = behind.into_iter().collect();
            ingress.targets.values_mut().for_each(|ports| {
                ports.sort_unstable();
                ports.dedup();
            });
            told.cluster.ingress = Some(ingress);
        }
    }

    /// The port on which the pods behind a service listen on their nodes, if they do.
    fn host_port(&self, pods: &BTreeSet<IpNet>, ports: Option<&Vec<u16>>) -> Option<u16> {
        let is_behind = |pod: &&Pod| {
            let addresses = pod.status.iter().flat_map(|status| status.pod_ips.iter().flatten());
            addresses
                .into_iter()
                .any(|one| one.ip.parse::<IpAddr>().is_ok_and(|ip| pods.contains(&IpNet::from(ip))))
        };
        let containers = self
            .pods
            .iter()
            .filter(is_behind)
            .filter_map(|pod| pod.spec.as_ref())
            .flat_map(|spec| &spec.containers);
        let declared = containers.flat_map(|container| container.ports.iter().flatten());
        let is_ours =
            |port: i32| ports.is_some_and(|ports| ports.iter().any(|ours| i32::from(*ours) == port));
        let found = declared.filter(|port| is_ours(port.container_port)).find_map(|port| port.host_port);
        found.and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0)
    }
}

fn name_of(service: &Service) -> Option<String> {
    Some(format!("{}/{}", service.metadata.namespace.as_ref()?, service.metadata.name.as_ref()?))
}

fn is_of(slice: &EndpointSlice, service: &Service) -> bool {
    let labels = slice.metadata.labels.as_ref();
    let named = labels.and_then(|labels| labels.get("kubernetes.io/service-name"));
    named.is_some()
        && named == service.metadata.name.as_ref()
        && slice.metadata.namespace == service.metadata.namespace
}

fn virtual_addresses(service: &Service) -> Vec<IpNet> {
    let addresses =
        service.spec.iter().flat_map(|spec| spec.cluster_ips.iter().flatten().chain(&spec.cluster_ip));
    // "None" is a service without one.
    let mut addresses: Vec<IpNet> =
        addresses.filter_map(|one| Some(IpNet::from(one.parse::<IpAddr>().ok()?))).collect();
    addresses.dedup();
    addresses
}

/// The addresses of the load balancer in front of a service.
fn fronts_of(service: &Service) -> Option<Vec<IpNet>> {
    let status = service.status.as_ref()?.load_balancer.as_ref()?.ingress.as_ref()?;
    let addresses: Vec<IpNet> =
        status.iter().filter_map(|one| Some(IpNet::from(one.ip.as_ref()?.parse::<IpAddr>().ok()?))).collect();
    (!addresses.is_empty()).then_some(addresses)
}

fn node_ports(service: &Service) -> impl Iterator<Item = (u16, Option<u16>)> {
    let ports = service.spec.iter().flat_map(|spec| spec.ports.iter().flatten());
    ports.filter_map(|port| {
        Some((u16::try_from(port.port).ok()?, port.node_port.and_then(|one| u16::try_from(one).ok())))
    })
}

/// Service port → the pods' ports; a name is what the slices say it is.
fn targets(service: &Service, slices: &[&EndpointSlice]) -> BTreeMap<u16, Vec<u16>> {
    let mut targets = BTreeMap::new();
    for port in service.spec.iter().flat_map(|spec| spec.ports.iter().flatten()) {
        let Ok(number) = u16::try_from(port.port) else { continue };
        let of_slices = slices.iter().flat_map(|slice| slice.ports.iter().flatten());
        let same = of_slices.filter(|other| {
            other.name.as_deref().unwrap_or_default() == port.name.as_deref().unwrap_or_default()
        });
        let mut ports: Vec<u16> = same.filter_map(|other| u16::try_from(other.port?).ok()).collect();
        if let (true, Some(IntOrString::Int(target))) = (ports.is_empty(), &port.target_port) {
            ports.extend(u16::try_from(*target).ok());
        }
        ports.sort_unstable();
        ports.dedup();
        if !ports.is_empty() {
            targets.insert(number, ports);
        }
    }
    targets
}
