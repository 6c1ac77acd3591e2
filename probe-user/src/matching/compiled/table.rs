//! Address → class, by tables of a few strides.
//!
//! IPv4: the first 16 bits in a table, then 8 and 8 where blocks are that narrow. IPv6: as many bits a step as there are
//! blocks for, past all bits that most blocks below have in common, which are compared at once; the others are looked at
//! only when these differ. Every class that is found is that of the narrowest block.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    ops::Range,
};

use ipnet::IpNet;

use super::classes::{ClassId, Region};

/// Says of an entry that it is no class but where to look next.
const FURTHER: u32 = 1 << 31;

/// A class's number is below this.
pub(super) const CLASSES: u32 = FURTHER;

/// Both families.
#[derive(Debug)]
pub(super) struct Table {
    v4: V4,
    v6: V6,
}

impl Table {
    /// `regions` in the order of [`super::classes::Classes`], of so many classes.
    pub(super) fn of(regions: &[Region], classes: usize) -> Self {
        let split = regions.partition_point(|region| matches!(region.block, IpNet::V4(_)));
        let (v4, v6) = regions.split_at(split);
        Self { v4: V4::of(v4, classes), v6: V6::of(v6) }
    }

    #[inline]
    pub(super) fn class(&self, address: &IpAddr) -> ClassId {
        match address {
            IpAddr::V4(address) => self.v4.class(*address),
            IpAddr::V6(address) => self.v6.class(*address),
        }
    }

    /// The classes of several addresses. What one look-up waits for does not keep another from asking memory: each step is
    /// made for all of them before the next.
    #[inline]
    pub(super) fn classes<'a, const N: usize>(
        &self,
        addresses: impl Fn(usize) -> &'a IpAddr,
    ) -> [ClassId; N] {
        let mut classes = [0; N];
        let mut of_v6 = 0;
        for (lane, class) in classes.iter_mut().enumerate() {
            match addresses(lane) {
                IpAddr::V4(address) => *class = address.to_bits(),
                IpAddr::V6(_) => of_v6 += 1,
            }
        }
        match of_v6 {
            0 => self.v4.classes(&mut classes),
            all if all == N => {
                let v6 = |lane| match addresses(lane) {
                    IpAddr::V6(address) => words(address.to_bits()),
                    IpAddr::V4(_) => [0; 2],
                };
                self.v6.classes(&std::array::from_fn::<Words, N, _>(v6), &mut classes);
            }
            _ => classes = std::array::from_fn(|lane| self.class(addresses(lane))),
        }
        classes
    }

    /// What it occupies, bytes.
    pub(super) fn size(&self) -> usize {
        let entries = self.v4.root.len() + self.v4.steps.len() + self.v6.entries.len();
        entries * size_of::<u32>() + self.v6.nodes.len() * size_of::<Node>()
    }
}

/// An entry is a class, or says with [`FURTHER`] where the 256 entries begin that the next 8 bits choose from. The first
/// steps are the classes themselves, so that whoever looks further from a class finds it again: no look-up has to branch.
#[derive(Debug)]
struct V4 {
    /// By the first 16 bits.
    root: Box<[u32; 1 << 16]>,
    steps: Vec<u32>,
}

impl V4 {
    fn of(regions: &[Region], classes: usize) -> Self {
        let mut table = Self { root: Box::new([0; 1 << 16]), steps: (0..classes as u32).collect() };
        // A wider block never overwrites a narrower one.
        let mut wider_first: Vec<&Region> = regions.iter().collect();
        wider_first.sort_by_key(|region| region.block.prefix_len());
        for region in wider_first {
            table.put(region.first() as u32, region.block.prefix_len(), region.class);
        }
        table.steps.shrink_to_fit();
        table
    }

    fn put(&mut self, address: u32, length: u8, class: ClassId) {
        let [first, second, third, fourth] = address.to_be_bytes();
        let top = usize::from(u16::from_be_bytes([first, second]));
        if length <= 16 {
            return self.root[top..][..1 << (16 - length)].fill(class);
        }
        let middle = further(&mut self.root[top], &mut self.steps) + usize::from(third);
        if length <= 24 {
            return self.steps[middle..][..1 << (24 - length)].fill(class);
        }
        let mut entry = self.steps[middle];
        let last = further(&mut entry, &mut self.steps) + usize::from(fourth);
        self.steps[middle] = entry;
        self.steps[last..][..1 << (32 - length)].fill(class);
    }

    #[inline]
    fn class(&self, address: Ipv4Addr) -> ClassId {
        let mut address = [address.to_bits()];
        self.classes(&mut address);
        address[0]
    }

    /// Puts the class of each address in its place.
    #[inline]
    fn classes<const N: usize>(&self, addresses: &mut [u32; N]) {
        let mut entries = addresses.map(|address| self.root[(address >> 16) as usize]);
        for (entry, address) in entries.iter_mut().zip(&*addresses) {
            *entry = self.step(*entry, address >> 8);
        }
        for (entry, address) in entries.iter().zip(addresses) {
            *address = self.step(*entry, *address);
        }
    }

    /// Takes the step that the lowest 8 of `bits` choose.
    #[inline]
    fn step(&self, entry: u32, bits: u32) -> u32 {
        // All bits where it leads further, none where it is a class.
        let mask = (entry.cast_signed() >> 31).cast_unsigned();
        self.steps[((entry & !FURTHER) + (bits & 0xff & mask)) as usize]
    }
}

