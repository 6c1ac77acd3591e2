//! IPv4: the first 16 bits in a table, then 8 and 8 where blocks are that narrow.

use prefetch_index::prefetch_index;

use super::{
    super::classes::{ClassId, Region},
    FURTHER,
};

/// An entry is a class, or says with [`FURTHER`] where the 256 entries begin that the next 8 bits choose from. The first
/// steps are the classes themselves, so that whoever looks further from a class finds it again: no look-up has to branch.
#[derive(Debug)]
pub(in super::super) struct V4 {
    /// By the first 16 bits.
    root: Box<[u32; 1 << 16]>,
    steps: Vec<u32>,
}

impl V4 {
    pub(super) fn of(regions: &[Region], classes: usize) -> Self {
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
        let middle = make_further(&mut self.root[top], &mut self.steps) + usize::from(third);
        if length <= 24 {
            return self.steps[middle..][..1 << (24 - length)].fill(class);
        }
        let mut entry = self.steps[middle];
        let last = make_further(&mut entry, &mut self.steps) + usize::from(fourth);
        self.steps[middle] = entry;
        self.steps[last..][..1 << (32 - length)].fill(class);
    }

    /// All steps but the last: where [`Self::last_step`] will find the address's class. Asks memory for it, which of all that is
    /// asked here is in the most places.
    #[inline]
    pub(in super::super) fn first_steps(&self, address: u32) -> u32 {
        let entry = self.root[(address >> 16) as usize];
        let entry = self.steps[further(entry, address >> 8)];
        let at = further(entry, address);
        prefetch_index(&self.steps, at);
        at as u32
    }

    #[inline]
    pub(in super::super) fn last_step(&self, at: u32) -> ClassId {
        self.steps[at as usize]
    }

    /// What it occupies, bytes.
    pub(super) fn size(&self) -> usize {
        size_of_val(&*self.root) + size_of_val(&*self.steps)
    }
}

/// Where to look next from an entry, by the lowest 8 of `bits`.
#[inline]
fn further(entry: u32, bits: u32) -> usize {
    // All bits where it leads further, none where it is a class.
    let mask = (entry.cast_signed() >> 31).cast_unsigned();
    ((entry & !FURTHER) + (bits & 0xff & mask)) as usize
}

/// Where the entries below `entry` begin; makes them, of its class, if there are none yet.
fn make_further(entry: &mut u32, steps: &mut Vec<u32>) -> usize {
    if *entry & FURTHER == 0 {
        let class = *entry;
        *entry = FURTHER | steps.len() as u32;
        steps.extend([class; 1 << 8]);
    }
    (*entry & !FURTHER) as usize
}
