//! NetworkPolicy resources (`networking.k8s.io/v1`): what the selected pods may accept and connect to.

use std::sync::Arc;

use super::{Import, Problem, kubernetes};
use crate::event::Protocol;
use crate::matrix::model::{Expect, PortSpec, Ports, Row, SourceLine};
use crate::matrix::node::{Kind, Node};

/// Reads one policy.
pub(super) fn read(policy: &Node, file: &Arc<str>, import: &mut Import) {
    let namespace =
        policy.at(&["metadata", "namespace"]).and_then(Node::text).unwrap_or_else(|| "default".to_owned());
    let selected = policy.at(&["spec", "podSelector"]).map_or(String::new(), selector);
    let own = vec![workload(&format!("namespace {namespace}"), &selected)];
    let mut found = false;
    for (direction, peers_key) in [("ingress", "from"), ("egress", "to")] {
        let rules = policy.at(&["spec", direction]).map(Node::items).unwrap_or_default();
        for rule in rules {
            found = true;
            let peers = match rule.get(peers_key).map(Node::items).unwrap_or_default() {
                [] => Ok(vec!["any".to_owned()]),
                peers => peers.iter().map(|one| peer(one, &namespace)).collect(),
            };
            let row = peers.and_then(|peers| {
                let (from, to) = if direction == "ingress" { (&peers, &own) } else { (&own, &peers) };
                let (ports, doubts) = ports(rule)?;
                Ok(Row {
                    id: String::new(),
                    component: Some(kubernetes::name(policy)),
                    components: Vec::new(),
                    from: kubernetes::names(from),
                    to: kubernetes::names(to),
                    ports,
                    each_port: false,
                    app: None,
                    expect: Expect::Optional,
                    purpose: None,
                    source: Some(SourceLine { file: Arc::clone(file), line: rule.line }),
                    review: !doubts.is_empty(),
                    doubts,
                    notes: None,
                    line: rule.line,
                })
            });
            match row {
                Ok(row) => import.rows.push(row),
                Err((line, message)) => import.problems.push(Problem::refused(line, message)),
            }
        }
    }
    if !found {
        let message = format!("the policy `{}` allows nothing: it has no rules", kubernetes::name(policy));
        import.problems.push(Problem::note(policy.line, message));
    }
}

fn peer(peer: &Node, namespace: &str) -> Result<String, (u32, String)> {
    if let Some(block) = peer.get("ipBlock") {
        let cidr = block.get("cidr").and_then(Node::text);
        let cidr = cidr.ok_or((block.line, "found an ipBlock without a cidr".to_owned()))?;
        let except: Vec<String> =
            block.get("except").map(Node::items).unwrap_or_default().iter().filter_map(Node::text).collect();
        return Ok(if except.is_empty() { cidr } else { format!("{cidr} except {}", except.join(" and ")) });
    }
    let (namespaces, pods) = (peer.get("namespaceSelector"), peer.get("podSelector"));
    if namespaces.is_none() && pods.is_none() {
        return Err((
            peer.line,
            "found a peer of no known form, expected ipBlock, namespaceSelector or podSelector".to_owned(),
        ));
    }
    let place = match namespaces.map(selector) {
        None => format!("namespace {namespace}"),
        Some(labels) if labels.is_empty() => "all namespaces".to_owned(),
        Some(labels) => match labels.strip_prefix("kubernetes.io/metadata.name=") {
            Some(name) if !name.contains(',') => format!("namespace {name}"),
            _ => format!("namespaces with {labels}"),
        },
    };
    Ok(workload(&place, &pods.map_or(String::new(), selector)))
}

fn workload(place: &str, labels: &str) -> String {
    if labels.is_empty() { place.to_owned() } else { format!("{labels} in {place}") }
}

/// A label selector as text: `app=web,tier in (a,b)`; empty when it selects everything.
fn selector(selector: &Node) -> String {
    let mut parts = Vec::new();
    if let Some(Node { kind: Kind::Map(labels), .. }) = selector.get("matchLabels") {
        parts.extend(
            labels.iter().map(|(key, value)| format!("{}={}", key.text, value.text().unwrap_or_default())),
        );
    }
    for expression in selector.get("matchExpressions").map(Node::items).unwrap_or_default() {
        let text = |key: &str| expression.get(key).and_then(Node::text).unwrap_or_default();
        let values: Vec<String> = expression
            .get("values")
            .map(Node::items)
            .unwrap_or_default()
            .iter()
            .filter_map(Node::text)
            .collect();
        let values = if values.is_empty() { String::new() } else { format!(" ({})", values.join(" or ")) };
        parts.push(format!("{} {}{values}", text("key"), text("operator")));
    }
    parts.join(",")
}

/// The rule's ports; all of them when it names none.
fn ports(rule: &Node) -> Result<(Vec<PortSpec>, Vec<String>), (u32, String)> {
    let (mut specs, mut doubts) = (Vec::new(), Vec::new());
    for port in rule.get("ports").map(Node::items).unwrap_or_default() {
        let protocol = match port.get("protocol").and_then(Node::text).as_deref() {
            None | Some("TCP") => Protocol::Tcp,
            Some("UDP") => Protocol::Udp,
            Some("SCTP") => Protocol::Sctp,
            Some(other) => {
                return Err((port.line, format!("found the protocol `{other}`, expected TCP, UDP or SCTP")));
            }
        };
        let ports = match port.get("port").map(|node| &node.kind) {
            None => Ports::Any,
            Some(Kind::Text(name)) if name.parse::<u16>().is_err() => {
                doubts.push(format!("the port `{name}` is a name, which each pod binds for itself"));
                Ports::Varies
            }
            Some(_) => {
                let number = |key: &str| {
                    port.get(key).and_then(Node::text).map(|text| crate::matrix::ports::port(&text))
                };
                let at = |message| (port.line, message);
                let first =
                    number("port").unwrap_or_else(|| Err("found no port number".to_owned())).map_err(at)?;
                let last = number("endPort").transpose().map_err(at)?.unwrap_or(first);
                if last < first {
                    return Err(at(format!("range {first}-{last} ends before it begins")));
                }
                Ports::Range { first, last }
            }
        };
        let protocol = (ports != Ports::Varies).then_some(protocol);
        let spec = PortSpec { ports, protocol };
        if !specs.contains(&spec) {
            specs.push(spec);
        }
    }
    if specs.is_empty() {
        let all = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp];
        specs.extend(all.map(|protocol| PortSpec { ports: Ports::Any, protocol: Some(protocol) }));
    }
    Ok((specs, doubts))
}
