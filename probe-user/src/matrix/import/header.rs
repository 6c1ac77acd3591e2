//! What one column's header says, by its words: English ones, and those of German, French, Spanish and Italian tables.

use super::application::transport;
use super::columns::Role;
use crate::event::Protocol;

/// What a header may mean, and how plainly it says so: of two columns for the same thing the plainer one is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) role: Role,
    pub(super) rank: Rank,
}

/// How plainly, the plainest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// "Source IP".
    Exact,
    /// "Client".
    Synonym,
    /// "Source (old)", "Destination in production".
    Qualified,
    /// "Source zone": tells an end where nothing else does.
    Place,
}

/// The words of a header, in lower case.
pub(super) fn words(cell: &str) -> Vec<String> {
    let words = cell.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect()
}

const SOURCE: [&str; 17] = [
    "source",
    "sources",
    "src",
    "from",
    "srcaddr",
    "srcip",
    "saddr",
    "sourceip",
    "sourceaddress",
    "quelle",
    "quellen",
    "quellsystem",
    "von",
    "origen",
    "desde",
    "sorgente",
    "origine",
];
const SOURCE_SYNONYMS: [&str; 7] =
    ["client", "clients", "initiator", "originator", "origin", "connecting", "consumer"];
const DESTINATION: [&str; 19] = [
    "destination",
    "destinations",
    "dest",
    "dst",
    "to",
    "dstaddr",
    "dstip",
    "daddr",
    "destip",
    "destinationip",
    "destinationaddress",
    "ziel",
    "ziele",
    "zielsystem",
    "nach",
    "destino",
    "destinazione",
    "vers",
    "hacia",
];
const DESTINATION_SYNONYMS: [&str; 7] =
    ["target", "targets", "server", "listener", "listening", "responder", "provider"];
/// Words beside them that change nothing.
const FILLERS: [&str; 46] = [
    "ip",
    "ips",
    "ipv4",
    "ipv6",
    "address",
    "addresses",
    "host",
    "hosts",
    "hostname",
    "name",
    "names",
    "vm",
    "vms",
    "system",
    "systems",
    "node",
    "nodes",
    "endpoint",
    "endpoints",
    "component",
    "components",
    "cluster",
    "clusters",
    "network",
    "networks",
    "cidr",
    "service",
    "services",
    "application",
    "app",
    "server",
    "servers",
    "s",
    "es",
    "group",
    "security",
    "fqdn",
    "object",
    "objects",
    "machine",
    "device",
    "devices",
    "role",
    "pod",
    "the",
    "of",
];
/// Words that make something else of it: when, who asked, what it runs.
const NEVER: [&str; 32] = [
    "date",
    "day",
    "time",
    "version",
    "versions",
    "owner",
    "owners",
    "team",
    "valid",
    "ticket",
    "request",
    "requester",
    "mac",
    "type",
    "contact",
    "country",
    "os",
    "count",
    "notes",
    "description",
    "comment",
    "comments",
    "nat",
    "translated",
    "tag",
    "tags",
    "priority",
    "release",
    "department",
    "manager",
    "criticality",
    "format",
];
const PLACES: [&str; 20] = [
    "zone",
    "zones",
    "interface",
    "interfaces",
    "intf",
    "srcintf",
    "dstintf",
    "vlan",
    "environment",
    "env",
    "region",
    "site",
    "location",
    "segment",
    "datacenter",
    "tier",
    "vpc",
    "account",
    "project",
    "vrf",
];

