//! Records as the words that they consist of.
//!
//! The compiler copies a structure with small fields byte by byte on this target, which costs more than all the rest
//! of a handler; words it keeps in registers. `probe_common` proves the layout, and the places here come from it.

use core::mem::{offset_of, size_of};

use probe_common::{AttemptRecord, Record, kind};

use crate::{
    emit::Caller,
    socket::{Access, Socket},
    tuple::Tuple,
    words::{half, halves, whole},
};

/// An [`AttemptRecord`].
pub(crate) type AttemptWords = [u64; size_of::<AttemptRecord>() / 8];

const TIME: usize = offset_of!(Record, time) / 8;
const SOCKET: usize = offset_of!(Record, socket) / 8;
const CGROUP: usize = offset_of!(Record, cgroup) / 8;
const NETNS: usize = offset_of!(Record, netns) / 8;
const LOCAL: usize = offset_of!(Record, local) / 8;
const REMOTE: usize = offset_of!(Record, remote) / 8;
const REST: usize = offset_of!(Record, local_port) / 8;
const CALLER: usize = offset_of!(AttemptRecord, process) / 8;
const COMMAND: usize = offset_of!(AttemptRecord, command) / 8;

/// Writes when it happened and to which socket.
#[inline(always)]
pub(crate) fn write_socket(words: &mut AttemptWords, time: u64, cookie: u64, socket: &Socket<impl Access>) {
    write_ids(words, [time, cookie], [socket.cgroup(), socket.netns()]);
}

/// The same by the ids of the socket's cgroup and namespace.
#[inline(always)]
pub(crate) fn write_ids(words: &mut AttemptWords, [time, cookie]: [u64; 2], [cgroup, netns]: [u64; 2]) {
    words[TIME] = time;
    words[SOCKET] = cookie;
    words[CGROUP] = cgroup;
    words[NETNS] = netns;
}

/// Writes what happened, and between which ends. What [`kind::WITH_CALLER`] promises is for [`write_caller`] to write.
#[inline(always)]
pub(crate) fn write_fact(words: &mut AttemptWords, tuple: &Tuple, error: u16, kind: u8) {
    [words[LOCAL], words[LOCAL + 1]] = tuple.local.words();
    [words[REMOTE], words[REMOTE + 1]] = tuple.remote.words();
    let kind_and_family = u16::from_ne_bytes([kind, tuple.family]);
    words[REST] = whole([half(tuple.local_port, tuple.remote_port), half(error, kind_and_family)]);
}

/// Writes the caller.
#[inline(always)]
pub(crate) fn write_caller(words: &mut AttemptWords, caller: &Caller) {
    words[CALLER] = whole([caller.process, 0]);
    [words[COMMAND], words[COMMAND + 1]] = caller.command;
}

/// The time of the record.
#[inline(always)]
pub(crate) fn time(words: &AttemptWords) -> u64 {
    words[TIME]
}

/// Writes when it happened.
#[inline(always)]
pub(crate) fn set_time(words: &mut AttemptWords, time: u64) {
    words[TIME] = time;
}

/// The socket's cookie.
#[inline(always)]
pub(crate) fn cookie(words: &AttemptWords) -> u64 {
    words[SOCKET]
}

/// The socket's cgroup, 0 when it is unknown.
#[inline(always)]
pub(crate) fn cgroup(words: &AttemptWords) -> u64 {
    words[CGROUP]
}

/// The cookie of the socket's network namespace.
#[inline(always)]
pub(crate) fn netns(words: &AttemptWords) -> u64 {
    words[NETNS]
}

/// The own address and the peer's.
#[inline(always)]
pub(crate) fn addresses(words: &AttemptWords) -> [[u64; 2]; 2] {
    [[words[LOCAL], words[LOCAL + 1]], [words[REMOTE], words[REMOTE + 1]]]
}

/// The peer's address and port.
#[inline(always)]
pub(crate) fn remote(words: &AttemptWords) -> ([u64; 2], u16) {
    let bytes = words[REST].to_ne_bytes();
    let port = u16::from_ne_bytes([bytes[PORT + 2], bytes[PORT + 3]]);
    ([words[REMOTE], words[REMOTE + 1]], port)
}

/// Notes that the socket has another peer than `connect()` was told.
#[inline(always)]
pub(crate) fn set_redirected(words: &mut AttemptWords) {
    let mut bytes = words[REST].to_ne_bytes();
    bytes[KIND] |= kind::REDIRECTED;
    words[REST] = u64::from_ne_bytes(bytes);
}

/// Whether an attempt or its outcome is so noted.
#[inline(always)]
pub(crate) fn is_redirected(words: &AttemptWords) -> bool {
    words[REST].to_ne_bytes()[KIND] & kind::REDIRECTED != 0
}

