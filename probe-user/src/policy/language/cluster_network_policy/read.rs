//! Policies that somebody wrote.

use ipnet::IpNet;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::{
    KINDS, LAST_PRIORITY, MOST,
    domain::DomainName,
    model::{Action, Peer, Pods, Policy, Port, Resource, Rule, Tier},
    wire,
};
use crate::{
    event::Protocol,
    matrix::{
        Faults,
        located::Located,
        resource::{self, Resource as Written},
    },
    policy::language::{network_policy, number::Number, selector::Selector},
};

/// Reads the policies of a document, and the NetworkPolicies beside them; `file` names it in faults.
///
/// # Errors
/// What is wrong with it: keys that the API does not have, and values that the API server would refuse.
pub fn read(text: &str, file: &str) -> Result<Vec<Resource>, Faults> {
    let mut found = Vec::new();
    resource::each(text, file, |mut written| {
        let kind = written.kind();
        if KINDS.contains(&kind.as_str()) {
            let policy = written.read::<wire::Resource>();
            let policy = policy.and_then(|policy| Reader { written: &mut written }.policy(policy));
            found.extend(policy.map(Resource::Cluster));
        } else if network_policy::KINDS.contains(&kind.as_str()) {
            found.extend(network_policy::read_one(&mut written).map(Resource::Namespaced));
        } else {
            let known = [KINDS, network_policy::KINDS].concat().join(" or ");
            written.fault("kind", format!("found `{kind}`, expected {known}"));
        }
    })?;
    Ok(found)
}

/// Notes what is wrong and goes on: what it makes then is thrown away.
struct Reader<'a, 'n> {
    written: &'a mut Written<'n>,
}

impl Reader<'_, '_> {
    fn policy(&mut self, written: wire::Resource) -> Option<Policy> {
        let wire::Resource { metadata, spec, .. } = written;
        let wire::Spec { tier, priority, subject, ingress, egress } = spec;
        let name = metadata.name.unwrap_or_default();
        if name.is_empty() {
            self.written.fault("metadata.name", "found no name".to_owned());
        }
        if metadata.namespace.is_some() {
            self.written.fault(
                "metadata.namespace",
                "found a namespace, expected none: it is the cluster's".to_owned(),
            );
        }
        let tier = self.one_of(&tier, &[("Admin", Tier::Admin), ("Baseline", Tier::Baseline)]);
        let priority = self.priority(&priority);
        let subject = self.subject(subject);
        let ingress = self.rules(ingress);
        let egress = self.rules(egress);
        Some(Policy { name, tier: tier?, priority: priority?, subject: subject?, ingress, egress })
    }

    fn fault<T>(&mut self, at: &Located<T>, message: String) {
        self.written.fault_at(at.line, &at.path, message);
    }

    /// What a word means, where it is one of these.
    fn one_of<T: Copy>(&mut self, word: &Located<String>, known: &[(&str, T)]) -> Option<T> {
        let found = word.value.as_deref()?;
        let meant = known.iter().find(|(name, _)| *name == found).map(|(_, meant)| *meant);
        if meant.is_none() {
            let known: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
            self.fault(word, format!("found `{found}`, expected {}", known.join(" or ")));
        }
        meant
    }

    fn priority(&mut self, written: &Located<i64>) -> Option<u16> {
        let value = written.value?;
        let found = u16::try_from(value).ok().filter(|priority| *priority <= LAST_PRIORITY);
        if found.is_none() {
            self.fault(written, format!("found {value}, expected a priority from 0 to {LAST_PRIORITY}"));
        }
        found
    }

    fn subject(&mut self, written: Located<wire::Subject>) -> Option<Pods> {
        let Located { line, path, value } = written;
        match value? {
            wire::Subject { namespaces: Some(selector), pods: None } => {
                Some(self.namespaces(selector, &format!("{path}.namespaces")))
            }
            wire::Subject { namespaces: None, pods: Some(pods) } => {
                Some(self.pods(pods, &format!("{path}.pods")))
            }
            _ => {
                self.written.fault_at(line, &path, "expected either namespaces or pods".to_owned());
                None
            }
        }
    }

    /// Every pod of some namespaces.
    fn namespaces(&mut self, selector: LabelSelector, path: &str) -> Pods {
        Pods { namespaces: Selector::read(selector, path, self.written), pods: Selector::default() }
    }

    fn pods(&mut self, written: wire::Pods, path: &str) -> Pods {
        let wire::Pods { namespace_selector, pod_selector } = written;
        let namespaces = namespace_selector.unwrap_or_default();
        Pods {
            namespaces: Selector::read(namespaces, &format!("{path}.namespaceSelector"), self.written),
            pods: Selector::read(pod_selector, &format!("{path}.podSelector"), self.written),
        }
    }

    /// The items of a list that is as long as the API lets it be.
    fn list<T>(&mut self, list: Located<Vec<T>>, least: usize) -> Vec<T> {
        let count = list.value.as_ref().map(Vec::len);
        if count.is_some_and(|count| count < least || count > MOST) {
            let message = format!("found {} items, expected {least} to {MOST}", count.unwrap_or_default());
            self.fault(&list, message);
        }
        list.value.unwrap_or_default()
    }

    fn rules(&mut self, written: Option<Located<Vec<impl Into<wire::Rule>>>>) -> Vec<Rule> {
        let Some(written) = written else { return Vec::new() };
        let rules = self.list(written, 0);
        rules.into_iter().filter_map(|rule| self.rule(rule.into())).collect()
    }

