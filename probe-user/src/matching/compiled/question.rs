//! A tuple as it is asked for: worked out once, whoever asks for it again and again.

use std::net::IpAddr;

use super::{
    super::{names::Names, tuple::Tuple},
    SPREAD,
    ends::View,
    reporters::Reporter,
    table::{Words, of_address},
};
use crate::{event::Protocol, flow::Direction};

/// A tuple, ready to be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    /// The reporter's own address and his peer's; of IPv4, its bits are the lowest.
    ends: [Words; 2],
    /// From the highest bits: 32 of the view, 16 of the server's port, 8 of the kind, and one for each end whose address is
    /// IPv6. In one word, so that two questions are compared soon.
    rest: u64,
}

const _: () = assert!(size_of::<Question>() == 40);

/// The transport, and whether both ends have one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind(u8);

impl Kind {
    /// How many bits it has.
    pub(super) const BITS: u32 = 3;

    fn new(protocol: Protocol, is_own: bool) -> Self {
        Self((protocol as u8) << 1 | u8::from(is_own))
    }

    #[inline]
    pub(super) fn bits(self) -> u64 {
        self.0.into()
    }

    fn protocol(self) -> Protocol {
        let all = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp, Protocol::Icmp];
        all[usize::from(self.0 >> 1)]
    }
}

impl Question {
    /// `tuple`, which this reporter has seen: its cluster and cgroup are his, whatever the tuple says. To be asked of the
    /// [`super::Reader`] that knows the reporter: to another he is somebody else.
    #[inline]
    #[must_use]
    pub fn new(reporter: Reporter, tuple: &Tuple<'_>) -> Self {
        let &Tuple { direction, local, remote, port, protocol, .. } = tuple;
        let View(view) = View::new(reporter, direction == Direction::Inbound);
        let kind = Kind::new(protocol, local == remote);
        let of_v6 = (u8::from(local.is_ipv6()) * Self::LOCAL) | (u8::from(remote.is_ipv6()) * Self::REMOTE);
        Self {
            ends: [local, remote].map(of_address),
            rest: u64::from(view) << 32 | u64::from(port) << 16 | kind.bits() << 8 | u64::from(of_v6),
        }
    }

    /// None that anybody asks.
    pub(super) const NONE: Self = Self { ends: [[0; 2]; 2], rest: u64::MAX };

    /// Whether it is the same, found out without a jump.
    #[inline]
    pub(super) fn is(&self, other: &Self) -> bool {
        let differ = |end: usize, word: usize| self.ends[end][word] ^ other.ends[end][word];
        differ(0, 0) | differ(0, 1) | differ(1, 0) | differ(1, 1) | (self.rest ^ other.rest) == 0
    }

    #[inline]
    pub(super) fn hash(&self) -> u64 {
        // As SPREAD, so that neither the ends nor an end and the rest can be exchanged (of the roots of two and three).
        const OTHERS: [u64; 2] = [0x6a09_e667_f3bc_c909, 0xbb67_ae85_84ca_a73b];
        let end = |[upper, lower]: Words| upper.rotate_left(32) ^ lower;
        let mixed = end(self.ends[0]).wrapping_mul(SPREAD) ^ end(self.ends[1]).wrapping_mul(OTHERS[0]);
        let mixed = mixed ^ self.rest.wrapping_mul(OTHERS[1]);
        let mixed = (mixed ^ mixed >> 32).wrapping_mul(SPREAD);
        mixed ^ mixed >> 32
    }

    const LOCAL: u8 = 1;
    const REMOTE: u8 = 2;
    /// [`Self::of_v6`] where both ends are IPv6.
    pub(super) const BOTH: u8 = Self::LOCAL | Self::REMOTE;

    #[inline]
    pub(super) fn of_v6(&self) -> u8 {
        self.rest as u8
    }

    #[inline]
    pub(super) fn are_v6(&self) -> [bool; 2] {
        [Self::LOCAL, Self::REMOTE].map(|end| self.of_v6() & end != 0)
    }

    /// The reporter's own address and his peer's.
    #[inline]
    pub(super) fn ends(&self) -> &[Words; 2] {
        &self.ends
    }

    #[inline]
    pub(super) fn view(&self) -> View {
        View((self.rest >> 32) as u32)
    }

    #[inline]
    pub(super) fn port(&self) -> u16 {
        (self.rest >> 16) as u16
    }

    #[inline]
    pub(super) fn kind(&self) -> Kind {
        Kind((self.rest >> 8) as u8)
    }

    /// The tuple as far as it was kept, with the names that its addresses have now.
    pub(super) fn tuple<'a>(&self, cluster: &'a str, cgroup: Option<&'a str>, names: &'a Names) -> Tuple<'a> {
        let names = Some(names);
        let address = |[upper, lower]: Words, is_v6| match is_v6 {
            true => IpAddr::V6((u128::from(upper) << 64 | u128::from(lower)).into()),
            false => IpAddr::V4((lower as u32).into()),
        };
        let ([local, remote], [local_is_v6, remote_is_v6]) = (self.ends, self.are_v6());
        let (local, remote) = (address(local, local_is_v6), address(remote, remote_is_v6));
        let direction = if self.view().is_inbound() { Direction::Inbound } else { Direction::Outbound };
        let protocol = self.kind().protocol();
        Tuple { cluster, node: "", cgroup, direction, local, remote, port: self.port(), protocol, names }
    }
}
