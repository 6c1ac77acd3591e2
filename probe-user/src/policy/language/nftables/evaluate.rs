//! What netfilter does with what was observed.

use std::collections::BTreeMap;

use super::{
    packet::{Field, Hook, Packet, Range},
    read::{Base, Chain, Part, Rule, Ruleset, Verdict},
};
use crate::policy::{
    language::{Decision, Evaluator, RuleId, component},
    passage::Passage,
    world::Party,
};

/// The rulesets of a cluster's nodes.
pub struct Rulesets<'a> {
    cluster: &'a str,
    /// By the node's name, as a file has it.
    nodes: BTreeMap<String, Ruleset>,
}

impl<'a> Rulesets<'a> {
    /// These, each of one node.
    #[must_use]
    pub fn new(cluster: &'a str, nodes: BTreeMap<String, Ruleset>) -> Self {
        Self { cluster, nodes }
    }
}

/// Where something passes: a node, and the hooks of the first packet and of the answer.
struct Path<'a> {
    node: &'a str,
    there: [Hook; 3],
    back: [Hook; 3],
}

/// Around a node's own sockets, and through it.
const IN: [Hook; 3] = [Hook::Prerouting, Hook::Input, Hook::Input];
const OUT: [Hook; 3] = [Hook::Output, Hook::Postrouting, Hook::Postrouting];
const THROUGH: [Hook; 3] = [Hook::Prerouting, Hook::Forward, Hook::Postrouting];

impl<'a> Path<'a> {
    /// None where it passes no hook of the party's: a pod's own node reaches it from its own sockets.
    fn of(passage: &Passage<'a>) -> Option<Self> {
        if passage.is_with_own_node() {
            return None;
        }
        Some(match (&passage.party, passage.is_egress) {
            (Party::Node { node, .. }, true) => Self { node, there: OUT, back: IN },
            (Party::Node { node, .. }, false) => Self { node, there: IN, back: OUT },
            (Party::Guest { node, .. }, _) => Self { node, there: THROUGH, back: THROUGH },
            (Party::Pod { pod, .. }, _) => Self { node: pod.node.as_deref()?, there: THROUGH, back: THROUGH },
            (Party::Outside(_), _) => return None,
        })
    }
}

impl Evaluator for Rulesets<'_> {
    fn decide(&self, passage: &Passage<'_>) -> Decision {
        let Some(path) = Path::of(passage) else { return Decision::NotGoverned };
        let node = component(path.node);
        let Some(ruleset) = self.nodes.get(&node) else { return Decision::NotGoverned };
        let (own, peer) = (passage.party.address(), passage.peer.address());
        let (source, destination) = if passage.is_egress { (own, peer) } else { (peer, own) };
        let there =
            Packet { source, destination, protocol: passage.protocol, port: passage.port, is_answer: false };
        let back = Packet { source: destination, destination: source, is_answer: true, ..there };
        let mut walk = Walk { ruleset, packet: there, by: Vec::new(), is_governed: false };
        let passes = walk.passes(&path.there);
        let (mut by, is_governed) = (walk.by, walk.is_governed);
        let passes =
            passes && Walk { ruleset, packet: back, by: Vec::new(), is_governed: false }.passes(&path.back);
        match (passes, is_governed) {
            (false, _) => Decision::Denied,
            (true, false) => Decision::NotGoverned,
            (true, true) => {
                // Two pods of one node have a chain each: the client's comes first.
                let own = if passage.is_egress { by.first().cloned() } else { by.pop() };
                let own = own.map(|(chain, index)| self.id(&node, &chain, passage.is_egress, index));
                Decision::Allowed(own.into_iter().collect())
            }
        }
    }

    /// Those that let something pass by who it is.
    fn rules(&self) -> Vec<RuleId> {
        let mut all = Vec::new();
        for (node, ruleset) in &self.nodes {
            for ((_, name), chain) in &ruleset.chains {
                let is_egress = name == "output" || name.ends_with("egress");
                let counted = chain.rules.iter().enumerate().filter(|(_, rule)| lets_pass(rule));
                all.extend(counted.map(|(index, _)| self.id(node, name, is_egress, index)));
            }
        }
        all
    }
}

impl Rulesets<'_> {
    fn id(&self, node: &str, chain: &str, is_egress: bool, index: usize) -> RuleId {
        RuleId { document: format!("{}/{node} chain {chain}", self.cluster), is_egress, index }
    }
}

