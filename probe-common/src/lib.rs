//! What the kernel side and user space agree on, byte for byte.
//!
//! Every structure is `repr(C)`, has no implicit padding and is checked by const assertions, so that a change
//! of layout breaks the build of both sides instead of the meaning of a recording.
#![no_std]

#[cfg(feature = "synthetic")]
pub mod synthetic;

use core::mem::{offset_of, size_of};

/// Length of a task's command name in the kernel, with its terminating NUL (`TASK_COMM_LEN`, linux/sched.h).
pub const COMMAND_LENGTH: usize = 16;

/// What a record states. The numbers are part of the wire format and are never reused.
pub mod kind {
    /// `connect()` got a route and sends its SYN (CLOSE → SYN_SENT); the outcome, if there is one, comes in a
    /// record of its own. Most attempts need none: their outcome carries what `connect()` knew.
    pub const ATTEMPT: u8 = 1;
    /// The attempt succeeded: SYN_SENT → ESTABLISHED (or 2 → 3 → 1, a self-connect).
    pub const CONNECTED: u8 = 2;
    /// The attempt failed: SYN_SENT → CLOSE; `error` holds `sk_err` (0 = given up by the application).
    pub const FAILED: u8 = 3;
    /// A listener took a connection: SYN_RECV → ESTABLISHED, usually in softirq.
    pub const ACCEPTED: u8 = 4;
    /// `connect()` was called and no state change followed: the kernel found no route, or another program of
    /// the cgroup refused.
    pub const UNROUTED: u8 = 5;
    /// `connect()` was called, and whether a state change follows is not known yet. If one does, another record of
    /// the same socket tells.
    pub const BEGUN: u8 = 6;
    /// As [`ATTEMPT`], from the SYN itself: what the connect hook noted has left its slot before, if there is a connect
    /// hook at all.
    pub const SENT: u8 = 7;
    /// Datagrams between a UDP socket and one peer, of which the first was sent: how many, since the record before.
    pub const EXCHANGE_SENT_FIRST: u8 = 8;
    /// Likewise; the first was received.
    pub const EXCHANGE_RECEIVED_FIRST: u8 = 9;
    /// The peer of an exchange is not the one that the application has named; in place of the own end stands that one.
    pub const DIALLED: u8 = 10;
    /// The bits of one of these; the others are added.
    pub const BASIC: u8 = 0x0f;
    /// Added to an exchange's: the kernel tells whether the application chose the socket's port, and it did.
    pub const PORT_CHOSEN: u8 = 0x20;
    /// Added to an exchange's: likewise, and the kernel chose it.
    pub const PORT_GIVEN: u8 = 0x10;
    /// Added to an attempt or its outcome: another program of the cgroup (a socket load-balancer) gave the socket another
    /// peer than `connect()` was told. That one stands beside the record ([`Dialled`](super::Dialled)).
    pub const REDIRECTED: u8 = 0x10;
    /// Added to one of the others: the record knows its caller. Without it the rest of the record is rubbish.
    pub const WITH_CALLER: u8 = 0x40;
    /// Added to one of the others: the record comes from the second program of the tracepoint, because the
    /// first was interrupted on that CPU; in rare cases it repeats one.
    pub const RESCUED: u8 = 0x80;
}

/// Values of [`Record::family`].
pub mod family {
    /// An IPv4 socket.
    pub const V4: u8 = 4;
    /// An IPv6 socket with IPv6 addresses.
    pub const V6: u8 = 6;
    /// An IPv6 socket that speaks IPv4 (RFC 4291, 2.5.5.2: IPv4-mapped addresses).
    pub const V4_MAPPED: u8 = 46;
}

