//! Bytes from a ring → [`Event`], without unsafe code and without trust.

use std::net::{IpAddr, Ipv6Addr};

use bytes::Buf;
use probe_common::{AttemptRecord, COMMAND_LENGTH, kind};

use crate::event::{End, Event, Kind, Process};

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

/// A `probe_common::AttemptRecord`, in this machine's byte order.
pub type Bytes = [u8; size_of::<AttemptRecord>()];

/// Reads one record.
///
/// # Errors
///
/// When the kind is not one that the probe writes.
pub fn decode(bytes: &Bytes) -> Result<Decoded, DecodeError> {
    let mut bytes = bytes.as_slice();
    let time = bytes.get_u64_ne();
    let socket = bytes.get_u64_ne();
    let cgroup = known(bytes.get_u64_ne());
    let netns = known(bytes.get_u64_ne());
    let local = address(&mut bytes);
    let remote = address(&mut bytes);
    let local = End { address: local, port: bytes.get_u16_ne() };
    let remote = End { address: remote, port: bytes.get_u16_ne() };
    let error = bytes.get_u16_ne();
    let kind = bytes.get_u8();
    let may_repeat = kind & kind::RESCUED != 0;
    let has_caller = kind & kind::WITH_CALLER != 0;
    let kind = kind & !(kind::RESCUED | kind::WITH_CALLER);
    let certainty = match kind {
        kind::BEGUN => Decoded::Begun,
        kind::SENT => Decoded::Sent,
        _ => Decoded::Fact,
    };
    let kind = kind_of(kind, error)?;
    let _family = bytes.get_u8();
    let caller = has_caller.then(|| caller(&mut bytes));
    let (process, elapsed) = caller.map_or((None, 0), |(process, elapsed)| (Some(process), elapsed));
    let event = Event { kind, time, elapsed, socket, cgroup, netns, local, remote, may_repeat, process };
    Ok(certainty(event))
}

fn known(id: u64) -> Option<u64> {
    (id != 0).then_some(id)
}

fn address(bytes: &mut &[u8]) -> IpAddr {
    let mut octets = [0; 16];
    bytes.copy_to_slice(&mut octets);
    Ipv6Addr::from(octets).to_canonical()
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

/// The caller, and the nanoseconds from its call to its failure.
fn caller(bytes: &mut &[u8]) -> (Process, u64) {
    let id = bytes.get_u32_ne();
    let elapsed = u64::from(bytes.get_u32_ne()) * 1_000;
    let mut command = [0; COMMAND_LENGTH];
    bytes.copy_to_slice(&mut command);
    let end = command.iter().position(|byte| *byte == 0).unwrap_or(COMMAND_LENGTH);
    (Process { id, command: String::from_utf8_lossy(&command[..end]).into_owned() }, elapsed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed_attempt() -> Bytes {
        let mut bytes = Vec::new();
        for number in [7u64, 8, 9, 0] {
            bytes.extend(number.to_ne_bytes());
        }
        bytes.extend(std::net::Ipv4Addr::new(10, 0, 0, 1).to_ipv6_mapped().octets());
        bytes.extend(Ipv6Addr::LOCALHOST.octets());
        for number in [40_000u16, 443, 111] {
            bytes.extend(number.to_ne_bytes());
        }
        bytes.extend([kind::FAILED, 46]);
        bytes.extend(12u32.to_ne_bytes());
        bytes.extend(13u32.to_ne_bytes());
        bytes.extend(*b"ba\xffd\0tail of old");
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
        assert_eq!(event.process, Some(Process { id: 12, command: "ba\u{fffd}d".into() }));
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
    fn another_kind_is_no_record() {
        let mut bytes = failed_attempt();
        bytes[70] = 9;
        assert_eq!(decode(&bytes), Err(DecodeError::Kind(9)));
    }
}
