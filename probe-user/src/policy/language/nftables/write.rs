//! Rules as a ruleset for each node: what the node's own sockets do, and what it forwards for its pods.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    net::IpAddr,
};

use ipnet::IpNet;

use crate::{
    escape,
    event::Protocol,
    policy::{
        blocks::Blocks,
        explain,
        gather::{Policies, SubjectPolicy},
        language::{File, Written, component},
        rule::{Evidence, Peer, PortRange, Rule},
        world::{Subject, World},
    },
    wording,
    workload::Workload,
};

/// The table, which is nobody else's.
const TABLE: &str = "inet flowdrift";

/// What nft takes as a comment, bytes (NFTNL_UDATA_COMMENT_MAXLEN, libnftnl).
const COMMENT: usize = 128;

/// Writes them: `<cluster>/<node>.nft`.
#[must_use]
pub fn write(world: &World<'_>, policies: &Policies<'_>) -> Written {
    let mut nodes: BTreeMap<(&str, &str), Vec<&SubjectPolicy>> = BTreeMap::new();
    let mut written = Written::default();
    for policy in &policies.subjects {
        let places = nodes_of(world, &policy.subject);
        if places.is_empty() {
            written.warnings.push(format!(
                "{}: nothing tells on which node it is; its rules are in no file",
                policy.subject
            ));
        }
        for place in places {
            nodes.entry(place).or_default().push(policy);
        }
    }
    for ((cluster, node), subjects) in nodes {
        let mut writer = Writer { world, cluster, node, sets: BTreeMap::new(), unsaid: Vec::new() };
        let text = writer.text(&subjects);
        written.warnings.extend(writer.unsaid);
        let name = format!("{}/{}.nft", component(cluster), component(node));
        written.files.push(File { name, cluster: Some(cluster.to_owned()), text });
    }
    written
}

/// Where a subject's packets pass.
fn nodes_of<'a>(world: &'a World<'_>, subject: &'a Subject) -> BTreeSet<(&'a str, &'a str)> {
    let cluster = subject.cluster();
    match subject {
        Subject::Node { node, .. } | Subject::Guest { node, .. } => [(cluster, node.as_str())].into(),
        Subject::Workload { workload, .. } => {
            let pods = world.clusters.get(cluster).into_iter().flat_map(|objects| objects.pods_of(workload));
            pods.filter_map(|pod| Some((cluster, pod.node.as_deref()?))).collect()
        }
    }
}

struct Writer<'a> {
    world: &'a World<'a>,
    cluster: &'a str,
    node: &'a str,
    /// Addresses of each workload that a rule speaks of, by the set's name.
    sets: BTreeMap<String, (&'a Workload, BTreeSet<IpAddr>)>,
    unsaid: Vec<String>,
}

/// ICMPv6 without which no address of a link is found, nor any group.
const NEIGHBOURS: [&str; 3] = [
    "nd-router-solicit, nd-router-advert",
    "nd-neighbor-solicit, nd-neighbor-advert",
    "mld-listener-query, mld-listener-report, mld-listener-done, mld2-listener-report",
];

/// The two directions as the kernel calls them at a node's own sockets.
const HOOKS: [(&str, bool); 2] = [("input", false), ("output", true)];