/// The kind without what is added to it.
#[inline(always)]
pub(crate) fn basic_kind(words: &AttemptWords) -> u8 {
    words[REST].to_ne_bytes()[KIND] & kind::BASIC
}

/// What happened, and at which port of the server, in one word: the kind with what it says of the port's choice, the
/// errno, and the port.
#[inline(always)]
pub(crate) fn service(words: &AttemptWords) -> u64 {
    const CALLER: u8 = kind::WITH_CALLER | kind::RESCUED;
    let bytes = words[REST].to_ne_bytes();
    let is_server = matches!(bytes[KIND] & kind::BASIC, kind::ACCEPTED | kind::EXCHANGE_RECEIVED_FIRST);
    let port = if is_server { PORT } else { PORT + size_of::<u16>() };
    let port = u16::from_ne_bytes([bytes[port], bytes[port + 1]]);
    let error = u16::from_ne_bytes([bytes[ERROR], bytes[ERROR + 1]]);
    u64::from(bytes[KIND] & !CALLER) << 32 | u64::from(error) << 16 | u64::from(port)
}

/// Whether the record is of a kind, with its caller.
#[inline(always)]
pub(crate) fn is(words: &AttemptWords, kind: u8) -> bool {
    words[REST].to_ne_bytes()[KIND] == kind | kind::WITH_CALLER
}

/// Changes the kind of a record with its caller, as the next two do.
#[inline(always)]
pub(crate) fn set_kind(words: &mut AttemptWords, kind: u8) {
    let mut bytes = words[REST].to_ne_bytes();
    bytes[KIND] = kind | kind::WITH_CALLER;
    words[REST] = u64::from_ne_bytes(bytes);
}

/// Makes it a success, now that the socket has its own port. Whether it was redirected stays, here and below.
#[inline(always)]
pub(crate) fn set_success(words: &mut AttemptWords, kind: u8, local_port: u16) {
    let mut bytes = words[REST].to_ne_bytes();
    [bytes[PORT], bytes[PORT + 1]] = local_port.to_ne_bytes();
    bytes[KIND] = kind | kind::WITH_CALLER | (bytes[KIND] & kind::REDIRECTED);
    words[REST] = u64::from_ne_bytes(bytes);
}

/// Makes it a failure, some microseconds after `connect()`.
#[inline(always)]
pub(crate) fn set_failure(words: &mut AttemptWords, kind: u8, error: u16, elapsed: u32) {
    let mut bytes = words[REST].to_ne_bytes();
    [bytes[ERROR], bytes[ERROR + 1]] = error.to_ne_bytes();
    bytes[KIND] = kind | kind::WITH_CALLER | (bytes[KIND] & kind::REDIRECTED);
    words[REST] = u64::from_ne_bytes(bytes);
    let [process, _] = halves(words[CALLER]);
    words[CALLER] = whole([process, elapsed]);
}

/// The errno.
#[inline(always)]
pub(crate) fn error(words: &AttemptWords) -> u16 {
    let bytes = words[REST].to_ne_bytes();
    u16::from_ne_bytes([bytes[ERROR], bytes[ERROR + 1]])
}

/// Changes the errno.
#[inline(always)]
pub(crate) fn set_error(words: &mut AttemptWords, error: u16) {
    let mut bytes = words[REST].to_ne_bytes();
    [bytes[ERROR], bytes[ERROR + 1]] = error.to_ne_bytes();
    words[REST] = u64::from_ne_bytes(bytes);
}

/// Tells an exchange's length by its latest datagram's time.
#[inline(always)]
pub(crate) fn set_milliseconds(words: &mut AttemptWords, last: u64) {
    let milliseconds = last.saturating_sub(words[TIME]) / 1_000_000;
    set_elapsed(words, milliseconds);
}

/// In the unit of its kind.
#[inline(always)]
fn set_elapsed(words: &mut AttemptWords, elapsed: u64) {
    let [process, _] = halves(words[CALLER]);
    words[CALLER] = whole([process, if elapsed < u64::from(u32::MAX) { elapsed as u32 } else { u32::MAX }]);
}

const KIND: usize = offset_of!(Record, kind) % 8;
const ERROR: usize = offset_of!(Record, error) % 8;
const PORT: usize = offset_of!(Record, local_port) % 8;

const _: () = {
    assert!(offset_of!(Record, remote_port) == offset_of!(Record, local_port) + 2);
    assert!(offset_of!(Record, error) == offset_of!(Record, local_port) + 4);
    assert!(offset_of!(Record, kind) == offset_of!(Record, local_port) + 6);
    assert!(offset_of!(Record, family) == offset_of!(Record, local_port) + 7);
    assert!(offset_of!(AttemptRecord, elapsed) == offset_of!(AttemptRecord, process) + 4);
};
