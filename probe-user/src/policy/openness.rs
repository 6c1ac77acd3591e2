//! How much of who may reach whom on what is open: under policies, by the declaration, and if whole namespaces were let through.
//!
//! The space is every way from a workload to another of its cluster and between each workload and each place outside: an
//! endpoint of the inventory, or anybody else. A way is as open as its ports are, of both TCP and UDP, and a place outside as
//! its addresses are. Where something may change – at a port or a block that the policies or the rows name – both are asked.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use ipnet::IpNet;

use super::{
    language::{Decision, Document, Evaluator},
    passage::{Passage, Standing, passages},
    world::{Party, World},
};
use crate::{
    event::Protocol,
    flow::Direction,
    judge::{Case, Judgement},
    matching::{Match, Matcher, Reader, Tuple, size},
    matrix::Ports,
    workload::Workload,
};

/// At most so many questions are asked of one cluster; beyond, of workloads and places as far apart in the list as that needs.
const QUESTIONS: usize = 4_000_000;

/// Shares of the space of one cluster, from 0 to 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Openness {
    /// The cluster.
    pub cluster: String,
    /// What the policies let through.
    pub policies: f64,
    /// What the rows declare.
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
        let texts = documents.iter().filter(|document| document.cluster == cluster);
        let mut edges = Edges::of(texts.map(|document| document.text.as_str()));
        edges.add_rows(world, case);
        let pods = world.clusters[cluster].pods.iter().flat_map(|pod| pod.ports.values());
        pods.for_each(|port| edges.port(*port, *port));
        Space::new(world, cluster, &edges).measure(case, judgement, evaluator)
    };
    known.filter_map(of).collect()
}

/// Where what is let through may change.
#[derive(Debug, Default)]
struct Edges {
    /// The first port of each run that is alike.
    ports: BTreeSet<u16>,
    blocks: BTreeSet<IpNet>,
}

impl Edges {
    /// Every number and block that stands in documents, in whatever language they are: one too many changes nothing.
    fn of<'t>(texts: impl Iterator<Item = &'t str>) -> Self {
        let mut edges = Self::default();
        edges.port(0, 0);
        let is_part = |letter: char| letter.is_ascii_hexdigit() || ":./".contains(letter);
        let lines = texts.flat_map(str::lines).filter(|line| !line.trim_start().starts_with('#'));
        for word in lines.flat_map(|line| line.split(|letter| !is_part(letter))) {
            let block = [word, word.trim_matches(['.', ':', '/'])].into_iter().find_map(|word| {
                word.parse::<IpNet>().or_else(|_| word.parse::<IpAddr>().map(IpNet::from)).ok()
            });
            match block {
                Some(block) => drop(edges.blocks.insert(block.trunc())),
                None => {
                    let numbers = word.split([':', '.', '/']).filter_map(|number| number.parse().ok());
                    numbers.for_each(|port| edges.port(port, port));
                }
            }
        }
        edges
    }

    fn port(&mut self, first: u16, last: u16) {
        self.ports.insert(first);
        self.ports.extend(last.checked_add(1));
    }

    fn add_rows(&mut self, world: &World<'_>, case: &Case<'_>) {
        for cell in case.rows().cells() {
            if let Ports::Range { first, last } = cell.port.ports {
                self.port(first, last);
            }
        }
        // Behind a service or an ingress a row's port is another one.
        let bound = world.inventory.endpoints.values().flat_map(|endpoint| endpoint.ports.values().flatten());
        let ingresses = world.inventory.clusters.values().filter_map(|cluster| cluster.ingress.as_ref());
        let ingresses = ingresses
            .flat_map(|ingress| ingress.targets.values().flatten().chain(ingress.listeners.values()));
        bound.chain(ingresses).for_each(|port| self.port(*port, *port));
        self.blocks.extend(
            world.inventory.endpoints.values().flat_map(|endpoint| &endpoint.cidrs).map(IpNet::trunc),
        );
    }

    /// The first port of each run, and how many it has; port 0 is none.
    fn runs(&self) -> Vec<(u16, f64)> {
        let firsts: Vec<u16> = self.ports.iter().copied().filter(|port| *port > 0).collect();
        let firsts = if firsts.first() == Some(&1) { firsts } else { [vec![1], firsts].concat() };
        let ends = firsts.iter().skip(1).map(|next| u32::from(*next)).chain([1 << 16]);
        firsts.iter().zip(ends).map(|(first, end)| (*first, f64::from(end - u32::from(*first)))).collect()
    }
}

