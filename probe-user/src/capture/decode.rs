//! Words from a ring → [`Event`], without unsafe code and without trust.

use std::{
    mem::offset_of,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use probe_common::{AttemptRecord, Dialled, Record, kind};

use crate::event::{Command, Datagrams, End, Event, Kind, Process, Way};

/// A record that the probe of this build could not have written.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// An unknown kind.
    #[error("record of unknown kind {0}")]
    Kind(u8),
}

/// What one record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// Something that happened.
    Fact(Event),
    /// `connect()` was called; [`Kind::Unrouted`], unless its socket shows a change of state.
    Begun(Event),
    /// The SYN of a `connect()` whose [`Self::Begun`] left its slot, and comes by itself.
    Sent(Event),
}

impl Decoded {
    /// The event, certain or not.
    #[must_use]
    pub fn event(&self) -> &Event {
        match self {
            Self::Fact(event) | Self::Begun(event) | Self::Sent(event) => event,
        }
    }
}

impl Decoded {
    /// The same, to be changed.
    pub(super) fn event_mut(&mut self) -> &mut Event {
        match self {
            Self::Fact(event) | Self::Begun(event) | Self::Sent(event) => event,
        }
    }
}

/// How many words a record has.
pub(super) const RECORD: usize = size_of::<AttemptRecord>() / size_of::<u64>();

/// A `probe_common::AttemptRecord` and what stands beside it, in this machine's byte order: where an attempt was to go
/// (`probe_common::Dialled`), or, after a word, what an exchange counts (`probe_common::Datagrams`); rubbish in every other
/// kind. Read and taken apart by words, as it was written: what is stored in other parts than it is loaded in waits.
pub type Words = [u64; RECORD + size_of::<Dialled>() / size_of::<u64>()];

/// Where a word is that begins at an offset.
macro_rules! word {
    ($type:ty, $field:ident) => {
        const {
            assert!(offset_of!($type, $field).is_multiple_of(size_of::<u64>()));
            offset_of!($type, $field) / size_of::<u64>()
        }
    };
}

/// Reads one record.
///
/// # Errors
///
/// When the kind is not one that the probe writes.
#[inline]
pub fn decode(words: &Words) -> Result<Decoded, DecodeError> {
    let address = |at| address([words[at], words[at + 1]]);
    let [l0, l1, r0, r1, e0, e1, kind, _family] = words[word!(Record, local_port)].to_ne_bytes();
    let [local_port, remote_port, error] = [[l0, l1], [r0, r1], [e0, e1]].map(u16::from_ne_bytes);
    let local = End { address: address(word!(Record, local)), port: local_port };
    let remote = End { address: address(word!(Record, remote)), port: remote_port };
    let may_repeat = kind & kind::RESCUED != 0;
    let [process, elapsed] = halves(words[word!(AttemptRecord, process)]);
    let caller = (kind & kind::WITH_CALLER != 0).then(|| {
        let at = word!(AttemptRecord, command);
        Process { id: process, command: Command::new(octets([words[at], words[at + 1]])) }
    });
    let basic = kind & !(kind::RESCUED | kind::WITH_CALLER | PORT);
    let certainty = match basic {
        kind::BEGUN => Decoded::Begun,
        kind::SENT => Decoded::Sent,
        _ => Decoded::Fact,
    };
    let is_exchange = matches!(basic, kind::EXCHANGE_SENT_FIRST | kind::EXCHANGE_RECEIVED_FIRST);
    let unit = if is_exchange { MILLISECOND } else { MICROSECOND };
    let counts = || [words[RECORD + 1], words[RECORD + 2]];
    let event_kind = match basic {
        kind::EXCHANGE_SENT_FIRST => Kind::Exchanged(datagrams(counts(), Way::Sent, kind, error)),
        kind::EXCHANGE_RECEIVED_FIRST => Kind::Exchanged(datagrams(counts(), Way::Received, kind, error)),
        kind::DIALLED => Kind::Named(local),
        _ => kind_of(basic, error)?,
    };
    let mut event = Event {
        kind: event_kind,
        time: words[word!(Record, time)],
        elapsed: if caller.is_some() { u64::from(elapsed) * unit } else { 0 },
        socket: words[word!(Record, socket)],
        cgroup: known(words[word!(Record, cgroup)]),
        netns: known(words[word!(Record, netns)]),
        local,
        remote,
        translated: None,
        may_repeat,
        process: caller,
    };
    if !is_exchange && kind & kind::REDIRECTED != 0 {
        let at = RECORD + word!(Dialled, address);
        let [_, port] = halves(words[RECORD]);
        let dialled = End { address: address(at), port: port as u16 };
        // The kernel itself takes the unspecified address for this node (tcp_v4_connect, tcp_v6_connect).
        if !dialled.address.is_unspecified() {
            event.redirect(dialled);
        }
    }
    Ok(certainty(event))
}

