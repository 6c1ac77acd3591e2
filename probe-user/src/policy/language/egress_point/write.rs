//! Rules as egress points: one for each workload, of what leaves its cluster.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use hashbrown::HashMap;
use serde::Serialize;
use serde_saphyr::SerializeError;

use super::VERSION;
use crate::{
    event::Protocol,
    matrix::egress_point::{PROTOCOLS, SOURCES, server_first},
    policy::{
        explain,
        gather::Policies,
        language::{Written, outside::Leaving, pods::Pods, yaml::Yaml},
        rule::{Flow, Peer, Rule},
        world::World,
    },
    wording::plural,
};

const LANGUAGE: &str = "an EgressPoint";

/// Why a node's own traffic is in no file.
const NODES: &str = "it has its node's network, and is no workload of a Space";

/// Writes them.
///
/// # Errors
/// What the writer of YAML says.
pub fn write(world: &World<'_>, policies: &Policies<'_>) -> Result<Written, SerializeError> {
    let mut written = Written::default();
    let mut drafts = Vec::new();
    for policy in &policies.subjects {
        match Pods::called(world, policy, NODES) {
            Ok(pods) => drafts.push(Draft::new(world, pods)),
            Err(warning) => written.warnings.push(warning),
        }
    }
    let spoken = Spoken::of(&drafts);
    for draft in &drafts {
        let subject = draft.pods.policy.subject.to_string();
        written.warnings.extend(draft.warnings.iter().map(|words| format!("{subject}: {words}")));
        if draft.entries.iter().any(|entry| !entry.ports.is_empty()) {
            let yaml = draft.yaml(&spoken)?;
            written.files.push(draft.pods.file(yaml));
        }
    }
    Ok(written)
}

/// A rule as it will stand in a document.
struct Entry<'a> {
    rule: &'a Rule,
    /// What a reviewer must know of it.
    remarks: Vec<String>,
    /// None of a rule that is not written.
    hosts: Vec<String>,
    ports: Vec<u16>,
    protocol: &'static str,
}

/// What a rule lets reach, and what a reviewer must know of it.
#[derive(Default)]
struct Reached {
    hosts: Vec<String>,
    ports: Vec<u16>,
    remarks: Vec<String>,
}

/// A document as it grows.
struct Draft<'a> {
    pods: Pods<'a>,
    entries: Vec<Entry<'a>>,
    warnings: Vec<String>,
}

/// Cluster, namespace, host in small letters, and port.
type Place<'a> = (&'a str, &'a str, Cow<'a, str>, u16);

/// The protocol of each host and port of a Space, of which one only may stand; none where rules speak several.
struct Spoken<'a>(HashMap<Place<'a>, Option<&'static str>>);

impl<'a> Spoken<'a> {
    fn of(drafts: &'a [Draft<'_>]) -> Self {
        let mut spoken = HashMap::new();
        for draft in drafts {
            for entry in &draft.entries {
                for (host, port) in entry.pairs() {
                    let own = Some(entry.speaks(port));
                    let agreed = spoken.entry(draft.place(host, port)).or_insert(own);
                    *agreed = agreed.filter(|_| *agreed == own);
                }
            }
        }
        Self(spoken)
    }

    /// What all of them can agree on for a host: TCP holds the others.
    fn protocol(&self, draft: &Draft<'_>, host: &str, port: u16) -> &'static str {
        self.0.get(&draft.place(host, port)).copied().flatten().unwrap_or("TCP")
    }
}

impl Entry<'_> {
    fn pairs(&self) -> impl Iterator<Item = (&str, u16)> {
        self.hosts.iter().flat_map(|host| self.ports.iter().map(move |port| (host.as_str(), *port)))
    }

    /// Where the server speaks first, nothing but TCP gets through.
    fn speaks(&self, port: u16) -> &'static str {
        if server_first(port).is_some() { "TCP" } else { self.protocol }
    }
}

/// In the order of the reference.
#[derive(Serialize)]
struct Target<'a> {
    hosts: Vec<&'a str>,
    port: Port,
}

#[derive(Serialize)]
struct Port {
    number: u16,
    protocol: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SourceRef<'a> {
    api_group: &'a str,
    kind: &'a str,
    name: &'a str,
}

impl<'a> Draft<'a> {
    fn new(world: &World<'_>, pods: Pods<'a>) -> Self {
        let policy = pods.policy;
        let mut draft = Self { pods, entries: Vec::new(), warnings: Vec::new() };
        if let Some(rules) = policy.ingress.as_ref().filter(|rules| !rules.is_empty()) {
            let count = plural(rules.len() as u64, "rule");
            draft
                .warnings
                .push(format!("{count} for who reaches it NOT WRITTEN: an EgressPoint is for what leaves"));
        }
        for rule in policy.egress.iter().flatten() {
            let entry = draft.entry(world, rule);
            draft.entries.push(entry);
        }
        if draft.source().is_none() && draft.entries.iter().any(|entry| !entry.hosts.is_empty()) {
            draft.warnings.push(draft.of_space());
        }
        draft
    }

