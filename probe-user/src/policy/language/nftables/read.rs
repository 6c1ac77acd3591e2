//! A ruleset as `nft -j list ruleset` prints it: whatever it was written as, the kernel has it so.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use ipnet::IpNet;
use serde_json::Value;

use super::packet::{self, Field, Hook, Range};
use crate::{
    event::Protocol,
    matrix::{Fault, Faults},
};

/// The chains of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ruleset {
    /// By table, and by name there.
    pub(super) chains: BTreeMap<String, BTreeMap<String, Chain>>,
}

/// A chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Chain {
    /// Where packets come in; none of a chain that others jump to.
    pub(super) base: Option<Base>,
    pub(super) rules: Vec<Rule>,
}

/// Where a chain stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Base {
    pub(super) hook: Hook,
    pub(super) priority: i64,
    /// Whether what no rule decides is dropped.
    pub(super) is_closed: bool,
    /// The one family that it sees.
    pub(super) only_v4: Option<bool>,
}

/// A rule: its parts in turn, until one does not hold or decides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) parts: Vec<Part>,
}

/// A part of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// What must hold.
    Match { fields: Vec<Field>, elements: Vec<Vec<Range>>, is_negated: bool },
    /// What a map gives for it; nothing where the map lacks it.
    Map { fields: Vec<Field>, entries: Vec<(Vec<Range>, Verdict)> },
    /// What becomes of it.
    Verdict(Verdict),
}

/// What becomes of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Accept,
    Drop,
    Return,
    Continue,
    Jump(String),
    Goto(String),
}

/// Reads it; `file` names it in faults.
///
/// # Errors
/// It is no such JSON, or it asks packets for what no recording tells.
pub fn read(text: &str, file: &str) -> Result<Ruleset, Faults> {
    let told = |message: String| Faults::new(file, vec![Fault { line: 0, path: String::new(), message }]);
    let document: Value = serde_json::from_str(text).map_err(|error| {
        told(format!("found no JSON ({error}), expected what `nft -j list ruleset` prints"))
    })?;
    let Some(objects) = document.get("nftables").and_then(Value::as_array) else {
        return Err(told("found no list `nftables`, expected what `nft -j list ruleset` prints".to_owned()));
    };
    let mut reader = Reader { objects, faults: Vec::new() };
    let ruleset = reader.ruleset();
    if reader.faults.is_empty() { Ok(ruleset) } else { Err(Faults::new(file, reader.faults)) }
}

impl Ruleset {
    /// Chains that a packet may come to, by table and name.
    fn met(&self) -> BTreeSet<(String, String)> {
        let chains =
            || self.chains.iter().flat_map(|(table, chains)| chains.iter().map(move |of| (table, of)));
        let bases = chains().filter(|(_, (_, chain))| chain.base.is_some());
        let mut waiting: Vec<(String, String)> =
            bases.map(|(table, (name, _))| (table.clone(), name.clone())).collect();
        let mut met = BTreeSet::new();
        while let Some(at) = waiting.pop() {
            if met.contains(&at) {
                continue;
            }
            let chain = self.chains.get(&at.0).and_then(|chains| chains.get(&at.1));
            let targets = chain.into_iter().flat_map(|chain| &chain.rules).flat_map(Rule::targets);
            waiting.extend(targets.map(|target| (at.0.clone(), target.to_owned())));
            met.insert(at);
        }
        met
    }
}

impl Rule {
    /// Chains that it leads to.
    fn targets(&self) -> impl Iterator<Item = &str> {
        let verdicts = self.parts.iter().flat_map(|part| match part {
            Part::Match { .. } => Vec::new(),
            Part::Map { entries, .. } => entries.iter().map(|(_, verdict)| verdict).collect(),
            Part::Verdict(verdict) => vec![verdict],
        });
        verdicts.filter_map(|verdict| match verdict {
            Verdict::Jump(target) | Verdict::Goto(target) => Some(target.as_str()),
            Verdict::Accept | Verdict::Drop | Verdict::Return | Verdict::Continue => None,
        })
    }
}

struct Reader<'a> {
    objects: &'a [Value],
    faults: Vec<Fault>,
}

/// Why a part cannot be evaluated.
type Unknown = String;

