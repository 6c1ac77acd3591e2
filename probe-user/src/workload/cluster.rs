//! A cluster's pods and services, by everything that a recording may know of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::IpAddr,
    ops::Range,
};

use hashbrown::HashMap;
use k8s_openapi::{
    api::core::v1 as core,
    apimachinery::pkg::{apis::meta::v1::ObjectMeta, util::intstr::IntOrString},
};

use super::{
    container::Container,
    labels::{self, Labels},
};
use crate::{
    event::Protocol,
    matrix::{
        Faults,
        inventory::kubernetes::{self, Object},
    },
};

/// What people deploy; its pods are alike, and come and go.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Workload {
    /// Its namespace.
    pub namespace: String,
    /// Kind of the outermost owner that a pod tells of, such as `Deployment`; `Pod` where it has none.
    pub kind: String,
    /// Name of that owner.
    pub name: String,
}

/// `namespace/name`.
impl fmt::Display for Workload {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.namespace, self.name)
    }
}

/// A pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    /// Its own name.
    pub name: String,
    /// What it is a part of.
    pub workload: Workload,
    /// Its labels.
    pub labels: Labels,
    /// The node that it runs on.
    pub node: Option<String>,
    /// Whether it has its node's network namespace, and so its node's addresses, where no policy for pods governs it.
    pub on_host_network: bool,
    /// Its own addresses, or its node's.
    pub addresses: Vec<IpAddr>,
    /// Names of its containers' ports.
    pub ports: BTreeMap<(String, Protocol), u16>,
}

/// A service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its addresses in the cluster, and those by which the outside reaches it.
    pub addresses: BTreeSet<IpAddr>,
    /// Labels of the pods behind it; none where somebody else says what is behind it.
    pub selector: Labels,
    /// Its ports.
    pub ports: Vec<ServicePort>,
    /// Indices of the pods that it selects.
    pods: Vec<usize>,
}

/// A port of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicePort {
    /// The transport.
    pub protocol: Protocol,
    /// At the service's addresses, host byte order.
    pub port: u16,
    /// At the pods.
    pub target: TargetPort,
}

/// A port of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetPort {
    /// The same for each.
    Number(u16),
    /// Each pod says which one has this name.
    Name(String),
}

/// What a cluster says of itself.
#[derive(Clone, Debug, Default)]
pub struct ClusterObjects {
    /// Labels of each namespace.
    pub namespaces: BTreeMap<String, Labels>,
    /// Labels of each node that was listed.
    pub nodes: BTreeMap<String, Labels>,
    /// Pods, by namespace and name.
    pub pods: Vec<Pod>,
    /// Services, by namespace and name.
    pub services: Vec<Service>,
    /// Where the API server answers: what is behind the service `kubernetes` of the namespace `default`.
    pub api_servers: BTreeSet<IpAddr>,
    /// Pods by UID, digest of a static pod's manifest, and container id.
    by_id: HashMap<String, usize>,
    /// Pods by address, but for those that have their node's.
    by_address: HashMap<IpAddr, usize>,
    /// Services by address.
    by_virtual_address: HashMap<IpAddr, Vec<usize>>,
}

/// A pod as it is read, with what it is found by.
struct Read {
    pod: Pod,
    uid: String,
    ids: Vec<String>,
    /// Whether it has ended, so that others may have its addresses now.
    has_ended: bool,
}

/// The kind of what a kubelet runs by itself, for itself.
const STATIC: &str = "StaticPod";

/// The label that every namespace has (KEP-2161).
const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";

