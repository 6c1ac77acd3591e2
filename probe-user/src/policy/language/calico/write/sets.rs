//! Blocks that have a name of their own: one GlobalNetworkSet for each cluster and each of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use ipnet::IpNet;
use serde_saphyr::SerializeError;
use sha2::{Digest, Sha256};

use super::{super::expression::carrying, document::Document};
use crate::{
    policy::{
        language::{
            File, component,
            pods::{self, resource_name},
            yaml::Yaml,
        },
        rule::Peer,
    },
    wording::plural,
};

/// As many blocks as a reader takes in at a glance stay in the rule, where they are read.
const AT_A_GLANCE: usize = 4;

/// The label by which rules select a set.
const LABEL: &str = "flowdrift.dev/endpoint";

/// The longest value of a label (Kubernetes' syntax of labels).
const LONGEST: usize = 63;

/// The sets of all clusters.
pub(super) struct Sets<'a> {
    sets: BTreeMap<(&'a str, &'a Peer), Set>,
}

struct Set {
    /// What its label says.
    name: String,
    rules: usize,
}

impl<'a> Sets<'a> {
    /// Those that pay: used by two rules or more, with more than a few blocks, or of both families.
    pub(super) fn of(documents: &'a [Document<'a>]) -> Self {
        let mut uses: BTreeMap<(&'a str, &'a Peer), usize> = BTreeMap::new();
        for document in documents {
            let named = document.rules().map(|rule| &rule.flow.peer).filter(|peer| is_named(peer));
            named.for_each(|peer| *uses.entry((document.cluster, peer)).or_default() += 1);
        }
        uses.retain(|(_, peer), rules| *rules > 1 || is_large(&peer.blocks().parts()));
        let mut known: BTreeMap<(&str, String), usize> = BTreeMap::new();
        for (cluster, peer) in uses.keys() {
            *known.entry((cluster, plain(peer))).or_default() += 1;
        }
        let set = |((cluster, peer), rules): ((&'a str, &'a Peer), usize)| {
            let plain = plain(peer);
            // Of one endpoint rows may declare different parts.
            let is_shared = known.get(&(cluster, plain.clone())).is_some_and(|count| *count > 1);
            let name = if is_shared || plain.len() > LONGEST { told_apart(&plain, peer) } else { plain };
            ((cluster, peer), Set { name, rules })
        };
        Self { sets: uses.into_iter().map(set).collect() }
    }

    /// The expression that selects a peer's set, where it has one.
    pub(super) fn selector(&self, cluster: &str, peer: &Peer) -> Option<String> {
        let Set { name, .. } = self.sets.get(&(cluster, peer))?;
        carrying(&[(LABEL.to_owned(), name.clone())].into())
    }

    pub(super) fn files(&self) -> Result<Vec<File>, SerializeError> {
        self.sets.iter().map(|((cluster, peer), set)| set.file(cluster, peer)).collect()
    }
}

impl Set {
    fn file(&self, cluster: &str, peer: &Peer) -> Result<File, SerializeError> {
        let Self { name, rules } = self;
        let mut yaml = Yaml::default();
        let rules = plural(*rules as u64, "rule");
        yaml.comment(0, &format!("{peer} as the inventory has it, for {rules} of the cluster {cluster}"));
        if !peer.blocks().is_whole() {
            yaml.comment(0, "without what the cluster has for itself, which no row for it means");
        }
        let resource = format!("flowdrift-{name}");
        pods::head(
            &mut yaml,
            ("projectcalico.org/v3", "GlobalNetworkSet"),
            (&resource, None),
            &[(LABEL, name)],
        )?;
        yaml.line(0, "spec:");
        yaml.entry(2, "nets", &peer.blocks().parts())?;
        let file = format!("{}/globalnetworkset-{name}.yaml", component(cluster));
        Ok(File { name: file, cluster: Some(cluster.to_owned()), text: yaml.into_text() })
    }
}

fn is_named(peer: &Peer) -> bool {
    matches!(peer, Peer::Endpoint { .. } | Peer::Blocks { .. }) && !peer.blocks().parts().is_empty()
}

fn is_large(blocks: &[IpNet]) -> bool {
    let families: BTreeSet<bool> = blocks.iter().map(|block| block.addr().is_ipv4()).collect();
    blocks.len() > AT_A_GLANCE || families.len() > 1
}

/// The peer's name as a label can say it.
fn plain(peer: &Peer) -> String {
    let name = resource_name(&peer.to_string());
    if name.is_empty() { "endpoint".to_owned() } else { name }
}

/// With a digest that stays while the blocks stay.
fn told_apart(plain: &str, peer: &Peer) -> String {
    let blocks: Vec<String> = peer.blocks().parts().iter().map(ToString::to_string).collect();
    let digest = Sha256::digest(format!("{peer}\n{}", blocks.join("\n")));
    let digest = digest.iter().take(4).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    });
    let room = LONGEST - digest.len() - 1;
    let plain: String = plain.chars().take(room).collect();
    format!("{}-{digest}", plain.trim_end_matches(['-', '.']))
}
