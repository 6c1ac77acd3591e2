//! Policies as they are meant; every value is valid.

use ipnet::IpNet;

use super::domain::DomainName;
use crate::{
    event::Protocol,
    policy::language::{network_policy, number::Number, selector::Selector},
};

/// A resource that takes part in the tiers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resource {
    /// One of a cluster.
    Cluster(Policy),
    /// One of a namespace, whose tier is between the other two.
    Namespaced(network_policy::Policy),
}

/// A policy of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Its name.
    pub name: String,
    /// When it is asked.
    pub tier: Tier,
    /// Its place there: the lower, the earlier.
    pub priority: u16,
    /// Whom it is for.
    pub subject: Pods,
    /// Rules for who reaches them; with none it says nothing of that.
    pub ingress: Vec<Rule>,
    /// Rules for what they reach, likewise.
    pub egress: Vec<Rule>,
}

/// When a policy is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    /// Before every NetworkPolicy.
    Admin,
    /// Where no NetworkPolicy selects the pod.
    Baseline,
}

/// Pods with addresses of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pods {
    /// In which namespaces.
    pub namespaces: Selector,
    /// Which of them there.
    pub pods: Selector,
}

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// What becomes of what it holds.
    pub action: Action,
    /// Who is at the other end.
    pub peers: Vec<Peer>,
    /// The server's ports; `None` is every transport and port.
    pub ports: Option<Vec<Port>>,
}

/// What becomes of what a rule holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It passes.
    Accept,
    /// It does not.
    Deny,
    /// The next tier decides.
    Pass,
}

/// Who is at the other end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Pods.
    Pods(Pods),
    /// Nodes, by their addresses.
    Nodes(Selector),
    /// Whoever has an address of these.
    Networks(Vec<IpNet>),
    /// Whoever has such a name.
    Names(Vec<DomainName>),
}

/// Which port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// The transport; `None` is each that has ports.
    pub protocol: Option<Protocol>,
    /// The number.
    pub number: Number,
}
