//! What netfilter does with what was observed.

use std::collections::BTreeMap;

use hashbrown::HashMap;

use super::{
    packet::{EPHEMERAL, Field, Hook, Packet, Range, TRANSLATED},
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
    /// Whether what reaches its end is dropped: then whatever returns before passes.
    is_closed: bool,
}

impl Hooked {
    fn of(ruleset: Ruleset) -> Self {
        let tables = ruleset.chains.into_iter();
        let placed = tables.flat_map(|(table, chains)| {
            chains.into_iter().map(move |(name, chain)| {
                let is_closed =
                    chain.rules.last().is_some_and(|last| last.parts == [Part::Verdict(Verdict::Drop)]);
                Placed { table: table.clone(), name, chain, is_closed }
            })
        });
        let chains: Vec<Placed> = placed.collect();
        let (mut named, mut hooks) = (HashMap::<_, HashMap<_, _>>::new(), HashMap::<_, Vec<usize>>::new());
        for (index, Placed { table, name, chain, .. }) in chains.iter().enumerate() {
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
        let (protocol, port, client) = (passage.protocol, passage.port, client_ports(passage));
        let there = Packet { source, destination, protocol, port, client, is_answer: false };
        let exchanged = Exchanged::of(hooked, &path, there);
        let Exchanged { passes, is_cut, is_governed, by } = exchanged;
        match (passes, is_cut) {
            (false, _) => Decision::Denied,
            (true, true) => Decision::Partly,
            (true, false) if !is_governed => Decision::NotGoverned,
            (true, false) => {
                // Two pods of one node have a chain each, and an answer may need a rule of its own.
                let mut turns: Vec<Vec<RuleId>> =
                    by.into_iter().map(|(placed, index)| vec![self.id(&node, placed, index)]).collect();
                match turns.len() {
                    0 | 1 => Decision::Allowed(turns.pop().unwrap_or_default()),
                    _ => Decision::AllowedInTurn(turns),
                }
            }
        }
    }

    /// Those that let something pass by who it is.
    fn rules(&self) -> Vec<RuleId> {
        let mut all = Vec::new();
        for (node, Hooked { chains, .. }) in &self.nodes {
            for placed in chains {
                let numbered = placed.chain.rules.iter().enumerate();
                let counted = numbered.filter(|(_, rule)| lets_pass(placed, rule));
                all.extend(counted.map(|(index, _)| self.id(node, placed, index)));
            }
        }
        all
    }
}

impl Rulesets<'_> {
    /// A chain may be for both directions: of one that no hook tells of, its name is believed.
    fn id(&self, node: &str, Placed { table, name, chain, .. }: &Placed, index: usize) -> RuleId {
        let is_egress = match chain.base {
            Some(Base { hook, .. }) => matches!(hook, Hook::Output | Hook::Postrouting),
            None => name.ends_with("egress"),
        };
        RuleId { document: format!("{}/{node} {table} chain {name}", self.cluster), is_egress, index }
    }
}

/// Whether a rule lets pass what is told by more than its state.
fn lets_pass(placed: &Placed, rule: &Rule) -> bool {
    let is_told = |field: &Field| !matches!(field, Field::State | Field::Interface | Field::OfOthers);
    let is_told = |part: &Part| match part {
        Part::Match { fields, .. } | Part::Map { fields, .. } => fields.iter().any(is_told),
        Part::Verdict(_) => false,
    };
    let passes = |part: &Part| match part {
        Part::Verdict(verdict) => is_pass(placed, verdict),
        Part::Map { entries, .. } => entries.iter().any(|(_, verdict)| is_pass(placed, verdict)),
        Part::Match { .. } => false,
    };
    rule.parts.iter().any(is_told) && rule.parts.iter().any(passes)
}

/// Whoever returns is where he came from, which is better than the end of a closed chain, and than no other.
fn is_pass(placed: &Placed, verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Accept) || (matches!(verdict, Verdict::Return) && placed.is_closed)
}

