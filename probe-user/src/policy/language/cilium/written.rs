//! Rules as they are written, and which of them another makes superfluous.

use ipnet::IpNet;
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_saphyr::SerializeError;

use crate::{
    event::Protocol,
    policy::{blocks::Blocks, explain, language::yaml::Yaml, rule::PortRange},
    workload::Labels,
};

/// An item of a list of rules.
pub(super) struct Entry {
    /// Who; `None` of what the language cannot say, which is a comment and no rule.
    pub(super) peers: Option<Peers>,
    /// Which ports.
    pub(super) ports: Vec<PortRange>,
    /// What a reviewer needs to know.
    pub(super) comments: Vec<String>,
    /// Whether Cilium listens to the answers, and learns names from them.
    pub(super) listens: bool,
}

/// Who is at the other end. A rule has one kind of peers.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Peers {
    /// Pods with all of these labels.
    Endpoints(Vec<Labels>),
    /// Classes.
    Entities(Vec<&'static str>),
    /// Blocks.
    Blocks(Blocks),
    /// Names, or patterns of names.
    Names(Vec<String>),
}

/// The entity of the node itself.
pub(super) const HOST: &str = "host";
/// The entity of the other nodes.
pub(super) const REMOTE_NODE: &str = "remote-node";
/// The entity of the API server.
pub(super) const KUBE_API_SERVER: &str = "kube-apiserver";

impl Peers {
    fn key(&self, is_egress: bool) -> &'static str {
        match (self, is_egress) {
            (Self::Endpoints(_), false) => "fromEndpoints",
            (Self::Endpoints(_), true) => "toEndpoints",
            (Self::Entities(_), false) => "fromEntities",
            (Self::Entities(_), true) => "toEntities",
            (Self::Blocks(all), false) if all.is_whole() => "fromCIDR",
            (Self::Blocks(_), false) => "fromCIDRSet",
            (Self::Blocks(all), true) if all.is_whole() => "toCIDR",
            (Self::Blocks(_), true) => "toCIDRSet",
            (Self::Names(_), _) => "toFQDNs",
        }
    }

    fn cover(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Endpoints(wide), Self::Endpoints(narrow)) => narrow.iter().all(|one| wide.contains(one)),
            // Where the API server is one of the nodes, it is one of them to these, too.
            (Self::Entities(wide), Self::Entities(narrow)) => narrow
                .iter()
                .all(|one| wide.contains(one) || (*one == KUBE_API_SERVER && wide.contains(&REMOTE_NODE))),
            (Self::Blocks(wide), Self::Blocks(narrow)) => wide.cover(narrow),
            (Self::Names(wide), Self::Names(narrow)) => narrow.iter().all(|one| wide.contains(one)),
            _ => false,
        }
    }
}

impl Entry {
    /// Whether nothing passes by another that does not pass by this one.
    fn covers(&self, other: &Self) -> bool {
        let is_peer = match (&self.peers, &other.peers) {
            (Some(wide), Some(narrow)) => wide.cover(narrow),
            _ => false,
        };
        let holds = |narrow: &PortRange| self.ports.iter().any(|wide| wide.covers(narrow));
        is_peer && other.ports.iter().all(holds)
    }

    /// Writes it below the key of its direction.
    pub(super) fn write(&self, yaml: &mut Yaml, is_egress: bool) -> Result<(), SerializeError> {
        for words in &self.comments {
            yaml.comment(4, words);
        }
        match &self.peers {
            Some(peers) => yaml.item(4, &Item { peers, entry: self, is_egress }),
            None => Ok(()),
        }
    }
}

