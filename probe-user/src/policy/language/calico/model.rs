//! What Calico's resources mean; every value is valid.

use ipnet::IpNet;

use super::expression::Expression;
use crate::workload::Labels;

/// A resource that matters to what passes.
#[derive(Clone, Debug, PartialEq)]
pub enum Resource {
    /// A policy of any kind.
    Policy(Policy),
    /// A network set, of a namespace or of all.
    Set(NetworkSet),
    /// A tier.
    Tier(Tier),
}

/// A policy.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Its namespace; none of a global one.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// The tier that it is in.
    pub tier: String,
    /// Its place there: the lower, the earlier. One that has none comes last, at infinity.
    pub order: f64,
    /// What becomes of it, where it is a staged one.
    pub staged: Option<Staged>,
    /// Whom it is for.
    pub endpoints: Selected,
    /// Rules for who reaches them; `None` where it says nothing of that.
    pub ingress: Option<Vec<Rule>>,
    /// Rules for what they reach, likewise.
    pub egress: Option<Vec<Rule>>,
}

/// What is proposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Staged {
    /// That the policy of this name be this.
    Set,
    /// That there be no policy of this name.
    Delete,
    /// Nothing (`Ignore`), or what is still to be found out (`Learn`).
    Nothing,
}

/// Endpoints and network sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selected {
    /// Where.
    pub scope: Scope,
    /// Which there.
    pub labels: Expression,
}

/// Where endpoints and network sets are looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everywhere: host endpoints and global network sets, too.
    Everywhere,
    /// In one namespace.
    Namespace(String),
    /// In the namespaces with such labels; `global()` is outside of all.
    Namespaces(Expression),
}

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// What becomes of what it holds.
    pub action: Action,
    /// Only IPv4, or only IPv6.
    pub is_v4: Option<bool>,
    /// The transport's number.
    pub protocol: Option<u8>,
    /// The number of a transport that it does not hold.
    pub not_protocol: Option<u8>,
    /// Who begins.
    pub source: Entity,
    /// Whom that one asks.
    pub destination: Entity,
}

/// What becomes of what a rule holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It passes.
    Allow,
    /// It does not.
    Deny,
    /// The next tier decides.
    Pass,
    /// It is logged, and the next rule decides.
    Log,
}

/// One end of what a rule holds: all that is said of it is so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entity {
    /// It has an address of one of these, unless there are none.
    pub nets: Vec<IpNet>,
    /// It has none of these.
    pub not_nets: Vec<IpNet>,
    /// It is one of these.
    pub selected: Option<Selected>,
    /// It is none of these.
    pub not_selected: Option<Selected>,
    /// Its port is one of these, unless there are none.
    pub ports: Vec<Port>,
    /// Its port is none of these.
    pub not_ports: Vec<Port>,
}

/// Which port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Port {
    /// From the first to the last.
    Range(u16, u16),
    /// What the server's pod calls so.
    Name(String),
}

/// Blocks with labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkSet {
    /// Its namespace; none of a global one.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: Labels,
    /// Its blocks.
    pub nets: Vec<IpNet>,
}

/// A part of the policies that is asked before or after others.
#[derive(Clone, Debug, PartialEq)]
pub struct Tier {
    /// Its name.
    pub name: String,
    /// Its place: the lower, the earlier.
    pub order: f64,
    /// Whether what none of its rules holds goes on to the next one; it is denied otherwise.
    pub passes_on: bool,
}