impl<'a> Writer<'a> {
    fn text(&mut self, subjects: &[&'a SubjectPolicy]) -> String {
        let (mut chains, mut forwarded) = (String::new(), Vec::new());
        for policy in subjects {
            match &policy.subject {
                Subject::Node { .. } => self.own(policy, &mut chains),
                _ => forwarded.push(*policy),
            }
        }
        if !forwarded.is_empty() {
            self.forwarded(&forwarded, &mut chains);
        }
        let mut text = self.head();
        for (name, (workload, addresses)) in &self.sets {
            for (is_v4, kind) in [(true, "ipv4_addr"), (false, "ipv6_addr")] {
                let of_family = addresses.iter().filter(|address| address.is_ipv4() == is_v4);
                let elements: Vec<String> = of_family.map(ToString::to_string).collect();
                if elements.is_empty() {
                    continue;
                }
                let (name, comment) = (set(name, is_v4), quoted(&format!("pods of {workload}")));
                let elements = elements.join(", ");
                let _ = write!(
                    text,
                    "\n\tset {name} {{\n\t\ttype {kind}\n\t\tcomment {comment}\n\t\telements = {{ {elements} }}\n\t}}\n"
                );
            }
        }
        text + &chains + "}\n"
    }

    fn head(&self) -> String {
        let Self { cluster, node, .. } = self;
        let mut text = String::new();
        let lines = [
            format!(
                "Node {node} of the cluster {cluster}: what was declared and observed, and the node's baseline."
            ),
            "Anything else is dropped, also what nobody saw, such as the renewal of a DHCP lease.".to_owned(),
            "It loads whole or not at all, takes its own earlier place, and leaves every other table alone."
                .to_owned(),
        ];
        lines.iter().for_each(|line| comment(&mut text, 0, line));
        let _ = write!(text, "table {TABLE}\ndelete table {TABLE}\n\ntable {TABLE} {{");
        text
    }

    /// Chains of the node's own sockets.
    fn own(&mut self, policy: &'a SubjectPolicy, text: &mut String) {
        for (hook, is_egress) in HOOKS {
            let rules = if is_egress { &policy.egress } else { &policy.ingress };
            let Some(rules) = rules else { continue };
            let _ = write!(
                text,
                "\n\tchain {hook} {{\n\t\ttype filter hook {hook} priority filter; policy drop;\n"
            );
            let interface = if is_egress { "oif" } else { "iif" };
            let _ = writeln!(text, "\t\t{interface} \"lo\" accept");
            let _ = writeln!(text, "\t\tct state established,related accept");
            comment(
                text,
                2,
                "without neighbour discovery nobody is reached (RFC 4861), nor any group (RFC 3810)",
            );
            let neighbours = NEIGHBOURS.join(",\n\t\t\t");
            let _ = writeln!(text, "\t\ticmpv6 type {{\n\t\t\t{neighbours}\n\t\t}} accept");
            rules.iter().for_each(|rule| self.rule(text, rule, is_egress, "accept"));
            let _ = writeln!(text, "\t\tcounter comment \"dropped by the policy\"\n\t}}");
        }
    }

    /// A chain for each direction of whoever has addresses of his own on the node. Who has none passes.
    fn forwarded(&mut self, policies: &[&'a SubjectPolicy], text: &mut String) {
        let mut base = String::new();
        for (is_egress, way) in [(true, "egress"), (false, "ingress")] {
            for policy in policies {
                let rules = if is_egress { &policy.egress } else { &policy.ingress };
                let Some(rules) = rules else { continue };
                let (name, addresses) = self.known_as(&policy.subject);
                let own = if is_egress { "saddr" } else { "daddr" };
                for (is_v4, family) in [(true, "ip"), (false, "ip6")] {
                    if addresses.iter().any(|address| address.is_ipv4() == is_v4) {
                        let of = match &policy.subject {
                            Subject::Workload { .. } => format!("@{}", set(&name, is_v4)),
                            _ => braced(addresses.iter().filter(|one| one.is_ipv4() == is_v4)),
                        };
                        let _ = writeln!(base, "\t\t{family} {own} {of} jump {name}_{way}");
                    }
                }
                let _ = writeln!(text, "\n\tchain {name}_{way} {{");
                comment(text, 2, &policy.subject.to_string());
                if rules.is_empty() {
                    comment(text, 2, explain::CLOSED);
                }
                rules.iter().for_each(|rule| self.rule(text, rule, is_egress, "return"));
                let _ = writeln!(text, "\t\tcounter drop comment \"dropped by the policy\"\n\t}}");
            }
        }
        let _ = write!(
            text,
            "\n\tchain forward {{\n\t\ttype filter hook forward priority filter; policy accept;\n\t\tct state established,related accept\n{base}\t}}\n"
        );
    }

    /// A name for its chains, and its addresses.
    fn known_as(&mut self, subject: &'a Subject) -> (String, BTreeSet<IpAddr>) {
        match subject {
            Subject::Workload { workload, .. } => (self.set_of(workload), self.world.addresses(subject)),
            Subject::Guest { address, .. } => {
                (format!("guest_{}", address.to_string().replace(':', "-")), [*address].into())
            }
            Subject::Node { .. } => (String::new(), BTreeSet::new()),
        }
    }

    /// The name of a workload's set, which is then written. No name of Kubernetes has a `_`.
    fn set_of(&mut self, workload: &'a Workload) -> String {
        let Workload { namespace, kind, name } = workload;
        let set = format!("{namespace}_{}_{name}", kind.to_lowercase());
        // A letter begins each identifier.
        let set = if set.starts_with(|first: char| first.is_ascii_alphabetic()) {
            set
        } else {
            format!("ns_{set}")
        };
        let subject = Subject::Workload { cluster: self.cluster.to_owned(), workload: workload.clone() };
        let addresses = self.world.addresses(&subject);
        self.sets.entry(set.clone()).or_insert((workload, addresses));
        set
    }

    fn rule(&mut self, text: &mut String, rule: &'a Rule, is_egress: bool, verdict: &str) {
        let Some(ports) = ports(&rule.flow.ports) else {
            self.unsaid.push(format!(
                "{}/{}: {} is not written: it has no ports",
                self.cluster, self.node, rule.flow.peer
            ));
            return;
        };
        let peer = if is_egress { "daddr" } else { "saddr" };
        let matches = match &rule.flow.peer {
            Peer::Workload(workload) => {
                let name = self.set_of(workload);
                let addresses =
                    self.sets.get(&name).map(|(_, addresses)| addresses.clone()).unwrap_or_default();
                let families = [(true, "ip"), (false, "ip6")].into_iter();
                let known = families.filter(|(is_v4, _)| addresses.iter().any(|one| one.is_ipv4() == *is_v4));
                known.map(|(is_v4, family)| format!("{family} {peer} @{} ", set(&name, is_v4))).collect()
            }
            other => matches(&other.blocks(), peer),
        };
        for line in explain::rule(rule) {
            comment(text, 2, &line);
        }
        if let Peer::Endpoint { hosts, .. } = &rule.flow.peer
            && !hosts.is_empty()
        {
            comment(
                text,
                2,
                &format!(
                    "nftables knows no names: {} is written as the inventory's addresses",
                    hosts.join(", ")
                ),
            );
        }
        let because = quoted(&ids(&rule.evidence));
        for wanted in matches {
            let _ = writeln!(text, "\t\t{wanted}{ports} {verdict} comment {because}");
        }
    }
}

/// What tells a peer by its blocks, a line for each family; all of them need no word.
fn matches(blocks: &Blocks, peer: &str) -> Vec<String> {
    let whole = IpNet::aggregate(&blocks.iter().collect());
    let family = |is_v4: bool, name: &str, word: &str| {
        let is_own = |block: &IpNet| block.addr().is_ipv4() == is_v4;
        let own: Vec<&IpNet> = whole.iter().filter(|block| is_own(block)).collect();
        let except: Vec<String> =
            blocks.except().filter(is_own).map(|block| wording::block(&block)).collect();
        let except = match except.as_slice() {
            [] => String::new(),
            some => format!("{name} {peer} != {} ", braced(some)),
        };
        match own.as_slice() {
            [] => None,
            [all] if all.prefix_len() == 0 && !except.is_empty() => Some(except),
            [all] if all.prefix_len() == 0 => Some(format!("meta nfproto {word} ")),
            some => Some(format!(
                "{name} {peer} {} {except}",
                braced(some.iter().map(|block| wording::block(block)))
            )),
        }
    };
    [family(true, "ip", "ipv4"), family(false, "ip6", "ipv6")].into_iter().flatten().collect()
}

/// One as it is, several as a set.
fn braced(items: impl IntoIterator<Item = impl ToString>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    match items.as_slice() {
        [one] => one.clone(),
        many => format!("{{ {} }}", many.join(", ")),
    }
}

/// Nothing of a transport without ports.
fn ports(ports: &PortRange) -> Option<String> {
    let PortRange { protocol, first, last } = *ports;
    let protocol = match protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
        Protocol::Sctp => "sctp",
        Protocol::Icmp => return None,
    };
    Some(match (first, last) {
        (0, u16::MAX) => format!("meta l4proto {protocol}"),
        (first, last) if first == last => format!("{protocol} dport {first}"),
        (first, last) => format!("{protocol} dport {first}-{last}"),
    })
}

fn set(name: &str, is_v4: bool) -> String {
    format!("{name}_{}", if is_v4 { "v4" } else { "v6" })
}

/// What says in the kernel why a rule is there.
fn ids(evidence: &Evidence) -> String {
    let rows = evidence.rows.iter().map(|row| row.id.as_str());
    let ids: BTreeSet<&str> = rows.chain(evidence.exceptions.iter().map(String::as_str)).collect();
    if ids.is_empty() { "NOT DECLARED".to_owned() } else { ids.into_iter().collect::<Vec<_>>().join(", ") }
}

/// As nft's scanner takes a string: it knows no escapes, and a `"` ends it.
fn quoted(words: &str) -> String {
    let mut kept = String::new();
    for letter in escape::text(words).chars().map(|letter| if letter == '"' { '\'' } else { letter }) {
        if kept.len() + letter.len_utf8() >= COMMENT {
            break;
        }
        kept.push(letter);
    }
    format!("\"{kept}\"")
}

fn comment(text: &mut String, indent: usize, words: &str) {
    let _ = writeln!(text, "{}# {}", "\t".repeat(indent), escape::text(words));
}