/// What a header says.
pub(super) fn claim(cell: &str) -> Claim {
    let words = words(cell);
    let has = |some: &[&str]| words.iter().any(|word| some.contains(&word.as_str()));
    let only = |some: &[&str]| !words.is_empty() && words.iter().all(|word| some.contains(&word.as_str()));
    let exact = |role| Claim { role, rank: Rank::Exact };
    if let Some(claim) = port(&words) {
        return claim;
    }
    match protocols(&words).as_deref() {
        Some([transport]) => return exact(Role::PortsOf(*transport)),
        Some(_) => return exact(Role::Transport),
        None => {}
    }
    let is_source =
        has(&SOURCE) || has(&SOURCE_SYNONYMS) || words == ["used", "by"] || words == ["accessed", "from"];
    let is_destination = has(&DESTINATION) || has(&DESTINATION_SYNONYMS) || words == ["connects", "to"];
    match () {
        () if has(&["mask", "netmask", "wildcard"]) => exact(Role::Second),
        () if only(&ACTIONS) && has(&ACTIONS[..ACTION_WORDS]) => exact(Role::Action),
        () if only(&[
            "blocked",
            "disabled",
            "denied",
            "forbidden",
            "negate",
            "negated",
            "closed",
            "source",
            "destination",
        ]) && !only(&["source", "destination"]) =>
        {
            exact(Role::Denial)
        }
        () if only(&["optional", "is", "optionnel", "facultatif", "opcional", "opzionale"]) => {
            exact(Role::Optional)
        }
        () if only(&EXPECTATIONS) => exact(Role::Expect),
        () if has(&["peer", "remote"]) => Claim { role: Role::Peer, rank: Rank::Synonym },
        () if has(&NEVER) && (is_source || is_destination) => exact(Role::Other),
        () if has(&["direction", "dir", "bidirectional", "richtung", "sens", "sentido"]) => {
            exact(Role::Direction)
        }
        () if has(&["protocol", "protocols", "proto", "prot", "transport", "layer", "l4", "l7"])
            || has(&["protokoll", "protokolle", "protocole", "protocoles", "protocolo", "protocollo"]) =>
        {
            exact(protocol(&has))
        }
        () if has(&["initiated", "initiates"]) => exact(Role::Other),
        () if is_source && is_destination && has(&SOURCE) && has(&DESTINATION) => exact(Role::Peer),
        () if is_source && (has(&SOURCE) || !has(&DESTINATION)) => {
            end(Role::From, &words, &SOURCE, &SOURCE_SYNONYMS)
        }
        () if is_destination => end(Role::To, &words, &DESTINATION, &DESTINATION_SYNONYMS),
        () if has(&PURPOSES) => exact(Role::Purpose),
        () if only(&["id"]) || words == ["row", "id"] || words == ["rule", "id"] => exact(Role::Id),
        () if has(&["component", "product", "feature", "module"]) || words == ["external", "service"] => {
            exact(Role::Component)
        }
        () if has(&["app", "application", "service", "services", "svc", "l7", "dienst"]) => exact(Role::App),
        () if only(&[
            "flow",
            "flows",
            "communication",
            "connection",
            "connections",
            "path",
            "traffic",
            "connectivity",
        ]) =>
        {
            Claim { role: Role::Peer, rank: Rank::Place }
        }
        () if has(&["notes", "note", "details", "function", "bemerkung", "bemerkungen"]) => {
            Claim { role: Role::Purpose, rank: Rank::Synonym }
        }
        () => exact(Role::Other),
    }
}

/// How many of [`ACTIONS`] are not mere fillers.
const ACTION_WORDS: usize = 14;
const ACTIONS: [&str; 27] = [
    "action",
    "allow",
    "allowed",
    "permit",
    "permitted",
    "verdict",
    "status",
    "enabled",
    "decision",
    "permission",
    "open",
    "approved",
    "access",
    "accept",
    "deny",
    "denied",
    "rule",
    "or",
    "is",
    "firewall",
    "fw",
    "y",
    "n",
    "yes",
    "no",
    "traffic",
    "the",
];
const EXPECTATIONS: [&str; 26] = [
    "required",
    "require",
    "requirement",
    "optional",
    "mandatory",
    "expect",
    "expected",
    "needed",
    "or",
    "is",
    "flow",
    "y",
    "n",
    "yes",
    "no",
    "m",
    "o",
    "r",
    "erforderlich",
    "pflicht",
    "benötigt",
    "obligatoire",
    "requis",
    "obligatorio",
    "requerido",
    "the",
];
const PURPOSES: [&str; 19] = [
    "purpose",
    "description",
    "usage",
    "use",
    "reason",
    "why",
    "comment",
    "comments",
    "remarks",
    "justification",
    "zweck",
    "beschreibung",
    "objet",
    "motif",
    "descripción",
    "propósito",
    "descrizione",
    "scopo",
    "kommentar",
];

