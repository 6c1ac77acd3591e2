//! Service entries that somebody wrote.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use ipnet::IpNet;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::{Deserialize, de::IgnoredAny};

use super::{ENDPOINTS, ITEMS, KINDS};
use crate::matrix::{
    Faults,
    located::Located,
    resource::{self, Resource},
};

/// A resource as it is meant; every value is valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceEntry {
    /// Its namespace; `default` where it names none, as for `kubectl apply`.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Host names, which may begin with `*.`.
    pub hosts: Vec<String>,
    /// Where clients ask for them; none is anywhere.
    pub addresses: Vec<IpNet>,
    /// The ports.
    pub ports: Vec<Port>,
    /// How the sidecar finds the server.
    pub resolution: Resolution,
    /// The servers, where the entry names them.
    pub endpoints: Vec<Endpoint>,
    /// Whether its servers are whom a selector finds, instead.
    pub selects: bool,
    /// Namespaces that see it, with `.` for its own and `*` for all of them; none is all of them, too.
    pub export_to: Vec<String>,
}

/// A port of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// What clients ask for.
    pub number: u16,
    /// What endpoints call it.
    pub name: String,
    /// How the sidecar tells what is meant.
    pub speaks: Speaks,
    /// The servers' port; the same one where it is not said.
    pub target: Option<u16>,
}

/// By what a sidecar tells what is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    /// The host of a request.
    Http,
    /// The server name of a TLS handshake.
    Tls,
    /// The destination.
    Tcp,
    /// Nothing: it captures none.
    Udp,
}

/// How the sidecar finds the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// It goes where the client goes.
    None,
    /// To the endpoints.
    Static,
    /// It asks for the names itself.
    Dns,
}

/// A server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Where it is.
    pub address: Address,
    /// Its own ports, by the name of the entry's.
    pub ports: BTreeMap<String, u16>,
}

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// An address.
    Is(IpAddr),
    /// A name, a socket's path, or whoever stands for a network.
    Called(String),
}

