//! Bytes from a ring → [`Event`], without unsafe code and without trust.

use std::net::{IpAddr, Ipv6Addr};

use bytes::Buf;
use probe_common::{AttemptRecord, COMMAND_LENGTH, Dialled, kind};

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

/// Length of a record.
pub(super) const RECORD: usize = size_of::<AttemptRecord>();

/// A `probe_common::AttemptRecord` and what stands beside it, in this machine's byte order: where an attempt was to go
/// (`probe_common::Dialled`), or, after eight bytes, what an exchange counts (`probe_common::Datagrams`); rubbish in every
/// other kind.
pub type Bytes = [u8; RECORD + size_of::<Dialled>()];

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
    let _family = bytes.get_u8();
    let may_repeat = kind & kind::RESCUED != 0;
    let has_caller = kind & kind::WITH_CALLER != 0;
    let (process, elapsed) = caller(&mut bytes);
    let basic = kind & !(kind::RESCUED | kind::WITH_CALLER | PORT);
    let certainty = match basic {
        kind::BEGUN => Decoded::Begun,
        kind::SENT => Decoded::Sent,
        _ => Decoded::Fact,
    };
    let unit = if matches!(basic, kind::EXCHANGE_SENT_FIRST | kind::EXCHANGE_RECEIVED_FIRST) {
        MILLISECOND
    } else {
        MICROSECOND
    };
    let beside = bytes;
    bytes.advance(size_of::<u64>());
    let event_kind = match basic {
        kind::EXCHANGE_SENT_FIRST => Kind::Exchanged(datagrams(&mut bytes, Way::Sent, kind, error)),
        kind::EXCHANGE_RECEIVED_FIRST => Kind::Exchanged(datagrams(&mut bytes, Way::Received, kind, error)),
        kind::DIALLED => Kind::Named(local),
        _ => kind_of(basic, error)?,
    };
    let is_exchange = matches!(event_kind, Kind::Exchanged(_));
    let dialled = (!is_exchange && kind & kind::REDIRECTED != 0).then(|| dialled(beside));
    // The kernel itself takes the unspecified address for this node (tcp_v4_connect, tcp_v6_connect).
    let dialled = dialled.filter(|dialled| !dialled.address.is_unspecified());
    let mut event = Event {
        kind: event_kind,
        time,
        elapsed: if has_caller { u64::from(elapsed) * unit } else { 0 },
        socket,
        cgroup,
        netns,
        local,
        remote,
        translated: None,
        may_repeat,
        process: has_caller.then_some(process),
    };
    if let Some(dialled) = dialled {
        event.redirect(dialled);
    }
    Ok(certainty(event))
}

/// Nanoseconds.
const MICROSECOND: u64 = 1_000;
const MILLISECOND: u64 = 1_000_000;
/// What an exchange's kind says of the socket's port.
const PORT: u8 = kind::PORT_CHOSEN | kind::PORT_GIVEN;

fn datagrams(bytes: &mut &[u8], first: Way, kind: u8, error: u16) -> Datagrams {
    let [sent, received, failed] = [(); 3].map(|()| u64::from(bytes.get_u32_ne()));
    let port_is_chosen = match kind & PORT {
        kind::PORT_CHOSEN => Some(true),
        kind::PORT_GIVEN => Some(false),
        _ => None,
    };
    Datagrams { first, port_is_chosen, sent, received, failed, error }
}

/// Where `connect()` was to go.
fn dialled(mut bytes: &[u8]) -> End {
    bytes.advance(size_of::<u32>());
    let port = bytes.get_u32_ne() as u16;
    End { address: address(&mut bytes), port }
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

/// The caller, and how long it took, in the unit of its kind.
fn caller(bytes: &mut &[u8]) -> (Process, u32) {
    let id = bytes.get_u32_ne();
    let elapsed = bytes.get_u32_ne();
    let mut command = [0; COMMAND_LENGTH];
    bytes.copy_to_slice(&mut command);
    (Process { id, command: Command::new(command) }, elapsed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Face;

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
        bytes[RECORD + 8..].copy_from_slice(&service.octets());
        let event = decode(&bytes).expect("well-formed").event().clone();
        assert_eq!(event.remote, End { address: service.into(), port: 8_443 });
        let client = "10.0.0.1".parse().expect("IPv4");
        let beyond = Face { client, server: Ipv6Addr::LOCALHOST.into(), port: 443 };
        assert_eq!(event.translated, Some(beyond));
        // `connect()` to no address in particular is for this node.
        bytes[RECORD + 8..].fill(0);
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
