//! The languages in which clusters enforce policies, each with its writer, its reader, and its own semantics; and those in
//! which people declare and request flows, which nobody enforces.
//!
//! A language's evaluator knows its specification and nothing of the rules that its writer was given: what it says of a
//! packet is what the cluster would do with the documents alone.

mod block;
pub mod calico;
pub mod cilium;
pub mod cluster_network_policy;
pub mod declaration;
pub mod egress_point;
mod enforced;
mod index;
pub mod network_policy;
pub mod nftables;
mod number;
mod outside;
mod pods;
mod selector;
pub mod service_entry;
#[cfg(test)]
mod site;
mod yaml;

pub use enforced::{Document, Enforced, Unreadable};

use serde_saphyr::SerializeError;

use super::{gather::Policies, passage::Passage, world::World};

/// A language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Language {
    /// `NetworkPolicy` of `networking.k8s.io/v1`.
    NetworkPolicy,
    /// `ClusterNetworkPolicy` of `policy.networking.k8s.io/v1alpha2`.
    ClusterNetworkPolicy,
    /// `CiliumNetworkPolicy` and `CiliumClusterwideNetworkPolicy` of `cilium.io/v2`.
    Cilium,
    /// `projectcalico.org/v3`.
    Calico,
    /// The same as proposals, which Calico counts and does not enforce.
    CalicoStaged,
    /// A ruleset of nftables for each node.
    Nftables,
    /// `EgressPoint` of `networking.tanzu.vmware.com/v1alpha1`.
    EgressPoint,
    /// Istio's `ServiceEntry` of `networking.istio.io/v1`.
    ServiceEntry,
    /// The canonical flow matrix.
    Matrix,
    /// The same as a table in Markdown.
    Markdown,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::NetworkPolicy,
        Self::ClusterNetworkPolicy,
        Self::Cilium,
        Self::Calico,
        Self::CalicoStaged,
        Self::Nftables,
        Self::EgressPoint,
        Self::ServiceEntry,
        Self::Matrix,
        Self::Markdown,
    ];

    /// As the command line calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NetworkPolicy => "networkpolicy",
            Self::ClusterNetworkPolicy => "clusternetworkpolicy",
            Self::Cilium => "cilium",
            Self::Calico => "calico",
            Self::CalicoStaged => "calico-staged",
            Self::Nftables => "nftables",
            Self::EgressPoint => "egresspoint",
            Self::ServiceEntry => "serviceentry",
            Self::Matrix => "matrix",
            Self::Markdown => "markdown",
        }
    }

    /// What it is, in a few words.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::NetworkPolicy => "NetworkPolicy of networking.k8s.io/v1",
            Self::ClusterNetworkPolicy => "ClusterNetworkPolicy of policy.networking.k8s.io/v1alpha2",
            Self::Cilium => "CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy of cilium.io/v2",
            Self::Calico => "policies of projectcalico.org/v3",
            Self::CalicoStaged => "staged policies of projectcalico.org/v3",
            Self::Nftables => "A ruleset of nftables for each node",
            Self::EgressPoint => "EgressPoint of networking.tanzu.vmware.com/v1alpha1",
            Self::ServiceEntry => "Istio's ServiceEntry of networking.istio.io/v1",
            Self::Matrix => "The canonical flow matrix, as a first draft of a declaration",
            Self::Markdown => "The same as a table in Markdown, for a firewall team",
        }
    }

    /// Group, version and kind of its resources; none of a language that has other documents.
    #[must_use]
    pub fn kinds(self) -> &'static [&'static str] {
        match self {
            Self::NetworkPolicy => network_policy::KINDS,
            Self::ClusterNetworkPolicy => cluster_network_policy::KINDS,
            Self::Cilium => cilium::KINDS,
            Self::EgressPoint => egress_point::KINDS,
            Self::ServiceEntry => service_entry::KINDS,
            Self::Nftables | Self::Matrix | Self::Markdown => &[],
            Self::Calico => calico::ENFORCED,
            Self::CalicoStaged => calico::STAGED,
        }
    }

    /// The language whose enforcer reads it: a proposal is one to whoever enforces what is proposed. None of one that is for
    /// people.
    #[must_use]
    pub fn enforcer(self) -> Option<Self> {
        match self {
            Self::NetworkPolicy => Some(Self::NetworkPolicy),
            Self::ClusterNetworkPolicy => Some(Self::ClusterNetworkPolicy),
            Self::Nftables => Some(Self::Nftables),
            Self::Cilium => Some(Self::Cilium),
            Self::EgressPoint => Some(Self::EgressPoint),
            Self::ServiceEntry => Some(Self::ServiceEntry),
            Self::Calico | Self::CalicoStaged => Some(Self::Calico),
            Self::Matrix | Self::Markdown => None,
        }
    }

    /// Whether anybody enforces it. What nobody does is proven by [`Self::lost`].
    #[must_use]
    pub fn is_enforced(self) -> bool {
        self.enforcer().is_some()
    }

    /// Writes rules in it.
    ///
    /// # Errors
    /// What the writer of YAML says.
    pub fn write(self, world: &World<'_>, policies: &Policies<'_>) -> Result<Written, SerializeError> {
        match self {
            Self::NetworkPolicy => network_policy::write(world, policies),
            Self::ClusterNetworkPolicy => cluster_network_policy::write(world, policies),
            Self::Cilium => cilium::write(world, policies),
            Self::Calico => calico::write(world, policies, false),
            Self::CalicoStaged => calico::write(world, policies, true),
            Self::Nftables => Ok(nftables::write(world, policies)),
            Self::EgressPoint => egress_point::write(world, policies),
            Self::ServiceEntry => service_entry::write(world, policies),
            Self::Matrix => declaration::write(world, policies, declaration::Form::Yaml),
            Self::Markdown => declaration::write(world, policies, declaration::Form::Markdown),
        }
    }

    /// What of the rules does not come back when what was written is read again, in words. Of a language that is enforced its
    /// evaluator says more.
    #[must_use]
    pub fn lost(self, world: &World<'_>, policies: &Policies<'_>, written: &Written) -> Vec<String> {
        match self {
            Self::Matrix => declaration::lost(world, policies, declaration::Form::Yaml, written),
            Self::Markdown => declaration::lost(world, policies, declaration::Form::Markdown, written),
            Self::NetworkPolicy
            | Self::ClusterNetworkPolicy
            | Self::Cilium
            | Self::Calico
            | Self::CalicoStaged
            | Self::Nftables
            | Self::EgressPoint
            | Self::ServiceEntry => Vec::new(),
        }
    }
}