/// One fact about one socket, as the kernel hooks write it into a ring.
///
/// Addresses are in network byte order, IPv4 as IPv4-mapped IPv6 (`::ffff:a.b.c.d`); all numbers, the ports
/// too, are in the host's byte order: the conversion happens once, in the probe's `tuple.rs`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// Nanoseconds on `CLOCK_BOOTTIME`: when `connect()` was called in a record that knows its caller, otherwise
    /// when the state changed. True to a tick of the kernel ([`CpuState::tick`]); events of
    /// one CPU are in order unless one handler interrupts another in the very moment.
    pub time: u64,
    /// Socket cookie (`bpf_get_socket_cookie`), unique for the life of the kernel; sock_diag reports the same.
    pub socket: u64,
    /// Id of the socket's cgroup-v2 group (`sk_cgrp_data`), 0 where the kernel does not keep it.
    pub cgroup: u64,
    /// Cookie of the socket's network namespace (`net_cookie`, Linux 5.12), 0 where the kernel has none.
    pub netns: u64,
    /// The socket's own address.
    pub local: [u8; 16],
    /// Its peer's address.
    pub remote: [u8; 16],
    /// The socket's own port, 0 while it has none.
    pub local_port: u16,
    /// Its peer's port.
    pub remote_port: u16,
    /// `sk_err` of a failed attempt, or why a socket's [`Datagrams::failed`] failed (a positive errno), otherwise 0.
    pub error: u16,
    /// One of [`kind`].
    pub kind: u8,
    /// One of [`family`].
    pub family: u8,
}

/// A [`Record`] with its process, if that is known ([`kind::WITH_CALLER`]), because a hook ran in the context of
/// `connect()`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptRecord {
    /// What happened to which socket.
    pub record: Record,
    /// Process id in the initial PID namespace (`tgid`).
    pub process: u32,
    /// Microseconds from `connect()` to the failure, or milliseconds from an exchange's first datagram to its latest, at
    /// most [`u32::MAX`]; 0 in every other kind.
    pub elapsed: u32,
    /// Name of the calling thread (`comm`), [`COMMAND_LENGTH`] bytes in the order of memory, NUL-padded, any bytes. Two
    /// words, since the kernel side would copy bytes one by one.
    pub command: [u64; COMMAND_LENGTH / size_of::<u64>()],
}

/// How often datagrams went between a UDP socket and one peer. A call counts once, also where it carries several
/// datagrams (`UDP_SEGMENT`, `UDP_GRO`) or a part of one (`MSG_MORE`).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Datagrams {
    /// Calls that sent.
    pub sent: u32,
    /// Calls that received.
    pub received: u32,
    /// Calls that failed with the record's `error`: for want of a way to the peer, by a filter here, or because ICMP told
    /// of an earlier datagram.
    pub failed: u32,
    /// In a slot, the kernel's tick (`jiffies`, its lowest bits) in which [`ExchangeSlot::last`] was written; 0 elsewhere.
    pub tick: u32,
}

/// Where the producers and the consumer of one ring are, and what the CPU whose ring it is keeps beside it. Producers and
/// consumer write to cache lines of their own, and all that a hook needs of its CPU is in one of them.
///
/// A producer claims the place at `head`, writes it and then says so in the place itself ([`RingPlace::claim`]), so
/// that a handler may interrupt another in between. No place is claimed that the consumer has not left.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingState {
    /// How many places were claimed since the start; written by hooks.
    pub head: u64,
    /// 1 while a handler claims a place of a ring that it has for itself; written and read by that CPU only.
    pub is_being_claimed: u64,
    /// The index of the ring's first place, or [`Self::NO_PLACES`]; set by user space before the hooks run.
    pub first_place: u64,
    /// Unused in a ring that is no CPU's own.
    pub cpu: CpuState,
    #[doc(hidden)]
    pub rest_of_line: [u64; 1],
    /// How many of them user space has read.
    pub tail: u64,
    #[doc(hidden)]
    pub line_of_tail: [u64; 7],
}

impl RingState {
    /// In place of an index: there was too little memory for this ring, and its CPU uses a common one.
    pub const NO_PLACES: u64 = u64::MAX;
}