impl ClusterObjects {
    /// Reads what `kubectl get nodes,services,endpointslices,namespaces,pods -A -o json` printed, in one file or more.
    ///
    /// # Errors
    ///
    /// As [`kubernetes::read`].
    pub fn read<'a>(files: impl IntoIterator<Item = (&'a [u8], &'a str)>) -> Result<Self, Faults> {
        let (mut objects, mut pods) = (Self::default(), Vec::new());
        for (bytes, file) in files {
            kubernetes::read(bytes, file, |object| objects.keep(object, &mut pods))?;
        }
        pods.sort_by(|left, right| left.order().cmp(&right.order()));
        // The same object may be in two files; another of its name is another pod.
        pods.dedup_by(|left, right| left.order() == right.order());
        // Whoever has an address now goes before those who had it.
        let (ended, living): (Vec<_>, Vec<_>) = pods.iter().enumerate().partition(|(_, read)| read.has_ended);
        living.into_iter().chain(ended).for_each(|(index, read)| objects.index(read, index));
        for Read { pod, .. } in pods {
            objects.namespace(&pod.workload.namespace);
            objects.pods.push(pod);
        }
        objects
            .services
            .sort_by(|left, right| (&left.namespace, &left.name).cmp(&(&right.namespace, &right.name)));
        objects.services.dedup();
        objects.select();
        for (index, service) in objects.services.iter().enumerate() {
            for address in &service.addresses {
                objects.by_virtual_address.entry(*address).or_default().push(index);
            }
        }
        Ok(objects)
    }

    fn keep(&mut self, object: Object, pods: &mut Vec<Read>) {
        match object {
            Object::Pod(pod) => pods.extend(read_pod(*pod)),
            Object::Service(service) => self.services.extend(read_service(*service)),
            Object::Namespace(namespace) => {
                let ObjectMeta { name, labels, .. } = namespace.metadata;
                self.namespace(&name.unwrap_or_default()).extend(labels.unwrap_or_default());
            }
            Object::Node(node) => {
                let ObjectMeta { name, labels, .. } = node.metadata;
                self.nodes.insert(name.unwrap_or_default(), labels.unwrap_or_default());
            }
            Object::EndpointSlice(slice) if is_of_api_server(&slice.metadata) => {
                let addresses = slice.endpoints.into_iter().flatten().flat_map(|endpoint| endpoint.addresses);
                self.api_servers.extend(addresses.filter_map(|one| one.parse::<IpAddr>().ok()));
            }
            Object::EndpointSlice(_) | Object::ServiceCidr(_) => {}
        }
    }

    fn namespace(&mut self, name: &str) -> &mut Labels {
        let own = || Labels::from([(NAMESPACE_NAME.to_owned(), name.to_owned())]);
        self.namespaces.entry(name.to_owned()).or_insert_with(own)
    }

    fn index(&mut self, read: &Read, index: usize) {
        let Read { pod, ids, .. } = read;
        for id in ids.iter().filter(|id| !id.is_empty()) {
            self.by_id.entry(id.clone()).or_insert(index);
        }
        if !pod.on_host_network {
            for address in &pod.addresses {
                self.by_address.entry(*address).or_insert(index);
            }
        }
    }

    /// The pod of a container, or of another process in the pod's group.
    #[must_use]
    pub fn pod_of(&self, container: &Container<'_>) -> Option<&Pod> {
        let ids = container.pod.as_deref().into_iter().chain(container.id);
        ids.filter_map(|id| self.by_id.get(id)).map(|index| &self.pods[*index]).next()
    }

    /// The pod that has an address for itself.
    #[must_use]
    pub fn pod_at(&self, address: IpAddr) -> Option<&Pod> {
        self.by_address.get(&address).map(|index| &self.pods[*index])
    }

    /// Whether an address is that of a service.
    #[must_use]
    pub fn is_service(&self, address: IpAddr) -> bool {
        self.by_virtual_address.contains_key(&address)
    }

    /// The service, and which of its ports, that somebody reaches at an address.
    #[must_use]
    pub fn service_at(
        &self,
        address: IpAddr,
        port: u16,
        protocol: Protocol,
    ) -> Option<(&Service, &ServicePort)> {
        let services = self.by_virtual_address.get(&address)?.iter().map(|index| &self.services[*index]);
        let mut found = services.filter_map(|service| {
            let is_it = |one: &&ServicePort| one.port == port && one.protocol == protocol;
            Some((service, service.ports.iter().find(is_it)?))
        });
        found.next()
    }

    /// The pods behind a service, with the port that each has for it.
    pub fn behind<'a>(
        &'a self,
        service: &'a Service,
        port: &'a ServicePort,
    ) -> impl Iterator<Item = (&'a Pod, u16)> {
        let target = |pod: &Pod| match &port.target {
            TargetPort::Number(number) => Some(*number),
            TargetPort::Name(name) => pod.ports.get(&(name.clone(), port.protocol)).copied(),
        };
        self.selected(service).filter_map(move |pod| Some((pod, target(pod)?)))
    }

    /// The pods that a service selects.
    pub fn selected<'a>(&'a self, service: &'a Service) -> impl Iterator<Item = &'a Pod> {
        service.pods.iter().map(|index| &self.pods[*index])
    }

    /// The pods of a workload.
    pub fn pods_of(&self, workload: &Workload) -> impl Iterator<Item = &Pod> {
        self.pods_in(&workload.namespace).iter().filter(move |pod| pod.workload == *workload)
    }

    /// The pods of a namespace.
    pub(super) fn pods_in(&self, namespace: &str) -> &[Pod] {
        &self.pods[self.range_of(namespace)]
    }

    fn range_of(&self, namespace: &str) -> Range<usize> {
        let before = self.pods.partition_point(|pod| pod.workload.namespace.as_str() < namespace);
        let own = self.pods[before..].partition_point(|pod| pod.workload.namespace == namespace);
        before..before + own
    }

    /// Once, for services are asked for each flow.
    fn select(&mut self) {
        let mut services = std::mem::take(&mut self.services);
        for service in services.iter_mut().filter(|service| !service.selector.is_empty()) {
            let carries = |index: &usize| labels::carries(&self.pods[*index].labels, &service.selector);
            service.pods = self.range_of(&service.namespace).filter(carries).collect();
        }
        self.services = services;
    }

    /// The labels by which a workload's pods are selected in their namespace, and the other workloads that have them, too.
    #[must_use]
    pub fn selector(&self, workload: &Workload) -> (Labels, BTreeSet<&Workload>) {
        let neighbours = || self.pods_in(&workload.namespace).iter();
        let own = self.pods_of(workload);
        let others = neighbours().filter(|pod| pod.workload != *workload);
        let chosen = labels::telling(own.map(|pod| &pod.labels), others.clone().map(|pod| &pod.labels));
        let also = others.filter(|pod| labels::carries(&pod.labels, &chosen)).map(|pod| &pod.workload);
        let also = also.collect();
        (chosen, also)
    }
}

