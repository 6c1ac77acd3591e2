//! Who, towards whom, by the kernel's ids: as an event tells it, and in the four words by which a flow is looked up.

use std::{
    hash::{Hash, Hasher},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

use hashbrown::DefaultHashBuilder;
use indexmap::IndexSet;

use super::{Direction, FlowKey, Workload};
use crate::event::{Event, Face, Protocol};

/// Who, towards whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RawKey {
    pub(super) protocol: Protocol,
    pub(super) cgroup: Option<u64>,
    pub(super) netns: Option<u64>,
    pub(super) direction: Direction,
    pub(super) local: IpAddr,
    pub(super) remote: IpAddr,
    pub(super) port: u16,
    pub(super) translated: Option<Face>,
}

/// Names for the kernel's ids, and the clock.
pub trait Naming {
    /// Path of a cgroup below the root.
    fn cgroup(&self, id: u64) -> Option<Arc<str>>;
    /// Name of a network namespace; `None` for the node's own.
    fn netns(&self, cookie: u64) -> Option<Arc<str>>;
    /// Wall-clock time of a moment on `CLOCK_BOOTTIME`, nanoseconds since the Unix epoch.
    fn wall(&self, boot: u64) -> i64;
}

impl RawKey {
    /// That of an event of the connecting end.
    #[inline]
    pub(super) fn outbound(event: &Event) -> Self {
        Self::of(event, Direction::Outbound)
    }

    #[inline]
    pub(super) fn of(event: &Event, direction: Direction) -> Self {
        let port = if direction == Direction::Inbound { event.local.port } else { event.remote.port };
        Self {
            protocol: event.kind.protocol(),
            cgroup: event.cgroup,
            netns: event.netns,
            direction,
            local: event.local.address,
            remote: event.remote.address,
            port,
            translated: event.translated,
        }
    }

    /// The same with whomever: the workload's arrivals at a port of its own, or whatever it began.
    pub(super) fn with_anybody(self) -> Self {
        let anybody = match self.remote {
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let port = if self.direction == Direction::Inbound { self.port } else { 0 };
        Self { remote: anybody, port, translated: None, ..self }
    }

    /// The same of nobody in particular: there are only a few of these.
    pub(super) fn of_anybody(self) -> Self {
        let Self { remote: anybody, .. } = self.with_anybody();
        Self { cgroup: None, netns: None, local: anybody, port: 0, ..self.with_anybody() }
    }

    pub(super) fn named(&self, names: &impl Naming) -> FlowKey {
        // A group that went before it could be named is unknown: its id would mean nothing tomorrow.
        let cgroup = self.cgroup.and_then(|id| names.cgroup(id));
        FlowKey {
            workload: Workload { cgroup, netns: self.netns.and_then(|cookie| names.netns(cookie)) },
            direction: self.direction,
            local: self.local,
            remote: self.remote,
            port: self.port,
            protocol: self.protocol,
            translated: self.translated,
        }
    }
}

/// What the keys of many flows have in common, in words: a socket's cgroup, namespace, own address, and what it is.
#[derive(Clone, Copy, Debug)]
struct Side([u64; 5]);

/// The other end: its address, and its port with what the address is.
#[derive(Clone, Copy, Debug)]
struct Peer([u64; 3]);

const OF_V6: u64 = 1;

/// Compared and hashed word by word: as arrays they would be bytes to a library's function.
macro_rules! of_words {
    ($name:ident) => {
        impl PartialEq for $name {
            #[inline]
            fn eq(&self, other: &Self) -> bool {
                self.0.iter().zip(&other.0).fold(0, |differ, (one, other)| differ | (one ^ other)) == 0
            }
        }

        impl Eq for $name {}

        impl Hash for $name {
            #[inline]
            fn hash<H: Hasher>(&self, hasher: &mut H) {
                self.0.iter().for_each(|word| hasher.write_u64(*word));
            }
        }
    };
}

of_words!(Side);
of_words!(Peer);

/// A key in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Words {
    side: Side,
    peer: Peer,
    face: Option<Face>,
}

impl Words {
    #[inline]
    pub(super) fn of(key: &RawKey) -> Self {
        // The kernel has no cgroup and no namespace of this number.
        let number = |id: Option<u64>| id.unwrap_or(0);
        let kind = key.protocol as u64 * 3 + key.direction as u64;
        let ([upper, lower], of_v6) = words(key.local);
        let side = Side([number(key.cgroup), number(key.netns), upper, lower, kind << 1 | of_v6]);
        let ([upper, lower], of_v6) = words(key.remote);
        let peer = Peer([upper, lower, u64::from(key.port) << 1 | of_v6]);
        Self { side, peer, face: key.translated }
    }