/// Whether a word means a port.
fn is_port(word: &str) -> bool {
    const OTHERS: [&str; 10] = [
        "transport",
        "support",
        "report",
        "export",
        "import",
        "passport",
        "viewport",
        "airport",
        "transports",
        "reports",
    ];
    let ends = word.ends_with("port") || word.ends_with("ports");
    (ends && !OTHERS.contains(&word))
        || ["puerto", "puertos", "porta", "porte", "portnummer", "portnummern"].contains(&word)
}

/// What a header with a port in it says.
fn port(words: &[String]) -> Option<Claim> {
    let has = |some: &[&str]| words.iter().any(|word| some.contains(&word.as_str()));
    if !words.iter().any(|word| is_port(word)) {
        return None;
    }
    let is_source =
        has(&SOURCE) || has(&SOURCE_SYNONYMS) || has(&["srcport", "sport", "sourceport", "quellport"]);
    let is_destination = has(&DESTINATION) || has(&DESTINATION_SYNONYMS);
    let transports = protocols(words).unwrap_or_default();
    let (role, rank) = match transports.as_slice() {
        _ if has(&["from", "start", "first", "begin", "low", "lowest", "min"]) && words.len() == 2 => {
            (Role::FirstPort, Rank::Exact)
        }
        _ if has(&["to", "end", "last", "high", "highest", "max"]) && words.len() == 2 => {
            (Role::LastPort, Rank::Exact)
        }
        _ if is_source && !is_destination => (Role::Other, Rank::Exact),
        _ if has(&["name", "description", "type", "count", "usage", "owner", "purpose"]) => {
            (Role::Other, Rank::Exact)
        }
        [transport] => (Role::PortsOf(*transport), Rank::Exact),
        _ if has(&[
            "old",
            "new",
            "alternative",
            "alternate",
            "alt",
            "secure",
            "secondary",
            "backup",
            "external",
            "tls",
            "ssl",
        ]) =>
        {
            (Role::Ports, Rank::Qualified)
        }
        _ => (Role::Ports, Rank::Exact),
    };
    Some(Claim { role, rank })
}

/// The transports, where the words name nothing else but ports.
fn protocols(words: &[String]) -> Option<Vec<Protocol>> {
    let others = words
        .iter()
        .filter(|word| !is_port(word) && !["or", "and", "s", "number", "numbers"].contains(&word.as_str()));
    others.map(|word| transport(word)).collect::<Option<Vec<_>>>().filter(|transports| !transports.is_empty())
}

fn protocol(has: &impl Fn(&[&str]) -> bool) -> Role {
    match () {
        () if has(&["app", "application", "l7", "7"]) => Role::App,
        () if has(&["transport", "l4", "4"]) => Role::Transport,
        () => Role::Protocol,
    }
}

fn end(role: Role, words: &[String], plain: &[&str], synonyms: &[&str]) -> Claim {
    let fills = |word: &String| {
        let word = word.as_str();
        plain.contains(&word) || synonyms.contains(&word) || FILLERS.contains(&word)
    };
    let has = |some: &[&str]| words.iter().any(|word| some.contains(&word.as_str()));
    let rank = match () {
        () if has(&PLACES) => Rank::Place,
        () if !words.iter().all(fills) => Rank::Qualified,
        () if has(plain) => Rank::Exact,
        () => Rank::Synonym,
    };
    Claim { role, rank }
}
