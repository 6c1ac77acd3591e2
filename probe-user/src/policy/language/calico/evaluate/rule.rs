//! Whether a rule holds what passes.

use ipnet::IpNet;

use super::{
    super::model::{Entity, Port, Rule, Selected},
    Calico,
    endpoint::Endpoint,
};
use crate::{
    event::Protocol,
    policy::{passage::Passage, world::Party},
};

/// What passes, as rules see it: made once, and asked of many.
pub(super) struct Packet<'p> {
    cluster: &'p str,
    is_v4: bool,
    /// The transport's number.
    protocol: u8,
    passage: &'p Passage<'p>,
    client: End<'p>,
    server: End<'p>,
}

/// One end of it.
struct End<'p> {
    party: Party<'p>,
    /// The endpoint that it is, and the network sets that hold it.
    known_as: Vec<Endpoint<'p>>,
}

impl<'p> Packet<'p> {
    pub(super) fn of(calico: &'p Calico<'_>, passage: &'p Passage<'p>) -> Self {
        let Passage { party, peer, is_egress, .. } = passage;
        let is_v4 = peer.address().is_ipv4();
        let end = |party: &Party<'p>| End { party: *party, known_as: calico.known_as(party) };
        let (client, server) = if *is_egress { (party, peer) } else { (peer, party) };
        let (cluster, protocol) = (calico.cluster, number(passage.protocol, is_v4));
        Self { cluster, is_v4, protocol, passage, client: end(client), server: end(server) }
    }

    /// Every condition of a rule must be met.
    pub(super) fn is_held_by(&self, rule: &Rule) -> bool {
        let Rule { action: _, is_v4, protocol, not_protocol, source, destination } = rule;
        is_v4.is_none_or(|is_v4| is_v4 == self.is_v4)
            && protocol.is_none_or(|protocol| protocol == self.protocol)
            && not_protocol.is_none_or(|protocol| protocol != self.protocol)
            && self.client.is(source)
            && self.server.is(destination)
            && self.is_for_port(destination)
    }

    fn is_for_port(&self, destination: &Entity) -> bool {
        let Entity { ports, not_ports, .. } = destination;
        let Passage { port, protocol, .. } = *self.passage;
        let is_it = |written: &Port| match written {
            Port::Range(first, last) => (*first..=*last).contains(&port),
            // What the server's pod calls so; ports of nobody else here have names.
            Port::Name(name) => match self.server.party {
                Party::Pod { cluster, pod, .. } if cluster == self.cluster => {
                    pod.ports.get(&(name.clone(), protocol)) == Some(&port)
                }
                _ => false,
            },
        };
        (ports.is_empty() || ports.iter().any(is_it)) && !not_ports.iter().any(is_it)
    }
}

impl End<'_> {
    fn is(&self, entity: &Entity) -> bool {
        let Entity { nets, not_nets, selected, not_selected, .. } = entity;
        let address = self.party.address();
        let is_within = |nets: &[IpNet]| nets.iter().any(|net| net.contains(&address));
        let is_among = |selected: &Selected| self.known_as.iter().any(|known| known.is_among(selected));
        // A rule is not rendered for a family of which it has none of its blocks (`FilterRuleToIPVersion` in felix/rules).
        let is_of_family = |net: &IpNet| net.addr().is_ipv4() == address.is_ipv4();
        let is_rendered = not_nets.is_empty() || not_nets.iter().any(is_of_family);
        (nets.is_empty() || is_within(nets))
            && is_rendered
            && !is_within(not_nets)
            && selected.as_ref().is_none_or(is_among)
            && !not_selected.as_ref().is_some_and(is_among)
    }
}

/// IANA's assigned numbers; ICMP is another transport in each family.
fn number(protocol: Protocol, is_v4: bool) -> u8 {
    match protocol {
        Protocol::Tcp => 6,
        Protocol::Udp => 17,
        Protocol::Sctp => 132,
        Protocol::Icmp if is_v4 => 1,
        Protocol::Icmp => 58,
    }
}
