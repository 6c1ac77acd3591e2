//! Which set two ends have at a port, where that is known: a table of a bounded size that forgets.

use std::hint::select_unpredictable;

use prefetch_index::prefetch_index;

use super::{
    SPREAD,
    ends::{self, EndId},
    ports::PortClass,
    question::Kind,
    sets::{NO_MATCH, SetId, UNKNOWN_SET},
};

/// Two ends, the transport, the class of the server's port, and whether both ends have one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key(u64);

impl Key {
    /// That of all that can fit nothing: one end is [`ends::NOTHING`], or no cell is between them.
    pub(super) const NOTHING: Self = Self(0);

    /// `may_fit` is [`super::neighbours::Neighbours::are_some`].
    #[inline]
    pub(super) fn new([own, peers]: [EndId; 2], may_fit: u32, kind: Kind, port: PortClass) -> Self {
        const { assert!(2 * ends::BITS + PortClass::BITS + Kind::BITS < u64::BITS) };
        let ends = u64::from(own) << ends::BITS | u64::from(peers);
        let key = (ends << PortClass::BITS | u64::from(port)) << Kind::BITS | kind.bits();
        // Much of all traffic may fit nothing, and which part could not be foretold: no jump.
        let is_broad = (own | peers) / ends::BROAD;
        let may_fit = own.min(1) & peers.min(1) & (may_fit | is_broad);
        const { assert!(ends::NOTHING == 0) };
        Self(key & u64::from(may_fit).wrapping_neg())
    }
}

/// As many entries as one cache line holds.
const WAYS: usize = 5;

/// Keys, and the set of each.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Bucket {
    keys: [u64; WAYS],
    sets: [SetId; WAYS],
}

const _: () = assert!(size_of::<Bucket>() == 64);

/// Where there is no key: one has fewer bits.
const NO_KEY: u64 = u64::MAX;

const EMPTY: Bucket = Bucket { keys: [NO_KEY; WAYS], sets: [UNKNOWN_SET; WAYS] };

impl Bucket {
    #[inline]
    fn find(&self, Key(key): Key) -> SetId {
        // All are looked at: which it is could not be foretold, and a wrong guess costs more than four comparisons.
        let ways = self.keys.iter().zip(&self.sets);
        ways.fold(UNKNOWN_SET, |found, (known, set)| select_unpredictable(*known == key, *set, found))
    }

    fn position(&self, key: u64) -> Option<usize> {
        self.keys.iter().position(|known| *known == key)
    }
}

/// It begins with so many buckets.
const FIRST: usize = 1 << 8;

#[derive(Debug)]
pub(super) struct Memo {
    /// A power of two.
    buckets: Vec<Bucket>,
    limit: usize,
    entries: usize,
    /// Which entry of a full bucket goes next.
    next: usize,
}

impl Memo {
    /// One that occupies at most so many bytes, and no less than it needs to begin.
    pub(super) fn of(bytes: usize) -> Self {
        let limit = 1 << (bytes / size_of::<Bucket>()).max(FIRST).ilog2();
        let mut memo = Self { buckets: vec![EMPTY; FIRST], limit, entries: 0, next: 0 };
        // Half of all traffic may ask for it. It stays for good where it is looked for first.
        memo.insert(Key::NOTHING, NO_MATCH);
        memo
    }

    /// What it occupies, bytes.
    pub(super) fn size(&self) -> usize {
        self.buckets.len() * size_of::<Bucket>()
    }

    /// Where a key's entry is, and where it is when there was no room.
    #[inline]
    fn buckets(&self, Key(key): Key) -> [usize; 2] {
        // The middle bits of the product depend on all bits of the key, and so do the uppermost of its lower half.
        let product = u128::from(key) * u128::from(SPREAD);
        let (upper, lower) = ((product >> 64) as usize, product as usize);
        let mask = self.buckets.len() - 1;
        let near = (upper ^ lower >> 32) & mask;
        // Another one, always.
        [near, (near ^ (lower >> 40 | 1)) & mask]
    }

    /// Asks memory for the bucket where a key is looked for first: [`Self::find_in`] needs it.
    #[inline]
    pub(super) fn ask_ahead(&self, key: Key) -> u32 {
        let [near, _] = self.buckets(key);
        prefetch_index(&self.buckets, near);
        near as u32
    }

    /// Asks memory for what [`Self::find`] needs of a key that is not where it is looked for first.
    #[inline]
    pub(super) fn ask_far_ahead(&self, key: Key) {
        let [_, far] = self.buckets(key);
        prefetch_index(&self.buckets, far);
    }

    /// The set of a key, or [`UNKNOWN_SET`]: then [`Self::find`] may yet know it.
    #[inline]
    pub(super) fn find_in(&self, bucket: u32, key: Key) -> SetId {
        self.buckets[bucket as usize].find(key)
    }

    /// The set of a key, also where there was no room where it is looked for first, or [`UNKNOWN_SET`].
    #[inline]
    pub(super) fn find(&self, key: Key) -> SetId {
        let found = self.buckets(key).map(|bucket| self.buckets[bucket].find(key));
        found.into_iter().find(|set| *set != UNKNOWN_SET).unwrap_or(UNKNOWN_SET)
    }

    /// Remembers the set of a key of which none is known.
    pub(super) fn put(&mut self, key: Key, set: SetId) {
        debug_assert_eq!(self.find(key), UNKNOWN_SET);
        // Fuller, and too many keys would be far.
        if self.entries * 2 >= self.buckets.len() * WAYS && self.buckets.len() < self.limit {
            let old = std::mem::take(&mut self.buckets);
            self.buckets = vec![EMPTY; old.len() * 2];
            self.entries = 0;
            for Bucket { keys, sets } in old {
                let known = keys.into_iter().zip(sets).filter(|(key, _)| *key != NO_KEY);
                known.for_each(|(key, set)| self.insert(Key(key), set));
            }
        }
        self.insert(key, set);
    }

    fn insert(&mut self, key: Key, set: SetId) {
        let [near, far] = self.buckets(key);
        let room = |bucket: usize| self.buckets[bucket].position(NO_KEY).map(|way| (bucket, way));
        let (bucket, way) = room(near).or_else(|| room(far)).unwrap_or_else(|| {
            let mut others = (0..2).map(|further| (self.next + further) % WAYS);
            let goes = others.find(|way| self.buckets[near].keys[*way] != Key::NOTHING.0).unwrap_or(0);
            self.next = (goes + 1) % WAYS;
            (near, goes)
        });
        let Bucket { keys, sets } = &mut self.buckets[bucket];
        self.entries += usize::from(keys[way] == NO_KEY);
        (keys[way], sets[way]) = (key.0, set);
    }
}