/// A document of a policy, as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Where it belongs below the folder that the user names, with `/` between folders.
    pub name: String,
    /// The cluster that enforces it, as the inventory calls it; none of a paper that is for people.
    pub cluster: Option<String>,
    /// All of it.
    pub text: String,
}

/// What a writer made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// The documents, by name.
    pub files: Vec<File>,
    /// What the language cannot say, and what came of that.
    pub warnings: Vec<String>,
}

impl Written {
    /// The documents as those who enforce them get them.
    #[must_use]
    pub fn documents(&self) -> Vec<Document> {
        let document = |file: &File| {
            let File { name, cluster, text } = file.clone();
            Some(Document { cluster: cluster?, name, text })
        };
        self.files.iter().filter_map(document).collect()
    }
}

/// A name as one part of a path, whatever the name is.
#[must_use]
pub fn component(name: &str) -> String {
    let plain =
        |letter: char| if letter.is_ascii_alphanumeric() || "._-".contains(letter) { letter } else { '-' };
    let name: String = name.chars().map(plain).collect();
    if name.starts_with('.') || name.is_empty() { format!("-{name}") } else { name }
}

/// What an enforcer does with a packet in one direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// No policy is for this end in this direction.
    NotGoverned,
    /// It passes, by these rules.
    Allowed(Vec<RuleId>),
    /// It passes, by one rule of each of these: without any one of them it would not.
    AllowedInTurn(Vec<Vec<RuleId>>),
    /// It passes, whatever any policy says.
    BeyondPolicies,
    /// It passes with some of the ports that its client may have, and is cut with others.
    Partly,
    /// Policies are for this end, and none of their rules holds it.
    Denied,
}

/// Whether something passes, whatever lets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Passing {
    /// It is cut.
    Never,
    /// [`Decision::Partly`].
    Partly,
    /// It passes, or nobody governs it.
    Always,
}

impl Decision {
    /// Whether it passes.
    #[must_use]
    pub fn passing(&self) -> Passing {
        match self {
            Self::Denied => Passing::Never,
            Self::Partly => Passing::Partly,
            Self::NotGoverned | Self::Allowed(_) | Self::AllowedInTurn(_) | Self::BeyondPolicies => {
                Passing::Always
            }
        }
    }
}

/// A rule of a document.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId {
    /// The document, as its resource is called.
    pub document: String,
    /// Whether it is a rule for what leaves.
    pub is_egress: bool,
    /// Its place among the rules of that direction, from 0.
    pub index: usize,
}

/// Says what an enforcer does, to several threads at once.
pub trait Evaluator: Sync {
    /// What becomes of what passed, at the end that the passage is about.
    fn decide(&self, passage: &Passage<'_>) -> Decision;

    /// Every rule of its documents that lets something through.
    fn rules(&self) -> Vec<RuleId>;

    /// What of its documents is not compared with what passed, and what it is taken for.
    fn notes(&self) -> Vec<String> {
        Vec::new()
    }
}