impl<'a> Reader<'a> {
    fn ruleset(&mut self) -> Ruleset {
        let mut ruleset = Ruleset::default();
        let of = |kind: &'static str| self.objects.iter().filter_map(move |object| object.get(kind));
        let dormant: BTreeSet<String> = of("table").filter(|table| is_dormant(table)).map(table_of).collect();
        for chain in of("chain").collect::<Vec<_>>() {
            let (table, name) = place(chain, "name");
            let base = self.base(chain).filter(|_| !dormant.contains(&table));
            ruleset.chains.entry(table).or_default().insert(name, Chain { base, rules: Vec::new() });
        }
        let mut unknown = Vec::new();
        for rule in of("rule").collect::<Vec<_>>() {
            let (table, chain) = place(rule, "chain");
            let chains = ruleset.chains.get_mut(&table);
            let Some(found) = chains.and_then(|chains| chains.get_mut(&chain)) else { continue };
            let path = format!("{table} {chain}[{}]", found.rules.len());
            let mut parts = Vec::new();
            for part in rule.get("expr").and_then(Value::as_array).into_iter().flatten() {
                match self.part(part, &table) {
                    Ok(part) => parts.extend(part),
                    Err(message) => {
                        let fault = Fault { line: 0, path: path.clone(), message };
                        unknown.push(((table.clone(), chain.clone()), fault));
                    }
                }
            }
            found.rules.push(Rule { parts });
        }
        // What no packet comes to need not be understood: rules of translation, and of tables that sleep.
        let met = ruleset.met();
        self.faults.extend(unknown.into_iter().filter(|(at, _)| met.contains(at)).map(|(_, fault)| fault));
        ruleset
    }

    /// None of a chain that translates addresses: that had happened to what was observed. One that chooses routes drops, too.
    fn base(&mut self, chain: &Value) -> Option<Base> {
        let text = |key: &str| chain.get(key).and_then(Value::as_str);
        let (hook, family) = (text("hook")?, text("family").unwrap_or_default());
        if !matches!(text("type"), Some("filter" | "route")) || family == "arp" {
            return None;
        }
        let found = match hook {
            "prerouting" => Some(Hook::Prerouting),
            "input" => Some(Hook::Input),
            "forward" => Some(Hook::Forward),
            "output" => Some(Hook::Output),
            "postrouting" => Some(Hook::Postrouting),
            _ => None,
        };
        let found = found.filter(|_| ["ip", "ip6", "inet"].contains(&family));
        if found.is_none() {
            let (table, name) = place(chain, "name");
            let message = format!(
                "found the hook {hook} of the family {family}, expected one of IP: what passes there is not known"
            );
            self.faults.push(Fault { line: 0, path: format!("{table} {name}"), message });
        }
        Some(Base {
            hook: found?,
            priority: chain.get("prio").and_then(Value::as_i64).unwrap_or_default(),
            is_closed: text("policy") == Some("drop"),
            only_v4: match family {
                "ip" => Some(true),
                "ip6" => Some(false),
                _ => None,
            },
        })
    }

    /// None of what decides nothing.
    fn part(&self, part: &'a Value, table: &str) -> Result<Option<Part>, Unknown> {
        let Some((kind, value)) = part.as_object().and_then(|part| part.iter().next()) else {
            return Err(format!("found {part}, expected a statement"));
        };
        Ok(Some(match kind.as_str() {
            "counter" | "log" | "mangle" => return Ok(None),
            "match" => self.matching(value, table)?,
            "vmap" => self.map(value, table)?,
            "xt" => return Err("found a rule of iptables, which nft cannot print".to_owned()),
            _ => match verdict(part) {
                Some(verdict) => Part::Verdict(verdict),
                None => return Err(format!("found `{kind}`: no recording tells what it does with a packet")),
            },
        }))
    }

    fn matching(&self, value: &'a Value, table: &str) -> Result<Part, Unknown> {
        let fields = fields(value.get("left").unwrap_or(&Value::Null))?;
        let is_negated = match value.get("op").and_then(Value::as_str) {
            Some("==" | "in") => false,
            Some("!=") => true,
            other => {
                return Err(format!("found the operator {}, expected == or !=", other.unwrap_or_default()));
            }
        };
        let elements = self.elements(value.get("right").unwrap_or(&Value::Null), &fields, table)?;
        Ok(Part::Match { fields, elements, is_negated })
    }