/// Several rules of ours may be one of Cilium's, which knows nodes by classes: it keeps the comments of each.
pub(super) fn absorb(entries: Vec<Entry>) -> Vec<Entry> {
    let mut kept: Vec<Entry> = Vec::new();
    for mut entry in entries {
        if let Some(wide) = kept.iter_mut().find(|one| one.covers(&entry)) {
            wide.comments.extend(entry.comments);
            continue;
        }
        kept.retain_mut(|one| {
            let is_covered = entry.covers(one);
            if is_covered {
                entry.comments.append(&mut one.comments);
            }
            !is_covered
        });
        kept.push(entry);
    }
    kept
}

/// A list of rules; one with nobody in it closes the direction.
pub(super) fn direction(yaml: &mut Yaml, is_egress: bool, entries: &[Entry]) -> Result<(), SerializeError> {
    yaml.line(2, if is_egress { "egress:" } else { "ingress:" });
    if entries.is_empty() {
        yaml.comment(4, explain::CLOSED);
    }
    entries.iter().try_for_each(|entry| entry.write(yaml, is_egress))?;
    if entries.iter().all(|entry| entry.peers.is_none()) {
        yaml.comment(4, "an empty rule holds nobody, and without any nothing would be cut");
        yaml.line(4, "- {}");
    }
    Ok(())
}

/// A rule with its keys in the order in which people write them: first who, then which ports.
struct Item<'a> {
    peers: &'a Peers,
    entry: &'a Entry,
    is_egress: bool,
}

impl Serialize for Item<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        let key = self.peers.key(self.is_egress);
        match self.peers {
            Peers::Endpoints(all) => {
                map.serialize_entry(key, &all.iter().map(Selector::of).collect::<Vec<_>>())
            }
            Peers::Entities(all) => map.serialize_entry(key, all),
            Peers::Blocks(all) if all.is_whole() => map.serialize_entry(key, &all.iter().collect::<Vec<_>>()),
            Peers::Blocks(all) => map.serialize_entry(
                key,
                &all.each().map(|(cidr, except)| CidrRule { cidr, except }).collect::<Vec<_>>(),
            ),
            Peers::Names(all) => {
                map.serialize_entry(key, &all.iter().map(|name| Name::of(name)).collect::<Vec<_>>())
            }
        }?;
        let rules = self.entry.listens.then_some(Rules { dns: [Name::MatchPattern("*")] });
        map.serialize_entry(
            "toPorts",
            &[Ports { ports: self.entry.ports.iter().map(Port::of).collect(), rules }],
        )?;
        map.end()
    }
}

/// A block with what of it is left out.
#[derive(Serialize)]
struct CidrRule {
    cidr: IpNet,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    except: Vec<IpNet>,
}

/// A selector of whom a policy is for, or of who is at the other end.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Selector<'a> {
    match_labels: &'a Labels,
}

impl<'a> Selector<'a> {
    pub(super) fn of(match_labels: &'a Labels) -> Self {
        Self { match_labels }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Name<'a> {
    MatchName(&'a str),
    MatchPattern(&'a str),
}

impl<'a> Name<'a> {
    fn of(name: &'a str) -> Self {
        if name.contains('*') { Self::MatchPattern(name) } else { Self::MatchName(name) }
    }
}

#[derive(Serialize)]
struct Ports<'a> {
    ports: Vec<Port>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rules: Option<Rules<'a>>,
}

#[derive(Serialize)]
struct Rules<'a> {
    dns: [Name<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Port {
    port: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_port: Option<u16>,
    protocol: &'static str,
}

impl Port {
    /// 0 is every port, and never one of a range.
    fn of(range: &PortRange) -> Self {
        let PortRange { protocol, first, last } = *range;
        let protocol = match protocol {
            Protocol::Tcp => "TCP",
            Protocol::Udp => "UDP",
            Protocol::Sctp => "SCTP",
            Protocol::Icmp => unreachable!("what has no ports is no rule with ports"),
        };
        let is_any = (first, last) == (0, u16::MAX);
        let first = if is_any { 0 } else { first.max(1) };
        Self { port: first.to_string(), end_port: (!is_any && last > first).then_some(last), protocol }
    }
}
