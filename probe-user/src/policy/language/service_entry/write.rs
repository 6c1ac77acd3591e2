//! Rules as service entries: of each namespace what its workloads reach outside of their cluster.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use ipnet::IpNet;
use serde::Serialize;
use serde_saphyr::SerializeError;

use super::{ITEMS, VERSION};
use crate::{
    event::Protocol,
    matrix::egress_point::server_first,
    policy::{
        explain,
        gather::Policies,
        language::{
            File, Written, component,
            outside::{Leaving, is_outside},
            pods::{Pods, head, resource_name},
            yaml::Yaml,
        },
        rule::{Flow, Peer, Rule},
        world::World,
    },
    wording,
    wording::plural,
};

const LANGUAGE: &str = "a ServiceEntry";

/// Why a node's own traffic is in no file.
const NODES: &str = "what has its node's network gets no sidecar";

/// Entries that are known by addresses have a name that nobody can ask for (RFC 6761, section 6.4).
const NOBODY: &str = "flowdrift.invalid";

/// Writes them.
///
/// # Errors
/// What the writer of YAML says.
pub fn write(world: &World<'_>, policies: &Policies<'_>) -> Result<Written, SerializeError> {
    let mut written = Written::default();
    let mut spaces: BTreeMap<(&str, &str), Vec<Claim<'_>>> = BTreeMap::new();
    for policy in &policies.subjects {
        match Pods::called(world, policy, NODES) {
            Ok(pods) => {
                let space = (pods.cluster, pods.workload.namespace.as_str());
                spaces.entry(space).or_default().extend(claims(world, &pods, &mut written.warnings));
            }
            Err(warning) => written.warnings.push(warning),
        }
    }
    for ((cluster, namespace), claims) in spaces {
        let space = Space { cluster, namespace, claims };
        written.warnings.extend(space.wider().map(|words| format!("{cluster}/{namespace}: {words}")));
        written.files.extend(space.file()?);
    }
    Ok(written)
}

/// By what a sidecar is to tell what is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Speaks {
    /// As this one of the protocols that go by the host of a request.
    Http(&'static str),
    Tls,
    Tcp,
}

impl Speaks {
    /// Of the application protocol of a row.
    fn of(app: &str) -> Self {
        match app.to_ascii_lowercase().as_str() {
            "http" => Self::Http("HTTP"),
            "http2" | "h2c" => Self::Http("HTTP2"),
            "grpc" => Self::Http("GRPC"),
            "https" | "tls" => Self::Tls,
            _ => Self::Tcp,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Http(name) => name,
            Self::Tls => "TLS",
            Self::Tcp => "TCP",
        }
    }
}

/// What a workload may reach.
struct Claim<'a> {
    workload: &'a str,
    comments: Vec<String>,
    /// What it is called.
    peer: String,
    /// Its names; none where these do not say all that is meant.
    hosts: Vec<String>,
    blocks: Vec<IpNet>,
    ports: Vec<u16>,
    speaks: Speaks,
}

impl Claim<'_> {
    /// Where the server speaks first, nothing but TCP gets through.
    fn speaks(&self, port: u16) -> Speaks {
        if server_first(port).is_some() { Speaks::Tcp } else { self.speaks }
    }

    fn meets(&self, other: &Self) -> bool {
        let is_near = |one: &IpNet| other.blocks.iter().any(|two| one.contains(two) || two.contains(one));
        self.blocks.iter().any(is_near) || self.hosts.iter().any(|host| other.hosts.contains(host))
    }
}

