//! How much of who may reach whom on what is open: under policies, by the declaration, and if whole namespaces were let through.
//!
//! The space is every way from a workload to another of its cluster and between each workload and each place outside: an
//! endpoint of the inventory, or anybody else. A way is as open as its ports are, of both TCP and UDP, and a place outside as
//! its addresses are. Where something may change – at a port or a block that the policies or the rows name – both are asked.
//! What is governed at neither end is open, and is told apart.

mod blocks;
mod edges;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use blocks::{outside_of, parts};
use edges::Edges;
use ipnet::IpNet;

use super::{
    language::{Decision, Document, Evaluator},
    passage::{Passage, passages},
    world::{Party, World},
};
use crate::{
    event::Protocol,
    flow::Direction,
    judge::{Case, Judgement},
    matching::{Match, Reader, Tuple},
    workload::Workload,
};

/// About so many questions are asked of one cluster; beyond, of workloads as far apart in the list as that needs.
const QUESTIONS: usize = 1_000_000;

/// Shares of the space of one cluster, from 0 to 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Openness {
    /// The cluster.
    pub cluster: String,
    /// What the policies let through.
    pub policies: f64,
    /// The part of it that no policy governs at either end.
    pub ungoverned: f64,
    /// What the rows declare, those of the baseline among them; exceptions are none.
    pub declared: f64,
    /// What would be let through if each namespace might exchange whatever it likes with those that it was seen to talk to and
    /// may.
    pub namespaces: f64,
    /// Workloads that were asked about.
    pub asked: usize,
    /// Workloads that there are.
    pub workloads: usize,
}

/// Of each cluster that has documents and whose pods are known.
#[must_use]
pub fn openness(
    world: &World<'_>,
    case: &Case<'_>,
    judgement: &Judgement<'_>,
    documents: &[Document],
    evaluator: &dyn Evaluator,
) -> Vec<Openness> {
    let clusters: BTreeSet<&str> = documents.iter().map(|document| document.cluster.as_str()).collect();
    let known = clusters.into_iter().filter_map(|name| Some(world.clusters.get_key_value(name)?.0.as_str()));
    let of = |cluster: &str| {
        let own = documents.iter().filter(|document| document.cluster == cluster);
        let mut edges = Edges::of(own);
        edges.add_rows(world, case);
        let pods = world.clusters[cluster].pods.iter().flat_map(|pod| pod.ports.values());
        pods.for_each(|port| edges.add_port(*port));
        Space::new(world, cluster, &edges).measure(case, judgement, evaluator)
    };
    known.filter_map(of).collect()
}

/// Somebody at an end: by his addresses, each with its share of him.
struct Place<'a> {
    name: Name<'a>,
    ends: Vec<(Party<'a>, f64)>,
    /// Whose the addresses are, outside.
    blocks: Vec<IpNet>,
}

/// All ends in a cluster and around it.
struct Space<'a> {
    world: &'a World<'a>,
    cluster: &'a str,
    workloads: Vec<Place<'a>>,
    outside: Vec<Place<'a>>,
    runs: Vec<(u16, f64)>,
}

impl<'a> Space<'a> {
    fn new(world: &'a World<'a>, cluster: &'a str, edges: &Edges) -> Self {
        let mut workloads: BTreeMap<&Workload, Place<'a>> = BTreeMap::new();
        for pod in world.clusters[cluster].pods.iter().filter(|pod| !pod.on_host_network) {
            // The pods of a workload are alike to every rule.
            workloads.entry(&pod.workload).or_insert_with(|| {
                let ends =
                    pod.addresses.iter().map(|address| (Party::Pod { cluster, pod, address: *address }, 1.0));
                let name = Name::Namespace(&pod.workload.namespace);
                Place { name, ends: ends.collect(), blocks: Vec::new() }
            });
        }
        let mut outside: Vec<Place<'a>> = Vec::new();
        for endpoint in world.inventory.endpoints.values() {
            let blocks: Vec<IpNet> = endpoint
                .cidrs
                .iter()
                .map(IpNet::trunc)
                .filter(|block| matches!(world.at(cluster, block.addr()), Party::Outside(_)))
                .filter(|block| !world.is_within(cluster, block.addr()))
                .collect();
            let share = 1.0 / blocks.len() as f64;
            let parts = blocks.iter().flat_map(|block| {
                let inner = edges.blocks.iter().filter(|inner| block.contains(*inner) && *inner != block);
                parts(*block, &inner.copied().collect::<Vec<_>>())
                    .into_iter()
                    .map(move |(address, part)| (Party::Outside(address), part * share))
            });
            let ends: Vec<_> = parts.collect();
            if !ends.is_empty() {
                outside.push(Place { name: Name::Outside(outside.len()), ends, blocks });
            }
        }
        if let Some(stranger) = stranger(world, edges) {
            let ends = vec![(Party::Outside(stranger), 1.0)];
            outside.push(Place { name: Name::Elsewhere, ends, blocks: Vec::new() });
        }
        let workloads = workloads.into_values().filter(|place| !place.ends.is_empty()).collect();
        Self { world, cluster, workloads, outside, runs: edges.runs() }
    }

