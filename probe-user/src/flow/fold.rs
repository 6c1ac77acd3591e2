//! Facts folded over one key, by the kernel's ids until the window closes, and then by their names.
//!
//! A hundred thousand flows are more than a cache holds: whoever looks up one after the other waits for memory each time. So
//! facts wait until there are some, and their look-ups wait together.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};
use prefetch_index::prefetch_index;

use super::{
    Flow, FlowKey,
    fact::{Fact, Outcome},
    ledger::Ledger,
    raw::{Naming, Packed, Packing, RawKey, Words},
    tally::{self, Tally},
};

/// So many facts wait for each other.
const TOGETHER: usize = 16;

/// Of the flows that are told apart, there may be one in so many further ones that have no peer.
const OTHERS: usize = 8;

/// Flows by the kernel's ids. They have numbers that count up from 0; what is looked up first is as small as can be, so that it
/// stays in the cache.
#[derive(Debug)]
pub(super) struct RawFlows {
    packing: Packing,
    /// The numbers of flows by their keys.
    numbers: HashTable<Numbered>,
    hasher: DefaultHashBuilder,
    keys: Vec<Packed>,
    tallies: Vec<Tally>,
    /// Facts that are not counted yet.
    waiting: Vec<Waiting>,
    /// So many flows are told apart; what comes beyond them is counted without its peer, and where that is not enough, without
    /// anything but transport and direction.
    limit: usize,
    /// Facts that were.
    beyond: u64,
    /// Where every fact is kept by itself, too, if it is.
    ledger: Option<Ledger>,
    /// Whose the facts are that came since somebody asked, if anybody does.
    latest: Option<Vec<u32>>,
}

/// A flow's number.
#[derive(Clone, Copy, Debug)]
struct Numbered {
    number: u32,
    /// Part of its key's hash: tells the flow for nearly certain without a look at its key.
    tag: u32,
}

/// A fact, and whose it is.
#[derive(Debug)]
struct Waiting {
    words: Words,
    hash: u64,
    fact: Fact<'static>,
}

impl Default for RawFlows {
    fn default() -> Self {
        Self {
            packing: Packing::default(),
            numbers: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            keys: Vec::new(),
            tallies: Vec::new(),
            waiting: Vec::with_capacity(TOGETHER),
            limit: usize::MAX,
            beyond: 0,
            ledger: None,
            latest: None,
        }
    }
}

impl RawFlows {
    /// So many flows, and if `every_fact`, every fact by itself, too.
    pub(super) fn new(limit: usize, every_fact: bool) -> Self {
        /// Room for so many flows is asked for at once: it takes no memory before it is used, and nothing is copied as they
        /// become more.
        const ROOM: usize = 1 << 20;
        let room = Self::most(limit.min(ROOM));
        let (keys, tallies) = (Vec::with_capacity(room), Vec::with_capacity(room));
        Self { limit, keys, tallies, ledger: every_fact.then(Ledger::default), ..Self::default() }
    }

    /// How many flows there can be where so many are told apart, but for the few that are of nobody.
    fn most(limit: usize) -> usize {
        limit.saturating_add(limit / OTHERS)
    }

    /// Counts a fact: at once, with others, or when [`Self::settle`] is called.
    #[inline]
    pub(super) fn count(&mut self, key: &RawKey, fact: &Fact<'_>) {
        let words = Words::of(key);
        let hash = self.hasher.hash_one(words);
        if let Some(fact) = fact.of_one() {
            self.waiting.push(Waiting { words, hash, fact });
            if self.waiting.len() == TOGETHER {
                self.settle();
            }
        } else {
            self.settle();
            let number = self.number(&words, hash);
            self.add(number, fact);
        }
    }

    /// The same, unless nothing was counted under the key before.
    pub(super) fn count_further(&mut self, key: &RawKey, fact: &Fact<'_>) {
        self.settle();
        let is_known = |key: &RawKey| {
            let words = Words::of(key);
            self.find(&words, self.hasher.hash_one(words)).is_some()
        };
        if let Some(key) = [*key, key.with_anybody(), key.of_anybody()].into_iter().find(is_known) {
            self.count(&key, fact);
        }
    }

    /// Counts what waits.
    pub(super) fn settle(&mut self) {
        const UNKNOWN: u32 = u32::MAX;
        let mut waiting = std::mem::take(&mut self.waiting);
        let mut numbers = [UNKNOWN; TOGETHER];
        for (number, Waiting { hash, .. }) in numbers.iter_mut().zip(&waiting) {
            let tag = tag(*hash);
            let known = self.numbers.find(*hash, |known| known.tag == tag);
            *number = known.map_or(UNKNOWN, |known| known.number);
            prefetch_index(&self.keys, *number as usize);
            prefetch_index(&self.tallies, *number as usize);
        }
        for (number, Waiting { words, hash, fact }) in numbers.into_iter().zip(&waiting) {
            let number = match self.keys.get(number as usize) {
                Some(packed) if self.packing.is(packed, words) => number,
                _ => self.number(words, *hash),
            };
            self.add(number, fact);
        }
        waiting.clear();
        self.waiting = waiting;
    }