#[derive(Debug, Deserialize)]
struct Written {
    #[serde(rename = "apiVersion")]
    _api_version: String,
    #[serde(rename = "kind")]
    _kind: String,
    metadata: ObjectMeta,
    spec: WrittenSpec,
    // What the control plane says of it.
    #[serde(rename = "status")]
    _status: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenSpec {
    hosts: Vec<Located<String>>,
    addresses: Option<Vec<Located<String>>>,
    ports: Option<Vec<WrittenPort>>,
    resolution: Option<Located<String>>,
    endpoints: Option<Vec<WrittenEndpoint>>,
    workload_selector: Option<IgnoredAny>,
    export_to: Option<Vec<Located<String>>>,
    // Whom the mesh trusts to be there changes nothing of who may be asked.
    #[serde(rename = "location")]
    _location: Option<String>,
    #[serde(rename = "subjectAltNames")]
    _subject_alt_names: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenPort {
    number: Located<u16>,
    name: Located<String>,
    protocol: Option<Located<String>>,
    target_port: Option<Located<u16>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenEndpoint {
    address: Option<String>,
    ports: Option<BTreeMap<String, u16>>,
    network: Option<String>,
    // How the sidecar chooses among them.
    #[serde(rename = "labels")]
    _labels: Option<BTreeMap<String, String>>,
    #[serde(rename = "locality")]
    _locality: Option<String>,
    #[serde(rename = "weight")]
    _weight: Option<u32>,
    #[serde(rename = "serviceAccount")]
    _service_account: Option<String>,
}

/// Reads the resources of a document; `file` names it in faults.
///
/// # Errors
/// What is wrong with it: keys that the reference does not have, and values that the resource's own rules refuse.
pub fn read(text: &str, file: &str) -> Result<Vec<ServiceEntry>, Faults> {
    let mut found = Vec::new();
    resource::each_of(text, file, KINDS, |resource| {
        let written = resource.read::<Written>();
        found.extend(written.map(|written| Reader { resource }.entry(written)));
    })?;
    Ok(found)
}

/// Notes what is wrong and goes on: what it makes then is thrown away.
struct Reader<'a, 'n> {
    resource: &'a mut Resource<'n>,
}

impl Reader<'_, '_> {
    fn entry(&mut self, Written { metadata, spec, .. }: Written) -> ServiceEntry {
        let WrittenSpec { hosts, addresses, ports, endpoints, workload_selector, export_to, .. } = spec;
        let (addresses, ports) = (addresses.unwrap_or_default(), ports.unwrap_or_default());
        let (endpoints, export_to) = (endpoints.unwrap_or_default(), export_to.unwrap_or_default());
        let name = metadata.name.unwrap_or_default();
        if name.is_empty() {
            self.resource.fault("metadata.name", "found no name".to_owned());
        }
        let counts = [("hosts", hosts.len()), ("addresses", addresses.len()), ("ports", ports.len())];
        let limited = counts.map(|(list, count)| (list, count, ITEMS));
        for (list, count, limit) in limited.into_iter().chain([("endpoints", endpoints.len(), ENDPOINTS)]) {
            if count > limit {
                let message = format!("found {count} of them, expected at most {limit}");
                self.resource.fault(&format!("spec.{list}"), message);
            }
        }
        let resolution = spec.resolution.map_or(Resolution::None, |written| self.resolution(written));
        if hosts.is_empty() {
            self.resource.fault("spec.hosts", "found no host, expected a name".to_owned());
        }
        if workload_selector.is_some() && !endpoints.is_empty() {
            let message = "found endpoints and a workloadSelector, expected one of them".to_owned();
            self.resource.fault("spec.endpoints", message);
        }
        if resolution == Resolution::None && !endpoints.is_empty() {
            let message = "found endpoints, expected none with a resolution of NONE".to_owned();
            self.resource.fault("spec.endpoints", message);
        }
        // `validateServiceEntry` in Istio's pkg/config/validation.
        if resolution == Resolution::Static && endpoints.is_empty() && workload_selector.is_none() {
            let message = "found none, expected endpoints or a workloadSelector with a resolution of STATIC";
            self.resource.fault("spec.endpoints", message.to_owned());
        }
        let is_named = endpoints.is_empty() && workload_selector.is_none();
        let hosts = hosts.into_iter().filter_map(|host| self.host(host, resolution, is_named)).collect();
        let addresses =
            addresses.into_iter().filter_map(|address| self.address(address, resolution)).collect();
        ServiceEntry {
            namespace: metadata.namespace.unwrap_or_else(|| "default".to_owned()),
            name,
            hosts,
            addresses,
            ports: self.ports(ports),
            resolution,
            endpoints: endpoints.into_iter().enumerate().map(|endpoint| self.endpoint(endpoint)).collect(),
            selects: workload_selector.is_some(),
            export_to: export_to.into_iter().filter_map(|to| self.namespace(to)).collect(),
        }
    }

    fn resolution(&mut self, Located { line, path, value }: Located<String>) -> Resolution {
        match value.as_deref() {
            Some("STATIC") => Resolution::Static,
            Some("DNS" | "DNS_ROUND_ROBIN") => Resolution::Dns,
            Some("NONE") | None => Resolution::None,
            Some(other) => {
                let message = format!("found `{other}`, expected NONE, STATIC, DNS or DNS_ROUND_ROBIN");
                self.resource.fault_at(line, &path, message);
                Resolution::None
            }
        }
    }

    /// `is_named` is whether the name is all that tells where it is.
    fn host(
        &mut self,
        Located { line, path, value }: Located<String>,
        resolution: Resolution,
        is_named: bool,
    ) -> Option<String> {
        let host = value?;
        let is_wide = host.starts_with("*.");
        let name = host.strip_prefix("*.").unwrap_or(&host);
        let is_label = |label: &str| {
            (1..=63).contains(&label.len())
                && label
                    .chars()
                    .all(|letter| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_')
        };
        if !name.split('.').all(is_label) {
            let message =
                format!("found the host `{host}`, expected a name such as www.example.com or *.example.com");
            self.resource.fault_at(line, &path, message);
        } else if is_wide && is_named && resolution == Resolution::Dns {
            let message =
                format!("found {host}, expected a whole name: nobody resolves one that begins with `*.`");
            self.resource.fault_at(line, &path, message);
        }
        Some(host)
    }

    fn address(
        &mut self,
        Located { line, path, value }: Located<String>,
        resolution: Resolution,
    ) -> Option<IpNet> {
        let text = value?;
        let is_block = text.contains('/');
        let found = if is_block {
            text.parse::<IpNet>().ok().map(|block| block.trunc())
        } else {
            text.parse::<IpAddr>().ok().map(IpNet::from)
        };
        if found.is_none() {
            let message = format!("found `{text}`, expected an address or a block such as 192.0.2.0/24");
            self.resource.fault_at(line, &path, message);
        } else if is_block && resolution == Resolution::Dns {
            let message = format!("found the block {text}, expected one with a resolution of NONE or STATIC");
            self.resource.fault_at(line, &path, message);
        }
        found
    }

    fn ports(&mut self, written: Vec<WrittenPort>) -> Vec<Port> {
        let (mut numbers, mut names) = (BTreeSet::new(), BTreeSet::new());
        let mut ports = Vec::new();
        for WrittenPort { number, name, protocol, target_port } in written {
            let target = target_port.and_then(|target| self.number(target));
            let Located { line, path, value: called } = name;
            let called = called.unwrap_or_default();
            if !names.insert(called.clone()) {
                let message = format!("found the name `{called}` twice, expected each once");
                self.resource.fault_at(line, &path, message);
            }
            let (line, path) = (number.line, number.path.clone());
            let Some(number) = self.number(number) else { continue };
            if !numbers.insert(number) {
                let message = format!("found the port {number} twice, expected each once");
                self.resource.fault_at(line, &path, message);
            }
            let speaks = protocol.map_or(Speaks::Tcp, |written| self.speaks(written));
            ports.push(Port { number, name: called, speaks, target });
        }
        ports
    }

    fn number(&mut self, Located { line, path, value }: Located<u16>) -> Option<u16> {
        if value == Some(0) {
            let message = "found the port 0, expected one from 1 to 65535".to_owned();
            self.resource.fault_at(line, &path, message);
        }
        value.filter(|port| *port > 0)
    }

    /// Istio reads them without regard to capitals.
    fn speaks(&mut self, Located { line, path, value }: Located<String>) -> Speaks {
        let protocol = value.unwrap_or_default();
        match protocol.to_ascii_uppercase().as_str() {
            "HTTP" | "HTTP2" | "GRPC" | "GRPC-WEB" => Speaks::Http,
            "HTTPS" | "TLS" => Speaks::Tls,
            "TCP" | "MONGO" | "REDIS" | "MYSQL" => Speaks::Tcp,
            "UDP" => Speaks::Udp,
            _ => {
                let message = format!(
                    "found the protocol `{protocol}`, expected one of GRPC, GRPC-WEB, HTTP, HTTP2, HTTPS, MONGO, MYSQL, REDIS, TCP, TLS, UDP"
                );
                self.resource.fault_at(line, &path, message);
                Speaks::Tcp
            }
        }
    }

    fn endpoint(&mut self, (index, written): (usize, WrittenEndpoint)) -> Endpoint {
        let WrittenEndpoint { address, ports, network, .. } = written;
        if address.is_none() && network.is_none() {
            let path = format!("spec.endpoints[{index}]");
            self.resource.fault(&path, "found no address, expected one, or a network".to_owned());
        }
        let address = address.or(network).unwrap_or_default();
        Endpoint {
            address: address.parse().map_or_else(|_| Address::Called(address.clone()), Address::Is),
            ports: ports.unwrap_or_default(),
        }
    }

    fn namespace(&mut self, Located { line, path, value }: Located<String>) -> Option<String> {
        let namespace = value?;
        if namespace.is_empty() {
            let message = "found an empty namespace, expected a name, `.` or `*`".to_owned();
            self.resource.fault_at(line, &path, message);
        }
        Some(namespace)
    }
}
