//! Egress points that somebody wrote.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::{Deserialize, de::IgnoredAny};

use super::KINDS;
use crate::matrix::{
    Faults,
    egress_point::{PROTOCOLS, SOURCES, checked_host},
    located::Located,
    resource::{self, Resource},
};

/// A resource as it is meant; every value is valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EgressPoint {
    /// Its namespace; `default` where it names none, as for `kubectl apply`.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The workload that it is for; `None` is the whole Space.
    pub source: Option<Source>,
    /// What may be reached.
    pub targets: Vec<Target>,
}

/// A workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// `Deployment` or `ContainerApp`.
    pub kind: String,
    /// Its name.
    pub name: String,
}

/// Hosts on a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Names, addresses, or `*` for everybody.
    pub hosts: Vec<String>,
    /// The port.
    pub port: u16,
    /// One of [`PROTOCOLS`].
    pub protocol: String,
}

#[derive(Debug, Deserialize)]
struct Written {
    #[serde(rename = "apiVersion")]
    _api_version: String,
    #[serde(rename = "kind")]
    _kind: String,
    metadata: ObjectMeta,
    spec: WrittenSpec,
    // What the platform says of it.
    #[serde(rename = "status")]
    _status: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenSpec {
    source_ref: Option<WrittenSource>,
    targets: Vec<WrittenTarget>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenSource {
    api_group: String,
    kind: Located<String>,
    name: Located<String>,
}

#[derive(Debug, Deserialize)]
struct WrittenTarget {
    hosts: Vec<Located<String>>,
    port: WrittenPort,
}

#[derive(Debug, Deserialize)]
struct WrittenPort {
    number: Located<u16>,
    protocol: Located<String>,
}

/// Reads the resources of a document; `file` names it in faults.
///
/// # Errors
/// What is wrong with it: keys that the reference does not have, and values that it does not let stand.
pub fn read(text: &str, file: &str) -> Result<Vec<EgressPoint>, Faults> {
    let mut found = Vec::new();
    resource::each_of(text, file, KINDS, |resource| {
        let written = resource.read::<Written>();
        found.extend(written.map(|written| Reader { resource }.egress_point(written)));
    })?;
    Ok(found)
}

/// Notes what is wrong and goes on: what it makes then is thrown away.
struct Reader<'a, 'n> {
    resource: &'a mut Resource<'n>,
}

impl Reader<'_, '_> {
    fn egress_point(&mut self, Written { metadata, spec, .. }: Written) -> EgressPoint {
        let name = metadata.name.unwrap_or_default();
        if name.is_empty() {
            self.resource.fault("metadata.name", "found no name".to_owned());
        }
        if spec.targets.is_empty() {
            self.resource.fault("spec.targets", "found no target, expected hosts and a port".to_owned());
        }
        EgressPoint {
            namespace: metadata.namespace.unwrap_or_else(|| "default".to_owned()),
            name,
            source: spec.source_ref.map(|source| self.source(source)),
            targets: spec.targets.into_iter().enumerate().map(|target| self.target(target)).collect(),
        }
    }

    fn source(&mut self, WrittenSource { api_group, kind, name }: WrittenSource) -> Source {
        let full = format!("{}.{api_group}", kind.value.as_deref().unwrap_or_default());
        if !SOURCES.contains(&full.as_str()) {
            let message = format!("found the source `{full}`, expected {}", SOURCES.join(" or "));
            self.resource.fault_at(kind.line, &kind.path, message);
        }
        let called = name.value.unwrap_or_default();
        if called.is_empty() {
            self.resource.fault_at(name.line, &name.path, "found a source without a name".to_owned());
        }
        Source { kind: kind.value.unwrap_or_default(), name: called }
    }

    fn target(&mut self, (index, WrittenTarget { hosts, port }): (usize, WrittenTarget)) -> Target {
        let WrittenPort { number, protocol } = port;
        let speaks = protocol.value.unwrap_or_default();
        if !PROTOCOLS.contains(&speaks.as_str()) {
            let message = format!("found the protocol `{speaks}`, expected one of {}", PROTOCOLS.join(", "));
            self.resource.fault_at(protocol.line, &protocol.path, message);
        }
        if number.value == Some(0) {
            let message = "found the port 0, expected one from 1 to 65535".to_owned();
            self.resource.fault_at(number.line, &number.path, message);
        }
        if hosts.is_empty() {
            let path = format!("spec.targets[{index}].hosts");
            self.resource.fault(&path, "found no host, expected a name or an address".to_owned());
        }
        let mut checked = Vec::new();
        for Located { line, path, value } in hosts {
            match value.as_deref().map(|host| checked_host(host, &speaks)) {
                Some(Ok(host)) => checked.push(host.to_owned()),
                Some(Err(message)) => self.resource.fault_at(line, &path, message),
                None => {}
            }
        }
        Target { hosts: checked, port: number.value.unwrap_or_default(), protocol: speaks }
    }
}
