//! Rules of policies that somebody wrote: their peers and their ports.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{
    model::{Entity, Peer, Port, Reach, Rule},
    name::Name,
    read::{Place, Reader},
    wire,
};
use crate::{
    event::Protocol,
    policy::language::{block::Block, number::Number},
};

impl Reader<'_, '_> {
    pub(super) fn rule(&mut self, path: &str, written: wire::Rule, is_deny: bool) -> Rule {
        let wire::Rule {
            endpoints,
            cidr,
            cidr_set,
            entities,
            names,
            ports,
            icmps,
            authentication,
            prefix,
            unknowable,
            ..
        } = written;
        for key in unknowable {
            let message = format!("{key} cannot be evaluated: nothing here tells whom it holds");
            self.resource.fault(&format!("{path}.{key}"), message);
        }
        match authentication.map(|one| one.mode).as_deref() {
            None | Some("disabled") => {}
            Some("required") => self.note(path, "authentication is not compared: it is taken to succeed"),
            Some(mode) => self.resource.fault(path, format!("authentication `{mode}` cannot be evaluated")),
        }
        if is_deny && names.is_some() {
            self.resource.fault(path, "what denies knows no toFQDNs".to_owned());
        }
        let endpoints =
            self.list(&format!("{path}.{prefix}Endpoints"), endpoints, |reader, path, selector| {
                Some(Peer::Labelled(reader.selector(path, selector, Place::Peer)))
            });
        let blocks =
            self.list(&format!("{path}.{prefix}CIDR"), cidr, |reader, path, text| reader.block(path, &text));
        let sets = self.list(&format!("{path}.{prefix}CIDRSet"), cidr_set, Self::cidr_rule);
        let entities = self.list(&format!("{path}.{prefix}Entities"), entities, |reader, path, text| {
            reader.entity(path, &text)
        });
        let names = self.list(&format!("{path}.{prefix}FQDNs"), names, |reader, path, name| {
            reader.name(path, name).map(Peer::Named)
        });
        let given: Vec<Vec<Peer>> =
            [endpoints, blocks, sets, entities, names].into_iter().flatten().collect();
        if given.len() > 1 {
            self.resource.fault(path, "found several kinds of peers, expected one in each rule".to_owned());
        }
        if ports.is_some() && icmps.is_some() {
            self.resource.fault(path, "found toPorts beside icmps, expected a rule for each".to_owned());
        }
        let mut asks = None;
        let reach = match (ports.filter(|ports| !ports.is_empty()), icmps.filter(|icmps| !icmps.is_empty())) {
            (Some(ports), _) => {
                let numbered = ports.into_iter().enumerate();
                let at = |index| format!("{path}.toPorts[{index}]");
                let ports =
                    numbered.flat_map(|(index, port)| self.ports(&at(index), port, is_deny, &mut asks));
                Reach::Ports(ports.collect())
            }
            (None, Some(_)) => {
                self.note(path, "types of ICMP are not compared: no observation tells one");
                Reach::Icmp
            }
            (None, None) => Reach::Everything,
        };
        Rule { peers: given.into_iter().next(), reach, asks }
    }

    fn note(&mut self, path: &str, words: &str) {
        self.notes.push(format!("{path}: {words}"));
    }

    /// Releases of Cilium differ in whether a list of nobody holds nobody or everybody.
    fn list<T>(
        &mut self,
        path: &str,
        written: Option<Vec<T>>,
        mut one: impl FnMut(&mut Self, &str, T) -> Option<Peer>,
    ) -> Option<Vec<Peer>> {
        let written = written?;
        if written.is_empty() {
            let message = "an empty list cannot be evaluated: releases differ in whom it holds".to_owned();
            self.resource.fault(path, message);
        }
        let numbered = written.into_iter().enumerate();
        Some(numbered.filter_map(|(index, item)| one(self, &format!("{path}[{index}]"), item)).collect())
    }

    /// Unlike in a set, an address is one, too.
    fn block(&mut self, path: &str, text: &str) -> Option<Peer> {
        let found = text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
        if found.is_none() {
            let message = format!("found `{text}`, expected an address or a block such as 192.0.2.0/24");
            self.resource.fault(path, message);
        }
        Some(Peer::Block(found?.into()))
    }

    fn cidr_rule(&mut self, path: &str, written: wire::CidrRule) -> Option<Peer> {
        let wire::CidrRule { cidr, except, cidr_group_ref, cidr_group_selector } = written;
        match (cidr, cidr_group_ref.is_some() || cidr_group_selector.is_some()) {
            (Some(cidr), false) => Block::read(&cidr, except, path, self.resource).map(Peer::Block),
            (None, true) => {
                let message = "a CiliumCIDRGroup cannot be evaluated: its blocks are not in this document";
                self.resource.fault(path, message.to_owned());
                None
            }
            _ => {
                self.resource
                    .fault(path, "expected one of cidr, cidrGroupRef and cidrGroupSelector".to_owned());
                None
            }
        }
    }