/// Ports that the client may have: a kernel's own choice, where it is one that is watched. Whoever is outside may be behind a
/// translation, which takes any but the well-known ones (RFC 6056, 3.2).
fn client_ports(passage: &Passage<'_>) -> Range {
    let client = if passage.is_egress { &passage.party } else { &passage.peer };
    if matches!(client, Party::Outside(_)) { TRANSLATED } else { EPHEMERAL }
}

/// What becomes of a packet and the answer to it, with every port that the client may have: nobody chooses it.
#[derive(Default)]
struct Exchanged<'r> {
    /// Whether both pass with any of them.
    passes: bool,
    /// Whether one of both is cut with any of them.
    is_cut: bool,
    /// Whether anybody decides about the first packet.
    is_governed: bool,
    /// Chain and place of each rule by which both pass.
    by: Vec<(&'r Placed, usize)>,
}

impl<'r> Exchanged<'r> {
    fn of(hooked: &'r Hooked, path: &Path<'_>, there: Packet) -> Self {
        let mut exchanged = Self::default();
        let mut waiting = vec![there];
        // More is not asked: what passes in part does.
        while let Some(there) = waiting.pop().filter(|_| !(exchanged.passes && exchanged.is_cut)) {
            if let Err(Divided(port)) = exchanged.add(hooked, path, there) {
                let (first, last) = there.client;
                waiting.extend([(first, port - 1), (port, last)].map(|client| Packet { client, ..there }));
            }
        }
        exchanged
    }

    fn add(&mut self, hooked: &'r Hooked, path: &Path<'_>, there: Packet) -> Result<(), Divided> {
        let back = Packet { source: there.destination, destination: there.source, is_answer: true, ..there };
        let (mut there, mut back) = (Walk::of(hooked, there), Walk::of(hooked, back));
        if there.passes(&path.there)? && back.passes(&path.back)? {
            self.passes = true;
            self.is_governed |= there.is_governed;
            for rule in there.by.into_iter().chain(back.by) {
                let is_it = |known: &(&Placed, usize)| std::ptr::eq(known.0, rule.0) && known.1 == rule.1;
                if !self.by.iter().any(is_it) {
                    self.by.push(rule);
                }
            }
        } else {
            self.is_cut = true;
        }
        Ok(())
    }
}

/// A rule decides otherwise from this port of the client's on than before it.
struct Divided(u128);

/// Where a packet's number stands to an element.
enum Place {
    Within,
    Apart,
    /// Some of the client's ports are within, and others not.
    Across(Divided),
}

