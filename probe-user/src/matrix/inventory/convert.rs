//! From the written inventory to the meant one.

use std::collections::BTreeMap;

use ipnet::IpNet;

use super::wire::{self, Many};
use super::{BUILT_IN, Cluster, Endpoint, Ingress, Inventory, Selector, overlap};
use crate::matrix::check::{Check, address, block, distinct, entries, one, optional, required, values};
use crate::matrix::faults::{Fault, did_you_mean};
use crate::matrix::located::Located;
use crate::matrix::model::{EndpointName, PortSpec, Ports};
use crate::matrix::ports::port;

/// An inventory without its file and digest. Where faults were noted it is not to be used.
pub(in crate::matrix) fn convert(written: wire::Inventory, faults: &mut Vec<Fault>) -> Inventory {
    let wire::Inventory {
        api_version: _,
        kind: _,
        clusters,
        endpoints,
        varies,
        resolvers,
        time_servers,
        registries,
    } = written;
    let clusters = entries(clusters);
    overlap::nodes(&clusters, faults);
    let mut inventory = Inventory::default();
    for (name, cluster) in clusters {
        let cluster = convert_cluster(cluster, faults);
        add_cluster(&mut inventory, &name, cluster, faults);
    }
    for (name, endpoint) in entries(endpoints) {
        let endpoint = convert_endpoint(endpoint, &inventory.clusters, faults);
        add_endpoint(&mut inventory, &name, endpoint, faults);
    }
    for (row, ports) in entries(varies) {
        let specs = distinct(ports.value.as_deref().unwrap_or_default(), faults, |text| {
            match text.0.parse::<PortSpec>()? {
                PortSpec { ports: Ports::Varies, .. } => {
                    Err("found `varies`, expected the ports here".to_owned())
                }
                spec => Ok(spec),
            }
        });
        let id = required(&row, faults);
        if let Some((_, line)) = inventory.varies.insert(id, (specs, row.line)) {
            faults.push(row.fault(format!("the row's ports are also given on line {line}")));
        }
    }
    inventory.resolvers = values(resolvers, faults, block);
    inventory.time_servers = values(time_servers, faults, block);
    inventory.registries = values(registries, faults, |name| known_endpoint(&inventory, name));
    inventory
}

fn known_endpoint(inventory: &Inventory, text: &str) -> Result<EndpointName, String> {
    let name = EndpointName::new(text);
    if inventory.endpoints.contains_key(&name) {
        return Ok(name);
    }
    let hint = did_you_mean(text, inventory.endpoints.keys().map(EndpointName::as_str));
    Err(format!("endpoint `{text}` is not in this inventory{hint}"))
}

/// Rows could not tell clusters apart whose names compare as one.
fn add_cluster(inventory: &mut Inventory, key: &Located<String>, cluster: Cluster, faults: &mut Vec<Fault>) {
    let text = required(key, faults);
    let name = EndpointName::new(&text);
    if let Some((_, earlier)) = inventory.clusters.iter().find(|(earlier, _)| name.is(earlier)) {
        faults.push(key.fault(format!("`{name}` is the same name as the cluster on line {}", earlier.line)));
    }
    let names = [Some(text.as_str()), cluster.role.as_deref()];
    for taken in names.into_iter().flatten().filter(|name| is_built_in(name)) {
        faults.push(key.fault(format!("`{taken}` is built in and can be neither a cluster nor a role")));
    }
    inventory.clusters.insert(text, Cluster { line: key.line, ..cluster });
}

fn is_built_in(name: &str) -> bool {
    BUILT_IN.iter().any(|built_in| EndpointName::new(name).is(built_in))
}

fn add_endpoint(
    inventory: &mut Inventory,
    key: &Located<String>,
    endpoint: Endpoint,
    faults: &mut Vec<Fault>,
) {
    let text = required(key, faults);
    let name = EndpointName::new(&text);
    if let Some(earlier) = inventory.endpoints.get(&name) {
        faults.push(key.fault(format!("`{name}` is the same name as the endpoint on line {}", earlier.line)));
    } else if inventory.clusters_named(&name).next().is_some() {
        faults.push(key.fault(format!("`{name}` is already the name or the role of a cluster")));
    } else if is_built_in(&text) {
        faults.push(key.fault(format!("`{name}` is built in and cannot be bound")));
    }
    inventory.endpoints.insert(name, Endpoint { line: key.line, ..endpoint });
}

