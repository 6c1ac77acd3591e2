//! What netfilter does with what was observed.

use std::collections::BTreeMap;

use hashbrown::HashMap;

use super::{
    packet::{EPHEMERAL, Field, Hook, Packet, Range},
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
    nodes: BTreeMap<String, Hooked>,
}

impl<'a> Rulesets<'a> {
    /// These, each of one node.
    #[must_use]
    pub fn new(cluster: &'a str, nodes: BTreeMap<String, Ruleset>) -> Self {
        Self {
            cluster,
            nodes: nodes.into_iter().map(|(node, ruleset)| (node, Hooked::of(ruleset))).collect(),
        }
    }
}

/// A node's chains as packets come to them: each flow asks for them several times.
struct Hooked {
    chains: Vec<Placed>,
    /// By table, and by name there.
    named: HashMap<String, HashMap<String, usize>>,
    /// Base chains by the hook, in the order in which the kernel asks them.
    hooks: HashMap<Hook, Vec<usize>>,
}

/// A chain where it is.
struct Placed {
    table: String,
    name: String,
    chain: Chain,
}

impl Hooked {
    fn of(ruleset: Ruleset) -> Self {
        let tables = ruleset.chains.into_iter();
        let placed = tables.flat_map(|(table, chains)| {
            chains.into_iter().map(move |(name, chain)| Placed { table: table.clone(), name, chain })
        });
        let chains: Vec<Placed> = placed.collect();
        let (mut named, mut hooks) = (HashMap::<_, HashMap<_, _>>::new(), HashMap::<_, Vec<usize>>::new());
        for (index, Placed { table, name, chain }) in chains.iter().enumerate() {
            named.entry(table.clone()).or_default().insert(name.clone(), index);
            if let Some(base) = chain.base {
                hooks.entry(base.hook).or_default().push(index);
            }
        }
        // They are by table and name, and that decides between equals.
        for of_hook in hooks.values_mut() {
            of_hook.sort_by_key(|index| chains[*index].chain.base.map(|base| base.priority));
        }
        Self { chains, named, hooks }
    }

    /// The base chains of a hook.
    fn at(&self, hook: Hook) -> impl Iterator<Item = (&Placed, &Base)> {
        let of_hook = self.hooks.get(&hook).into_iter().flatten().map(|index| &self.chains[*index]);
        of_hook.filter_map(|placed| Some((placed, placed.chain.base.as_ref()?)))
    }

    fn named(&self, table: &str, name: &str) -> Option<&Placed> {
        Some(&self.chains[*self.named.get(table)?.get(name)?])
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
        let Some(hooked) = self.nodes.get(&node) else { return Decision::NotGoverned };
        let (own, peer) = (passage.party.address(), passage.peer.address());
        let (source, destination) = if passage.is_egress { (own, peer) } else { (peer, own) };
        let (protocol, port, client) = (passage.protocol, passage.port, EPHEMERAL);
        let there = Packet { source, destination, protocol, port, client, is_answer: false };
        let back = Packet { source: destination, destination: source, is_answer: true, ..there };
        let Some(there) = Passed::of(hooked, there, &path.there) else { return Decision::Denied };
        let Some(back) = Passed::of(hooked, back, &path.back) else { return Decision::Denied };
        if !there.is_governed {
            return Decision::NotGoverned;
        }
        // Two pods of one node have a chain each, and an answer may need a rule of its own.
        let by = there.by.into_iter().chain(back.by);
        let mut turns: Vec<Vec<RuleId>> =
            by.map(|(placed, index)| vec![self.id(&node, placed, index)]).collect();
        match turns.len() {
            0 | 1 => Decision::Allowed(turns.pop().unwrap_or_default()),
            _ => Decision::AllowedInTurn(turns),
        }
    }

    /// Those that let something pass by who it is.
    fn rules(&self) -> Vec<RuleId> {
        let mut all = Vec::new();
        for (node, Hooked { chains, .. }) in &self.nodes {
            for placed in chains {
                let counted = placed.chain.rules.iter().enumerate().filter(|(_, rule)| lets_pass(rule));
                all.extend(counted.map(|(index, _)| self.id(node, placed, index)));
            }
        }
        all
    }
}

impl Rulesets<'_> {
    /// A chain may be for both directions: of one that no hook tells of, its name is believed.
    fn id(&self, node: &str, Placed { table, name, chain }: &Placed, index: usize) -> RuleId {
        let is_egress = match chain.base {
            Some(Base { hook, .. }) => matches!(hook, Hook::Output | Hook::Postrouting),
            None => name.ends_with("egress"),
        };
        RuleId { document: format!("{}/{node} {table} chain {name}", self.cluster), is_egress, index }
    }
}

/// Whether a rule lets pass what is told by more than its state.
fn lets_pass(rule: &Rule) -> bool {
    let is_told = |field: &Field| !matches!(field, Field::State | Field::Interface | Field::OfOthers);
    let is_told = |part: &Part| match part {
        Part::Match { fields, .. } | Part::Map { fields, .. } => fields.iter().any(is_told),
        Part::Verdict(_) => false,
    };
    let passes = |part: &Part| match part {
        Part::Verdict(verdict) => is_pass(verdict),
        Part::Map { entries, .. } => entries.iter().any(|(_, verdict)| is_pass(verdict)),
        Part::Match { .. } => false,
    };
    rule.parts.iter().any(is_told) && rule.parts.iter().any(passes)
}

