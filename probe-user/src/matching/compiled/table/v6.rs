//! IPv6: as many bits a step as there are blocks for, past all bits that most blocks below have in common, which are compared
//! at once; the others are looked at only when these differ.

use std::ops::Range;

use super::{
    super::classes::{ClassId, Region},
    FURTHER, Words, words,
};

/// One step somewhere in an address, one cache line.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Node {
    /// What all addresses below have above the step's bits; zero elsewhere.
    above: Words,
    /// Those bits.
    mask: Words,
    /// In which word the step's bits are, and how many follow them there.
    word: u32,
    follow: u32,
    /// As many bits as the step has.
    chosen: u32,
    /// The entry of an address that has something else above them.
    otherwise: u32,
    /// Where its entries begin.
    entries: u32,
}

/// An entry is a class, or with [`FURTHER`] a node.
#[derive(Debug)]
pub(in super::super) struct V6 {
    nodes: Vec<Node>,
    entries: Vec<u32>,
    /// The first node, or the only class.
    root: u32,
}

impl V6 {
    pub(super) fn of(regions: &[Region]) -> Self {
        let mut table = Self { nodes: Vec::new(), entries: Vec::new(), root: 0 };
        table.root = table.below(regions, 0, 0);
        table.nodes.shrink_to_fit();
        table.entries.shrink_to_fit();
        table
    }

    /// The entry for what lies below the first `depth` bits, where `regions` are all blocks there, in order, and `class`
    /// holds for what they leave.
    fn below(&mut self, regions: &[Region], depth: u32, class: ClassId) -> u32 {
        /// No step takes more bits.
        const MOST: u32 = 16;
        /// So many times as many entries as blocks, as a power of two: few have to share one, and need a further step.
        const ROOM: u32 = 7;
        let covering = regions.iter().take_while(|region| region.length() <= depth).count();
        let (covering, regions) = regions.split_at(covering);
        // Of those the last is the narrowest.
        let class = covering.last().map_or(class, |region| region.class);
        if regions.is_empty() {
            return class;
        }
        let crowd = Crowd::among(regions, depth, class);
        let others = [&regions[..crowd.at.start], &regions[crowd.at.end..]].concat();
        let otherwise = self.below(&others, depth, class);
        let (depth, bits) = match &regions[crowd.at.clone()] {
            // Nothing is left to choose from.
            [only] => (only.length(), 0),
            // None of a step's bits are in another word.
            many => {
                (crowd.depth, (many.len().ilog2() + ROOM).min(MOST).min(u64::BITS - crowd.depth % u64::BITS))
            }
        };
        let regions = &regions[crowd.at];
        let (word, end) = ((depth / u64::BITS).min(1), depth + bits);
        let mask = u128::MAX.checked_shl(u128::BITS - depth).unwrap_or(0);
        let node = Node {
            above: words(regions[0].first() & mask),
            mask: words(mask),
            word,
            follow: if bits == 0 { 0 } else { (word + 1) * u64::BITS - end },
            chosen: (1 << bits) - 1,
            otherwise,
            entries: self.entries.len() as u32,
        };
        let index = self.nodes.len() as u32;
        self.nodes.push(node);
        self.entries.resize(self.entries.len() + (1 << bits), crowd.class);
        self.fill(regions, end, node);
        FURTHER | index
    }

    /// Fills a step that ends with bit `end`: by blocks that end within it, and by what lies below where they are narrower.
    fn fill(&mut self, regions: &[Region], end: u32, node: Node) {
        let entry = |region: &Region| node.entry(words(region.first()));
        let ends_here = |region: &&Region| region.length() <= end;
        let mut wider_first: Vec<&Region> = regions.iter().filter(ends_here).collect();
        wider_first.sort_by_key(|region| region.length());
        for region in wider_first {
            let width = 1 << (end - region.length());
            self.entries[entry(region)..][..width].fill(region.class);
        }
        for same in regions.chunk_by(|one, other| entry(one) == entry(other)) {
            let narrower: Vec<Region> = same.iter().filter(|region| !ends_here(region)).copied().collect();
            if !narrower.is_empty() {
                let entry = entry(&same[0]);
                self.entries[entry] = self.below(&narrower, end, self.entries[entry]);
            }
        }
    }

    #[inline]
    pub(in super::super) fn class(&self, address: Words) -> ClassId {
        let mut entry = self.root;
        while entry & FURTHER != 0 {
            entry = self.step(entry, address);
        }
        entry
    }

    /// The class of each address. What one look-up waits for does not keep another from asking memory: each step is made for
    /// all of them before the next.
    #[inline]
    pub(in super::super) fn classes<const N: usize>(
        &self,
        addresses: impl Fn(usize) -> Words,
    ) -> [ClassId; N] {
        let mut classes = [self.root; N];
        let mut further = self.root & FURTHER;
        while further != 0 {
            further = 0;
            for (lane, entry) in classes.iter_mut().enumerate() {
                // How many steps an address has could not be foretold: whoever has none left goes through the motions.
                let mask = (entry.cast_signed() >> 31).cast_unsigned();
                *entry = self.step(*entry & mask, addresses(lane)) & mask | *entry & !mask;
                further |= *entry & FURTHER;
            }
        }
        classes
    }

    /// What it occupies, bytes.
    pub(super) fn size(&self) -> usize {
        size_of_val(&*self.nodes) + size_of_val(&*self.entries)
    }

    #[inline]
    fn step(&self, entry: u32, address: Words) -> u32 {
        let node = &self.nodes[(entry & !FURTHER) as usize];
        let below = self.entries[node.entry(address)];
        // Which it is could not be foretold: neither is jumped to.
        let mask = u32::from(node.holds(address)).wrapping_neg();
        below & mask | node.otherwise & !mask
    }
}

/// Where most of several blocks are.
struct Crowd {
    /// Which of them are there.
    at: Range<usize>,
    /// How many bits these have in common; each has more.
    depth: u32,
    /// What holds there for an address that none of them has.
    class: ClassId,
}

impl Crowd {
    /// The narrowest place for more than seven in eight of some blocks, which have `depth` bits in common; outside of
    /// them, `class` holds.
    fn among(regions: &[Region], depth: u32, class: ClassId) -> Self {
        let mut crowd = Self { at: 0..regions.len(), depth, class };
        // One alone is a place by itself.
        while regions.len() > 1 {
            // One that is all of the place is not within it.
            while let Some(region) = regions[crowd.at.clone()].first()
                && region.length() <= crowd.depth
            {
                crowd.class = region.class;
                crowd.at.start += 1;
            }
            let bit = 1 << (u128::BITS - 1).saturating_sub(crowd.depth);
            let lower = regions[crowd.at.clone()].partition_point(|region| region.first() & bit == 0);
            let middle = crowd.at.start + lower;
            let halves = [crowd.at.start..middle, middle..crowd.at.end];
            let Some(half) = halves.into_iter().find(|half| half.len() * 8 > regions.len() * 7) else {
                break;
            };
            crowd.at = half;
            crowd.depth += 1;
        }
        crowd
    }
}

impl Node {
    /// Whether an address is below it.
    #[inline]
    fn holds(&self, address: Words) -> bool {
        let differs = |word: usize| (address[word] ^ self.above[word]) & self.mask[word];
        differs(0) | differs(1) == 0
    }

    /// The place of its entry for an address.
    #[inline]
    fn entry(&self, address: Words) -> usize {
        let word = address[self.word as usize & 1];
        (self.entries + ((word >> self.follow) as u32 & self.chosen)) as usize
    }
}
