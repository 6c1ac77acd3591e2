//! Which set two ends have at a port, where that is known: a table of a bounded size that forgets.

use super::{
    ends::{self, EndId},
    ports::PortClass,
    sets::SetId,
};
use crate::event::Protocol;

/// Two ends, the transport, the class of the server's port, and whether both ends have one address. Never 0, since neither
/// end is [`ends::NOTHING`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key(u64);

impl Key {
    #[inline]
    pub(super) fn new(
        [client, server]: [EndId; 2],
        protocol: Protocol,
        port: PortClass,
        is_own: bool,
    ) -> Self {
        const { assert!(2 * ends::BITS + 16 + 2 < u64::BITS) };
        let protocol = match protocol {
            Protocol::Tcp => 0,
            Protocol::Udp => 1,
            Protocol::Sctp => 2,
            Protocol::Icmp => 3,
        };
        let ends = u64::from(client) << ends::BITS | u64::from(server);
        Self(ends << 19 | u64::from(port) << 3 | protocol << 1 | u64::from(is_own))
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

    /// Where a key's entries are.
    #[inline]
    fn bucket(&self, Key(key): Key) -> usize {
        // Odd, without a pattern (the fractional part of the golden ratio). The middle bits of the product depend on all
        // bits of the key.
        const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
        let product = u128::from(key) * u128::from(SPREAD);
        ((product >> 64) as usize ^ product as usize >> 32) & (self.buckets.len() - 1)
    }

    #[inline]
    pub(super) fn find(&self, key: Key) -> Option<SetId> {
        let Bucket { keys, sets } = &self.buckets[self.bucket(key)];
        // All are looked at: which it is could not be foretold, and a wrong guess costs more than four comparisons.
        let pairs = keys.iter().zip(sets);
        pairs.fold(None, |found, (known, set)| if *known == key.0 { Some(*set) } else { found })
    }

    pub(super) fn put(&mut self, Key(key): Key, set: SetId) {
        // Fuller, and too many buckets would be full while others are empty.
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
        let bucket = self.bucket(Key(key));
        let Bucket { keys, sets } = &mut self.buckets[bucket];
        let way = keys.iter().position(|known| *known == 0).unwrap_or_else(|| {
            self.next = (self.next + 1) % WAYS;
            self.next
        });
        self.entries += usize::from(keys[way] == 0);
        (keys[way], sets[way]) = (key, set);
    }
}