/// Nanoseconds.
const MICROSECOND: u64 = 1_000;
const MILLISECOND: u64 = 1_000_000;
/// What an exchange's kind says of the socket's port.
const PORT: u8 = kind::PORT_CHOSEN | kind::PORT_GIVEN;

fn datagrams([first_word, second_word]: [u64; 2], first: Way, kind: u8, error: u16) -> Datagrams {
    let [[sent, received], [failed, _]] = [halves(first_word), halves(second_word)];
    let [sent, received, failed] = [sent, received, failed].map(u64::from);
    let port_is_chosen = match kind & PORT {
        kind::PORT_CHOSEN => Some(true),
        kind::PORT_GIVEN => Some(false),
        _ => None,
    };
    Datagrams { first, port_is_chosen, sent, received, failed, error }
}

fn known(id: u64) -> Option<u64> {
    (id != 0).then_some(id)
}

/// The two halves of a word, in the order of memory.
#[inline]
fn halves(word: u64) -> [u32; 2] {
    let [first, second] = [word as u32, (word >> 32) as u32];
    if cfg!(target_endian = "little") { [first, second] } else { [second, first] }
}

/// Two words in the order of memory.
#[inline]
fn octets(words: [u64; 2]) -> [u8; 16] {
    let [first, second] = words.map(u64::from_be);
    (u128::from(first) << 64 | u128::from(second)).to_be_bytes()
}

/// Network byte order.
#[inline]
fn address(words: [u64; 2]) -> IpAddr {
    /// The upper 96 bits of an IPv4-mapped address (RFC 4291, 2.5.5.2).
    const MAPPED: u64 = 0xffff;
    let [upper, lower] = words.map(u64::from_be);
    if upper == 0 && lower >> 32 == MAPPED {
        return IpAddr::V4(Ipv4Addr::from_bits(lower as u32));
    }
    IpAddr::V6(Ipv6Addr::from_bits(u128::from(upper) << 64 | u128::from(lower)))
}

