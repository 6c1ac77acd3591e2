//! Other tables of prefixes, as their users would ask them.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use poptrie::Poptrie;
use prefix_trie::PrefixMap;
use treebitmap::IpLookupTable;

/// A table's name, and one look-up of all addresses in it.
pub(super) type Pass = (&'static str, Box<dyn Fn() -> u64>);

/// The tables beside which ours stands, with the same blocks.
pub(super) struct Others {
    pub(super) passes: Vec<Pass>,
    /// By address, its narrowest block as the others find it.
    pub(super) narrowest: Vec<Option<u32>>,
}

/// The others' tables for one family: each of them has a type for each.
macro_rules! others {
    ($family:ident, $net:ty, $blocks:expr, $addresses:expr) => {{
        let blocks = $blocks.iter().filter_map(|block| match block {
            IpNet::$family(block) => Some(*block),
            _ => None,
        });
        let addresses = $addresses.iter().filter_map(|address| match address {
            IpAddr::$family(address) => Some(*address),
            _ => None,
        });
        let (mut poptrie, mut trie, mut bitmap) = (Poptrie::new(), PrefixMap::new(), IpLookupTable::new());
        for (index, block) in (0_u32..).zip(blocks) {
            poptrie.insert((block.network(), block.prefix_len()), index);
            trie.insert(block, index);
            bitmap.insert(block.network(), block.prefix_len().into(), index);
        }
        let addresses: Vec<_> = addresses.collect();
        // Each is asked with what it takes without work of its own.
        let hosts: Vec<$net> = addresses.iter().map(|address| <$net>::from(*address)).collect();
        let narrowest = hosts.iter().map(|host| trie.get_lpm(host).map(|(_, index)| *index)).collect();
        let asked = addresses.clone();
        Others {
            narrowest,
            passes: vec![
                ("poptrie", Box::new(move || sum(&asked, |address| poptrie.lookup(*address).copied()))),
                (
                    "prefix-trie",
                    Box::new(move || sum(&hosts, |host| trie.get_lpm(host).map(|(_, index)| *index))),
                ),
                (
                    "treebitmap",
                    Box::new(move || {
                        sum(&addresses, |address| bitmap.longest_match(*address).map(|(_, _, index)| *index))
                    }),
                ),
            ],
        }
    }};
}

fn sum<T>(addresses: &[T], find: impl Fn(&T) -> Option<u32>) -> u64 {
    addresses.iter().map(|address| find(address).map_or(0, u64::from)).sum()
}

/// Tables of the IPv4 blocks among these, asked for the IPv4 addresses.
pub(super) fn v4(blocks: &[IpNet], addresses: &[IpAddr]) -> Others {
    others!(V4, Ipv4Net, blocks, addresses)
}

/// Tables of the IPv6 blocks among these, asked for the IPv6 addresses.
pub(super) fn v6(blocks: &[IpNet], addresses: &[IpAddr]) -> Others {
    others!(V6, Ipv6Net, blocks, addresses)
}
