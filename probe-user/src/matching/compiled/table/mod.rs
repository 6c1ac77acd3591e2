//! Address → class, by tables of a few strides. Every class that is found is that of the narrowest block.

mod v4;
mod v6;

use std::net::IpAddr;

use ipnet::IpNet;

use super::classes::{ClassId, Region};
use v4::V4;
use v6::V6;

/// Says of an entry that it is no class but where to look next.
const FURTHER: u32 = 1 << 31;

/// A class's number is below this.
pub(super) const CLASSES: u32 = FURTHER;

/// An address's upper and lower half; an IPv4 address is the lowest 32 bits.
pub(super) type Words = [u64; 2];

/// Both families.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) v4: V4,
    pub(super) v6: V6,
}

impl Table {
    /// `regions` in the order of [`super::classes::Classes`], of so many classes.
    pub(super) fn of(regions: &[Region], classes: usize) -> Self {
        let split = regions.partition_point(|region| matches!(region.block, IpNet::V4(_)));
        let (v4, v6) = regions.split_at(split);
        Self { v4: V4::of(v4, classes), v6: V6::of(v6) }
    }

    #[inline]
    pub(super) fn class(&self, address: Words, is_v6: bool) -> ClassId {
        if is_v6 { self.v6.class(address) } else { self.v4.last_step(self.v4.first_steps(address[1] as u32)) }
    }

    /// The classes of several addresses, sooner than one by one if they are of one family.
    #[inline]
    pub(super) fn classes<const N: usize>(&self, addresses: &[IpAddr; N]) -> [ClassId; N] {
        let words = addresses.map(of_address);
        match addresses.iter().filter(|address| address.is_ipv6()).count() {
            0 => {
                words.map(|[_, address]| self.v4.first_steps(address as u32)).map(|at| self.v4.last_step(at))
            }
            all if all == N => self.v6.classes(|lane| words[lane]),
            _ => std::array::from_fn(|lane| self.class(words[lane], addresses[lane].is_ipv6())),
        }
    }

    /// What it occupies, bytes.
    pub(super) fn size(&self) -> usize {
        self.v4.size() + self.v6.size()
    }
}

#[inline]
fn words(address: u128) -> Words {
    [(address >> 64) as u64, address as u64]
}

#[inline]
pub(super) fn of_address(address: IpAddr) -> Words {
    match address {
        IpAddr::V4(address) => [0, address.to_bits().into()],
        IpAddr::V6(address) => words(address.to_bits()),
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use ipnet::IpNet;

    use super::{super::classes::Region, Table, of_address};

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
                assert_eq!(
                    table.class(of_address(address), address.is_ipv6()),
                    narrowest(address),
                    "{address}"
                );
            }
            let expected: Vec<u32> = edges.iter().map(|address| narrowest(*address)).collect();
            assert_eq!(table.classes(&edges).as_slice(), expected, "{edges:?}");
            // Together with those of the other family.
            let all: Vec<IpAddr> = edges.iter().chain(&strangers).copied().collect();
            let all: [IpAddr; 7] = all.try_into().expect("five and two");
            let expected: Vec<u32> = all.iter().map(|address| narrowest(*address)).collect();
            assert_eq!(table.classes(&all).as_slice(), expected, "{all:?}");
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
