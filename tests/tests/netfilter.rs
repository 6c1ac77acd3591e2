//! What the evaluator says of a ruleset of nftables, the kernel does: each ruleset that is made of a fleet is loaded in a network
//! namespace that plays its node, with the node's pods on one side and everybody else on the other, and connections are tried
//! across it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    net::{IpAddr, SocketAddr},
    path::Path,
    thread,
    time::{Duration, Instant},
};

use fastrand::Rng;
use flowdrift::{
    event::Protocol,
    policy::{
        Party, Passage, Settings, Tightness,
        language::{Document, Enforced, Evaluator, Language, Passing},
        passages,
    },
};
use flowdrift_tests::{
    case::CaseFiles,
    namespace::TestNamespace,
    nft,
    policies::{Made, make, worlds},
    worlds::made_world,
};
use nix::errno::Errno;
use socket2::{Domain, Socket, Type};

/// Fleets at most: each ruleset takes a second.
const MOST: usize = 200;
/// Connections that nobody made, tried at each node beside those that were seen.
const TRIED: usize = 60;
/// Nobody listens anywhere: what passes is refused at once, and what does not is never answered.
const SOON: Duration = Duration::from_millis(500);
/// The same for what came out otherwise than was said, on a machine that may be busy.
const AT_LAST: Duration = Duration::from_secs(5);

#[test]
fn the_kernel_does_what_is_said_of_rulesets() {
    if !nft::is_there("the_kernel_does_what_is_said_of_rulesets") {
        return;
    }
    let (mut passed, mut cut) = (0, 0);
    for seed in 0..worlds(8).min(MOST) as u64 {
        let mut rng = Rng::with_seed(seed);
        let files = CaseFiles::made(&made_world(&mut rng));
        let tightness = [Tightness::Exact, Tightness::Inventory, Tightness::Declared][rng.usize(0..3)];
        let made = make(&files, &Settings { tightness, ..Settings::default() });
        let written = made.written(Language::Nftables).documents();
        let mut listed = written.clone();
        nft::list(&mut listed);
        let evaluator = Enforced::read(&made.world, &listed).expect("what is written can be read");
        for document in &written {
            let lab = Lab::of(&made, document);
            let asked = lab.asked(&made, &mut rng);
            // Without a ruleset all of it passes.
            let unreached = lab.other_than(asked.iter().map(|one| (one, true)), AT_LAST);
            assert_eq!(unreached.len(), 0, "seed {seed}: the lab does not lead everywhere");
            lab.namespaces.node.nft(&document.text);
            let mut wrong = lab.other_than(asked.iter().map(|one| (one, passes(&evaluator, one))), SOON);
            if !wrong.is_empty() {
                wrong = lab.other_than(wrong.into_iter(), AT_LAST);
            }
            let told: Vec<String> = wrong
                .iter()
                .map(|(one, said)| {
                    format!("{} ({} → {}): said to pass: {said}", one.passage, one.from, one.to)
                })
                .collect();
            assert!(told.is_empty(), "seed {seed}: {told:#?}\n{}", document.text);
            let passing = asked.iter().filter(|one| passes(&evaluator, one)).count();
            passed += passing;
            cut += asked.len() - passing;
        }
    }
    println!("{passed} connections pass, {cut} are cut, as was said");
    assert!(passed > 50 && cut > 50, "{passed} passed, {cut} cut");
}

fn passes(evaluator: &Enforced<'_>, asked: &Asked<'_>) -> bool {
    evaluator.decide(&asked.passage).passing() == Passing::Always
}

/// A connection across a node, and whose passage it is.
#[derive(Clone)]
struct Asked<'a> {
    passage: Passage<'a>,
    from: IpAddr,
    to: SocketAddr,
}

/// A node, its pods, and the world.
struct Lab<'a> {
    cluster: &'a str,
    node: &'a str,
    own: BTreeSet<IpAddr>,
    pods: BTreeSet<IpAddr>,
    others: BTreeSet<IpAddr>,
    namespaces: Namespaces,
}

struct Namespaces {
    node: TestNamespace,
    inside: TestNamespace,
    outside: TestNamespace,
}

impl<'a> Lab<'a> {
    fn of(made: &'a Made<'_>, document: &Document) -> Self {
        let (cluster, objects) = made.world.clusters.get_key_value(&document.cluster).expect("it has pods");
        let stem = Path::new(&document.name).file_stem().expect("a node's name").to_string_lossy();
        let roster = &made.world.inventory.clusters[cluster].nodes;
        let (node, own) = roster.get_key_value(&*stem).expect("it is in the roster");
        let local = objects.pods.iter().filter(|pod| !pod.on_host_network && pod.node.as_ref() == Some(node));
        let pods: BTreeSet<IpAddr> = local.flat_map(|pod| &pod.addresses).copied().collect();
        let own: BTreeSet<IpAddr> = own.iter().copied().collect();
        let seen = passages(&made.world, &made.judgement).map(|passage| passage.peer.address());
        let others = seen.filter(|peer| !pods.contains(peer) && !own.contains(peer)).collect();
        let namespaces = Namespaces::new(&own, &pods, &others);
        Self { cluster, node, own, pods, others, namespaces }
    }

