//! EgressPoint resources (`networking.tanzu.vmware.com/v1alpha1`): what a Space may reach outside of its cluster.
//!
//! The rules are those of the resource's reference, which `matrix::egress_point` holds; no host and port may stand under two
//! protocols.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Import, Problem, kubernetes};
use crate::event::Protocol;
use crate::matrix::egress_point::{PROTOCOLS, SOURCES, checked_host, server_first};
use crate::matrix::model::{Expect, PortSpec, Ports, Row, SourceLine};
use crate::matrix::node::Node;

/// Reads one resource after the other, since one host and port may not stand under two protocols in two of them.
#[derive(Default)]
pub(super) struct Reader {
    /// By source, host and port: the protocol, and the line that gave it.
    exposed: HashMap<(String, String, u16), (String, u32)>,
}

impl Reader {
    pub(super) fn read(&mut self, resource: &Node, file: &Arc<str>, import: &mut Import) {
        let (from, component) = match source(resource) {
            Ok(source) => source,
            Err((line, message)) => return import.problems.push(Problem::refused(line, message)),
        };
        let targets = resource.at(&["spec", "targets"]).map(Node::items).unwrap_or_default();
        if targets.is_empty() {
            let message = "found no targets, expected `spec.targets` with hosts and a port".to_owned();
            import.problems.push(Problem::refused(resource.line, message));
        }
        for target in targets {
            let ports = match target.get("ports") {
                Some(ports) => ports.items().iter().collect(),
                None => target.get("port").into_iter().collect::<Vec<_>>(),
            };
            if ports.is_empty() {
                let message = "found no port, expected `port` with its number and protocol".to_owned();
                import.problems.push(Problem::refused(target.line, message));
            }
            for port in ports {
                match self.row(resource, target, port, (&from, &component), &mut import.problems) {
                    Ok(row) => {
                        let source = Some(SourceLine { file: Arc::clone(file), line: row.line });
                        import.rows.push(Row { source, ..row });
                    }
                    Err((line, message)) => import.problems.push(Problem::refused(line, message)),
                }
            }
        }
    }

    fn row(
        &mut self,
        resource: &Node,
        target: &Node,
        port: &Node,
        (from, component): (&str, &Option<String>),
        problems: &mut Vec<Problem>,
    ) -> Result<Row, (u32, String)> {
        let text = port.get("number").and_then(Node::text);
        let number = text.ok_or((port.line, "found no port number".to_owned()))?;
        let number = crate::matrix::ports::port(&number).map_err(|message| (port.line, message))?;
        let protocol = protocol(port)?;
        let hosts = target.get("hosts").ok_or((target.line, "found no hosts".to_owned()))?;
        let mut to = Vec::new();
        for host in hosts.items() {
            let name = host.text().ok_or((host.line, "found no host name, expected text".to_owned()))?;
            let name = match checked_host(&name, &protocol).map_err(|message| (host.line, message))? {
                "*" => "any".to_owned(),
                name => name.to_owned(),
            };
            let key = (from.to_owned(), name.to_lowercase(), number);
            if let Some((other, line)) = self.exposed.get(&key).filter(|(other, _)| *other != protocol) {
                let message = format!(
                    "{name}:{number} is {protocol} here and {other} on line {line}; one of them only"
                );
                return Err((host.line, message));
            }
            self.exposed.insert(key, (protocol.clone(), host.line));
            if name == "any" {
                let message = format!("`*` opens port {number} of every host");
                problems.push(Problem::warning(host.line, message));
            }
            to.push(name);
        }
        if to.is_empty() {
            return Err((hosts.line, "found no host, expected a name or an address".to_owned()));
        }
        if let Some(speaker) = server_first(number).filter(|_| protocol == "TLS") {
            let message = format!(
                "port {number} is {speaker}'s, in which the server speaks first and unencrypted: under TLS the connection is \
                 blocked, expected TCP"
            );
            problems.push(Problem::warning(port.line, message));
        }
        let admits = "TCP admits what runs over it, HTTP, HTTPS and TLS among it";
        Ok(Row {
            id: String::new(),
            component: Some(kubernetes::name(resource)),
            components: component.iter().cloned().collect(),
            from: kubernetes::names(&[from.to_owned()]),
            to: kubernetes::names(&to),
            ports: vec![PortSpec {
                ports: Ports::Range { first: number, last: number },
                protocol: Some(Protocol::Tcp),
            }],
            each_port: false,
            app: (protocol != "TCP").then(|| protocol.to_lowercase()),
            expect: Expect::Optional,
            purpose: None,
            source: None,
            review: false,
            doubts: Vec::new(),
            notes: (protocol == "TCP").then(|| admits.to_owned()),
            line: target.line,
        })
    }
}

/// Who may connect: the workload that is named, or the whole Space.
fn source(resource: &Node) -> Result<(String, Option<String>), (u32, String)> {
    let Some(source) = resource.at(&["spec", "sourceRef"]) else { return Ok(("space".to_owned(), None)) };
    let text = |key: &str| source.get(key).and_then(Node::text).unwrap_or_default();
    let kind = format!("{}.{}", text("kind"), text("apiGroup"));
    if !SOURCES.contains(&kind.as_str()) {
        return Err((source.line, format!("found the source `{kind}`, expected {}", SOURCES.join(" or "))));
    }
    match text("name") {
        name if name.is_empty() => Err((source.line, "found a source without a name".to_owned())),
        name => Ok((name, Some(kind))),
    }
}

fn protocol(port: &Node) -> Result<String, (u32, String)> {
    let found = port.get("protocol").and_then(Node::text).unwrap_or_default();
    if PROTOCOLS.contains(&found.as_str()) {
        return Ok(found);
    }
    Err((port.line, format!("found the protocol `{found}`, expected one of {}", PROTOCOLS.join(", "))))
}