    fn entity(&mut self, path: &str, text: &str) -> Option<Peer> {
        Some(Peer::Entity(match text {
            "all" => Entity::All,
            "world" => Entity::World,
            "world-ipv4" => Entity::WorldOf { is_v4: true },
            "world-ipv6" => Entity::WorldOf { is_v4: false },
            "cluster" => Entity::Cluster,
            "host" => Entity::Host,
            "remote-node" => Entity::RemoteNode,
            "kube-apiserver" => Entity::KubeApiServer,
            "unmanaged" => Entity::Unmanaged,
            "none" => Entity::None,
            "init" | "health" | "ingress" => {
                let message = format!("the entity `{text}` cannot be evaluated: nothing tells its addresses");
                self.resource.fault(path, message);
                return None;
            }
            other => {
                self.resource.fault(path, format!("found the entity `{other}`, which Cilium does not have"));
                return None;
            }
        }))
    }

    fn name(&mut self, path: &str, written: wire::NameRule) -> Option<Name> {
        match (written.match_name, written.match_pattern) {
            (Some(name), None) if !name.contains('*') => Some(Name::new(&name)),
            (None, Some(pattern)) => Some(Name::new(&pattern)),
            _ => {
                self.resource.fault(path, "expected matchName without *, or matchPattern".to_owned());
                None
            }
        }
    }

    fn ports(
        &mut self,
        path: &str,
        written: wire::PortRule,
        is_deny: bool,
        asks: &mut Option<Vec<Name>>,
    ) -> Vec<Port> {
        let wire::PortRule { ports, rules, listener, server_names, originating_tls, terminating_tls } =
            written;
        let has_more = listener.is_some()
            || server_names.is_some()
            || originating_tls.is_some()
            || terminating_tls.is_some()
            || rules.is_some();
        if is_deny && has_more {
            self.resource.fault(path, "what denies knows only ports".to_owned());
        }
        if listener.is_some() || server_names.is_some() || terminating_tls.is_some() {
            self.note(path, "what is in the connection is not compared: it is taken to be let through");
        }
        if let Some(wire::L7Rules { http, kafka, l7, l7proto, dns }) = rules {
            let kinds = [http.is_some(), kafka.is_some(), l7proto.is_some(), dns.is_some()];
            if kinds.iter().filter(|is_given| **is_given).count() != 1 || (l7.is_some() && l7proto.is_none())
            {
                let message = "expected one of http, kafka, dns, and l7proto with or without l7".to_owned();
                self.resource.fault(&format!("{path}.rules"), message);
            }
            self.note(
                path,
                "rules of layer 7 are not compared: the port is taken to be open to all that they are about",
            );
            let names = dns.into_iter().flatten().enumerate();
            let names =
                names.filter_map(|(index, name)| self.name(&format!("{path}.rules.dns[{index}]"), name));
            let names: Vec<Name> = names.collect();
            if !names.is_empty() {
                asks.get_or_insert_default().extend(names);
            }
        }
        let ports = ports.unwrap_or_default();
        if ports.is_empty() || ports.len() > MOST_PORTS {
            let message = format!("found {} ports, expected 1 to {MOST_PORTS}", ports.len());
            self.resource.fault(&format!("{path}.ports"), message);
        }
        let numbered = ports.into_iter().enumerate();
        numbered.filter_map(|(index, port)| self.port(&format!("{path}.ports[{index}]"), &port)).collect()
    }

    fn port(&mut self, path: &str, written: &wire::Port) -> Option<Port> {
        let wire::Port { port, end_port, protocol } = written;
        let protocol = match protocol.as_deref().map(str::to_ascii_uppercase).as_deref() {
            None | Some("" | "ANY") => None,
            Some("TCP") => Some(Protocol::Tcp),
            Some("UDP") => Some(Protocol::Udp),
            Some("SCTP") => Some(Protocol::Sctp),
            Some(other) => {
                let message = format!("found the protocol `{other}`, expected TCP, UDP, SCTP or ANY");
                self.resource.fault(path, message);
                return None;
            }
        };
        let number = match (port.parse::<u16>(), end_port) {
            (Ok(0), None | Some(0)) => Some(Number::Any),
            (Ok(first), None | Some(0)) => Some(Number::Range(first, first)),
            (Ok(first), Some(last)) => {
                let last = u16::try_from(*last).ok().filter(|last| first > 0 && *last >= first);
                last.map(|last| Number::Range(first, last))
            }
            // With a name, endPort is ignored.
            (Err(_), _) => is_name(port).then(|| Number::Name(port.to_ascii_lowercase())),
        };
        if number.is_none() {
            let message =
                "expected a port from 0 to 65535, with endPort none that is lower, or a name".to_owned();
            self.resource.fault(path, message);
        }
        Some(Port { protocol, number: number? })
    }
}

/// In one `toPorts` (pkg/policy/api/rule_validation.go).
const MOST_PORTS: usize = 40;

/// RFC 6335, section 5.1.
fn is_name(text: &str) -> bool {
    text.len() <= 15
        && text.bytes().all(|letter| letter.is_ascii_alphanumeric() || letter == b'-')
        && text.bytes().any(|letter| letter.is_ascii_alphabetic())
        && !text.starts_with('-')
        && !text.ends_with('-')
        && !text.contains("--")
}