    fn map(&self, value: &'a Value, table: &str) -> Result<Part, Unknown> {
        let fields = fields(value.get("key").unwrap_or(&Value::Null))?;
        let data = value.get("data").unwrap_or(&Value::Null);
        let pairs = match data.as_str().and_then(|name| name.strip_prefix('@')) {
            Some(name) => self.named("map", name, table)?,
            None => data.get("set").and_then(Value::as_array).map_or(&[][..], Vec::as_slice),
        };
        let mut entries = Vec::new();
        for pair in pairs {
            let (Some(key), Some(found)) = (pair.get(0), pair.get(1).and_then(verdict)) else {
                return Err(format!("found {pair}, expected a key and a verdict"));
            };
            entries.extend(element(key, &fields)?.into_iter().map(|element| (element, found.clone())));
        }
        Ok(Part::Map { fields, entries })
    }

    fn elements(&self, right: &'a Value, fields: &[Field], table: &str) -> Result<Vec<Vec<Range>>, Unknown> {
        if fields.contains(&Field::OfOthers) {
            return Ok(Vec::new());
        }
        let named = right.as_str().and_then(|name| name.strip_prefix('@'));
        let items: &[Value] = match (named, right.get("set").or(Some(right)).and_then(Value::as_array)) {
            (Some(name), _) => self.named("set", name, table)?,
            (None, Some(items)) => items,
            (None, None) => std::slice::from_ref(right),
        };
        let mut elements = Vec::new();
        for item in items {
            elements.extend(element(item, fields)?);
        }
        Ok(elements)
    }

    fn named(&self, kind: &str, name: &str, table: &str) -> Result<&'a [Value], Unknown> {
        let sets = self.objects.iter().filter_map(|object| object.get(kind));
        let found = sets.into_iter().find(|one| place(one, "name") == (table.to_owned(), name.to_owned()));
        let Some(found) = found else { return Err(format!("found no {kind} {name} in {table}")) };
        Ok(found.get("elem").and_then(Value::as_array).map_or(&[][..], Vec::as_slice))
    }
}

/// `inet filter`, and the name under a key.
fn place(object: &Value, key: &str) -> (String, String) {
    let text = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or_default();
    (format!("{} {}", text("family"), text("table")), text(key).to_owned())
}

/// The same of a table itself.
fn table_of(table: &Value) -> String {
    let text = |key: &str| table.get(key).and_then(Value::as_str).unwrap_or_default();
    format!("{} {}", text("family"), text("name"))
}

/// Whether its chains are at no hook for now (include/uapi/linux/netfilter/nf_tables.h, `NFT_TABLE_F_DORMANT`).
fn is_dormant(table: &Value) -> bool {
    match table.get("flags") {
        Some(Value::Array(flags)) => flags.iter().any(|flag| flag == "dormant"),
        Some(flag) => flag == "dormant",
        None => false,
    }
}

fn verdict(part: &Value) -> Option<Verdict> {
    let (kind, value) = part.as_object()?.iter().next()?;
    let target = || Some(value.get("target")?.as_str()?.to_owned());
    Some(match kind.as_str() {
        "accept" => Verdict::Accept,
        "drop" | "reject" => Verdict::Drop,
        "return" => Verdict::Return,
        "continue" => Verdict::Continue,
        "jump" => Verdict::Jump(target()?),
        "goto" => Verdict::Goto(target()?),
        _ => return None,
    })
}

fn fields(left: &Value) -> Result<Vec<Field>, Unknown> {
    match left.get("concat").and_then(Value::as_array) {
        Some(parts) => parts.iter().map(field).collect(),
        None => Ok(vec![field(left)?]),
    }
}