/// Those of a workload. What cannot be said is a warning.
fn claims<'a>(world: &World<'_>, pods: &Pods<'a>, warnings: &mut Vec<String>) -> Vec<Claim<'a>> {
    let subject = &pods.policy.subject;
    if let Some(rules) = pods.policy.ingress.as_ref().filter(|rules| !rules.is_empty()) {
        let count = plural(rules.len() as u64, "rule");
        warnings.push(format!(
            "{subject}: {count} for who reaches it NOT WRITTEN: {LANGUAGE} is for what leaves"
        ));
    }
    let mut claims = Vec::new();
    for rule in pods.policy.egress.iter().flatten() {
        let Flow { peer, ports } = &rule.flow;
        let asked = dialled(world, pods, rule);
        let remarks = match claim(world, pods, rule) {
            Ok((claim, remarks)) => {
                claims.push(claim);
                remarks
            }
            // Behind the front that was asked for is the cluster itself.
            Err(_) if !asked.is_empty() => Vec::new(),
            Err(why) => vec![format!("NOT WRITTEN: {why}")],
        };
        claims.extend(asked);
        warnings.extend(remarks.iter().map(|words| format!("{subject}: {peer} {ports}: {words}")));
    }
    claims
}

/// Of a rule, and what a reviewer must know of it; or why it reaches nothing.
fn claim<'a>(world: &World<'_>, pods: &Pods<'a>, rule: &Rule) -> Result<(Claim<'a>, Vec<String>), String> {
    let Rule { flow: Flow { peer, ports }, evidence } = rule;
    let leaving = Leaving::of(world, &pods.policy.subject, rule, LANGUAGE)?;
    if ports.protocol != Protocol::Tcp {
        return Err(format!("a sidecar captures no {}, and lets it pass", ports.protocol));
    }
    let blocks = leaving_blocks(world, pods.cluster, peer);
    if blocks.is_empty() {
        return Err(format!("it stays within the cluster, which {LANGUAGE} does not govern"));
    }
    let (ports, remark) = leaving.ports(*ports, LANGUAGE)?;
    let app = evidence.app().map_or(Speaks::Tcp, Speaks::of);
    let (hosts, speaks) = match peer {
        Peer::Endpoint { hosts, blocks, .. } if !hosts.is_empty() && world.are_whole(hosts, blocks) => {
            (hosts.clone(), app)
        }
        _ => (Vec::new(), Speaks::Tcp),
    };
    // With a resolution of NONE a sidecar goes where the client goes, whatever name he gives.
    let is_wide = speaks != Speaks::Tcp && hosts.iter().any(|host| host.starts_with('*'));
    let wider = "WIDER: whoever gives a name below `*.` reaches any address on these ports";
    let remarks: Vec<String> = remark.into_iter().chain(is_wide.then(|| wider.to_owned())).collect();
    let comments = explain::rule(rule).chain(remarks.clone()).collect();
    let claim = Claim {
        workload: &pods.workload.name,
        comments,
        peer: peer.to_string(),
        hosts,
        blocks,
        ports,
        speaks,
    };
    Ok((claim, remarks))
}

/// What clients asked for where somebody outside of the cluster's services passes them on: that is what a sidecar sees.
fn dialled<'a>(world: &World<'_>, pods: &Pods<'a>, rule: &Rule) -> Vec<Claim<'a>> {
    let is_leaving = |address: IpAddr| is_outside(world, pods.cluster, &world.at(pods.cluster, address));
    let asked = rule.evidence.dialled.iter().filter(|(address, _)| is_leaving(*address));
    let as_asked = |(address, port): &(IpAddr, u16)| Claim {
        workload: &pods.workload.name,
        comments: explain::rule(rule).collect(),
        peer: format!("{}-dialled", rule.flow.peer),
        hosts: Vec::new(),
        blocks: vec![IpNet::from(*address)],
        ports: vec![*port],
        speaks: Speaks::Tcp,
    };
    let is_tcp = rule.flow.ports.protocol == Protocol::Tcp;
    asked.filter(|_| is_tcp).map(as_asked).collect()
}

/// The blocks of a peer that are no part of the cluster.
fn leaving_blocks(world: &World<'_>, cluster: &str, peer: &Peer) -> Vec<IpNet> {
    let is_inner = |block: &IpNet| world.home(cluster).iter().any(|inner| inner.contains(block));
    peer.blocks().parts().into_iter().filter(|block| !is_inner(block)).collect()
}

