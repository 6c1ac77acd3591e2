//! Calico, open source, by the reference of its resources (docs.tigera.io/calico/latest/reference/resources) and, where it is
//! silent, by what libcalico-go and felix make of a document.
//!
//! Every node has an automatic host endpoint, FelixConfiguration is as it comes, and what is staged is taken as enforced.

mod expression;
mod resources;

use flowdrift::{
    event::Protocol,
    policy::{Party, Passage},
};
use serde_json::Value;

use super::{Enforcer, Site, Verdict, plain};
use expression::{Scope, is_selected};
use resources::{Policy, Resources, Set, endpoint};

/// Enforces `NetworkPolicy` and `GlobalNetworkPolicy` of `projectcalico.org/v3`, staged or not, in tiers, with network sets.
#[derive(Clone, Copy, Debug)]
pub struct Calico;

/// `failsafeInboundHostPorts` of FelixConfiguration.
const FAILSAFE_INBOUND: [(Protocol, u16); 9] = [
    (Protocol::Tcp, 22),
    (Protocol::Udp, 68),
    (Protocol::Tcp, 179),
    (Protocol::Tcp, 2379),
    (Protocol::Tcp, 2380),
    (Protocol::Tcp, 5473),
    (Protocol::Tcp, 6443),
    (Protocol::Tcp, 6666),
    (Protocol::Tcp, 6667),
];

/// `failsafeOutboundHostPorts`.
const FAILSAFE_OUTBOUND: [(Protocol, u16); 9] = [
    (Protocol::Udp, 53),
    (Protocol::Udp, 67),
    (Protocol::Tcp, 179),
    (Protocol::Tcp, 2379),
    (Protocol::Tcp, 2380),
    (Protocol::Tcp, 5473),
    (Protocol::Tcp, 6443),
    (Protocol::Tcp, 6666),
    (Protocol::Tcp, 6667),
];

impl Enforcer for Calico {
    fn verdict(&self, site: Site<'_>, documents: &[Value], passage: &Passage<'_>) -> Verdict {
        let resources = Resources::of(site, documents);
        match (Case { site, passage, resources: &resources }).verdict() {
            Verdict::NotGoverned => Verdict::NotGoverned,
            _ if is_beyond(site, passage) => Verdict::Beyond,
            verdict => verdict,
        }
    }
}

/// "Traffic from a host to its workload endpoints is always allowed, despite any policy in place", failsafe ports are open on all
/// host endpoints, and `defaultEndpointToHostAction` "controls what happens to traffic that goes from a workload endpoint to the
/// host itself (after the endpoint's egress policy is applied)": Accept, as in Calico's manifests for Kubernetes.
fn is_beyond(site: Site<'_>, passage: &Passage<'_>) -> bool {
    let Passage { party, peer, is_egress, port, protocol, .. } = passage;
    let (client, server) = if *is_egress { (party, peer) } else { (peer, party) };
    let failsafe = if *is_egress { &FAILSAFE_OUTBOUND } else { &FAILSAFE_INBOUND };
    let is_failsafe = plain::node_of(site, party).is_some() && failsafe.contains(&(*protocol, *port));
    let is_to_own_host = !is_egress && plain::runs_on(site, client, server);
    is_failsafe || is_to_own_host || plain::runs_on(site, server, client)
}

/// What is to be decided.
struct Case<'c, 'p> {
    site: Site<'c>,
    passage: &'c Passage<'p>,
    resources: &'c Resources<'c>,
}

impl Case<'_, '_> {
    /// Tier by tier; whom the last one passes on is for the profiles, which allow it.
    fn verdict(&self) -> Verdict {
        let policies: Vec<&Policy<'_>> =
            self.resources.policies.iter().filter(|policy| self.is_for(policy)).collect();
        for tier in policies.chunk_by(|left, right| left.tier.name == right.tier.name) {
            match self.action(tier) {
                Some("Allow") => return Verdict::Allowed,
                Some("Deny") => return Verdict::Denied,
                Some("Pass") => {}
                None if tier[0].tier.passes => {}
                None => return Verdict::Denied,
                Some(other) => panic!("not covered: action {other}"),
            }
        }
        Verdict::NotGoverned
    }