/// A place for a record in a ring.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingPlace {
    /// The number of the claim for which this place was written last, counted from 1; written after the record.
    pub claim: u64,
    /// The record.
    pub record: AttemptRecord,
    /// In a common ring: how many places the CPU had claimed of its own until then, in its lower half. They come first.
    pub after: u32,
    /// What [`kind::REDIRECTED`] promises.
    pub dialled_port: u32,
    /// How often, in an exchange; the other part of what [`kind::REDIRECTED`] promises; rubbish in every other kind.
    pub datagrams: Datagrams,
}

/// Where `connect()` was to go, beside a record in a ring or a slot: the same place in both.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dialled {
    #[doc(hidden)]
    pub rest_of_word: u32,
    /// In host byte order.
    pub port: u32,
    /// Sixteen bytes in network byte order, as [`Record::remote`].
    pub address: [u64; 2],
}

const _: () = {
    assert!(size_of::<RingState>() == 128);
    assert!(offset_of!(RingState, head) == 0);
    assert!(offset_of!(RingState, is_being_claimed) == 8);
    assert!(offset_of!(RingState, first_place) == 16);
    assert!(offset_of!(RingState, cpu) == 24);
    assert!(offset_of!(RingState, tail) == 64);
    assert!(size_of::<RingPlace>() == 128);
    assert!(offset_of!(RingPlace, claim) == 0);
    assert!(offset_of!(RingPlace, record) == 8);
    assert!(offset_of!(RingPlace, after) == 104);
    assert!(offset_of!(RingPlace, dialled_port) == 108);
    assert!(offset_of!(RingPlace, datagrams) == 112);
    assert!(size_of::<Dialled>() == 24);
    assert!(offset_of!(Dialled, port) == 4);
    assert!(offset_of!(Dialled, address) == 8);
    assert!(size_of::<Datagrams>() == 16);
    assert!(offset_of!(Datagrams, sent) == 0);
    assert!(offset_of!(Datagrams, received) == 4);
    assert!(offset_of!(Datagrams, failed) == 8);
    assert!(offset_of!(Datagrams, tick) == 12);
};

/// How many slots there are for attempts under way; a power of two. An attempt that loses its slot to another costs
/// a record more, and nothing else.
pub const ATTEMPTS: usize = 512;

/// A place for an attempt under way.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptSlot {
    /// Cookie of the socket whose attempt this is; 0 when it is free, [`Self::BEING_WRITTEN`] when a hook owns it.
    pub holder: u64,
    /// The attempt, of kind [`kind::BEGUN`] until its SYN and then [`kind::ATTEMPT`]; rubbish when the slot is free.
    pub record: AttemptRecord,
    /// What [`kind::REDIRECTED`] promises.
    pub dialled: Dialled,
}

impl AttemptSlot {
    /// In place of a cookie, which count up from 1: a hook is reading or writing the record.
    pub const BEING_WRITTEN: u64 = u64::MAX;
}

const _: () = {
    assert!(size_of::<AttemptSlot>() == 128);
    assert!(offset_of!(AttemptSlot, holder) == 0);
    assert!(offset_of!(AttemptSlot, record) == 8);
    assert!(offset_of!(AttemptSlot, dialled) == 104);
};

/// How many slots there are for exchanges; a power of two. An exchange that loses its slot to another costs a record
/// more, and nothing else.
pub const EXCHANGES: usize = 1 << 16;

/// A place for an exchange: a UDP socket and one peer. All that a datagram of a known peer touches is in one cache line.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExchangeSlot {
    /// The exchange, of kind [`kind::EXCHANGE_SENT_FIRST`] or [`kind::EXCHANGE_RECEIVED_FIRST`], with its first caller;
    /// rubbish when the slot is free.
    pub record: AttemptRecord,
    /// A hash of the socket and the peer (`probe-ebpf/src/exchange.rs`); 0 when it is free, [`Self::BEING_WRITTEN`] when a
    /// hook owns it.
    pub holder: u64,
    /// How often.
    pub datagrams: Datagrams,
    /// When the latest datagram went, nanoseconds on `CLOCK_BOOTTIME`, true to a tick.
    pub last: u64,
}