/// What the workloads of a namespace may reach.
struct Space<'a> {
    cluster: &'a str,
    namespace: &'a str,
    claims: Vec<Claim<'a>>,
}

/// Claims by their places.
type Claims = BTreeSet<usize>;
/// The ports of an entry, and who asks for each.
type Ports = BTreeMap<u16, (Speaks, Claims)>;

/// An entry as it will be written.
struct Entry {
    hosts: Vec<String>,
    blocks: Vec<IpNet>,
    ports: Ports,
}

impl Entry {
    /// The first of whom it was made for.
    fn first(&self) -> usize {
        let claims = self.ports.values().flat_map(|(_, claims)| claims).copied();
        claims.min().unwrap_or_default()
    }

    /// Only a whole name can be asked for. Then nobody gets elsewhere by calling it.
    fn resolution(&self) -> &'static str {
        let is_whole = |host: &String| !host.starts_with('*');
        if self.hosts.is_empty() || !self.hosts.iter().all(is_whole) { "NONE" } else { "DNS" }
    }
}

#[derive(Serialize)]
struct Port {
    number: u16,
    name: String,
    protocol: &'static str,
}

impl Space<'_> {
    /// What nobody may overlook who applies it.
    fn wider(&self) -> Option<String> {
        let workloads: BTreeSet<&str> = self.claims.iter().map(|claim| claim.workload).collect();
        let listed = workloads.iter().copied().collect::<Vec<_>>().join(", ");
        (!workloads.is_empty()).then(|| {
            format!(
                "WIDER: {LANGUAGE} is for its namespace, and whoever is in it may reach what is for {listed}"
            )
        })
    }

    /// How a claim is let through on a port. One port is heard in one way: HTTP gets through beside nothing else there, and
    /// TLS beside no plain TCP to the same place.
    fn speaks(&self, claim: &Claim<'_>, port: u16) -> Speaks {
        let own = claim.speaks(port);
        let mut others = self.claims.iter().filter(|other| other.ports.contains(&port));
        let is_disturbed = others.any(|other| match (own, other.speaks(port)) {
            (Speaks::Tcp, _) | (Speaks::Tls, Speaks::Tls) => false,
            (Speaks::Http(one), Speaks::Http(two)) => one != two && claim.meets(other),
            (Speaks::Http(_), _) => true,
            (Speaks::Tls, _) => claim.meets(other),
        });
        if is_disturbed { Speaks::Tcp } else { own }
    }

    /// By names where these are what a sidecar goes by, and otherwise by blocks.
    fn entries(&self) -> Vec<Entry> {
        let (mut named, mut placed): (BTreeMap<&str, Ports>, BTreeMap<Vec<IpNet>, Ports>) =
            (BTreeMap::new(), BTreeMap::new());
        for (index, claim) in self.claims.iter().enumerate() {
            for port in &claim.ports {
                let speaks = self.speaks(claim, *port);
                let note = |ports: &mut Ports| {
                    ports.entry(*port).or_insert_with(|| (speaks, Claims::new())).1.insert(index);
                };
                if speaks == Speaks::Tcp {
                    claim
                        .blocks
                        .chunks(ITEMS)
                        .for_each(|some| note(placed.entry(some.to_vec()).or_default()));
                } else {
                    claim.hosts.iter().for_each(|host| note(named.entry(host).or_default()));
                }
            }
        }
        // A host stands in one entry; those for which the same rules ask share it.
        let mut shared: BTreeMap<(bool, Ports), Vec<String>> = BTreeMap::new();
        for (host, ports) in named {
            shared.entry((host.starts_with('*'), ports)).or_default().push(host.to_owned());
        }
        let by_name = shared.into_iter().flat_map(|((_, ports), hosts)| {
            let entry = move |some: &[String]| Entry {
                hosts: some.to_vec(),
                blocks: Vec::new(),
                ports: ports.clone(),
            };
            hosts.chunks(ITEMS).map(entry).collect::<Vec<_>>()
        });
        let by_place = placed.into_iter().map(|(blocks, ports)| Entry { hosts: Vec::new(), blocks, ports });
        let mut entries: Vec<Entry> = by_name.chain(by_place).flat_map(with_some_ports).collect();
        entries.sort_by_key(Entry::first);
        entries
    }

    /// Nothing where nobody reaches anything.
    fn file(&self) -> Result<Option<File>, SerializeError> {
        let Self { cluster, namespace, .. } = self;
        let (mut yaml, mut names) = (Yaml::default(), BTreeSet::new());
        yaml.comment(0, &format!("The namespace {namespace} of the cluster {cluster}"));
        yaml.comment(0, "Nothing else leaves it where its outbound traffic policy is REGISTRY_ONLY.");
        if let Some(words) = self.wider() {
            yaml.comment(0, &words);
        }
        let entries = self.entries();
        for (index, entry) in entries.iter().enumerate() {
            if index > 0 {
                yaml.line(0, "---");
            }
            let peer = resource_name(&self.claims[entry.first()].peer.replace(':', "-"));
            let peer: String = peer.chars().take(MOST_OF_A_NAME).collect();
            let peer = Some(peer.trim_matches(['-', '.']).to_owned()).filter(|peer| !peer.is_empty());
            let peer = peer.unwrap_or_else(|| "entry".to_owned());
            let numbered = (2..).map(|number| format!("{peer}-{number}"));
            let mut fitting = std::iter::once(peer.clone()).chain(numbered);
            let name = fitting.find(|name| names.insert(name.clone())).unwrap_or(peer);
            self.write(&mut yaml, entry, &name)?;
        }
        let name = format!("{}/{}/service-entries.yaml", component(cluster), component(namespace));
        let text = yaml.into_text();
        Ok((!entries.is_empty()).then(|| File { name, cluster: Some((*cluster).to_owned()), text }))
    }

    fn write(&self, yaml: &mut Yaml, entry: &Entry, name: &str) -> Result<(), SerializeError> {
        head(yaml, (VERSION, "ServiceEntry"), (name, Some(self.namespace)), &[])?;
        yaml.line(0, "spec:");
        if entry.hosts.is_empty() {
            yaml.comment(2, "By address: plain TCP tells no names, and this one is nobody's.");
            yaml.entry(2, "hosts", &[format!("{name}.{NOBODY}")])?;
            let blocks: Vec<String> = entry.blocks.iter().map(wording::block).collect();
            yaml.entry(2, "addresses", &blocks)?;
        } else {
            yaml.entry(2, "hosts", &entry.hosts)?;
        }
        yaml.entry(2, "location", &"MESH_EXTERNAL")?;
        yaml.entry(2, "resolution", &entry.resolution())?;
        yaml.entry(2, "exportTo", &["."])?;
        yaml.line(2, "ports:");
        let mut told = Claims::new();
        for (number, (speaks, claims)) in &entry.ports {
            for claim in claims.iter().filter(|claim| told.insert(**claim)).map(|claim| &self.claims[*claim])
            {
                yaml.comment(4, &format!("{}:", claim.workload));
                claim.comments.iter().for_each(|words| yaml.comment(4, &format!("  {words}")));
            }
            let protocol = speaks.name();
            let name = format!("{}-{number}", protocol.to_ascii_lowercase());
            yaml.item(4, &Port { number: *number, name, protocol })?;
        }
        Ok(())
    }
}

/// A label of a host name has up to 63 letters (RFC 1035), and two entries of one name have a number more.
const MOST_OF_A_NAME: usize = 56;

/// The same in as many entries as its ports need.
fn with_some_ports(entry: Entry) -> Vec<Entry> {
    let Entry { hosts, blocks, ports } = entry;
    let ports: Vec<(u16, (Speaks, Claims))> = ports.into_iter().collect();
    let some = |some: &[(u16, (Speaks, Claims))]| Entry {
        hosts: hosts.clone(),
        blocks: blocks.clone(),
        ports: some.iter().cloned().collect(),
    };
    ports.chunks(ITEMS).map(some).collect()
}
