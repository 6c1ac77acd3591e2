//! Addresses that are somebody's by their blocks.

use std::{collections::BTreeSet, fmt, net::IpAddr, ops::RangeBounds};

use ipnet::IpNet;

use crate::matching::size;

/// Blocks of addresses of both families, and what of them is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Blocks {
    /// Sorted, without anything beside their prefixes.
    blocks: Vec<IpNet>,
    /// Each is a part of a block, and no part of another. Sorted.
    except: Vec<IpNet>,
}

impl Blocks {
    /// Those of the blocks that a test chooses.
    pub(super) fn filter(self, is_kept: impl Fn(&IpNet) -> bool) -> Self {
        let Self { mut blocks, except } = self;
        blocks.retain(|block| is_kept(block));
        Self { blocks, except: Vec::new() }.without(&except)
    }

    /// The same without what of these is a part of a block. A block that is itself one of them, or a part of one, stays whole:
    /// it was chosen. One of which several leave nothing goes.
    pub(super) fn without(self, apart: &[IpNet]) -> Self {
        let Self { mut blocks, except } = self;
        let apart = sorted(apart.iter().map(IpNet::trunc));
        let (around, within) = (Around::new(&blocks), Around::new(&apart));
        let chosen: Vec<IpNet> = blocks.iter().filter(|block| within.hold(block)).copied().collect();
        let is_part = |one: &IpNet| around.hold_more(one) && !chosen.iter().any(|block| block.contains(one));
        let inner = apart.iter().copied().chain(except).filter(is_part);
        let except: Vec<IpNet> = inner.flat_map(|one| rest(one, &chosen)).collect();
        let mut except = sorted(IpNet::aggregate(&except).into_iter());
        let gone = Around::new(&except);
        blocks.retain(|block| !gone.hold(block));
        let around = Around::new(&blocks);
        except.retain(|one| around.hold(one));
        Self { blocks, except }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// Whether nothing of them is left out.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.except.is_empty()
    }

    /// The blocks, whatever of them is left out.
    pub fn iter(&self) -> impl Iterator<Item = IpNet> {
        self.blocks.iter().copied()
    }

    /// What of them is left out.
    pub fn except(&self) -> impl Iterator<Item = IpNet> {
        self.except.iter().copied()
    }

    /// Each block with what of it is left out.
    pub fn each(&self) -> impl Iterator<Item = (IpNet, Vec<IpNet>)> {
        self.blocks.iter().map(|block| {
            let inner = self.except.iter().filter(|except| block.contains(*except));
            (*block, inner.copied().collect())
        })
    }

    /// The same addresses in blocks of which nothing is left out: many, where a small block is left out of a large one.
    #[must_use]
    pub fn parts(&self) -> Vec<IpNet> {
        if self.except.is_empty() {
            return self.blocks.clone();
        }
        IpNet::aggregate(&self.each().flat_map(|(block, except)| rest(block, &except)).collect())
    }

    /// How many addresses there are; at most the largest number.
    #[must_use]
    pub fn width(&self) -> u128 {
        let whole = size(&self.blocks);
        if self.except.is_empty() { whole } else { whole.saturating_sub(size(&self.except)) }
    }

    /// Whether an address is one of them.
    #[must_use]
    pub fn hold(&self, address: IpAddr) -> bool {
        self.blocks.iter().any(|block| block.contains(&address))
            && !self.except.iter().any(|except| except.contains(&address))
    }

    /// Whether all of a block is theirs.
    #[must_use]
    pub fn contain(&self, block: &IpNet) -> bool {
        let is_met = |except: &IpNet| except.contains(block) || block.contains(except);
        self.blocks.iter().any(|wide| wide.contains(block)) && !self.except.iter().any(is_met)
    }

    /// Whether any of a block is theirs.
    #[must_use]
    pub fn meet(&self, block: &IpNet) -> bool {
        let met = |own: &IpNet| match (own.contains(block), block.contains(own)) {
            (true, _) => Some(*block),
            (_, true) => Some(*own),
            _ => None,
        };
        self.blocks.iter().filter_map(met).any(|met| {
            let inner: Vec<IpNet> = self.except.iter().filter(|one| met.contains(*one)).copied().collect();
            !self.except.iter().any(|one| one.contains(&met)) && !rest(met, &inner).is_empty()
        })
    }

    /// Whether all of others is theirs, too.
    #[must_use]
    pub fn cover(&self, other: &Self) -> bool {
        other.each().all(|(block, except)| {
            let is_left_out = |own: &IpNet| except.iter().any(|other| other.contains(own));
            let mut inner = self.except.iter().filter(|own| block.contains(*own));
            self.blocks.iter().any(|wide| wide.contains(&block))
                && !self.except.iter().any(|own| own.contains(&block))
                && inner.all(is_left_out)
        })
    }
}

/// These blocks, whole.
impl FromIterator<IpNet> for Blocks {
    fn from_iter<I: IntoIterator<Item = IpNet>>(blocks: I) -> Self {
        Self { blocks: sorted(blocks.into_iter().map(|block| block.trunc())), except: Vec::new() }
    }
}

impl From<IpAddr> for Blocks {
    fn from(address: IpAddr) -> Self {
        Self { blocks: vec![address.into()], except: Vec::new() }
    }
}

/// `10.0.0.0/8, 192.0.2.0/24 without 10.1.0.0/16`.
impl fmt::Display for Blocks {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { blocks, except } = self;
        let listed = |all: &[IpNet]| all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        formatter.write_str(&listed(blocks))?;
        if except.is_empty() { Ok(()) } else { write!(formatter, " without {}", listed(except)) }
    }
}

/// Blocks in which others are found without looking at each: a fleet has a thousand nodes, and some an endpoint of many blocks.
struct Around<'a> {
    sorted: &'a [IpNet],
    lengths: BTreeSet<u8>,
}