impl ExchangeSlot {
    /// In place of a hash: a hook is reading or writing the slot.
    pub const BEING_WRITTEN: u64 = u64::MAX;
}

const _: () = {
    assert!(EXCHANGES.is_power_of_two());
    assert!(size_of::<ExchangeSlot>() == 128);
    assert!(offset_of!(ExchangeSlot, record) == 0);
    assert!(offset_of!(ExchangeSlot, holder) == 96);
    assert!(offset_of!(ExchangeSlot, datagrams) == 104);
    assert!(offset_of!(ExchangeSlot, last) == 120);
    // As in a ring: user space reads both in one way.
    assert!(
        offset_of!(ExchangeSlot, datagrams) - offset_of!(ExchangeSlot, record)
            == offset_of!(RingPlace, datagrams) - offset_of!(RingPlace, record)
    );
};

/// A place in the spill: what no ring could take, folded (`probe-ebpf/src/spill.rs`).
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpillSlot {
    /// A hash of what is folded here; 0 when it is free, [`Self::BEING_WRITTEN`] when a hook or user space owns it.
    pub holder: u64,
    /// The first of the facts, with its caller if it had one; rubbish when the slot is free.
    pub record: AttemptRecord,
    /// When the latest of them happened, nanoseconds on `CLOCK_BOOTTIME`.
    pub last: u64,
    /// How many facts.
    pub count: u32,
    /// How many of them are exchanges in which something was received.
    pub answered: u32,
    /// Of exchanges: calls that sent.
    pub sent: u32,
    /// Likewise: calls that received.
    pub received: u32,
}

impl SpillSlot {
    /// In place of a hash: somebody is reading or writing the slot.
    pub const BEING_WRITTEN: u64 = u64::MAX;
    /// A fact looks for its slot in two sets of so many, each a value of the map.
    pub const SET: usize = 8;
}

const _: () = {
    assert!(size_of::<SpillSlot>() == 128);
    assert!(offset_of!(SpillSlot, holder) == 0);
    assert!(offset_of!(SpillSlot, record) == 8);
    assert!(offset_of!(SpillSlot, last) == 104);
    assert!(offset_of!(SpillSlot, count) == 112);
    assert!(offset_of!(SpillSlot, answered) == 116);
    assert!(offset_of!(SpillSlot, sent) == 120);
    assert!(offset_of!(SpillSlot, received) == 124);
};

/// What the spill holds altogether. Written by hooks and, as it empties the spill, by user space; each by atomic
/// additions.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpillState {
    /// All cgroups that have no [`GroupSlot`] of their own.
    pub others: GroupSlot,
    /// Slots in use.
    pub used: u64,
    /// How many of them hold a [`kind::BEGUN`].
    pub begun: u64,
}

const _: () = {
    assert!(size_of::<SpillState>() == 80);
    assert!(offset_of!(SpillState, others) == 0);
    assert!(offset_of!(SpillState, used) == 64);
    assert!(offset_of!(SpillState, begun) == 72);
};

/// How many cgroups are told apart by what they have in the spill and what they lost; a power of two.
pub const GROUPS: usize = 1 << 12;

/// What a cgroup has in the spill, and what it lost. A cgroup looks for its slot in one set of [`SpillSlot::SET`], and keeps
/// it.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupSlot {
    /// The cgroup's id; 0 when the slot is free.
    pub holder: u64,
    /// How many slots of the spill it uses; written by hooks and user space, by atomic additions.
    pub used: u64,
    /// What was lost, by [`Loss`]; written by hooks, never reset.
    pub lost: [u64; Loss::ALL.len()],
}

const _: () = {
    assert!(GROUPS.is_power_of_two());
    assert!(size_of::<GroupSlot>() == 64);
    assert!(offset_of!(GroupSlot, holder) == 0);
    assert!(offset_of!(GroupSlot, used) == 8);
    assert!(offset_of!(GroupSlot, lost) == 16);
};

