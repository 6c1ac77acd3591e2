//! Cilium, by its documentation (Documentation/security/policy), the descriptions in its CRDs, and where these are silent, by
//! what pkg/policy/api and pkg/k8s/apis/cilium.io/utils make of a document.
//!
//! Its options are the defaults, but for those without which a document would be for nobody: the host firewall, node selectors,
//! and labels of nodes.

mod name;
mod selector;

use std::net::IpAddr;

use flowdrift::{
    event::Protocol,
    policy::{Party, Passage},
    workload::Pod,
};
use serde_json::Value;

use super::{Enforcer, Site, Verdict, plain};
use name::selects_name;
use selector::{
    KUBERNETES, Label, NAMESPACE, NAMESPACE_LABELS, Operator, RESERVED, Requirement, holds, kubernetes,
    requirements, reserved,
};

/// Enforces `CiliumNetworkPolicy` and `CiliumClusterwideNetworkPolicy`.
#[derive(Clone, Copy, Debug)]
pub struct Cilium;

/// Labels of pods that make no identity, by how they begin (operations/performance/scalability/identity-relevant-labels).
const IRRELEVANT: [&str; 14] = [
    "annotation",
    "apps.kubernetes.io/pod-index",
    "batch.kubernetes.io/controller-uid",
    "batch.kubernetes.io/job-completion-index",
    "beta.kubernetes.io",
    "controller-revision-hash",
    "controller-uid",
    "etcd_node",
    "io.kubernetes",
    "k8s.io",
    "kubernetes.io",
    "pod-template-generation",
    "pod-template-hash",
    "statefulset.kubernetes.io/pod-name",
];

/// Whom Cilium takes somebody for.
struct Identity {
    labels: Vec<Label>,
    /// The address of one that is known by nothing else: blocks and names hold nobody else.
    address: Option<IpAddr>,
}

/// A rule in the sense of Cilium: one `spec` of a document.
struct Policy<'d> {
    /// None of one for the whole cluster.
    namespace: Option<&'d str>,
    spec: &'d Value,
}

/// What is to be decided, with the policies that are for whom it is about.
struct Case<'c, 'p> {
    site: Site<'c>,
    passage: &'c Passage<'p>,
    policies: Vec<Policy<'c>>,
    peer: Identity,
}

impl Enforcer for Cilium {
    fn verdict(&self, site: Site<'_>, documents: &[Value], passage: &Passage<'_>) -> Verdict {
        let policies = documents.iter().flat_map(policies_of);
        let policies = policies.filter(|policy| policy.is_for(site, &passage.party)).collect();
        let peer = identity_of_peer(site, passage);
        let is_from_own_node = !passage.is_egress && plain::runs_on(site, &passage.party, &passage.peer);
        match (Case { site, passage, policies, peer }).verdict() {
            Verdict::NotGoverned => Verdict::NotGoverned,
            _ if is_from_own_node => Verdict::Beyond,
            verdict => verdict,
        }
    }
}

fn policies_of(document: &Value) -> Vec<Policy<'_>> {
    plain::covers(
        document,
        "document",
        &["apiVersion", "kind", "metadata", "spec", "specs", "status", "description"],
    );
    let namespace = match document["kind"].as_str() {
        Some("CiliumNetworkPolicy") => {
            Some(plain::text(&document["metadata"], "namespace").unwrap_or("default"))
        }
        Some("CiliumClusterwideNetworkPolicy") => None,
        kind => panic!("not covered: {kind:?}"),
    };
    let specs = [&document["spec"]].into_iter().filter(|spec| !spec.is_null());
    specs.chain(plain::items(document, "specs")).map(|spec| Policy { namespace, spec }).collect()
}