impl<'a> Around<'a> {
    /// Of sorted ones, without anything beside their prefixes.
    fn new(sorted: &'a [IpNet]) -> Self {
        Self { sorted, lengths: sorted.iter().map(IpNet::prefix_len).collect() }
    }

    /// Whether one of them is that block, or holds it.
    fn hold(&self, block: &IpNet) -> bool {
        self.any(block, ..=block.prefix_len())
    }

    /// Whether one of them holds that block and more.
    fn hold_more(&self, block: &IpNet) -> bool {
        self.any(block, ..block.prefix_len())
    }

    fn any(&self, block: &IpNet, lengths: impl RangeBounds<u8>) -> bool {
        let around = self.lengths.range(lengths).filter_map(|length| IpNet::new(block.addr(), *length).ok());
        around.into_iter().any(|around| self.sorted.binary_search(&around.trunc()).is_ok())
    }
}

fn sorted(blocks: impl Iterator<Item = IpNet>) -> Vec<IpNet> {
    let mut blocks: Vec<IpNet> = blocks.collect();
    blocks.sort_unstable();
    blocks.dedup();
    blocks
}

/// What of a block is left when others are taken away.
fn rest(block: IpNet, without: &[IpNet]) -> Vec<IpNet> {
    if without.iter().any(|one| one.contains(&block)) {
        return Vec::new();
    }
    let inner: Vec<IpNet> = without.iter().filter(|one| block.contains(*one)).copied().collect();
    if inner.is_empty() {
        return vec![block];
    }
    let halves = block.subnets(block.prefix_len() + 1);
    halves.into_iter().flatten().flat_map(|half| rest(half, &inner)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nets(text: &str) -> Vec<IpNet> {
        text.split_whitespace().map(|one| one.parse().expect("a block")).collect()
    }

    fn blocks(text: &str) -> Blocks {
        nets(text).into_iter().collect()
    }

    #[test]
    fn what_is_left_out_is_left_out_of_everything_asked() {
        let wide =
            blocks("10.0.0.0/8 192.0.2.1/24 ::/0").without(&nets("10.1.0.0/16 172.16.0.1/32 fd00::/8"));
        assert!(wide.iter().eq(nets("10.0.0.0/8 192.0.2.0/24 ::/0")));
        assert!(wide.except().eq(nets("10.1.0.0/16 fd00::/8")));
        for (address, is_held) in
            [("10.0.0.1", true), ("10.1.0.1", false), ("192.0.2.9", true), ("fd00::1", false), ("::1", true)]
        {
            assert_eq!(wide.hold(address.parse().expect("an address")), is_held, "{address}");
        }
        assert!(wide.contain(&nets("10.2.0.0/16")[0]));
        assert!(!wide.contain(&nets("10.1.2.0/24")[0]) && !wide.contain(&nets("10.0.0.0/8")[0]));
        assert!(blocks("10.0.0.0/8 192.0.2.0/24 ::/0").cover(&wide) && wide.cover(&wide));
        assert!(!wide.cover(&blocks("10.0.0.0/8")) && wide.cover(&blocks("10.64.0.0/10")));
        assert_eq!(blocks("10.0.0.0/30").without(&nets("10.0.0.1/32")).width(), 3);
    }

    #[test]
    fn parts_are_the_same_addresses() {
        let wide = blocks("10.0.0.0/29").without(&nets("10.0.0.2/32 10.0.0.6/31"));
        assert_eq!(wide.parts(), nets("10.0.0.0/31 10.0.0.3/32 10.0.0.4/31"));
        assert_eq!(blocks("10.0.0.0/8").parts(), nets("10.0.0.0/8"));
    }

    #[test]
    fn a_block_that_was_chosen_stays_within_what_is_left_out() {
        let both = blocks("10.0.0.0/8 10.1.2.0/24").without(&nets("10.1.0.0/16"));
        assert!(both.hold("10.1.2.3".parse().expect("an address")));
        assert!(!both.hold("10.1.3.3".parse().expect("an address")));
        // And so does one that is wholly left out: it is for others to take it away.
        assert_eq!(blocks("10.1.0.0/16").without(&nets("10.0.0.0/8")), blocks("10.1.0.0/16"));
    }

    #[test]
    fn a_block_of_which_several_leave_nothing_goes() {
        let both = blocks("10.0.0.0/15 10.20.0.0/16").without(&nets("10.0.0.0/16 10.1.0.0/16"));
        assert_eq!(both, blocks("10.20.0.0/16"));
        let wide = blocks("10.0.0.0/14").without(&nets("10.0.0.0/16 10.1.0.0/16"));
        assert!(wide.except().eq(nets("10.0.0.0/15")));
        // What was chosen is whole, and what lies around it is not.
        let inner = blocks("10.0.0.0/15 10.1.2.0/24").without(&nets("10.0.0.0/16 10.1.0.0/16 10.1.2.3/32"));
        assert_eq!(inner, blocks("10.0.0.0/15 10.1.2.0/24").without(&nets("10.0.0.0/16 10.1.0.0/16")));
        assert!(inner.hold("10.1.2.3".parse().expect("an address")));
        assert!(!inner.hold("10.1.3.3".parse().expect("an address")));
    }

    #[test]
    fn of_chosen_blocks_only_their_own_parts_are_left_out() {
        let both = blocks("10.0.0.0/8 192.0.2.0/24").without(&nets("10.1.0.0/16 192.0.2.8/32"));
        let one = both.filter(|block| block.contains(&nets("192.0.2.0/24")[0]));
        assert_eq!(one, blocks("192.0.2.0/24").without(&nets("192.0.2.8/32")));
    }
}