fn convert_cluster(located: Located<wire::Cluster>, faults: &mut Vec<Fault>) -> Cluster {
    let Some(written) = located.value else { return Cluster::default() };
    let wire::Cluster { role, nodes, pods, routable, services, egress, ingress, acknowledged } = written;
    let mut roster = BTreeMap::new();
    for (name, addresses) in entries(nodes) {
        let addresses = addresses.value.map(|many| distinct(&many.0, faults, address)).unwrap_or_default();
        roster.insert(required(&name, faults), addresses);
    }
    Cluster {
        role: optional(role, faults),
        nodes: roster,
        pods: values(pods, faults, block),
        routable: routable.and_then(|routable| routable.value).unwrap_or_default(),
        services: values(services, faults, block),
        egress: values(egress, faults, block),
        ingress: ingress.and_then(|ingress| ingress.value).map(|ingress| convert_ingress(ingress, faults)),
        acknowledged: optional(acknowledged, faults),
        // Its name's, which the caller sets: a block's own line is the one after.
        line: 0,
    }
}

fn convert_ingress(written: wire::Ingress, faults: &mut Vec<Fault>) -> Ingress {
    let wire::Ingress { addresses, listeners, proxies, pods, targets } = written;
    let addresses: Vec<IpNet> = values(addresses, faults, block);
    let proxies = if proxies.is_some() { values(proxies, faults, block) } else { addresses.clone() };
    let mut ports = BTreeMap::new();
    for (front, listener) in entries(listeners) {
        if let (Some(front), Some(listener)) = (key_port(&front, faults), one(&listener, faults, number_port))
        {
            ports.insert(front, listener);
        }
    }
    Ingress {
        addresses,
        listeners: ports,
        proxies,
        pods: values(pods, faults, block),
        targets: port_map(targets, faults),
    }
}

fn convert_endpoint(
    located: Located<wire::Endpoint>,
    clusters: &BTreeMap<String, Cluster>,
    faults: &mut Vec<Fault>,
) -> Endpoint {
    let Some(written) = located.value else { return Endpoint::default() };
    let wire::Endpoint { hosts, cluster, cidrs, cgroups, selector, ports, ingress, acknowledged } = written;
    Endpoint {
        hosts: texts(hosts, faults),
        cluster: cluster.and_then(|cluster| one(&cluster, faults, |name| known_cluster(clusters, name))),
        cidrs: values(cidrs, faults, block),
        cgroups: values(cgroups, faults, cgroup),
        selector: selector
            .and_then(|selector| selector.value)
            .map(|selector| convert_selector(selector, faults)),
        ports: port_map(ports, faults),
        ingress: ingress.and_then(|ingress| ingress.value).unwrap_or_default(),
        acknowledged: optional(acknowledged, faults),
        // Its name's, which the caller sets: a block's own line is the one after.
        line: 0,
    }
}

fn known_cluster(clusters: &BTreeMap<String, Cluster>, name: &str) -> Result<String, String> {
    if clusters.contains_key(name) {
        return Ok(name.to_owned());
    }
    let hint = did_you_mean(name, clusters.keys().map(String::as_str));
    Err(format!("cluster `{name}` is not in this inventory{hint}"))
}

fn convert_selector(written: wire::Selector, faults: &mut Vec<Fault>) -> Selector {
    let wire::Selector { namespace, labels } = written;
    let labels = entries(labels).into_iter();
    Selector {
        labels: labels
            .map(|(key, value)| (required(&key, faults), value.value.unwrap_or_default()))
            .collect(),
        namespace: optional(namespace, faults),
    }
}

fn texts(written: Many<String>, faults: &mut Vec<Fault>) -> Vec<String> {
    values(written, faults, |text| match text.trim() {
        "" => Err("found empty text, expected some".to_owned()),
        text => Ok(text.to_owned()),
    })
}

fn cgroup(text: &String) -> Result<String, String> {
    match text.trim_matches('/') {
        "" => Err(format!("found `{text}`, expected a cgroup path below the root")),
        path => Ok(format!("/{path}")),
    }
}

fn port_map(written: Option<Located<wire::PortMap>>, faults: &mut Vec<Fault>) -> BTreeMap<u16, Vec<u16>> {
    let mut ports = BTreeMap::new();
    for (declared, actual) in entries(written) {
        let actual = distinct(&actual.0, faults, number_port);
        if let Some(declared) = key_port(&declared, faults) {
            ports.insert(declared, actual);
        }
    }
    ports
}

fn key_port(key: &Located<String>, faults: &mut Vec<Fault>) -> Option<u16> {
    one(key, faults, |text| port(text))
}

fn number_port(number: &u32) -> Result<u16, String> {
    port(&number.to_string())
}