impl Policy<'_> {
    fn is_for(&self, site: Site<'_>, party: &Party<'_>) -> bool {
        plain::covers(
            self.spec,
            "spec",
            &[
                "endpointSelector",
                "nodeSelector",
                "ingress",
                "ingressDeny",
                "egress",
                "egressDeny",
                "enableDefaultDeny",
                "labels",
                "description",
                "log",
            ],
        );
        let (endpoints, nodes) = (&self.spec["endpointSelector"], &self.spec["nodeSelector"]);
        assert!(nodes.is_null() || self.namespace.is_none(), "not covered: nodeSelector in a namespace");
        if let Some(pod) = plain::pod_of(site, party) {
            return !endpoints.is_null() && holds(&self.own_endpoints(endpoints), &pod_labels(site, pod));
        }
        let node = plain::node_of(site, party);
        node.is_some_and(|node| {
            !nodes.is_null() && holds(&requirements(nodes), &node_labels(site, node, "host"))
        })
    }

    /// "The endpointSelector always applies to pods in the namespace associated with the CiliumNetworkPolicy resource itself."
    fn own_endpoints(&self, selector: &Value) -> Vec<Requirement> {
        let mut requirements = requirements(selector);
        if let Some(namespace) = self.namespace {
            requirements.retain(|one| !(one.is_label && one.is(KUBERNETES, NAMESPACE)));
            requirements.push(Requirement::label(&format!("{KUBERNETES}:{NAMESPACE}"), namespace));
        }
        requirements
    }

    /// Without a word on namespaces it is the policy's own; for the whole cluster it is any, so that only pods are meant.
    fn peer_endpoints(&self, selector: &Value) -> Vec<Requirement> {
        let mut requirements = requirements(selector);
        let mut of_kubernetes = requirements.iter().filter(|one| one.source.as_deref() != Some(RESERVED));
        let says_namespace = of_kubernetes.clone().any(|one| one.key == NAMESPACE);
        let says_labels = of_kubernetes.any(|one| one.key.starts_with(NAMESPACE_LABELS));
        let is_reserved = requirements.iter().any(|one| one.source.as_deref() == Some(RESERVED));
        if is_reserved || says_namespace {
            return requirements;
        }
        let key = format!("{KUBERNETES}:{NAMESPACE}");
        match self.namespace {
            None => requirements.push(Requirement::new(&key, Operator::Exists, Vec::new(), false)),
            Some(namespace) if !says_labels => requirements.push(Requirement::label(&key, namespace)),
            Some(_) => {}
        }
        requirements
    }

    /// "If not specified, the default is true for each traffic direction that has rules, and false otherwise."
    fn closes(&self, direction: &Direction) -> bool {
        let said = self.spec["enableDefaultDeny"][direction.allow].as_bool();
        let has_rules =
            [direction.allow, direction.deny].iter().any(|key| !plain::items(self.spec, key).is_empty());
        said.unwrap_or(has_rules)
    }
}

/// The fields of a direction.
struct Direction {
    allow: &'static str,
    deny: &'static str,
    peers: &'static [&'static str],
}

const INGRESS: Direction = Direction {
    allow: "ingress",
    deny: "ingressDeny",
    peers: &["fromEndpoints", "fromNodes", "fromEntities", "fromCIDR", "fromCIDRSet"],
};

const EGRESS: Direction = Direction {
    allow: "egress",
    deny: "egressDeny",
    peers: &["toEndpoints", "toNodes", "toEntities", "toCIDR", "toCIDRSet", "toFQDNs"],
};