fn kind_of(kind: u8, error: u16) -> Result<Kind, DecodeError> {
    Ok(match kind {
        kind::ATTEMPT | kind::SENT => Kind::Attempted,
        kind::CONNECTED => Kind::Connected,
        kind::FAILED => Kind::Failed(error),
        kind::ACCEPTED => Kind::Accepted,
        kind::UNROUTED | kind::BEGUN => Kind::Unrouted,
        unknown => return Err(DecodeError::Kind(unknown)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Face;

    type Bytes = [u8; size_of::<Words>()];

    fn decode(bytes: &Bytes) -> Result<Decoded, DecodeError> {
        let mut words: Words = [0; _];
        let (chunks, _) = bytes.as_chunks();
        words.iter_mut().zip(chunks).for_each(|(word, chunk)| *word = u64::from_ne_bytes(*chunk));
        super::decode(&words)
    }

    fn failed_attempt() -> Bytes {
        let mut bytes = Vec::new();
        for number in [7u64, 8, 9, 0] {
            bytes.extend(number.to_ne_bytes());
        }
        bytes.extend(Ipv4Addr::new(10, 0, 0, 1).to_ipv6_mapped().octets());
        bytes.extend(Ipv6Addr::LOCALHOST.octets());
        for number in [40_000u16, 443, 111] {
            bytes.extend(number.to_ne_bytes());
        }
        bytes.extend([kind::FAILED, 46]);
        bytes.extend(12u32.to_ne_bytes());
        bytes.extend(13u32.to_ne_bytes());
        bytes.extend(*b"ba\xffd\0tail of old");
        for number in [0u32, 8_443, 3, 2, 1, 0] {
            bytes.extend(number.to_ne_bytes());
        }
        bytes.try_into().expect("a record's length")
    }

    #[test]
    fn a_mapped_address_becomes_ipv4_and_zero_ids_are_unknown() {
        let Decoded::Fact(event) = decode(&failed_attempt()).expect("well-formed") else {
            panic!("a failure is certain");
        };
        assert_eq!(event.kind, Kind::Failed(111));
        assert_eq!((event.time, event.socket, event.cgroup, event.netns), (7, 8, Some(9), None));
        assert_eq!(event.local, End { address: "10.0.0.1".parse().expect("IPv4"), port: 40_000 });
        assert_eq!(event.remote, End { address: "::1".parse().expect("IPv6"), port: 443 });
        assert_eq!(event.process, None);
    }

    #[test]
    fn an_attempt_carries_its_process_and_any_bytes_as_its_name() {
        let mut bytes = failed_attempt();
        bytes[70] = kind::ATTEMPT | kind::WITH_CALLER;
        let decoded = decode(&bytes).expect("well-formed");
        let event = decoded.event();
        let process = event.process.expect("it has a caller");
        assert_eq!((process.id, &*process.command.to_text()), (12, "ba\u{fffd}d"));
        assert_eq!(event.elapsed, 13_000);
    }

    #[test]
    fn what_has_only_begun_is_no_fact_yet() {
        let mut bytes = failed_attempt();
        bytes[70] = kind::BEGUN;
        assert!(matches!(decode(&bytes), Ok(Decoded::Begun(Event { kind: Kind::Unrouted, .. }))));
        bytes[70] = kind::SENT | kind::WITH_CALLER;
        assert!(matches!(
            decode(&bytes),
            Ok(Decoded::Sent(Event { kind: Kind::Attempted, process: Some(_), .. }))
        ));
        bytes[70] = kind::UNROUTED;
        assert!(matches!(decode(&bytes), Ok(Decoded::Fact(Event { kind: Kind::Unrouted, .. }))));
    }

    #[test]
    fn an_exchange_carries_its_counts() {
        let mut bytes = failed_attempt();
        bytes[70] = kind::EXCHANGE_RECEIVED_FIRST | kind::PORT_CHOSEN | kind::WITH_CALLER;
        let decoded = decode(&bytes).expect("well-formed");
        let counts = Datagrams {
            first: Way::Received,
            port_is_chosen: Some(true),
            sent: 3,
            received: 2,
            failed: 1,
            error: 111,
        };
        assert_eq!(decoded.event().kind, Kind::Exchanged(counts));
        assert_eq!(decoded.event().elapsed, 13_000_000);
    }

    #[test]
    fn a_redirected_attempt_has_both_of_its_peers() {
        let mut bytes = failed_attempt();
        bytes[70] = kind::CONNECTED | kind::REDIRECTED | kind::WITH_CALLER;
        let service = "2001:db8::7".parse::<Ipv6Addr>().expect("IPv6");
        bytes[size_of::<AttemptRecord>() + 8..].copy_from_slice(&service.octets());
        let event = decode(&bytes).expect("well-formed").event().clone();
        assert_eq!(event.remote, End { address: service.into(), port: 8_443 });
        let client = "10.0.0.1".parse().expect("IPv4");
        let beyond = Face { client, server: Ipv6Addr::LOCALHOST.into(), port: 443 };
        assert_eq!(event.translated, Some(beyond));
        // `connect()` to no address in particular is for this node.
        bytes[size_of::<AttemptRecord>() + 8..].fill(0);
        let event = decode(&bytes).expect("well-formed").event().clone();
        assert_eq!((event.remote.port, event.translated), (443, None));
    }

    #[test]
    fn another_kind_is_no_record() {
        let mut bytes = failed_attempt();
        bytes[70] = 15;
        assert_eq!(decode(&bytes), Err(DecodeError::Kind(15)));
    }
}