/// Somebody at an end: by his addresses, each with its share of him.
struct Place<'a> {
    /// None outside.
    workload: Option<&'a Workload>,
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
                Place { workload: Some(&pod.workload), ends: ends.collect(), blocks: Vec::new() }
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
                outside.push(Place { workload: None, ends, blocks });
            }
        }
        if let Some(stranger) = stranger(world, edges) {
            outside.push(Place {
                workload: None,
                ends: vec![(Party::Outside(stranger), 1.0)],
                blocks: Vec::new(),
            });
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
            of_one * workloads * (workloads + 2 * outside.div_ceil(step))
        };
        let step = (1..).find(|step| all(*step) <= QUESTIONS || *step > self.workloads.len())?;
        let workloads: Vec<&Place<'_>> = self.workloads.iter().step_by(step).collect();
        let outside: Vec<&Place<'_>> = self.outside.iter().step_by(step).collect();
        let talks = self.talks(judgement);
        let mut reader = Reader::new(Arc::clone(case.declared));
        let (mut ways, mut sums) = (0.0, [0.0; 3]);
        let mut add = |client: &Place<'a>, server: &Place<'a>| {
            let Some([policies, declared]) = self.way(client, server, evaluator, &mut reader) else { return };
            ways += 1.0;
            let namespaces = if talks.contains(&(self.name(client), self.name(server))) { 1.0 } else { 0.0 };
            sums.iter_mut().zip([policies, declared, namespaces]).for_each(|(sum, share)| *sum += share);
        };
        for (index, one) in workloads.iter().enumerate() {
            let others = workloads.iter().enumerate().filter(|(other, _)| *other != index);
            others.for_each(|(_, other)| add(one, other));
            for other in &outside {
                add(one, other);
                add(other, one);
            }
        }
        let [policies, declared, namespaces] = sums.map(|sum| sum / ways);
        (ways > 0.0).then(|| Openness {
            cluster: self.cluster.to_owned(),
            policies,
            declared,
            namespaces,
            asked: workloads.len(),
            workloads: self.workloads.len(),
        })
    }

    /// How far one way is open under policies and by the rows; nothing where both have no addresses of one family.
    fn way(
        &self,
        client: &Place<'_>,
        server: &Place<'_>,
        evaluator: &dyn Evaluator,
        reader: &mut Reader,
    ) -> Option<[f64; 2]> {
        let (mut whole, mut open) = (0.0, [0.0; 2]);
        let mut found: Vec<Match> = Vec::new();
        for (from, to, share) in pairs(client, server) {
            for protocol in [Protocol::Tcp, Protocol::Udp] {
                for (port, ports) in &self.runs {
                    let weight = share * ports;
                    whole += weight;
                    let is_cut = |party, peer, is_egress| {
                        let passage = packet((party, peer), is_egress, *port, protocol);
                        passage.party.subject_ref().is_some()
                            && evaluator.decide(&passage) == Decision::Denied
                    };
                    if !is_cut(from, to, true) && !is_cut(to, from, false) {
                        open[0] += weight;
                    }
                    reader.matches(&self.tuple((from, to), *port, protocol), &mut found);
                    if !found.is_empty() {
                        open[1] += weight;
                    }
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

    /// What a policy for a whole namespace would call it: the namespace, or the place.
    fn name(&self, place: &Place<'a>) -> Name<'a> {
        match place.workload {
            Some(workload) => Name::Namespace(&workload.namespace),
            None => Name::Outside(place.blocks.clone()),
        }
    }

    /// Who was seen to reach whom and may.
    fn talks(&self, judgement: &Judgement<'_>) -> BTreeSet<(Name<'_>, Name<'_>)> {
        let mut talks = BTreeSet::new();
        let is_own = |passage: &Passage<'_>| {
            passage.standing.is_legitimate() && passage.party.cluster() == Some(self.cluster)
        };
        for passage in passages(self.world, judgement).filter(is_own) {
            let (own, peers) = (self.names(&passage.party), self.names(&passage.peer));
            for (own, peer) in own.iter().flat_map(|own| peers.iter().map(move |peer| (own, peer))) {
                let way = if passage.is_egress { (own, peer) } else { (peer, own) };
                talks.insert((way.0.clone(), way.1.clone()));
            }
        }
        talks
    }

    /// Several where endpoints lie within each other.
    fn names(&self, party: &Party<'_>) -> Vec<Name<'_>> {
        let address = party.address();
        match party {
            Party::Pod { cluster, pod, .. } if *cluster == self.cluster => {
                let mut own = self.workloads.iter().filter_map(|place| place.workload);
                let known = own.find(|workload| **workload == pod.workload);
                known.map(|workload| Name::Namespace(&workload.namespace)).into_iter().collect()
            }
            _ => {
                let is_there = |place: &&Place<'_>| place.blocks.iter().any(|block| block.contains(&address));
                let there = self.outside.iter().filter(is_there).map(|place| place.blocks.clone());
                let named: Vec<Name<'_>> = there.map(Name::Outside).collect();
                if named.is_empty() { vec![Name::Outside(Vec::new())] } else { named }
            }
        }
    }
}

/// What policies for whole namespaces tell apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Name<'a> {
    Namespace(&'a str),
    Outside(Vec<IpNet>),
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

fn packet<'p>(
    (party, peer): (Party<'p>, Party<'p>),
    is_egress: bool,
    port: u16,
    protocol: Protocol,
) -> Passage<'p> {
    Passage {
        observation: 0,
        party,
        peer,
        is_egress,
        port,
        protocol,
        dialled: None,
        standing: Standing::Undeclared,
        cells: Vec::new(),
        excuse: None,
        connections: 0,
    }
}

/// A block in parts that nothing tells apart: an address of each, and its share.
fn parts(block: IpNet, inner: &[IpNet]) -> Vec<(IpAddr, f64)> {
    let every = inner.iter().copied().chain([block]);
    let whole = size(&[block]) as f64;
    let part = |one: IpNet| {
        let mut below: Vec<IpNet> =
            inner.iter().copied().filter(|other| one.contains(other) && *other != one).collect();
        below = IpNet::aggregate(&below);
        let address = outside_of(one, &below)?;
        Some((address, (size(&[one]) as f64 - size(&below) as f64) / whole))
    };
    every.filter_map(part).collect()
}

/// An address of a block that none of its parts holds.
fn outside_of(block: IpNet, parts: &[IpNet]) -> Option<IpAddr> {
    let mut block = block;
    // Halves until one is free of parts or is one of them.
    loop {
        let within: Vec<&IpNet> = parts.iter().filter(|part| block.contains(*part)).collect();
        if within.is_empty() {
            return Some(block.addr());
        }
        if within.contains(&&block) {
            return None;
        }
        let halves = block.subnets(block.prefix_len() + 1).ok()?;
        block = halves.min_by_key(|half| {
            let held: Vec<IpNet> = parts.iter().copied().filter(|part| half.contains(part)).collect();
            size(&held)
        })?;
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> IpNet {
        text.parse().expect("a block")
    }

    #[test]
    fn every_number_and_block_of_a_document_is_an_edge_but_those_of_comments() {
        let text = "# seen 77 times on 192.0.2.9\n  - cidr: 192.0.2.0/28\n    port: 443\n    endPort: 500\n    to: {ip: \"2001:db8::1\"}\n    ports: [7000:7010]\n";
        let edges = Edges::of([text].into_iter());
        for port in [443, 444, 500, 501, 7000, 7010, 7011] {
            assert!(edges.ports.contains(&port), "{port}");
        }
        assert!(!edges.ports.contains(&77));
        assert_eq!(edges.blocks, [net("192.0.2.0/28"), net("2001:db8::1/128")].into());
    }

    #[test]
    fn runs_are_all_ports_once() {
        let mut edges = Edges::default();
        edges.port(443, 443);
        edges.port(65_535, 65_535);
        assert_eq!(edges.runs(), [(1, 442.0), (443, 1.0), (444, 65_091.0), (65_535, 1.0)]);
        assert_eq!(Edges::default().runs(), [(1, 65_535.0)]);
    }

    #[test]
    fn parts_of_a_block_are_all_of_it() {
        let found =
            parts(net("192.0.2.0/24"), &[net("192.0.2.0/28"), net("192.0.2.1/32"), net("192.0.2.128/25")]);
        let shares: Vec<f64> = found.iter().map(|(_, share)| share * 256.0).collect();
        assert_eq!(shares, [15.0, 1.0, 128.0, 112.0]);
        let distinct: BTreeSet<IpAddr> = found.iter().map(|(address, _)| *address).collect();
        assert_eq!(distinct.len(), 4);
        assert_eq!(parts(net("192.0.2.7/32"), &[]), [("192.0.2.7".parse().expect("an address"), 1.0)]);
    }
}