impl Case<'_, '_> {
    /// "Deny policies take precedence over allow policies."
    fn verdict(&self) -> Verdict {
        let direction = if self.passage.is_egress { &EGRESS } else { &INGRESS };
        let matches = |policy: &Policy<'_>, key: &str| {
            plain::items(policy.spec, key).iter().any(|rule| self.matches(direction, policy, rule))
        };
        let any = |key: &str| self.policies.iter().any(|policy| matches(policy, key));
        if any(direction.deny) {
            Verdict::Denied
        } else if any(direction.allow) {
            Verdict::Allowed
        } else if self.policies.iter().any(|policy| policy.closes(direction)) {
            Verdict::Denied
        } else {
            Verdict::NotGoverned
        }
    }

    fn matches(&self, direction: &Direction, policy: &Policy<'_>, rule: &Value) -> bool {
        plain::covers(rule, "rule", &[direction.peers, &["toPorts"]].concat());
        self.matches_peer(direction, policy, rule) && self.matches_port(rule)
    }

    /// A list with nobody in it is nobody; no list at all is everybody where there are ports, and nobody where there are not.
    fn matches_peer(&self, direction: &Direction, policy: &Policy<'_>, rule: &Value) -> bool {
        let is_empty = |field: &str| rule[field].as_array().is_some_and(Vec::is_empty);
        if direction.peers.iter().any(|field| is_empty(field) && *field != "toFQDNs") {
            return false;
        }
        let mut given =
            direction.peers.iter().filter(|field| !plain::items(rule, field).is_empty()).peekable();
        if given.peek().is_none() {
            return !plain::items(rule, "toPorts").is_empty();
        }
        given.any(|field| plain::items(rule, field).iter().any(|one| self.is_peer(policy, field, one)))
    }

    fn is_peer(&self, policy: &Policy<'_>, field: &str, one: &Value) -> bool {
        let Identity { labels, address } = &self.peer;
        match field.trim_start_matches("from").trim_start_matches("to") {
            "Endpoints" => holds(&policy.peer_endpoints(one), labels),
            "Nodes" => self.is_remote_node(one),
            "Entities" => one.as_str().is_some_and(|entity| is_entity(entity, labels)),
            "CIDR" => address.is_some_and(|address| one.as_str().is_some_and(|text| lies_in(text, address))),
            "CIDRSet" => address.is_some_and(|address| lies_in_set(one, address)),
            "FQDNs" => address.is_some_and(|address| self.has_name(one, address)),
            other => panic!("not covered: {other}"),
        }
    }

    /// "This is an extension of remote-node entity", by all labels of the node.
    fn is_remote_node(&self, selector: &Value) -> bool {
        let node = plain::node_of(self.site, &self.passage.peer);
        let is_remote =
            self.peer.labels.iter().any(|label| label.source == RESERVED && label.key == "remote-node");
        node.is_some_and(|node| {
            is_remote && holds(&requirements(selector), &node_labels(self.site, node, "remote-node"))
        })
    }

    /// "Only IPs in intercepted DNS responses to an application will be allowed."
    fn has_name(&self, selector: &Value, address: IpAddr) -> bool {
        let mut hosts = self.site.world.hosts_at(address);
        hosts.any(|host| selects_name(selector, host) && self.learns(host))
    }

    /// Whether a rule sends the question for a name through the proxy that reads the answers.
    fn learns(&self, host: &str) -> bool {
        let rules = self.policies.iter().flat_map(|policy| plain::items(policy.spec, "egress"));
        let ports = rules.flat_map(|rule| plain::items(rule, "toPorts"));
        let mut names = ports.flat_map(|port| plain::items(&port["rules"], "dns"));
        names.any(|name| selects_name(name, host))
    }

    fn matches_port(&self, rule: &Value) -> bool {
        let rules = plain::items(rule, "toPorts");
        rules.is_empty() || rules.iter().any(|rule| self.matches_port_rule(rule))
    }

    /// What it says of DNS is for questions; the connection to the server passes.
    fn matches_port_rule(&self, rule: &Value) -> bool {
        plain::covers(rule, "toPorts", &["ports", "rules"]);
        plain::covers(&rule["rules"], "rules", &["dns"]);
        plain::items(rule, "ports").iter().any(|port| self.is_port(port))
    }

    fn is_port(&self, port: &Value) -> bool {
        plain::covers(port, "ports", &["port", "endPort", "protocol"]);
        let protocol = self.passage.protocol;
        let is_protocol = match port["protocol"].as_str().unwrap_or("ANY").to_ascii_uppercase().as_str() {
            "ANY" | "" => protocol != Protocol::Icmp,
            "TCP" => protocol == Protocol::Tcp,
            "UDP" => protocol == Protocol::Udp,
            "SCTP" => protocol == Protocol::Sctp,
            other => panic!("not covered: protocol {other}"),
        };
        let first = port["port"].as_str().expect("a port is given");
        let Ok(first) = first.parse::<u16>() else {
            let name = first.to_ascii_lowercase();
            let number = plain::named_port(self.site, self.passage, &name, protocol);
            return is_protocol && number == Some(self.passage.port);
        };
        let last = port["endPort"].as_u64().unwrap_or_default().max(first.into());
        is_protocol && (first == 0 || (u64::from(first)..=last).contains(&self.passage.port.into()))
    }
}