    fn rule(&mut self, written: wire::Rule) -> Option<Rule> {
        const LONGEST_NAME: usize = 100;
        let wire::Rule { name, action, peers, protocols } = written;
        if let Some(name) = name
            && name.value.as_ref().is_some_and(|name| name.chars().count() > LONGEST_NAME)
        {
            self.fault(&name, format!("found a longer name, expected {LONGEST_NAME} letters or fewer"));
        }
        let actions = [("Accept", Action::Accept), ("Deny", Action::Deny), ("Pass", Action::Pass)];
        let action = self.one_of(&action, &actions);
        let is_accept = action.is_none_or(|action| action == Action::Accept);
        let peers: Vec<Peer> =
            self.list(peers, 1).into_iter().filter_map(|peer| self.peer(peer, is_accept)).collect();
        let has_ports_by_name = peers.iter().all(|peer| matches!(peer, Peer::Pods(_)));
        let ports = protocols.map(|protocols| {
            let protocols = self.list(protocols, 1);
            protocols.into_iter().filter_map(|one| self.port(one, has_ports_by_name)).collect()
        });
        Some(Rule { action: action?, peers, ports })
    }

    fn peer(&mut self, written: Located<wire::Peer>, is_accept: bool) -> Option<Peer> {
        let Located { line, path, value } = written;
        let wire::Peer { namespaces, pods, nodes, networks, domain_names } = value?;
        match (namespaces, pods, nodes, networks, domain_names) {
            (Some(selector), None, None, None, None) => {
                Some(Peer::Pods(self.namespaces(selector, &format!("{path}.namespaces"))))
            }
            (None, Some(pods), None, None, None) => {
                Some(Peer::Pods(self.pods(pods, &format!("{path}.pods"))))
            }
            (None, None, Some(nodes), None, None) => {
                Some(Peer::Nodes(Selector::read(nodes, &format!("{path}.nodes"), self.written)))
            }
            (None, None, None, Some(networks), None) => Some(Peer::Networks(self.networks(networks))),
            (None, None, None, None, Some(names)) => {
                if !is_accept {
                    self.fault(&names, "found names, which the API supports only for Accept".to_owned());
                }
                Some(Peer::Names(self.names(names)))
            }
            _ => {
                self.written.fault_at(line, &path, "expected exactly one kind of peer".to_owned());
                None
            }
        }
    }

    fn networks(&mut self, written: Located<Vec<Located<String>>>) -> Vec<IpNet> {
        let mut found = Vec::new();
        for one in self.list(written, 1) {
            let Some(text) = one.value.as_deref() else { continue };
            match text.parse::<IpNet>() {
                Ok(block) => found.push(block),
                Err(_) => {
                    self.fault(&one, format!("found `{text}`, expected a block such as 192.0.2.0/24"));
                }
            }
        }
        found
    }

    fn names(&mut self, written: Located<Vec<Located<String>>>) -> Vec<DomainName> {
        let mut found = Vec::new();
        for one in self.list(written, 1) {
            let Some(text) = one.value.as_deref() else { continue };
            match DomainName::new(text) {
                Some(name) => found.push(name),
                None => self.fault(
                    &one,
                    format!("found `{text}`, expected a name such as git.example.com or *.example.com"),
                ),
            }
        }
        found
    }

    fn port(&mut self, written: Located<wire::Protocol>, has_ports_by_name: bool) -> Option<Port> {
        let Located { line, path, value } = written;
        let wire::Protocol { tcp, udp, sctp, destination_named_port } = value?;
        let (protocol, transport) = match (tcp, udp, sctp, destination_named_port) {
            (Some(tcp), None, None, None) => (Protocol::Tcp, tcp),
            (None, Some(udp), None, None) => (Protocol::Udp, udp),
            (None, None, Some(sctp), None) => (Protocol::Sctp, sctp),
            (None, None, None, Some(name)) => {
                if !has_ports_by_name {
                    let message = "found a port's name beside peers that name no ports, expected only pods";
                    self.fault(&name, message.to_owned());
                }
                return Some(Port { protocol: None, number: Number::Name(name.value?) });
            }
            _ => {
                self.written.fault_at(line, &path, "expected exactly one protocol".to_owned());
                return None;
            }
        };
        let Located { line, path, value } = transport;
        let Some(port) = value?.destination_port else {
            self.written.fault_at(line, &path, "expected destinationPort".to_owned());
            return None;
        };
        Some(Port { protocol: Some(protocol), number: self.number(&port)? })
    }

    fn number(&mut self, written: &Located<wire::Port>) -> Option<Number> {
        let number = |value: i64| u16::try_from(value).ok().filter(|port| *port > 0);
        let found = match written.value.as_ref()? {
            wire::Port { number: Some(port), range: None } => {
                number(*port).map(|port| Number::Range(port, port))
            }
            wire::Port { number: None, range: Some(wire::Range { start, end }) } => {
                let range = number(*start).zip(number(*end)).filter(|(start, end)| start < end);
                range.map(|(start, end)| Number::Range(start, end))
            }
            _ => None,
        };
        if found.is_none() {
            let message =
                "expected a number from 1 to 65535, or a range of them whose start is below its end";
            self.fault(written, message.to_owned());
        }
        found
    }
}