    /// "After a Log action, processing continues with the next rule."
    fn action<'d>(&self, tier: &[&Policy<'d>]) -> Option<&'d str> {
        let direction = if self.passage.is_egress { "egress" } else { "ingress" };
        let rules = tier.iter().flat_map(|policy| {
            plain::items(policy.spec, direction).iter().map(move |rule| (policy.namespace, rule))
        });
        let mut matching = rules.filter(|(namespace, rule)| self.matches(*namespace, rule));
        matching.find_map(|(_, rule)| rule["action"].as_str().filter(|action| *action != "Log"))
    }

    fn is_for(&self, policy: &Policy<'_>) -> bool {
        let direction = if self.passage.is_egress { "Egress" } else { "Ingress" };
        let Some(own) = endpoint(self.site, &self.passage.party) else { return false };
        let is_at_home = policy.namespace.is_none() || policy.namespace == own.namespace_name();
        let selectors = [("selector", Scope::Own), ("namespaceSelector", Scope::NamespaceOfPolicy)].map(
            |(key, scope)| plain::text(policy.spec, key).is_none_or(|text| is_selected(text, scope, &own)),
        );
        policy.types().contains(&direction) && is_at_home && selectors == [true, true]
    }

    fn matches(&self, namespace: Option<&str>, rule: &Value) -> bool {
        let known = ["action", "metadata", "protocol", "notProtocol", "ipVersion", "source", "destination"];
        plain::covers(rule, "rule", &known);
        let Passage { party, peer, is_egress, .. } = self.passage;
        let (source, destination) = if *is_egress { (party, peer) } else { (peer, party) };
        let version = if source.address().is_ipv4() { 4 } else { 6 };
        let is_protocol = |protocol: &Value| is_protocol(protocol, self.passage.protocol, version);
        rule["ipVersion"].as_u64().is_none_or(|wanted| wanted == version)
            && (rule["protocol"].is_null() || is_protocol(&rule["protocol"]))
            && (rule["notProtocol"].is_null() || !is_protocol(&rule["notProtocol"]))
            && self.matches_entity(namespace, &rule["source"], source, false)
            && self.matches_entity(namespace, &rule["destination"], destination, true)
    }

    /// "All match criteria must match."
    fn matches_entity(
        &self,
        namespace: Option<&str>,
        entity: &Value,
        end: &Party<'_>,
        is_server: bool,
    ) -> bool {
        let ends = ["nets", "notNets", "selector", "notSelector", "namespaceSelector"];
        // Nobody knows a client's port, and only who connects asks for names.
        let of_server: &[&str] = if is_server { &["ports", "notPorts"] } else { &[] };
        let of_names: &[&str] = if is_server && self.passage.is_egress { &["domains"] } else { &[] };
        let place = if is_server { "destination" } else { "source" };
        plain::covers(entity, place, &[&ends[..], of_server, of_names].concat());
        self.matches_nets(entity, end)
            && self.matches_selectors(namespace, entity, end)
            && self.matches_ports(entity)
            && self.matches_domains(entity, end)
    }

    /// A rule without any block of the packet's family is left out for this family, negated or not (`FilterRuleToIPVersion` of
    /// felix/rules/policy.go).
    fn matches_nets(&self, entity: &Value, end: &Party<'_>) -> bool {
        let address = end.address();
        let blocks = |key| {
            let blocks: Vec<_> = plain::texts(entity, key).map(plain::block).collect();
            (!blocks.is_empty()).then_some(blocks)
        };
        let is_in = blocks("nets").is_none_or(|nets| nets.iter().any(|net| net.contains(&address)));
        let is_out = blocks("notNets").is_none_or(|nets| {
            nets.iter().any(|net| net.addr().is_ipv4() == address.is_ipv4())
                && !nets.iter().any(|net| net.contains(&address))
        });
        is_in && is_out
    }

    /// As soon as any selector is given, a namespaced policy speaks of its own namespace, unless it says of which
    /// (`GetEntityRuleSelector` of libcalico-go).
    fn matches_selectors(&self, namespace: Option<&str>, entity: &Value, end: &Party<'_>) -> bool {
        let given = |key| plain::text(entity, key);
        let (selector, not, namespaces) =
            (given("selector"), given("notSelector"), given("namespaceSelector"));
        let is_home = |set: &Set| namespace.is_none() || set.namespace_name() == namespace;
        let is_positive = |set: &Set| {
            selector.is_none_or(|text| is_selected(text, Scope::Own, set))
                && namespaces.map_or_else(|| is_home(set), |text| is_selected(text, Scope::Namespace, set))
        };
        let is_wanted = selector.is_some() || namespaces.is_some() || (not.is_some() && namespace.is_some());
        (!is_wanted || self.is_any(end, is_positive))
            && not.is_none_or(|text| !self.is_any(end, |set| is_selected(text, Scope::Own, set)))
    }

    /// Whether the endpoint there, or a network set with its address, is such a one.
    fn is_any(&self, end: &Party<'_>, is_one: impl Fn(&Set) -> bool) -> bool {
        let is_in = |set: &&Set| set.nets.iter().any(|net| net.contains(&end.address()));
        let mut holding = self.resources.sets.iter().filter(is_in);
        endpoint(self.site, end).is_some_and(|own| is_one(&own)) || holding.any(is_one)
    }

    fn matches_ports(&self, entity: &Value) -> bool {
        let any = |key| plain::items(entity, key).iter().any(|port| self.is_port(port));
        (plain::items(entity, "ports").is_empty() || any("ports")) && !any("notPorts")
    }

    /// A number, `first:last`, or a name.
    fn is_port(&self, port: &Value) -> bool {
        let Passage { port: actual, protocol, .. } = self.passage;
        let Some(text) = port.as_str() else { return port.as_u64() == Some((*actual).into()) };
        let (first, last) = text.split_once(':').unwrap_or((text, text));
        match (first.parse::<u16>(), last.parse::<u16>()) {
            (Ok(first), Ok(last)) => (first..=last).contains(actual),
            _ => plain::named_port(self.site, self.passage, text, *protocol) == Some(*actual),
        }
    }

    /// Of Calico Enterprise and Calico Cloud: "with a single asterisk it matches 1 or more path components at that position".
    fn matches_domains(&self, entity: &Value, end: &Party<'_>) -> bool {
        let is_like = |host: &str, domain: &str| match domain.split_once('*') {
            None => host == domain,
            Some((before, after)) => {
                host.len() > before.len() + after.len() && host.starts_with(before) && host.ends_with(after)
            }
        };
        let mut hosts = self.site.world.hosts_at(end.address());
        plain::items(entity, "domains").is_empty()
            || hosts.any(|host| plain::texts(entity, "domains").any(|domain| is_like(host, domain)))
    }
}

/// A name, in whatever case, or a number, which may be written as a text.
fn is_protocol(protocol: &Value, actual: Protocol, version: u64) -> bool {
    let actual = match actual {
        Protocol::Tcp => 6,
        Protocol::Udp => 17,
        Protocol::Sctp => 132,
        Protocol::Icmp if version == 4 => 1,
        Protocol::Icmp => 58,
    };
    let Some(text) = protocol.as_str() else { return protocol.as_u64() == Some(actual) };
    let number = match text.to_ascii_lowercase().as_str() {
        "tcp" => 6,
        "udp" => 17,
        "sctp" => 132,
        "icmp" => 1,
        "icmpv6" => 58,
        "udplite" => 136,
        number => number.parse().unwrap_or_else(|_| panic!("not covered: protocol {text}")),
    };
    number == actual
}

#[cfg(test)]
mod tests;