/// Whether a rule lets pass what is told by more than its state.
fn lets_pass(rule: &Rule) -> bool {
    let is_told = |field: &Field| !matches!(field, Field::State | Field::Interface | Field::OfOthers);
    let is_told = |part: &Part| matches!(part, Part::Match { fields, .. } if fields.iter().any(is_told));
    let passes = |part: &Part| matches!(part, Part::Verdict(Verdict::Accept | Verdict::Return));
    rule.parts.iter().any(is_told) && rule.parts.iter().any(passes)
}

/// A packet on its way.
struct Walk<'r> {
    ruleset: &'r Ruleset,
    packet: Packet,
    /// Chain and place of the rules that let it pass.
    by: Vec<(String, usize)>,
    /// Whether anybody decides about it.
    is_governed: bool,
}

/// What a chain says.
enum Outcome {
    Accepted,
    Dropped,
    /// Its end, or `return`.
    Left,
}

impl<'r> Walk<'r> {
    /// Every base chain of each hook, by priority. The same hook twice is one.
    fn passes(&mut self, hooks: &[Hook; 3]) -> bool {
        let mut hooks = hooks.to_vec();
        hooks.dedup();
        hooks.into_iter().all(|hook| self.passes_hook(hook))
    }

    fn passes_hook(&mut self, hook: Hook) -> bool {
        let is_v4 = self.packet.source.is_ipv4();
        let here = |base: &Base| base.hook == hook && base.only_v4.is_none_or(|only| only == is_v4);
        let chains = self.ruleset.chains.iter();
        let mut chains: Vec<_> = chains
            .filter_map(|(place, chain)| {
                chain.base.filter(here).map(|base| (base.priority, place, chain, base))
            })
            .collect();
        chains.sort_by_key(|(priority, place, ..)| (*priority, *place));
        chains.into_iter().all(|(_, (table, name), chain, base)| {
            self.is_governed |= base.is_closed;
            match self.chain((table, name), chain) {
                Outcome::Accepted => true,
                Outcome::Dropped => false,
                Outcome::Left => !base.is_closed,
            }
        })
    }

    fn chain(&mut self, (table, name): (&'r str, &'r str), chain: &'r Chain) -> Outcome {
        for (index, rule) in chain.rules.iter().enumerate() {
            let Some(verdict) = self.verdict(rule) else { continue };
            if lets_pass(rule) && matches!(verdict, Verdict::Accept | Verdict::Return) {
                self.by.push((name.to_owned(), index));
                self.is_governed = true;
            }
            match verdict {
                Verdict::Accept => return Outcome::Accepted,
                Verdict::Drop => return Outcome::Dropped,
                Verdict::Return => return Outcome::Left,
                Verdict::Continue => {}
                Verdict::Jump(target) => match self.jump(table, target) {
                    Outcome::Left => {}
                    decided => return decided,
                },
                Verdict::Goto(target) => return self.jump(table, target),
            }
        }
        Outcome::Left
    }

    /// The kernel refuses a jump to nowhere, and rules that jump in a circle (nf_tables_api.c, `nft_chain_validate`).
    fn jump(&mut self, table: &'r str, target: &'r str) -> Outcome {
        let found = self.ruleset.chains.iter().find(|((of, name), _)| of == table && name == target);
        found.map_or(Outcome::Left, |((table, name), chain)| self.chain((table, name), chain))
    }

    /// What the rule decides, where it holds the packet and decides anything.
    fn verdict(&self, rule: &'r Rule) -> Option<&'r Verdict> {
        for part in &rule.parts {
            match part {
                Part::Match { fields, elements, is_negated } => {
                    let found = self.values(fields)?;
                    if elements.iter().any(|element| holds(element, &found)) == *is_negated {
                        return None;
                    }
                }
                Part::Map { fields, entries } => {
                    let found = self.values(fields)?;
                    let entry = entries.iter().find(|(element, _)| holds(element, &found));
                    return entry.map(|(_, verdict)| verdict);
                }
                Part::Verdict(verdict) => return Some(verdict),
            }
        }
        None
    }

    /// None where the packet has no such field: then the rule does not hold, however it compares.
    fn values(&self, fields: &[Field]) -> Option<Vec<Range>> {
        fields.iter().map(|field| self.packet.at(*field)).collect()
    }
}

/// Whether all that may be there is within an element.
fn holds(element: &[Range], found: &[Range]) -> bool {
    element.len() == found.len()
        && element.iter().zip(found).all(|(wide, narrow)| wide.0 <= narrow.0 && narrow.1 <= wide.1)
}