/// Where the entries below `entry` begin; makes them, of its class, if there are none yet.
fn further(entry: &mut u32, steps: &mut Vec<u32>) -> usize {
    if *entry & FURTHER == 0 {
        let class = *entry;
        *entry = FURTHER | steps.len() as u32;
        steps.extend([class; 1 << 8]);
    }
    (*entry & !FURTHER) as usize
}

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

/// An address's upper and lower half.
type Words = [u64; 2];

#[inline]
fn words(address: u128) -> Words {
    [(address >> 64) as u64, address as u64]
}

/// An entry is a class, or with [`FURTHER`] a node.
#[derive(Debug)]
struct V6 {
    nodes: Vec<Node>,
    entries: Vec<u32>,
    /// The first node, or the only class.
    root: u32,
}

impl V6 {
    fn of(regions: &[Region]) -> Self {
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
    fn class(&self, address: Ipv6Addr) -> ClassId {
        let address = words(address.to_bits());
        let mut entry = self.root;
        while entry & FURTHER != 0 {
            entry = self.step(entry, address);
        }
        entry
    }

    /// Puts the class of each address in its place.
    #[inline]
    fn classes<const N: usize>(&self, addresses: &[Words; N], classes: &mut [ClassId; N]) {
        classes.fill(self.root);
        let mut further = self.root & FURTHER;
        while further != 0 {
            further = 0;
            for (entry, address) in classes.iter_mut().zip(addresses) {
                // How many steps an address has could not be foretold: whoever has none left goes through the motions.
                let mask = (entry.cast_signed() >> 31).cast_unsigned();
                *entry = self.step(*entry & mask, *address) & mask | *entry & !mask;
                further |= *entry & FURTHER;
            }
        }
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

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use ipnet::IpNet;

    use super::{super::classes::Region, Table};

    /// Regions with their index as their class, sorted as `Classes` does.
    fn regions(blocks: &[&str]) -> Vec<Region> {
        let mut blocks: Vec<IpNet> = blocks.iter().map(|block| block.parse().expect("a block")).collect();
        blocks.sort_by_key(|block| (block.network(), block.prefix_len()));
        let numbered = blocks.into_iter().enumerate();
        numbered.map(|(class, block)| Region { block, class: class as u32 }).collect()
    }

    fn check(blocks: &[&str]) {
        let regions = regions(blocks);
        let table = Table::of(&regions, regions.len());
        let holds = |region: &&Region, address: IpAddr| region.block.contains(&address);
        let narrowest = |address| {
            let holding = regions.iter().filter(|region| holds(region, address));
            holding.max_by_key(|region| region.block.prefix_len()).map_or(0, |region| region.class)
        };
        let strangers: [IpAddr; 2] =
            ["192.0.2.1", "2001:db8::1"].map(|address| address.parse().expect("an address"));
        let beside = |address: IpAddr, up: bool| match address {
            IpAddr::V4(address) => {
                let number = u32::from(address);
                IpAddr::V4(if up { number.wrapping_add(1) } else { number.wrapping_sub(1) }.into())
            }
            IpAddr::V6(address) => {
                let number = u128::from(address);
                IpAddr::V6(if up { number.wrapping_add(1) } else { number.wrapping_sub(1) }.into())
            }
        };
        for region in &regions {
            let (first, last) = (region.block.network(), region.block.broadcast());
            let edges = [first, last, beside(first, false), beside(last, true), beside(first, true)];
            for address in edges {
                assert_eq!(table.class(&address), narrowest(address), "{address}");
            }
            let expected: Vec<u32> = edges.iter().map(|address| narrowest(*address)).collect();
            assert_eq!(table.classes::<5>(|lane| &edges[lane]).as_slice(), expected, "{edges:?}");
            // Together with those of the other family.
            let all = edges.iter().chain(&strangers).copied().collect::<Vec<_>>();
            let expected: Vec<u32> = all.iter().map(|address| narrowest(*address)).collect();
            assert_eq!(table.classes::<7>(|lane| &all[lane]).as_slice(), expected, "{all:?}");
        }
    }

    #[test]
    fn the_narrowest_block_counts_at_every_edge() {
        check(&[
            "0.0.0.0/0",
            "10.0.0.0/8",
            "10.1.0.0/16",
            "10.1.2.0/24",
            "10.1.2.3/32",
            "10.1.2.128/25",
            "255.255.255.255/32",
        ]);
        check(&["0.0.0.0/0", "0.0.0.0/32", "10.0.0.0/15", "10.1.128.0/17", "10.1.128.0/31", "224.0.0.0/4"]);
        check(&[
            "::/0",
            "::/128",
            "::1/128",
            "fd00::/8",
            "fd00:1::/32",
            "fd00:1::/33",
            "fd00:1:0:1::/64",
            "fd00:1:0:1::7/128",
        ]);
        check(&[
            "::/0",
            "2001:db8::/32",
            "2001:db8::/48",
            "2001:db8::/127",
            "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128",
        ]);
        check(&["::/0"]);
        check(&["::/0", "2001:db8:0:1::/64"]);
        check(&[
            "::/0",
            "2001:db8::/62",
            "2001:db8:0:1::/64",
            "2001:db8:0:2::/65",
            "2001:db8:0:2:8000::/66",
            "2001:db8:0:3::/128",
        ]);
        check(&["0.0.0.0/0", "::/0", "::ffff:0:0/96", "::ffff:10.0.0.0/104", "10.0.0.0/8"]);
        check(&["::/0", "2001:db8::/29", "2001:db8:8000::/33", "2001:db8:8000::1/128", "2001:dba::/31"]);
    }
}