fn is_pass(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Accept | Verdict::Return)
}

/// By what a packet passed, whichever port its client has.
#[derive(Default)]
struct Passed<'r> {
    /// Chain and place of each rule.
    by: Vec<(&'r Placed, usize)>,
    /// Whether anybody decides about it.
    is_governed: bool,
}

impl<'r> Passed<'r> {
    /// None where it does not, with some of them: nobody chooses the client's port.
    fn of(hooked: &'r Hooked, packet: Packet, hooks: &[Hook; 3]) -> Option<Self> {
        let mut passed = Self::default();
        let mut waiting = vec![packet];
        while let Some(packet) = waiting.pop() {
            let mut walk = Walk::of(hooked, packet);
            let passes = walk.passes(hooks);
            if let Some(port) = walk.divided_at {
                let (first, last) = packet.client;
                waiting.extend([
                    Packet { client: (first, port - 1), ..packet },
                    Packet { client: (port, last), ..packet },
                ]);
                continue;
            }
            if !passes {
                return None;
            }
            passed.is_governed |= walk.is_governed;
            for rule in walk.by {
                let is_known =
                    |(placed, index): &(&Placed, usize)| std::ptr::eq(*placed, rule.0) && *index == rule.1;
                if !passed.by.iter().any(is_known) {
                    passed.by.push(rule);
                }
            }
        }
        Some(passed)
    }
}

/// A packet on its way.
struct Walk<'r> {
    hooked: &'r Hooked,
    packet: Packet,
    /// Chain and place of the rules that let it pass.
    by: Vec<(&'r Placed, usize)>,
    /// What is at the fields that a rule asks for.
    found: Vec<Range>,
    /// Whether anybody decides about it.
    is_governed: bool,
    /// The first of the client's ports of which a rule decides otherwise than of those before it: then this way is nobody's.
    divided_at: Option<u128>,
}

/// What a chain says.
enum Outcome {
    Accepted,
    Dropped,
    /// Its end, or `return`.
    Left,
}

impl<'r> Walk<'r> {
    fn of(hooked: &'r Hooked, packet: Packet) -> Self {
        Self { hooked, packet, by: Vec::new(), found: Vec::new(), is_governed: false, divided_at: None }
    }

    /// Every base chain of each hook, by priority. The same hook twice is one.
    fn passes(&mut self, hooks: &[Hook; 3]) -> bool {
        let [first, second, third] = *hooks;
        self.passes_hook(first)
            && (second == first || self.passes_hook(second))
            && (third == second || self.passes_hook(third))
    }

    fn passes_hook(&mut self, hook: Hook) -> bool {
        let is_v4 = self.packet.source.is_ipv4();
        let mut chains =
            self.hooked.at(hook).filter(|(_, base)| base.only_v4.is_none_or(|only| only == is_v4));
        chains.all(|(placed, base)| {
            self.is_governed |= base.is_closed;
            match self.chain(placed) {
                Outcome::Accepted => true,
                Outcome::Dropped => false,
                Outcome::Left => !base.is_closed,
            }
        })
    }

    fn chain(&mut self, placed: &'r Placed) -> Outcome {
        let Placed { table, chain, .. } = placed;
        for (index, rule) in chain.rules.iter().enumerate() {
            let Some(verdict) = self.verdict(rule) else { continue };
            if is_pass(verdict) && lets_pass(rule) {
                self.by.push((placed, index));
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
    fn jump(&mut self, table: &str, target: &str) -> Outcome {
        let found = self.hooked.named(table, target);
        found.map_or(Outcome::Left, |placed| self.chain(placed))
    }

    /// What the rule decides, where it holds the packet and decides anything.
    fn verdict(&mut self, rule: &'r Rule) -> Option<&'r Verdict> {
        for part in &rule.parts {
            match part {
                Part::Match { fields, elements, is_negated } => {
                    self.look(fields)?;
                    if elements.iter().any(|element| self.is_within(element)) == *is_negated {
                        return None;
                    }
                }
                Part::Map { fields, entries } => {
                    self.look(fields)?;
                    let entry = entries.iter().find(|(element, _)| self.is_within(element));
                    return entry.map(|(_, verdict)| verdict);
                }
                Part::Verdict(verdict) => return Some(verdict),
            }
        }
        None
    }

    /// None where the packet has no such field: then the rule does not hold, however it compares.
    fn look(&mut self, fields: &[Field]) -> Option<()> {
        self.found.clear();
        for field in fields {
            self.found.push(self.packet.at(*field)?);
        }
        Some(())
    }

    /// Whether what is there is within an element. Of a client's ports some may be and others not.
    fn is_within(&mut self, element: &[Range]) -> bool {
        let pairs = || element.iter().zip(&self.found);
        if element.len() != self.found.len() || pairs().any(|(wide, here)| here.1 < wide.0 || wide.1 < here.0)
        {
            return false;
        }
        let outside = pairs().find_map(|(wide, here)| {
            if here.0 < wide.0 { Some(wide.0) } else { (wide.1 < here.1).then_some(wide.1 + 1) }
        });
        self.divided_at = self.divided_at.or(outside);
        outside.is_none()
    }
}