impl Read {
    fn order(&self) -> (&str, &str, &str) {
        (&self.pod.workload.namespace, &self.pod.name, &self.uid)
    }
}

fn read_pod(pod: core::Pod) -> Option<Read> {
    let core::Pod { metadata, spec, status } = pod;
    let (spec, status) = (spec.unwrap_or_default(), status.unwrap_or_default());
    let workload = workload(&metadata, spec.node_name.as_deref())?;
    let addresses = status.pod_ips.iter().flatten().map(|one| &one.ip).chain(&status.pod_ip);
    let mut addresses: Vec<IpAddr> = addresses.filter_map(|one| one.parse().ok()).collect();
    addresses.sort_unstable();
    addresses.dedup();
    let containers = status.container_statuses.iter().chain(&status.init_container_statuses).flatten();
    // `containerd://0123…`
    let ids = containers.filter_map(|one| Some(one.container_id.as_ref()?.rsplit('/').next()?.to_owned()));
    let manifest =
        metadata.annotations.as_ref().and_then(|all| all.get("kubernetes.io/config.hash")).cloned();
    // Anybody may write that annotation; only what the kubelet runs by itself is known by it.
    let manifest = manifest.filter(|_| workload.kind == STATIC);
    let uid = metadata.uid.clone().unwrap_or_default();
    let ids = ids.chain([uid.clone()]).chain(manifest).collect();
    let all = spec.containers.iter().chain(spec.init_containers.iter().flatten());
    let named = all.flat_map(|container| container.ports.iter().flatten()).filter_map(|port| {
        let name = (port.name.clone()?, transport(port.protocol.as_deref())?);
        Some((name, u16::try_from(port.container_port).ok()?))
    });
    // Of two of one name the first counts (pkg/api/v1/pod/util.go, FindPort).
    let mut ports = BTreeMap::new();
    for (name, port) in named {
        ports.entry(name).or_insert(port);
    }
    let pod = Pod {
        name: metadata.name?,
        workload,
        labels: metadata.labels.unwrap_or_default(),
        on_host_network: spec.host_network == Some(true),
        addresses,
        ports,
        node: spec.node_name,
    };
    let has_ended = matches!(status.phase.as_deref(), Some("Succeeded" | "Failed"));
    Some(Read { pod, uid, ids, has_ended })
}