/// Who the other end is to the agent on the party's node.
fn identity_of_peer(site: Site<'_>, passage: &Passage<'_>) -> Identity {
    let own = match plain::pod_of(site, &passage.party) {
        Some(pod) => pod.node.as_deref(),
        None => plain::node_of(site, &passage.party),
    };
    if let Some(pod) = plain::pod_of(site, &passage.peer) {
        return Identity { labels: pod_labels(site, pod), address: None };
    }
    let address = passage.peer.address();
    let objects = site.world.clusters.get(site.cluster);
    let is_api_server = objects.is_some_and(|objects| objects.api_servers.contains(&address));
    let (who, address) = match plain::node_of(site, &passage.peer) {
        Some(node) if own == Some(node) => ("host", None),
        Some(_) => ("remote-node", None),
        None => ("world", Some(address)),
    };
    let mut labels = vec![reserved(who)];
    labels.extend(is_api_server.then(|| reserved("kube-apiserver")));
    Identity { labels, address }
}

fn pod_labels(site: Site<'_>, pod: &Pod) -> Vec<Label> {
    let namespace = &pod.workload.namespace;
    let is_relevant = |key: &str| !IRRELEVANT.iter().any(|beginning| key.starts_with(beginning));
    let own =
        pod.labels.iter().filter(|(key, _)| is_relevant(key)).map(|(key, value)| kubernetes(key, value));
    let of_namespace = plain::namespace_labels(site, namespace);
    let of_namespace =
        of_namespace.iter().map(|(key, value)| kubernetes(&format!("{NAMESPACE_LABELS}{key}"), value));
    own.chain(of_namespace).chain([kubernetes(NAMESPACE, namespace)]).collect()
}

fn node_labels(site: Site<'_>, node: &str, who: &str) -> Vec<Label> {
    let labels = plain::node_labels(site, node);
    labels.iter().map(|(key, value)| kubernetes(key, value)).chain([reserved(who)]).collect()
}

/// The kube-apiserver is of the cluster wherever it is (`InitEntities` of pkg/policy/api/entity.go).
fn is_entity(entity: &str, labels: &[Label]) -> bool {
    let is = |name: &str| labels.iter().any(|label| label.source == RESERVED && label.key == name);
    let is_pod = labels.iter().any(|label| label.source == KUBERNETES && label.key == NAMESPACE);
    match entity {
        "all" => true,
        "cluster" => is_pod || ["host", "remote-node", "kube-apiserver"].into_iter().any(is),
        "world" | "host" | "remote-node" | "kube-apiserver" => is(entity),
        // Whoever that is, he is at no end of a passage.
        "init" | "ingress" | "health" | "unmanaged" | "none" => false,
        other => panic!("not covered: entity {other}"),
    }
}

fn lies_in(text: &str, address: IpAddr) -> bool {
    plain::block(text).contains(&address)
}

fn lies_in_set(rule: &Value, address: IpAddr) -> bool {
    plain::covers(rule, "cidrSet", &["cidr", "except"]);
    let cidr = rule["cidr"].as_str().expect("a block is given");
    lies_in(cidr, address) && !plain::texts(rule, "except").any(|except| lies_in(except, address))
}

#[cfg(test)]
mod tests;