    /// The key again.
    pub(super) fn key(&self) -> RawKey {
        let Self { side: Side([cgroup, netns, own_upper, own_lower, kind]), peer, face } = *self;
        let Peer([upper, lower, port]) = peer;
        let (protocol, direction) = KINDS[(kind >> 1) as usize];
        RawKey {
            protocol,
            cgroup: known(cgroup),
            netns: known(netns),
            direction,
            local: address([own_upper, own_lower], kind & OF_V6),
            remote: address([upper, lower], port & OF_V6),
            port: (port >> 1) as u16,
            translated: face,
        }
    }
}

/// A key as it is kept: its peer, and the numbers of its own side and of its other face.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packed {
    peer: Peer,
    side: u32,
    face: u32,
}

const _: () = assert!(size_of::<Packed>() == 32);

/// What the packed keys speak of, by number.
#[derive(Debug, Default)]
pub(super) struct Packing {
    sides: IndexSet<Side, DefaultHashBuilder>,
    /// Counted from 1: most flows have no other face.
    faces: IndexSet<Face, DefaultHashBuilder>,
}

impl Packing {
    /// Packs a key.
    pub(super) fn pack(&mut self, Words { side, peer, face }: &Words) -> Packed {
        // A window of more sides or faces would need more memory than a node has.
        let side = self.sides.insert_full(*side).0 as u32;
        let face = face.map_or(0, |face| self.faces.insert_full(face).0 as u32 + 1);
        Packed { peer: *peer, side, face }
    }

    /// Whether a packed key is this one.
    #[inline]
    pub(super) fn is(&self, packed: &Packed, words: &Words) -> bool {
        let has_face = packed.face != 0 || words.face.is_some();
        packed.peer == words.peer
            && self.sides[packed.side as usize] == words.side
            && !(has_face && self.face(packed) != words.face)
    }

    /// The key in words.
    #[inline]
    pub(super) fn unpack(&self, packed: &Packed) -> Words {
        Words { side: self.sides[packed.side as usize], peer: packed.peer, face: self.face(packed) }
    }

    fn face(&self, packed: &Packed) -> Option<Face> {
        packed.face.checked_sub(1).map(|face| self.faces[face as usize])
    }
}

/// Protocols and directions by number.
const KINDS: [(Protocol, Direction); 12] = {
    use Direction::{Inbound, Outbound, Unknown};
    use Protocol::{Icmp, Sctp, Tcp, Udp};
    [
        (Tcp, Outbound),
        (Tcp, Inbound),
        (Tcp, Unknown),
        (Udp, Outbound),
        (Udp, Inbound),
        (Udp, Unknown),
        (Sctp, Outbound),
        (Sctp, Inbound),
        (Sctp, Unknown),
        (Icmp, Outbound),
        (Icmp, Inbound),
        (Icmp, Unknown),
    ]
};

fn known(id: u64) -> Option<u64> {
    (id != 0).then_some(id)
}

/// An address as two words, and [`OF_V6`] if it is IPv6.
#[inline]
fn words(address: IpAddr) -> ([u64; 2], u64) {
    match address {
        IpAddr::V4(v4) => ([0, u64::from(u32::from(v4))], 0),
        IpAddr::V6(v6) => {
            let bits = u128::from(v6);
            ([(bits >> 64) as u64, bits as u64], OF_V6)
        }
    }
}

fn address([upper, lower]: [u64; 2], of_v6: u64) -> IpAddr {
    match of_v6 {
        OF_V6 => IpAddr::V6((u128::from(upper) << 64 | u128::from(lower)).into()),
        _ => IpAddr::V4((lower as u32).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_the_same_after_it_was_packed() {
        let mut packing = Packing::default();
        let addresses = ["10.0.0.1", "0.0.0.0", "::", "2001:db8::1", "::10.0.0.1"];
        let addresses = addresses.map(|text| text.parse::<IpAddr>().expect("an address"));
        let mut packed = Vec::new();
        for protocol in [Protocol::Tcp, Protocol::Udp, Protocol::Sctp, Protocol::Icmp] {
            for direction in [Direction::Outbound, Direction::Inbound, Direction::Unknown] {
                for local in addresses {
                    for remote in addresses {
                        let face = Face { client: local, server: remote, port: 53 };
                        for (port, translated, id) in [(0, None, None), (u16::MAX, Some(face), Some(7))] {
                            let (cgroup, netns) = (id, id.map(|id| id + 1));
                            let key = RawKey {
                                protocol,
                                cgroup,
                                netns,
                                direction,
                                local,
                                remote,
                                port,
                                translated,
                            };
                            let words = Words::of(&key);
                            packed.push((key, words, packing.pack(&words)));
                        }
                    }
                }
            }
        }
        for (index, (key, words, pack)) in packed.iter().enumerate() {
            assert_eq!(packing.unpack(pack), *words);
            assert_eq!(words.key(), *key);
            let is_it = |other: &usize| packing.is(&packed[*other].2, words);
            assert_eq!((0..packed.len()).filter(is_it).collect::<Vec<_>>(), [index]);
        }
    }
}