/// The API server's own reconciler writes this one (pkg/controlplane/reconcilers).
fn is_of_api_server(slice: &ObjectMeta) -> bool {
    let service = slice.labels.as_ref().and_then(|labels| labels.get("kubernetes.io/service-name"));
    slice.namespace.as_deref() == Some("default") && service.is_some_and(|service| service == "kubernetes")
}

/// The owner that a person knows: the deployment of a replica set, the cron job of a job.
fn workload(pod: &ObjectMeta, node: Option<&str>) -> Option<Workload> {
    let (namespace, name) = (pod.namespace.clone()?, pod.name.as_ref()?);
    let owner = pod.owner_references.iter().flatten().find(|owner| owner.controller == Some(true));
    let label = |key: &str| pod.labels.as_ref().and_then(|labels| labels.get(key)).map(String::as_str);
    let without = |name: &str, ending: &str| Some(name.strip_suffix(ending)?.strip_suffix('-')?.to_owned());
    let (kind, name) = match owner.map(|owner| (owner.kind.as_str(), owner.name.as_str())) {
        None => ("Pod", name.clone()),
        Some(("ReplicaSet", set)) => {
            let of = |label_key, kind| Some((kind, without(set, label(label_key)?)?));
            of("pod-template-hash", "Deployment")
                .or_else(|| of("rollouts-pod-template-hash", "Rollout"))
                .unwrap_or(("ReplicaSet", set.to_owned()))
        }
        // A cron job's jobs are named after their minute (pkg/controller/cronjob/utils.go).
        Some(("Job", job)) => match job.rsplit_once('-') {
            Some((of, minute)) if minute.len() >= 8 && minute.bytes().all(|byte| byte.is_ascii_digit()) => {
                ("CronJob", of.to_owned())
            }
            _ => ("Job", job.to_owned()),
        },
        // What a kubelet runs by itself has its node's name behind its own.
        Some(("Node", of)) => {
            (STATIC, node.and_then(|node| without(name, node)).unwrap_or_else(|| format!("{name} of {of}")))
        }
        Some((kind, name)) => (kind, name.to_owned()),
    };
    Some(Workload { namespace, kind: kind.to_owned(), name })
}

fn read_service(service: core::Service) -> Option<Service> {
    let core::Service { metadata, spec, status } = service;
    let spec = spec.unwrap_or_default();
    let fronts = status.and_then(|status| status.load_balancer).and_then(|balancer| balancer.ingress);
    let fronts = fronts.into_iter().flatten().filter_map(|one| one.ip);
    let addresses = spec.cluster_ips.into_iter().flatten().chain(spec.cluster_ip);
    let addresses = addresses.chain(spec.external_ips.into_iter().flatten()).chain(fronts);
    let ports = spec.ports.into_iter().flatten().filter_map(|port| {
        let number = u16::try_from(port.port).ok()?;
        Some(ServicePort {
            protocol: transport(port.protocol.as_deref())?,
            port: number,
            target: match port.target_port {
                Some(IntOrString::String(name)) => TargetPort::Name(name),
                Some(IntOrString::Int(target)) if target > 0 => {
                    TargetPort::Number(u16::try_from(target).ok()?)
                }
                _ => TargetPort::Number(number),
            },
        })
    });
    Some(Service {
        namespace: metadata.namespace?,
        name: metadata.name?,
        // "None" is a service without one.
        addresses: addresses.filter_map(|one| one.parse().ok()).collect(),
        selector: spec.selector.unwrap_or_default(),
        ports: ports.collect(),
        pods: Vec::new(),
    })
}

/// TCP unless it says otherwise.
fn transport(protocol: Option<&str>) -> Option<Protocol> {
    match protocol {
        None | Some("TCP") => Some(Protocol::Tcp),
        Some("UDP") => Some(Protocol::Udp),
        Some("SCTP") => Some(Protocol::Sctp),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests;
