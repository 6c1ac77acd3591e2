//! Whether a rule holds what passes.

use super::{
    super::model::{Entity, Port, Rule, Scope, Selected},
    Calico,
};
use crate::{
    event::Protocol,
    policy::{passage::Passage, world::Party},
};

impl Calico<'_> {
    /// Every condition of a rule must be met.
    pub(super) fn holds(&self, rule: &Rule, passage: &Passage<'_>) -> bool {
        let Passage { party, peer, is_egress, .. } = passage;
        let (client, server) = if *is_egress { (party, peer) } else { (peer, party) };
        let Rule { action: _, is_v4, protocol, not_protocol, source, destination } = rule;
        let number = number(passage);
        is_v4.is_none_or(|is_v4| is_v4 == peer.address().is_ipv4())
            && protocol.is_none_or(|protocol| protocol == number)
            && not_protocol.is_none_or(|protocol| protocol != number)
            && self.is_end(source, client)
            && self.is_end(destination, server)
            && self.is_port(destination, server, passage)
    }

    fn is_end(&self, entity: &Entity, party: &Party<'_>) -> bool {
        let Entity { nets, not_nets, selected, not_selected, .. } = entity;
        let address = party.address();
        let is_within = |nets: &[ipnet::IpNet]| nets.iter().any(|net| net.contains(&address));
        let is_one = |selected: &Selected| self.known_as(party).iter().any(|known| known.is_among(selected));
        let everywhere = |labels: &super::super::expression::Expression| Selected {
            scope: Scope::Everywhere,
            labels: labels.clone(),
        };
        (nets.is_empty() || is_within(nets))
            && !is_within(not_nets)
            && selected.as_ref().is_none_or(is_one)
            && !not_selected.as_ref().is_some_and(|labels| is_one(&everywhere(labels)))
    }

    fn is_port(&self, entity: &Entity, server: &Party<'_>, passage: &Passage<'_>) -> bool {
        let Entity { ports, not_ports, .. } = entity;
        let is_it = |port: &Port| match port {
            Port::Range(first, last) => (*first..=*last).contains(&passage.port),
            // What the server's pod calls so; ports of nobody else here have names.
            Port::Name(name) => match server {
                Party::Pod { cluster, pod, .. } if *cluster == self.cluster => {
                    pod.ports.get(&(name.clone(), passage.protocol)) == Some(&passage.port)
                }
                _ => false,
            },
        };
        (ports.is_empty() || ports.iter().any(is_it)) && !not_ports.iter().any(is_it)
    }
}

/// The transport's number (IANA's assigned numbers).
fn number(passage: &Passage<'_>) -> u8 {
    match passage.protocol {
        Protocol::Tcp => 6,
        Protocol::Udp => 17,
        Protocol::Sctp => 132,
        Protocol::Icmp if passage.peer.address().is_ipv4() => 1,
        Protocol::Icmp => 58,
    }
}