    #[inline]
    fn add(&mut self, number: u32, fact: &Fact<'_>) {
        self.tallies[number as usize].count(fact);
        if let Some(ledger) = &mut self.ledger {
            ledger.note(number, fact);
        }
        if let Some(latest) = &mut self.latest {
            // It was a connection's when that came.
            if !matches!(fact.outcome, Outcome::Caller) {
                latest.push(number);
            }
        }
    }

    fn find(&self, words: &Words, hash: u64) -> Option<u32> {
        let tag = tag(hash);
        let is_it =
            |known: &Numbered| known.tag == tag && self.packing.is(&self.keys[known.number as usize], words);
        self.numbers.find(hash, is_it).map(|known| known.number)
    }

    /// The number of a flow that may be new, or that of what is beyond the limit.
    #[cold]
    fn number(&mut self, words: &Words, hash: u64) -> u32 {
        if let Some(number) = self.find(words, hash) {
            return number;
        }
        if self.keys.len() < self.limit {
            return self.begin(words, hash);
        }
        self.beyond += 1;
        let key = words.key();
        let (number, words, hash) = self.found(&key.with_anybody());
        if let Some(number) = number {
            return number;
        }
        // Whoever has many addresses of his own, ports, or groups is not told apart for ever, either.
        if self.keys.len() < Self::most(self.limit) {
            return self.begin(&words, hash);
        }
        let (number, words, hash) = self.found(&key.of_anybody());
        number.unwrap_or_else(|| self.begin(&words, hash))
    }

    fn found(&self, key: &RawKey) -> (Option<u32>, Words, u64) {
        let words = Words::of(key);
        let hash = self.hasher.hash_one(words);
        (self.find(&words, hash), words, hash)
    }

    fn begin(&mut self, words: &Words, hash: u64) -> u32 {
        // A window of more flows would need more memory than a node has.
        let number = self.keys.len() as u32;
        let Self { packing, numbers, hasher, keys, tallies, .. } = self;
        keys.push(packing.pack(words));
        tallies.push(Tally::default());
        let hash_of = |known: &Numbered| hasher.hash_one(packing.unpack(&keys[known.number as usize]));
        numbers.insert_unique(hash, Numbered { number, tag: tag(hash) }, hash_of);
        number
    }

    /// How many facts came when there were too many flows, and have lost their peer; of those that are settled.
    pub(super) fn beyond(&self) -> u64 {
        self.beyond
    }

    /// How many there are of those that are settled.
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Some flows as far as they are settled, from a number on, in the order in which they came.
    pub(super) fn after(&self, number: usize, most: usize, names: &impl Naming) -> Vec<Flow> {
        let flows = self.keys.iter().zip(&self.tallies).skip(number).take(most);
        let named = |(packed, tally): (&Packed, &Tally)| {
            tally.flow(self.packing.unpack(packed).key().named(names), |boot| names.wall(boot))
        };
        flows.map(named).collect()
    }

    /// By their numbers, whose the facts are that were settled since the last time; nothing the first time.
    pub(super) fn take_latest(&mut self) -> Vec<u32> {
        std::mem::take(self.latest.get_or_insert_default())
    }

    /// Where every fact is kept that is settled.
    pub(super) fn ledger(&mut self) -> Option<&mut Ledger> {
        self.ledger.as_mut()
    }

    /// The flows of all that is settled by their names, in order; and, if every fact was kept, what is left of them and whose
    /// they are, by number.
    pub(super) fn named(self, names: &impl Naming) -> (Vec<Flow>, Option<(Ledger, Vec<FlowKey>)>) {
        debug_assert!(self.waiting.is_empty());
        let Self { packing, numbers, keys, tallies, ledger, .. } = self;
        drop(numbers);
        let named = |packed: &Packed| packing.unpack(packed).key().named(names);
        let of_facts: Option<Vec<FlowKey>> = ledger.is_some().then(|| keys.iter().map(named).collect());
        // In the order in which they came.
        let tallies = keys.iter().map(named).zip(tallies);
        (tally::flows(tallies, |boot| names.wall(boot)), ledger.zip(of_facts))
    }
}

/// Not the bits that the table itself looks at first.
fn tag(hash: u64) -> u32 {
    (hash >> 24) as u32
}