/// What the hooks keep per CPU.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuState {
    /// The change of state that the first program has reported last and the second not yet seen, as
    /// `probe-ebpf/src/rescue.rs` numbers it; 0 for none.
    pub mark: u64,
    /// Changes that the second program took because the first was not run, for diagnosis.
    pub rescued: u64,
    /// The kernel's tick (`jiffies`: 100 to 1,000 a second, `CONFIG_HZ`) at which the clock was read. Written and
    /// read by every hook, as is the next.
    pub tick: u64,
    /// The time of the latest event, nanoseconds on `CLOCK_BOOTTIME`.
    pub time: u64,
}

const _: () = {
    assert!(ATTEMPTS.is_power_of_two());
    assert!(size_of::<CpuState>() == 32);
    assert!(offset_of!(CpuState, mark) == 0);
    assert!(offset_of!(CpuState, rescued) == 8);
    assert!(offset_of!(CpuState, tick) == 16);
    assert!(offset_of!(CpuState, time) == 24);
};

const _: () = {
    assert!(size_of::<Record>() == 72);
    assert!(offset_of!(Record, time) == 0);
    assert!(offset_of!(Record, socket) == 8);
    assert!(offset_of!(Record, cgroup) == 16);
    assert!(offset_of!(Record, netns) == 24);
    assert!(offset_of!(Record, local) == 32);
    assert!(offset_of!(Record, remote) == 48);
    assert!(offset_of!(Record, local_port) == 64);
    assert!(offset_of!(Record, remote_port) == 66);
    assert!(offset_of!(Record, error) == 68);
    assert!(offset_of!(Record, kind) == 70);
    assert!(offset_of!(Record, family) == 71);
    assert!(size_of::<AttemptRecord>() == 96);
    assert!(offset_of!(AttemptRecord, record) == 0);
    assert!(offset_of!(AttemptRecord, process) == 72);
    assert!(offset_of!(AttemptRecord, elapsed) == 76);
    assert!(offset_of!(AttemptRecord, command) == 80);
};

/// What neither its ring could take, which was full (or, where CPUs share one, overrun by the others), nor the spill: the
/// index into [`GroupSlot::lost`].
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Loss {
    /// An attempt that had lost its slot, and never goes to the spill. It costs the outcome its process; one that still
    /// waits is found among the sockets.
    Attempt = 0,
    /// A success.
    Connected = 1,
    /// A failure.
    Failed = 2,
    /// An accept.
    Accepted = 3,
    /// An attempt that died before any state change, or that had left its slot before its SYN.
    Unrouted = 4,
    /// An exchange that had to leave its slot, a datagram of one that had none, or a call that failed.
    Datagram = 5,
}

impl Loss {
    /// Every reason, in the order of their slots.
    pub const ALL: [Self; 6] =
        [Self::Attempt, Self::Connected, Self::Failed, Self::Accepted, Self::Unrouted, Self::Datagram];

    /// What the loss of a record of this [`kind`] is, given without what is added to it.
    #[must_use]
    #[inline(always)]
    pub const fn of(basic_kind: u8) -> Self {
        match basic_kind {
            kind::CONNECTED => Self::Connected,
            kind::FAILED => Self::Failed,
            kind::ACCEPTED => Self::Accepted,
            kind::UNROUTED | kind::BEGUN => Self::Unrouted,
            kind::EXCHANGE_SENT_FIRST | kind::EXCHANGE_RECEIVED_FIRST => Self::Datagram,
            _ => Self::Attempt,
        }
    }

    /// The name that reports and recordings use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Attempt => "ring-full-attempt",
            Self::Connected => "ring-full-connected",
            Self::Failed => "ring-full-failed",
            Self::Accepted => "ring-full-accepted",
            Self::Unrouted => "ring-full-unrouted",
            Self::Datagram => "ring-full-datagram",
        }
    }
}

const _: () = {
    let mut slot = 0;
    while slot < Loss::ALL.len() {
        assert!(Loss::ALL[slot] as usize == slot);
        slot += 1;
    }
};
