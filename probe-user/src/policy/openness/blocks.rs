//! Blocks of addresses in parts that nothing tells apart.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::matching::size;

/// A block in parts that nothing tells apart: an address of each, and its share.
pub(super) fn parts(block: IpNet, inner: &[IpNet]) -> Vec<(IpAddr, f64)> {
    let every = inner.iter().copied().chain([block]);
    let whole = size(&[block]) as f64;
    let part = |one: IpNet| {
        let mut below: Vec<IpNet> =
            inner.iter().copied().filter(|other| one.contains(other) && *other != one).collect();
        below = IpNet::aggregate(&below);
        let address = outside_of(one, &below)?;
        Some((address, (size(&[one]) as f64 - size(&below) as f64) / whole))
    };
    every.filter_map(part).collect()
}

/// An address of a block that none of its parts holds.
pub(super) fn outside_of(block: IpNet, parts: &[IpNet]) -> Option<IpAddr> {
    let mut block = block;
    // Halves until one is free of parts or is one of them.
    loop {
        let within: Vec<&IpNet> = parts.iter().filter(|part| block.contains(*part)).collect();
        if within.is_empty() {
            return Some(block.addr());
        }
        if within.contains(&&block) {
            return None;
        }
        let halves = block.subnets(block.prefix_len() + 1).ok()?;
        block = halves.min_by_key(|half| {
            let held: Vec<IpNet> = parts.iter().copied().filter(|part| half.contains(part)).collect();
            size(&held)
        })?;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn net(text: &str) -> IpNet {
        text.parse().expect("a block")
    }

    #[test]
    fn parts_of_a_block_are_all_of_it() {
        let found =
            parts(net("192.0.2.0/24"), &[net("192.0.2.0/28"), net("192.0.2.1/32"), net("192.0.2.128/25")]);
        let shares: Vec<f64> = found.iter().map(|(_, share)| share * 256.0).collect();
        assert_eq!(shares, [15.0, 1.0, 128.0, 112.0]);
        let distinct: BTreeSet<IpAddr> = found.iter().map(|(address, _)| *address).collect();
        assert_eq!(distinct.len(), 4);
        assert_eq!(parts(net("192.0.2.7/32"), &[]), [("192.0.2.7".parse().expect("an address"), 1.0)]);
    }

    #[test]
    fn an_address_outside_of_the_parts_is_found_where_there_is_one() {
        let halves = [net("192.0.2.0/25"), net("192.0.2.128/25")];
        assert_eq!(outside_of(net("192.0.2.0/24"), &halves[..1]), "192.0.2.128".parse().ok());
        assert_eq!(outside_of(net("192.0.2.0/24"), &halves), None);
    }
}