    /// What was seen to cross the node, and what else might.
    fn asked<'p>(&self, made: &'p Made<'_>, rng: &mut Rng) -> Vec<Asked<'p>> {
        let mut asked: BTreeMap<(IpAddr, SocketAddr), Asked<'p>> = BTreeMap::new();
        let seen: Vec<Passage<'p>> = passages(&made.world, &made.judgement).collect();
        let is_own = |passage: &&Passage<'_>| passage.party.cluster() == Some(self.cluster);
        for passage in seen.iter().filter(is_own) {
            self.add(passage.clone(), &mut asked);
        }
        let ends: Vec<IpAddr> = self.own.iter().chain(&self.pods).copied().collect();
        let (others, ports): (Vec<IpAddr>, Vec<u16>) =
            (self.others.iter().copied().collect(), seen.iter().map(|passage| passage.port).collect());
        let cluster = made.world.clusters.get_key_value(self.cluster).expect("it has pods").0;
        for _ in 0..TRIED {
            if others.is_empty() || ends.is_empty() {
                break;
            }
            let at = |address: IpAddr| made.world.at(cluster, address);
            let passage = Passage::between(
                (at(ends[rng.usize(0..ends.len())]), at(others[rng.usize(0..others.len())])),
                rng.bool(),
                if rng.bool() { ports[rng.usize(0..ports.len())] } else { rng.u16(1..2_000) },
                Protocol::Tcp,
            );
            self.add(passage, &mut asked);
        }
        asked.into_values().collect()
    }

    /// Only what crosses this node, between an end of it and somebody else.
    fn add<'p>(&self, passage: Passage<'p>, asked: &mut BTreeMap<(IpAddr, SocketAddr), Asked<'p>>) {
        let (own, peer) = (passage.party.address(), passage.peer.address());
        let is_here = match passage.party {
            Party::Node { node, .. } => node == self.node && self.own.contains(&own),
            Party::Pod { pod, .. } => pod.node.as_deref() == Some(self.node) && self.pods.contains(&own),
            Party::Guest { .. } | Party::Outside(_) => false,
        };
        let is_asked = is_here
            && self.others.contains(&peer)
            && own.is_ipv4() == peer.is_ipv4()
            && passage.protocol == Protocol::Tcp;
        if is_asked {
            let (from, to) = if passage.is_egress { (own, peer) } else { (peer, own) };
            let to = SocketAddr::new(to, passage.port);
            asked.insert((from, to), Asked { passage, from, to });
        }
    }

    /// What the kernel does otherwise than was said.
    fn other_than<'o, 'p>(
        &self,
        said: impl Iterator<Item = (&'o Asked<'p>, bool)>,
        patience: Duration,
    ) -> Vec<(&'o Asked<'p>, bool)> {
        let said: Vec<_> = said.collect();
        let place = |from: &IpAddr| match () {
            () if self.own.contains(from) => &self.namespaces.node,
            () if self.pods.contains(from) => &self.namespaces.inside,
            () => &self.namespaces.outside,
        };
        let tries: Vec<(Socket, &(&Asked<'_>, bool))> = said
            .iter()
            .map(|one| (place(&one.0.from).run(|| attempt(one.0).expect("an attempt is made")), one))
            .collect();
        let end = Instant::now() + patience;
        let mut results: Vec<Option<bool>> = vec![None; tries.len()];
        while Instant::now() < end && results.contains(&None) {
            thread::sleep(Duration::from_millis(10));
            for ((socket, _), result) in tries.iter().zip(&mut results).filter(|(_, result)| result.is_none())
            {
                *result = socket
                    .take_error()
                    .expect("it is a socket")
                    .map(|error| error.kind() == io::ErrorKind::ConnectionRefused);
            }
        }
        let other =
            tries.iter().zip(results).filter(|((_, (_, said)), found)| found.unwrap_or(false) != *said);
        other.map(|((_, one), _)| **one).collect()
    }
}

/// Connects without waiting.
fn attempt(asked: &Asked<'_>) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(asked.to), Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::new(asked.from, 0).into())?;
    match socket.connect(&asked.to.into()) {
        // Under way, or cut at once by the ruleset: what passes tells so later.
        Err(error)
            if [Errno::EINPROGRESS, Errno::EPERM]
                .map(|one| Some(one as i32))
                .contains(&error.raw_os_error()) =>
        {
            Ok(socket)
        }
        Err(error) => Err(error),
        Ok(()) => Ok(socket),
    }
}

/// The node's own addresses towards both sides, which nothing speaks from.
const GATEWAYS: [(&str, &str); 2] = [("in", "169.254.7.1"), ("out", "169.254.8.1")];

/// The interface on the other side of either.
const FAR: &str = "far";

impl Namespaces {
    fn new(own: &BTreeSet<IpAddr>, pods: &BTreeSet<IpAddr>, others: &BTreeSet<IpAddr>) -> Self {
        let [node, inside, outside] = ["node", "inside", "outside"].map(TestNamespace::new);
        node.run(|| {
            for setting in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"] {
                fs::write(format!("/proc/sys/net/{setting}"), "1").expect("root sets it");
            }
        });
        for ((side, gateway), (far, addresses)) in
            GATEWAYS.into_iter().zip([(&inside, pods), (&outside, others)])
        {
            node.ip(&["link", "add", side, "type", "veth", "peer", "name", FAR, "netns", far.name()]);
            let mut near = format!(
                "link set {side} up\naddress add {gateway}/32 dev {side}\naddress add fe80::1/64 dev {side} nodad\n"
            );
            let mut there = format!("link set {FAR} up\naddress add fe80::2/64 dev {FAR} nodad\n");
            for address in addresses {
                there += &format!(
                    "address add {address} dev {FAR}{}\n",
                    if address.is_ipv6() { " nodad" } else { "" }
                );
                near += &format!("route add {address} dev {side}\n");
            }
            there += &format!(
                "route add default via {gateway} dev {FAR} onlink\nroute add default via fe80::1 dev {FAR}\n"
            );
            node.ip_batch(&near);
            far.ip_batch(&there);
        }
        let own: String = own
            .iter()
            .map(|address| {
                format!("address add {address} dev out{}\n", if address.is_ipv6() { " nodad" } else { "" })
            })
            .collect();
        node.ip_batch(&own);
        Self { node, inside, outside }
    }
}