    fn place<'d>(&'d self, host: &'d str, port: u16) -> Place<'d> {
        let Pods { cluster, workload, .. } = &self.pods;
        let is_small = !host.bytes().any(|byte| byte.is_ascii_uppercase());
        let host = if is_small { Cow::Borrowed(host) } else { Cow::Owned(host.to_ascii_lowercase()) };
        (cluster, &workload.namespace, host, port)
    }

    fn entry(&mut self, world: &World<'_>, rule: &'a Rule) -> Entry<'a> {
        let unsaid = |why| Reached { remarks: vec![format!("NOT WRITTEN: {why}")], ..Reached::default() };
        let reached = self.reached(world, rule).unwrap_or_else(unsaid);
        let Reached { hosts, ports, remarks } = reached;
        let Flow { peer, ports: range } = &rule.flow;
        self.warnings.extend(remarks.iter().map(|words| format!("{peer} {range}: {words}")));
        let is_named = matches!(peer, Peer::Endpoint { hosts: names, .. } if *names == hosts);
        let app = rule.evidence.app().filter(|_| is_named);
        let protocol = PROTOCOLS.into_iter().find(|one| app.is_some_and(|app| app.eq_ignore_ascii_case(one)));
        Entry { rule, remarks, hosts, ports, protocol: protocol.unwrap_or("TCP") }
    }

    /// Of a rule; or why it reaches nothing.
    fn reached(&self, world: &World<'_>, rule: &Rule) -> Result<Reached, String> {
        let Rule { flow: Flow { peer, ports }, .. } = rule;
        let subject = &self.pods.policy.subject;
        let leaving = Leaving::of(world, subject, rule, LANGUAGE)?;
        if ports.protocol != Protocol::Tcp {
            return Err(format!("{LANGUAGE} knows no {}", ports.protocol));
        }
        let mut remarks = Vec::new();
        let hosts = match peer {
            Peer::Endpoint { hosts, blocks, .. } if !hosts.is_empty() && world.are_whole(hosts, blocks) => {
                if hosts.iter().any(|host| host.starts_with('*')) {
                    remarks.push("the reference does not say whether a name may begin with `*.`".to_owned());
                }
                hosts.clone()
            }
            _ => {
                let blocks = peer.blocks();
                let mut all = blocks.iter();
                let is_single = all.all(|block| block.prefix_len() == block.max_prefix_len());
                let found: Vec<String> = leaving.addresses.iter().map(ToString::to_string).collect();
                if found.is_empty() {
                    return Err(
                        "an EgressPoint knows no blocks of addresses, and none of these was seen".to_owned()
                    );
                }
                if !is_single || found.len() < blocks.iter().count() {
                    remarks.push(format!(
                        "NARROWER: an EgressPoint knows no blocks of addresses, and these are those that were seen: {}",
                        found.join(", ")
                    ));
                }
                found
            }
        };
        let (ports, remark) = leaving.ports(*ports, LANGUAGE)?;
        remarks.extend(remark);
        Ok(Reached { hosts, ports, remarks })
    }

    /// The workload, as a source can name it.
    fn source(&self) -> Option<SourceRef<'_>> {
        let workload = self.pods.workload;
        let mut sources = SOURCES.iter().filter_map(|source| source.split_once('.'));
        let (kind, api_group) = sources.find(|(kind, _)| *kind == workload.kind)?;
        Some(SourceRef { api_group, kind, name: &workload.name })
    }

    fn of_space(&self) -> String {
        let workload = self.pods.workload;
        format!(
            "WIDER: a {} is no source of an EgressPoint, and whoever is in {} may reach this",
            workload.kind, workload.namespace
        )
    }

    fn yaml(&self, spoken: &Spoken<'_>) -> Result<Yaml, SerializeError> {
        let mut yaml = self.pods.head(VERSION, "EgressPoint")?;
        yaml.line(0, "spec:");
        match self.source() {
            Some(source) => yaml.entry(2, "sourceRef", &source)?,
            None => yaml.comment(2, &self.of_space()),
        }
        yaml.line(2, "targets:");
        let mut written: BTreeSet<(&str, u16)> = BTreeSet::new();
        for entry in &self.entries {
            explain::rule(entry.rule).for_each(|words| yaml.comment(4, &words));
            entry.remarks.iter().for_each(|words| yaml.comment(4, words));
            for port in &entry.ports {
                let hosts = entry.hosts.iter().map(String::as_str);
                // One that another rule has, too, is written once.
                let hosts = hosts.filter(|host| written.insert((*host, *port))).collect::<Vec<_>>();
                let mut targets: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
                for host in hosts {
                    targets.entry(spoken.protocol(self, host, *port)).or_default().push(host);
                }
                for (protocol, hosts) in targets {
                    yaml.item(4, &Target { hosts, port: Port { number: *port, protocol } })?;
                }
            }
        }
        Ok(yaml)
    }
}