    /// Nothing of a cluster without workloads.
    fn measure(
        &self,
        case: &Case<'_>,
        judgement: &Judgement<'_>,
        evaluator: &dyn Evaluator,
    ) -> Option<Openness> {
        let outside: usize = self.outside.iter().map(|place| place.ends.len()).sum();
        let of_one = 2 * self.runs.len();
        let all = |step: usize| {
            let workloads = self.workloads.len().div_ceil(step);
            of_one * workloads * (workloads + 2 * outside)
        };
        let step = (1..).find(|step| all(*step) <= QUESTIONS || *step > self.workloads.len())?;
        let workloads: Vec<&Place<'_>> = self.workloads.iter().step_by(step).collect();
        let talks = self.talks(judgement);
        let mut readers = [case.declared, case.baseline].map(|rows| Reader::new(Arc::clone(rows)));
        let (mut ways, mut sums) = (0.0, [0.0; 4]);
        let mut add = |client: &Place<'a>, server: &Place<'a>| {
            let Some(way) = self.way(client, server, evaluator, &mut readers) else { return };
            let [policies, ungoverned, declared] = way;
            ways += 1.0;
            let namespaces = if talks.contains(&(client.name, server.name)) { 1.0 } else { 0.0 };
            sums.iter_mut()
                .zip([policies, ungoverned, declared, namespaces])
                .for_each(|(sum, share)| *sum += share);
        };
        for (index, one) in workloads.iter().enumerate() {
            let others = workloads.iter().enumerate().filter(|(other, _)| *other != index);
            others.for_each(|(_, other)| add(one, other));
            for other in &self.outside {
                add(one, other);
                add(other, one);
            }
        }
        let [policies, ungoverned, declared, namespaces] = sums.map(|sum| sum / ways);
        (ways > 0.0).then(|| Openness {
            cluster: self.cluster.to_owned(),
            policies,
            ungoverned,
            declared,
            namespaces,
            asked: workloads.len(),
            workloads: self.workloads.len(),
        })
    }

