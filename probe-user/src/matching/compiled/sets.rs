//! Sets of matches: what tuples fit.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::super::rows::{Match, Rows};

/// Number of a set.
pub(super) type SetId = u32;

/// The set of a tuple that fits nothing.
pub(super) const NO_MATCH: SetId = 0;

/// Nobody asked yet; no set has this number.
pub(super) const UNKNOWN_SET: SetId = SetId::MAX;

/// The cells that a tuple fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found<'a> {
    matches: &'a [Match],
    /// Where those with the credit begin: at once when all have it, otherwise behind all.
    credited: usize,
}

impl<'a> Found<'a> {
    /// All of them, in their order.
    #[inline]
    #[must_use]
    pub fn all(&self) -> &'a [Match] {
        match self.credited {
            0 => self.matches,
            all => &self.matches[..all],
        }
    }

    /// Those that are left with the credit (see [`Rows::credit`]).
    #[inline]
    #[must_use]
    pub fn credited(&self) -> &'a [Match] {
        &self.matches[self.credited..]
    }
}

/// Where a set's matches begin, where its credited ones do, and where those end. When all share the credit they stand there
/// once.
#[derive(Clone, Copy, Debug)]
struct Set {
    begin: u32,
    credited: u32,
    end: u32,
}

/// Sets, each kept once.
#[derive(Debug)]
pub(super) struct Sets {
    matches: Vec<Match>,
    sets: Vec<Set>,
    /// To be found by their matches.
    known: HashTable<SetId>,
    hasher: DefaultHashBuilder,
}

impl Sets {
    pub(super) fn new() -> Self {
        let hasher = DefaultHashBuilder::default();
        let mut known = HashTable::new();
        let nothing = hasher.hash_one::<&[Match]>(&[]);
        known.insert_unique(nothing, NO_MATCH, |_| nothing);
        let empty = Set { begin: 0, credited: 0, end: 0 };
        Self { matches: Vec::new(), sets: vec![empty], known, hasher }
    }

    /// What they occupy, bytes.
    pub(super) fn size(&self) -> usize {
        let Self { matches, sets, known, hasher: _ } = self;
        matches.capacity() * size_of::<Match>() + sets.capacity() * size_of::<Set>() + known.allocation_size()
    }

    /// The set of what fits, in the order of the cells.
    pub(super) fn add(&mut self, rows: &Rows, fitting: &[Match]) -> SetId {
        let Self { matches, sets, known, hasher } = self;
        let of = |set: SetId| found(matches, sets[set as usize]).all();
        let hash = hasher.hash_one(fitting);
        if let Some(set) = known.find(hash, |set| of(*set) == fitting) {
            return *set;
        }
        let next = sets.len() as SetId;
        known.insert_unique(hash, next, |set| hasher.hash_one(of(*set)));
        let begin = matches.len();
        matches.extend_from_slice(fitting);
        let mut left = fitting.to_vec();
        rows.credit(&mut left);
        let is_shared = left.len() == fitting.len();
        let credited = if is_shared { begin } else { matches.len() };
        if !is_shared {
            matches.append(&mut left);
        }
        sets.push(Set { begin: begin as u32, credited: credited as u32, end: matches.len() as u32 });
        next
    }

    #[inline]
    pub(super) fn found(&self, set: SetId) -> Found<'_> {
        found(&self.matches, self.sets[set as usize])
    }
}

#[inline]
fn found(matches: &[Match], Set { begin, credited, end }: Set) -> Found<'_> {
    Found { matches: &matches[begin as usize..end as usize], credited: (credited - begin) as usize }
}