/// A packet on its way.
struct Walk<'r> {
    hooked: &'r Hooked,
    packet: Packet,
    /// Chain and place of the rules that let it pass.
    by: Vec<(&'r Placed, usize)>,
    /// What is at the fields that a rule asks for.
    found: Vec<Range>,
    /// Chains that it came to and left again.
    left: Vec<&'r Placed>,
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
    fn of(hooked: &'r Hooked, packet: Packet) -> Self {
        Self { hooked, packet, by: Vec::new(), found: Vec::new(), left: Vec::new(), is_governed: false }
    }

    /// Every base chain of each hook, by priority. The same hook twice is one.
    fn passes(&mut self, hooks: &[Hook; 3]) -> Result<bool, Divided> {
        let [first, second, third] = *hooks;
        Ok(self.passes_hook(first)?
            && (second == first || self.passes_hook(second)?)
            && (third == second || self.passes_hook(third)?))
    }

    fn passes_hook(&mut self, hook: Hook) -> Result<bool, Divided> {
        let is_v4 = self.packet.source.is_ipv4();
        let chains = self.hooked.at(hook).filter(|(_, base)| base.only_v4.is_none_or(|only| only == is_v4));
        for (placed, base) in chains {
            self.is_governed |= base.is_closed;
            let passes = match self.chain(placed)? {
                Outcome::Accepted => true,
                Outcome::Dropped => false,
                Outcome::Left => !base.is_closed,
            };
            if !passes {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn chain(&mut self, placed: &'r Placed) -> Result<Outcome, Divided> {
        let Placed { table, chain, .. } = placed;
        for (index, rule) in chain.rules.iter().enumerate() {
            let Some(verdict) = self.verdict(rule)? else { continue };
            if is_pass(placed, verdict) && lets_pass(placed, rule) {
                self.by.push((placed, index));
                self.is_governed = true;
            }
            match verdict {
                Verdict::Accept => return Ok(Outcome::Accepted),
                Verdict::Drop => return Ok(Outcome::Dropped),
                Verdict::Return => return Ok(Outcome::Left),
                Verdict::Continue => {}
                Verdict::Jump(target) => match self.jump(table, target)? {
                    Outcome::Left => {}
                    decided => return Ok(decided),
                },
                Verdict::Goto(target) => return self.jump(table, target),
            }
        }
        Ok(Outcome::Left)
    }

    /// The kernel refuses a jump to nowhere, and rules that jump in a circle (nf_tables_api.c, `nft_chain_validate`).
    fn jump(&mut self, table: &str, target: &str) -> Result<Outcome, Divided> {
        let Some(placed) = self.hooked.named(table, target) else { return Ok(Outcome::Left) };
        // What a chain says of a packet it says again.
        if self.left.iter().any(|left| std::ptr::eq(*left, placed)) {
            return Ok(Outcome::Left);
        }
        let outcome = self.chain(placed)?;
        if matches!(outcome, Outcome::Left) {
            self.left.push(placed);
        }
        Ok(outcome)
    }

    /// What the rule decides, where it holds the packet and decides anything. A rule divides only what all else in it holds.
    fn verdict(&mut self, rule: &'r Rule) -> Result<Option<&'r Verdict>, Divided> {
        let mut divided = None;
        for part in &rule.parts {
            match part {
                Part::Match { fields, elements, is_negated } => {
                    let Some(()) = self.look(fields) else { return Ok(None) };
                    match self.place(elements) {
                        Place::Across(port) => divided = divided.or(Some(port)),
                        place if matches!(place, Place::Within) == *is_negated => return Ok(None),
                        Place::Within | Place::Apart => {}
                    }
                }
                Part::Map { fields, entries } => {
                    let Some(()) = self.look(fields) else { return Ok(None) };
                    for (element, verdict) in entries {
                        match self.place_in(element) {
                            Place::Within => return divided.map_or(Ok(Some(verdict)), Err),
                            Place::Across(port) => return Err(divided.unwrap_or(port)),
                            Place::Apart => {}
                        }
                    }
                    return Ok(None);
                }
                Part::Verdict(verdict) => return divided.map_or(Ok(Some(verdict)), Err),
            }
        }
        Ok(None)
    }

    /// None where the packet has no such field: then the rule does not hold, however it compares.
    fn look(&mut self, fields: &[Field]) -> Option<()> {
        self.found.clear();
        for field in fields {
            self.found.push(self.packet.at(*field)?);
        }
        Some(())
    }

    /// Where what is there stands to all elements together.
    fn place(&self, elements: &[Vec<Range>]) -> Place {
        let mut across = None;
        for element in elements {
            match self.place_in(element) {
                Place::Within => return Place::Within,
                Place::Across(port) => across = across.or(Some(port)),
                Place::Apart => {}
            }
        }
        across.map_or(Place::Apart, Place::Across)
    }

    fn place_in(&self, element: &[Range]) -> Place {
        let pairs = || element.iter().zip(&self.found);
        if element.len() != self.found.len() || pairs().any(|(wide, here)| here.1 < wide.0 || wide.1 < here.0)
        {
            return Place::Apart;
        }
        let outside = pairs().find_map(|(wide, here)| {
            if here.0 < wide.0 { Some(wide.0) } else { (wide.1 < here.1).then_some(wide.1 + 1) }
        });
        outside.map_or(Place::Within, |port| Place::Across(Divided(port)))
    }
}