    /// How far one way is open under policies, open since nobody governs it, and declared; nothing where both have no addresses of
    /// one family.
    fn way(
        &self,
        client: &Place<'_>,
        server: &Place<'_>,
        evaluator: &dyn Evaluator,
        readers: &mut [Reader],
    ) -> Option<[f64; 3]> {
        let (mut whole, mut open) = (0.0, [0.0; 3]);
        let mut found: Vec<Match> = Vec::new();
        for (from, to, share) in pairs(client, server) {
            for protocol in [Protocol::Tcp, Protocol::Udp] {
                for (port, ports) in &self.runs {
                    let weight = share * ports;
                    whole += weight;
                    let decide = |party: Party<'_>, peer, is_egress| {
                        let of_nobody = party.subject_ref().is_none();
                        let passage = Passage::between((party, peer), is_egress, *port, protocol);
                        if of_nobody { Decision::NotGoverned } else { evaluator.decide(&passage) }
                    };
                    let ends = [decide(from, to, true), decide(to, from, false)];
                    let tuple = self.tuple((from, to), *port, protocol);
                    let is_declared = readers.iter_mut().any(|reader| {
                        reader.matches(&tuple, &mut found);
                        !found.is_empty()
                    });
                    let are = [
                        !ends.contains(&Decision::Denied),
                        ends.iter().all(|end| *end == Decision::NotGoverned),
                        is_declared,
                    ];
                    open.iter_mut().zip(are).filter(|(_, is)| *is).for_each(|(open, _)| *open += weight);
                }
            }
        }
        (whole > 0.0).then(|| open.map(|open| open / whole))
    }

    /// As whoever is in the cluster tells it: the client, where both are.
    fn tuple<'t>(&'t self, (from, to): (Party<'t>, Party<'t>), port: u16, protocol: Protocol) -> Tuple<'t> {
        let (direction, own, peer) = match from {
            Party::Outside(_) => (Direction::Inbound, to, from),
            _ => (Direction::Outbound, from, to),
        };
        let node = match own {
            Party::Pod { pod, .. } => pod.node.as_deref(),
            _ => None,
        };
        Tuple {
            cluster: self.cluster,
            node: node.unwrap_or_default(),
            cgroup: None,
            direction,
            local: own.address(),
            remote: peer.address(),
            port,
            protocol,
            names: None,
        }
    }

    /// Who was seen to reach whom and may.
    fn talks<'t>(&'t self, judgement: &'t Judgement<'t>) -> BTreeSet<(Name<'t>, Name<'t>)> {
        let mut talks = BTreeSet::new();
        let is_own = |passage: &Passage<'_>| {
            passage.standing.is_legitimate() && passage.party.cluster() == Some(self.cluster)
        };
        for passage in passages(self.world, judgement).filter(is_own) {
            let (own, peers) = (self.names(&passage.party), self.names(&passage.peer));
            for (own, peer) in own.iter().flat_map(|own| peers.iter().map(move |peer| (*own, *peer))) {
                talks.insert(if passage.is_egress { (own, peer) } else { (peer, own) });
            }
        }
        talks
    }

    /// Several where endpoints lie within each other; none of a node, which a namespace's policy does not speak of.
    fn names<'t>(&'t self, party: &Party<'t>) -> Vec<Name<'t>> {
        let address = party.address();
        if let Party::Pod { cluster, pod, .. } = *party
            && cluster == self.cluster
        {
            return vec![Name::Namespace(&pod.workload.namespace)];
        }
        if matches!(party, Party::Node { .. } | Party::Guest { .. }) {
            return Vec::new();
        }
        let is_there = |place: &&Place<'_>| place.blocks.iter().any(|block| block.contains(&address));
        let named: Vec<Name<'_>> = self.outside.iter().filter(is_there).map(|place| place.name).collect();
        if named.is_empty() { vec![Name::Elsewhere] } else { named }
    }
}

/// What policies for whole namespaces tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Name<'a> {
    /// A namespace of the cluster.
    Namespace(&'a str),
    /// An endpoint outside, by its place in the list.
    Outside(usize),
    /// Whoever has no name.
    Elsewhere,
}

/// Ends of one family, with their share: of two workloads with both families, each family is one end.
fn pairs<'p>(
    client: &'p Place<'p>,
    server: &'p Place<'p>,
) -> impl Iterator<Item = (Party<'p>, Party<'p>, f64)> {
    client.ends.iter().flat_map(|(from, one)| {
        let fitting = server.ends.iter().filter(|(to, _)| to.address().is_ipv4() == from.address().is_ipv4());
        fitting.map(move |(to, other)| (*from, *to, one * other))
    })
}

/// An address that nobody names.
fn stranger(world: &World<'_>, edges: &Edges) -> Option<IpAddr> {
    let inventory = world.inventory;
    let clusters = inventory.clusters.values();
    let named = inventory.endpoints.values().flat_map(|endpoint| &endpoint.cidrs).chain(&edges.blocks);
    let named = named.chain(clusters.flat_map(|cluster| cluster.pods.iter().chain(&cluster.services)));
    // One of those that are nobody's special ones (IANA's registry of special-purpose addresses).
    let somewhere = IpNet::new_assert(Ipv4Addr::new(9, 0, 0, 0).into(), 8);
    let named: Vec<IpNet> = named.copied().filter(|block| somewhere.contains(block)).collect();
    let is_node = |address: &IpAddr| {
        inventory.clusters.values().any(|one| one.nodes.values().flatten().any(|node| node == address))
    };
    outside_of(somewhere, &named).filter(|address| !is_node(address))
}
