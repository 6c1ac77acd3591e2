//! Addresses that are one to all rules: their classes.

use std::net::IpAddr;

use hashbrown::HashMap;
use ipnet::IpNet;

use super::blocks::Blocks;

/// A class's number.
pub(super) type ClassId = u32;

/// What all addresses of a class have in common.
#[derive(Debug)]
pub(super) struct Class {
    /// Indices of the atoms that hold them, ascending.
    pub(super) atoms: Box<[u32]>,
}

/// The part of a block that no narrower block has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Region {
    pub(super) block: IpNet,
    pub(super) class: ClassId,
}

impl Region {
    /// The block's first address as a number, within its family.
    pub(super) fn first(&self) -> u128 {
        match self.block.network() {
            IpAddr::V4(address) => address.to_bits().into(),
            IpAddr::V6(address) => address.to_bits(),
        }
    }

    /// How many bits the block's addresses have in common.
    pub(super) fn length(&self) -> u32 {
        self.block.prefix_len().into()
    }
}

/// All addresses, by class.
#[derive(Debug, Default)]
pub(super) struct Classes {
    pub(super) classes: Vec<Class>,
    /// By family, then by the first address of the block, then the wider block first. The first of each family is that of
    /// all its addresses.
    pub(super) regions: Vec<Region>,
}

impl Classes {
    pub(super) fn of(blocks: &Blocks) -> Self {
        let everything = [IpNet::V4(Default::default()), IpNet::V6(Default::default())];
        let mut sorted: Vec<(IpNet, Option<u32>)> =
            everything.into_iter().map(|block| (block, None)).collect();
        sorted.extend(blocks.blocks.iter().map(|(block, atom)| (*block, Some(*atom))));
        sorted.sort_unstable_by_key(|(block, atom)| (block.network(), block.prefix_len(), *atom));
        let mut found = Self::default();
        let mut known: HashMap<Box<[u32]>, ClassId> = HashMap::new();
        // The blocks around the one that is looked at, the widest first.
        let mut around: Vec<Region> = Vec::new();
        for same in sorted.chunk_by(|(one, _), (other, _)| one == other) {
            let block = same[0].0;
            while around.pop_if(|region| !region.block.contains(&block)).is_some() {}
            let outer = around.last().map_or(&[][..], |region| &found.classes[region.class as usize].atoms);
            let own = same.iter().filter_map(|(_, atom)| *atom);
            let mut atoms: Vec<u32> = outer.iter().copied().chain(own).collect();
            atoms.sort_unstable();
            atoms.dedup();
            let next = found.classes.len() as ClassId;
            let class = *known.entry(atoms.into()).or_insert_with_key(|atoms| {
                found.classes.push(Class { atoms: atoms.clone() });
                next
            });
            let region = Region { block, class };
            found.regions.push(region);
            around.push(region);
        }
        found
    }
}