fn field(left: &Value) -> Result<Field, Unknown> {
    let text = |object: &str, key: &str| left.get(object)?.get(key)?.as_str();
    if let (Some(protocol), Some(field)) = (text("payload", "protocol"), text("payload", "field")) {
        let of = |name| match name {
            "tcp" => Some(Protocol::Tcp),
            "udp" => Some(Protocol::Udp),
            _ => Some(Protocol::Sctp),
        };
        return Ok(match (protocol, field) {
            ("ip", "saddr") => Field::Source { is_v4: true },
            ("ip6", "saddr") => Field::Source { is_v4: false },
            ("ip", "daddr") => Field::Destination { is_v4: true },
            ("ip6", "daddr") => Field::Destination { is_v4: false },
            // In a table of both families nft compares the family with it, and lists that in no rule.
            ("ip", "protocol") => Field::Transport { only_v4: Some(true) },
            ("ip6", "nexthdr") => Field::Transport { only_v4: Some(false) },
            ("th", "sport") => Field::SourcePort(None),
            ("th", "dport") => Field::DestinationPort(None),
            ("tcp" | "udp" | "sctp", "sport") => Field::SourcePort(of(protocol)),
            ("tcp" | "udp" | "sctp", "dport") => Field::DestinationPort(of(protocol)),
            ("icmp" | "icmpv6" | "igmp" | "esp" | "ah", _) => Field::OfOthers,
            _ => return Err(format!("found `{protocol} {field}`, which no recording tells")),
        });
    }
    match (text("meta", "key"), text("ct", "key")) {
        (Some("l4proto"), _) => Ok(Field::Transport { only_v4: None }),
        (Some("nfproto" | "protocol"), _) => Ok(Field::Family),
        (Some("iif" | "iifname" | "oif" | "oifname"), _) => Ok(Field::Interface),
        (Some(other), _) => Err(format!("found `meta {other}`, which no recording tells")),
        (None, Some("state")) => Ok(Field::State),
        (None, Some(other)) => Err(format!("found `ct {other}`, which no recording tells")),
        (None, None) => Err(format!("found {left}, expected a field of a packet")),
    }
}

/// An element of a set as numbers, a list of flags as several.
fn element(item: &Value, fields: &[Field]) -> Result<Vec<Vec<Range>>, Unknown> {
    let item = item.get("elem").and_then(|elem| elem.get("val")).unwrap_or(item);
    if let (Some(parts), [_, _, ..]) = (item.get("concat").and_then(Value::as_array), fields) {
        let ranges = parts.iter().zip(fields).map(|(part, field)| range(part, *field));
        return Ok(vec![ranges.collect::<Result<_, _>>()?]);
    }
    let [field] = fields else { return Err(format!("found {item}, expected as many parts as fields")) };
    match item.as_array() {
        Some(flags) => flags.iter().map(|flag| Ok(vec![range(flag, *field)?])).collect(),
        None => Ok(vec![vec![range(item, *field)?]]),
    }
}

fn range(item: &Value, field: Field) -> Result<Range, Unknown> {
    if let Some([first, last]) = item.get("range").and_then(Value::as_array).map(Vec::as_slice) {
        return Ok((range(first, field)?.0, range(last, field)?.1));
    }
    if let Some(prefix) = item.get("prefix") {
        let address = prefix.get("addr").and_then(Value::as_str).and_then(|text| text.parse::<IpAddr>().ok());
        let length = prefix.get("len").and_then(Value::as_u64).and_then(|length| u8::try_from(length).ok());
        let block = address.zip(length).and_then(|(address, length)| IpNet::new(address, length).ok());
        let block = block.ok_or_else(|| format!("found {prefix}, expected a block"))?;
        return Ok((packet::number(block.network()), packet::number(block.broadcast())));
    }
    let number = match (item.as_u64(), item.as_str()) {
        (Some(number), _) => Some(u128::from(number)),
        (None, Some("*")) => return Ok((0, u128::MAX)),
        (None, Some(name)) => named(name, field)?,
        (None, None) => None,
    };
    number
        .map(|number| (number, number))
        .ok_or_else(|| format!("found {item}, expected a value of this field"))
}

/// What a name is as a number; nft names protocols and states, and prints ports as numbers.
fn named(name: &str, field: Field) -> Result<Option<u128>, Unknown> {
    Ok(match field {
        Field::Source { .. } | Field::Destination { .. } => name.parse().ok().map(packet::number),
        Field::Transport { .. } => match name {
            "icmp" => Some(1),
            "tcp" => Some(6),
            "udp" => Some(17),
            "ipv6-icmp" | "icmpv6" => Some(58),
            "sctp" => Some(132),
            _ => None,
        },
        Field::Family => match name {
            "ipv4" | "ip" => Some(2),
            "ipv6" | "ip6" => Some(10),
            _ => None,
        },
        Field::State => packet::state(name),
        Field::Interface if name == "lo" => Some(1),
        Field::Interface => return Err(format!("found the interface `{name}`, which no recording tells")),
        Field::SourcePort(_) | Field::DestinationPort(_) | Field::OfOthers => None,
    })
}
