//! What the names of a table stand for: whoever opens a firewall needs addresses.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    net::IpAddr,
};

use hashbrown::HashSet;
use ipnet::IpNet;

use crate::{
    matrix::{EndpointName, escaped},
    policy::{
        rule::Peer,
        world::{Subject, World},
    },
};

/// More addresses of pods than this are not listed: they are others tomorrow.
const LISTED: usize = 6;

/// By the name that the rows have.
#[derive(Default)]
pub(super) struct Legend(BTreeMap<EndpointName, Meaning>);

/// What the rules behind the rows let be there.
#[derive(Default)]
struct Meaning {
    /// Those who were learned: of a large endpoint each rule has all blocks.
    peers: HashSet<Peer>,
    blocks: BTreeSet<IpNet>,
    pods: BTreeSet<IpAddr>,
    hosts: BTreeSet<String>,
}

impl Legend {
    pub(super) fn learn_subject(&mut self, world: &World<'_>, name: &EndpointName, subject: &Subject) {
        let Some(meaning) = self.of(name) else { return };
        match subject {
            Subject::Workload { .. } if meaning.pods.is_empty() => meaning.pods = world.addresses(subject),
            Subject::Workload { .. } => {}
            Subject::Node { .. } | Subject::Guest { .. } => {
                meaning.blocks.extend(world.addresses(subject).into_iter().map(IpNet::from));
            }
        }
    }

    pub(super) fn learn_peer(&mut self, world: &World<'_>, cluster: &str, name: &EndpointName, peer: &Peer) {
        if let Peer::Workload(workload) = peer {
            let (cluster, workload) = (cluster.to_owned(), workload.clone());
            return self.learn_subject(world, name, &Subject::Workload { cluster, workload });
        }
        let Some(meaning) = self.of(name).filter(|meaning| !meaning.peers.contains(peer)) else { return };
        meaning.peers.insert(peer.clone());
        meaning.blocks.extend(peer.blocks().iter());
        meaning.hosts.extend(peer.hosts().iter().cloned());
    }

    /// An address stands for itself.
    fn of(&mut self, name: &EndpointName) -> Option<&mut Meaning> {
        let is_address = name.as_str().parse::<IpNet>().is_ok() || name.as_str().parse::<IpAddr>().is_ok();
        (!is_address).then(|| self.0.entry(name.clone()).or_default())
    }

    /// A list, since a table would be read as one of flows.
    pub(super) fn markdown(&self) -> String {
        let mut list = String::new();
        for (name, meaning) in &self.0 {
            let words = meaning.words();
            if !words.is_empty() {
                let _ = writeln!(list, "- {}: {}", escaped(name.as_str()), escaped(&words));
            }
        }
        if list.is_empty() { list } else { format!("\n## Addresses behind the names\n\n{list}") }
    }
}

impl Meaning {
    fn words(&self) -> String {
        let Self { peers: _, blocks, pods, hosts } = self;
        let plain = |block: &IpNet| {
            let is_single = block.prefix_len() == block.max_prefix_len();
            if is_single { block.addr().to_string() } else { block.to_string() }
        };
        let mut words: Vec<String> = hosts.iter().cloned().collect();
        words.extend(IpNet::aggregate(&blocks.iter().copied().collect()).iter().map(plain));
        if !pods.is_empty() {
            let listed: Vec<String> = pods.iter().take(LISTED).map(ToString::to_string).collect();
            let more = match pods.len().saturating_sub(LISTED) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            words.push(format!("pods, now at {}{more}", listed.join(", ")));
        }
        words.join(", ")
    }
}
