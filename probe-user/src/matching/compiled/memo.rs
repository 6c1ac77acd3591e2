//! Pairs of ends whose program is known: a table of a bounded size that forgets.

use super::{ends::EndId, program::ProgramId};

/// Two ends, who reports them, and what is equal of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    /// Reporter, transport, and whether both ends have the same address.
    pub(super) context: u32,
    pub(super) client: EndId,
    pub(super) server: EndId,
}

impl Key {
    /// One that nobody asks for.
    pub(super) const NONE: Self = Self { context: NOBODY, client: 0, server: 0 };
}

/// No reporter has so high a number.
const NOBODY: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Entry {
    key: Key,
    program: ProgramId,
}

/// As many entries as one cache line holds.
const WAYS: usize = 4;

#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Bucket([Entry; WAYS]);

const _: () = assert!(size_of::<Bucket>() == 64);

const EMPTY: Bucket = Bucket([Entry { key: Key::NONE, program: 0 }; WAYS]);

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
        let limit = (bytes / size_of::<Bucket>()).max(FIRST);
        let limit = if limit.is_power_of_two() { limit } else { limit.next_power_of_two() / 2 };
        Self { buckets: vec![EMPTY; FIRST], limit, entries: 0, next: 0 }
    }

    /// What it occupies, bytes.
    pub(super) fn size(&self) -> usize {
        self.buckets.len() * size_of::<Bucket>()
    }

    /// Where a key's entries are.
    #[inline]
    pub(super) fn bucket(&self, key: Key) -> usize {
        // Folded multiplication: each half of the product depends on all bits of both factors.
        const FIRST: u64 = 0x9e37_79b9_7f4a_7c15;
        const SECOND: u64 = 0xd6e8_feb8_6659_fd93;
        let ends = u64::from(key.client) | u64::from(key.server) << 32;
        let product = u128::from(ends ^ FIRST) * u128::from(u64::from(key.context) ^ SECOND);
        let hash = (product >> 64) as u64 ^ product as u64;
        let hash = hash.wrapping_mul(FIRST);
        (hash >> 32) as usize & (self.buckets.len() - 1)
    }

    #[inline]
    pub(super) fn program(&self, bucket: usize, key: Key) -> Option<ProgramId> {
        // All four are looked at: which it is could not be foretold, and a wrong guess costs more than three comparisons.
        let choose = |found, entry: &Entry| if entry.key == key { Some(entry.program) } else { found };
        self.buckets[bucket].0.iter().fold(None, choose)
    }

    pub(super) fn put(&mut self, key: Key, program: ProgramId) {
        // Fuller, and too many buckets would be full while others are empty.
        if self.entries * 2 >= self.buckets.len() * WAYS && self.buckets.len() < self.limit {
            let old = std::mem::take(&mut self.buckets);
            self.buckets = vec![EMPTY; old.len() * 2];
            self.entries = 0;
            let entries = old.into_iter().flat_map(|bucket| bucket.0);
            entries.filter(|entry| entry.key.context != NOBODY).for_each(|entry| self.insert(entry));
        }
        self.insert(Entry { key, program });
    }

    fn insert(&mut self, entry: Entry) {
        let bucket = self.bucket(entry.key);
        let Bucket(ways) = &mut self.buckets[bucket];
        if let Some(free) = ways.iter_mut().find(|way| way.key.context == NOBODY) {
            *free = entry;
            self.entries += 1;
        } else {
            self.next = (self.next + 1) % WAYS;
            ways[self.next] = entry;
        }
    }
}
