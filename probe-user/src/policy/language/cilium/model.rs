//! Policies as they are meant; every value is valid.

use super::name::Name;
use crate::{
    event::Protocol,
    policy::language::{block::Block, number::Number, selector::Selector},
};

/// One specification of a resource; one with `specs` has several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// What its rules call it: its resource, and its place among several specifications.
    pub document: String,
    /// Whom it is for.
    pub subject: Subject,
    /// What reaches them.
    pub ingress: Direction,
    /// What they reach.
    pub egress: Direction,
    /// What of it is not compared, and what is done in its place.
    pub notes: Vec<String>,
}

/// Whom a policy is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Pods, with the labels that Cilium gives them.
    Pods(Selector),
    /// Nodes, with all that has their network.
    Nodes(Selector),
}

/// What a policy says of one direction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Direction {
    /// Whether what nothing allows is cut.
    pub is_closed: bool,
    /// What it allows.
    pub allow: Side,
    /// What it denies, whatever else allows it.
    pub deny: Side,
}

/// Rules, and what each peer that one of them selects by labels must have beside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Side {
    /// The rules.
    pub rules: Vec<Rule>,
    /// The requirements, which hold for the rules of other policies, too.
    pub requirements: Vec<Selector>,
}

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Who is at the other end; `None` is anybody, where the rule says which ports.
    pub peers: Option<Vec<Peer>>,
    /// What of it.
    pub reach: Reach,
    /// Names that may be asked for, and whose answers are listened to; `None` of a rule that is not about names.
    pub asks: Option<Vec<Name>>,
}

impl Rule {
    /// Whether it holds nobody, and is there for the direction's sake.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.peers.is_none() && self.reach == Reach::Everything
    }
}

/// Who is at the other end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Whoever has these labels.
    Labelled(Selector),
    /// Whoever has an address of it, and is neither an endpoint nor a node.
    Block(Block),
    /// A class of peers.
    Entity(Entity),
    /// Whoever has an address that DNS gives for such a name.
    Named(Name),
}

/// A class of peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entity {
    /// Everybody.
    All,
    /// Everybody outside of the cluster.
    World,
    /// Those of them with an address of a family.
    WorldOf {
        /// Whether it is IPv4.
        is_v4: bool,
    },
    /// Everybody inside of it.
    Cluster,
    /// The node itself, with all that has its network.
    Host,
    /// The other nodes.
    RemoteNode,
    /// Wherever the API server answers.
    KubeApiServer,
    /// Who has an address inside of the cluster and is no endpoint.
    Unmanaged,
    /// Nobody.
    None,
}

/// What of a peer's traffic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// All of it.
    Everything,
    /// Some ports.
    Ports(Vec<Port>),
    /// ICMP of some types, which no observation tells.
    Icmp,
}

/// Which port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// The transport; `None` is each that has ports.
    pub protocol: Option<Protocol>,
    /// The number.
    pub number: Number,
}
