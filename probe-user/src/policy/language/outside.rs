//! What leaves a cluster, for the languages that govern nothing else.

use std::{collections::BTreeSet, net::IpAddr};

use crate::{
    policy::{
        rule::{Flow, Peer, PortRange, Rule},
        world::{Party, Subject, World},
    },
    wording::some,
};

/// More ports in a range than this are not written one by one.
const PORTS: usize = 64;

/// Whether a peer is nobody of the cluster: none of its pods, its nodes, and its addresses that nobody lists.
pub(super) fn is_outside(world: &World<'_>, cluster: &str, peer: &Party<'_>) -> bool {
    match peer {
        Party::Pod { cluster: of, .. }
        | Party::Node { cluster: of, .. }
        | Party::Guest { cluster: of, .. } => *of != cluster,
        Party::Outside(address) => !world.is_within(cluster, *address),
    }
}

/// Whether a host of a resource stands for a name: the same in capitals; `*.` stands for any labels before the rest, and not
/// for none.
pub(super) fn is_alike(host: &str, name: &str) -> bool {
    let (host, name) = (host.to_ascii_lowercase(), name.to_ascii_lowercase());
    let is_below = |rest: &str| name.strip_suffix(rest).is_some_and(|start| !start.is_empty());
    host == name || host.strip_prefix('*').is_some_and(is_below)
}

/// Says which hosts of resources the inventory gives no address: nobody can tell who goes there.
pub(super) fn unknown<'h>(
    world: &World<'_>,
    cluster: &str,
    hosts: impl Iterator<Item = &'h str>,
) -> Option<String> {
    let endpoints = world.inventory.endpoints.values().filter(|endpoint| !endpoint.cidrs.is_empty());
    let known: BTreeSet<String> =
        endpoints.flat_map(|endpoint| &endpoint.hosts).map(|host| host.to_ascii_lowercase()).collect();
    let is_known = |host: &str| {
        host == "*"
            || host.parse::<IpAddr>().is_ok()
            || known.contains(&host.to_ascii_lowercase())
            || (host.starts_with('*') && known.iter().any(|name| is_alike(host, name)))
    };
    let unknown: BTreeSet<&str> = hosts.filter(|host| !is_known(host)).collect();
    let words = || {
        let listed = some(&unknown);
        format!("{cluster}: the inventory gives {listed} no address: what goes there is taken to be denied")
    };
    (!unknown.is_empty()).then(words)
}

/// What of a rule leaves its subject's cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Leaving {
    /// Addresses that were seen; of a rule that nobody was seen to need the single ones that it is declared for.
    pub(super) addresses: BTreeSet<IpAddr>,
    /// Ports that were seen.
    ports: BTreeSet<u16>,
}

impl Leaving {
    /// Of a rule for what leaves a subject; or why it is not for a language, which is called by its article and name.
    pub(super) fn of(
        world: &World<'_>,
        subject: &Subject,
        rule: &Rule,
        language: &str,
    ) -> Result<Self, String> {
        let Rule { flow: Flow { peer, .. }, evidence } = rule;
        let (cluster, is_seen) = (subject.cluster(), evidence.connections > 0);
        let addresses: Vec<IpAddr> = match peer {
            Peer::Workload(_) => Vec::new(),
            _ if is_seen => evidence.addresses.iter().copied().collect(),
            _ => {
                let blocks = peer.blocks();
                let single = blocks.iter().filter(|block| block.prefix_len() == block.max_prefix_len());
                single.map(|block| block.addr()).collect()
            }
        };
        let outside =
            addresses.into_iter().filter(|address| is_outside(world, cluster, &world.at(cluster, *address)));
        let leaving = Self { addresses: outside.collect(), ports: evidence.ports.clone() };
        if matches!(peer, Peer::Workload(_)) || (is_seen && leaving.addresses.is_empty()) {
            return Err(format!("it stays within the cluster, which {language} does not govern"));
        }
        Ok(leaving)
    }

    /// The ports of a rule for a language that knows no ranges, and what a reviewer must know of them; or why it has none.
    pub(super) fn ports(
        &self,
        range: PortRange,
        language: &str,
    ) -> Result<(Vec<u16>, Option<String>), String> {
        let count = usize::from(range.last - range.first) + 1;
        let every: Vec<u16> = (range.first.max(1)..=range.last).take(PORTS + 1).collect();
        if every.len() <= PORTS {
            return Ok((every, None));
        }
        if self.ports.is_empty() {
            return Err(format!("{language} knows no ranges, and none of {count} ports was seen"));
        }
        let remark =
            format!("NARROWER: {language} knows no ranges, and of {count} ports it has those that were seen");
        Ok((self.ports.iter().copied().collect(), Some(remark)))
    }
}
