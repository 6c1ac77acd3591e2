//! Which set two ends have at a port, where that is known: a table of a bounded size that forgets.

use super::{
    ends::{self, EndId},
    ports::PortClass,
    sets::{NO_MATCH, SetId, UNKNOWN_SET},
};
use crate::event::Protocol;

/// Two ends, the transport, the class of the server's port, and whether both ends have one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key(u64);

impl Key {
    /// That of all whose one end is [`ends::NOTHING`], and of none else.
    pub(super) const NOTHING: Self = Self(0);

    #[inline]
    pub(super) fn new(
        [client, server]: [EndId; 2],
        protocol: Protocol,
        port: PortClass,
        is_own: bool,
    ) -> Self {
        const { assert!(2 * ends::BITS + 16 + 2 < u64::BITS) };
        let protocol = protocol as u64;
        let ends = u64::from(client) << ends::BITS | u64::from(server);
        let key = ends << 19 | u64::from(port) << 3 | protocol << 1 | u64::from(is_own);
        // Half of all traffic may fit nothing, and which half could not be foretold: no jump.
        let may_fit = client.min(1) & server.min(1);
        const { assert!(ends::NOTHING == 0) };
        Self(key & u64::from(may_fit).wrapping_neg())
    }
}

/// As many entries as one cache line holds.
const WAYS: usize = 5;

/// Keys, and the set of each; 0 where there is none.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Bucket {
    keys: [u64; WAYS],
    sets: [SetId; WAYS],
}

const _: () = assert!(size_of::<Bucket>() == 64);

const EMPTY: Bucket = Bucket { keys: [0; WAYS], sets: [0; WAYS] };

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

    /// Where a key's entry is, and where it is when there was no room.
    #[inline]
    fn buckets(&self, Key(key): Key) -> [usize; 2] {
        // Odd, without a pattern (the fractional part of the golden ratio). The middle bits of the product depend on all
        // bits of the key, and so do the uppermost of its lower half.
        const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
        let product = u128::from(key) * u128::from(SPREAD);
        let (upper, lower) = ((product >> 64) as usize, product as usize);
        let mask = self.buckets.len() - 1;
        let near = (upper ^ lower >> 32) & mask;
        // Another one, always.
        [near, (near ^ (lower >> 40 | 1)) & mask]
    }

    /// The set of a key, or [`UNKNOWN_SET`]: then it may yet be [`Self::find_far`].
    #[inline]
    pub(super) fn find(&self, key: Key) -> SetId {
        // Of an end that no cell has nothing need be known. Its key is looked for all the same, in a bucket that is always at
        // hand: to pass it over would be a jump that nobody could foretell.
        let nothing = if key == Key::NOTHING { NO_MATCH } else { UNKNOWN_SET };
        let [near, _] = self.buckets(key);
        let Bucket { keys, sets } = &self.buckets[near];
        // All are looked at, for the same reason: a wrong guess costs more than four comparisons.
        let pairs = keys.iter().zip(sets);
        pairs.fold(nothing, |found, (known, set)| if *known == key.0 { *set } else { found })
    }

    /// The set of a key for which there was no room where [`Self::find`] looks, or [`UNKNOWN_SET`]. Seldom asked for.
    pub(super) fn find_far(&self, key: Key) -> SetId {
        let [_, far] = self.buckets(key);
        let Bucket { keys, sets } = &self.buckets[far];
        keys.iter().position(|known| *known == key.0).map_or(UNKNOWN_SET, |way| sets[way])
    }

    pub(super) fn put(&mut self, Key(key): Key, set: SetId) {
        // Fuller, and too many keys would be far.
        if self.entries * 2 >= self.buckets.len() * WAYS && self.buckets.len() < self.limit {
            let old = std::mem::take(&mut self.buckets);
            self.buckets = vec![EMPTY; old.len() * 2];
            self.entries = 0;
            let entries = old.iter().flat_map(|bucket| bucket.keys.into_iter().zip(bucket.sets));
            entries.filter(|(key, _)| *key != 0).for_each(|(key, set)| self.insert(key, set));
        }
        self.insert(key, set);
    }

    fn insert(&mut self, key: u64, set: SetId) {
        let [near, far] = self.buckets(Key(key));
        let room = |bucket: usize| {
            let way = self.buckets[bucket].keys.iter().position(|known| *known == 0)?;
            Some((bucket, way))
        };
        let (bucket, way) = room(near).or_else(|| room(far)).unwrap_or_else(|| {
            self.next = (self.next + 1) % WAYS;
            (near, self.next)
        });
        let Bucket { keys, sets } = &mut self.buckets[bucket];
        self.entries += usize::from(keys[way] == 0);
        (keys[way], sets[way]) = (key, set);
    }
}
