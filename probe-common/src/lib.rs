//! What the kernel side and user space agree on, byte for byte.
//!
//! Every structure is `repr(C)`, has no implicit padding and is checked by const assertions, so that a change
//! of layout breaks the build of both sides instead of the meaning of a recording.
#![no_std]

use core::mem::{offset_of, size_of};

/// Length of a task's command name in the kernel, with its terminating NUL (`TASK_COMM_LEN`, linux/sched.h).
pub const COMMAND_LENGTH: usize = 16;

/// What a record states. The numbers are part of the wire format and are never reused.
pub mod kind {
    /// `connect()` got a route and sent its SYN: CLOSE → SYN_SENT, in the caller's context.
    pub const ATTEMPT: u8 = 1;
    /// The attempt succeeded: SYN_SENT → ESTABLISHED (or 2 → 3 → 1, a self-connect).
    pub const CONNECTED: u8 = 2;
    /// The attempt failed: SYN_SENT → CLOSE; `error` holds `sk_err` (0 = given up by the application).
    pub const FAILED: u8 = 3;
    /// A listener took a connection: SYN_RECV → ESTABLISHED, usually in softirq.
    pub const ACCEPTED: u8 = 4;
    /// `connect()` was called and no state change followed: the kernel found no route, or a policy refused.
    pub const UNROUTED: u8 = 5;
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

/// One fact about one socket, as the kernel hooks write it into the ring.
///
/// Addresses are in network byte order, IPv4 as IPv4-mapped IPv6 (`::ffff:a.b.c.d`); all numbers, the ports
/// too, are in the host's byte order: the conversion happens once, in the probe's `tuple.rs`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// Nanoseconds on `CLOCK_BOOTTIME`.
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
    /// `sk_err` of a failed attempt (a positive errno), otherwise 0.
    pub error: u16,
    /// One of [`kind`].
    pub kind: u8,
    /// One of [`family`].
    pub family: u8,
}

/// A [`Record`] whose process is known, because the hook ran in the context of `connect()`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptRecord {
    /// What happened to which socket.
    pub record: Record,
    /// Process id in the initial PID namespace (`tgid`).
    pub process: u32,
    /// Thread id in the initial PID namespace (`pid`).
    pub thread: u32,
    /// Name of the calling thread (`comm`), NUL-padded, any bytes.
    pub command: [u8; COMMAND_LENGTH],
}

/// How many marks of state changes a CPU keeps; a power of two.
pub const MARKS: usize = 16;

/// What the hooks keep per CPU, in one place so that a handler looks it up once.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuState {
    /// The `connect()` that began last on this CPU and has shown no state change yet; its socket is 0 when there
    /// is none. Written by the connect hooks; cleared by the socket's SYN_SENT, which normally follows in the
    /// same system call. Whatever is still there when the next one begins died on its route: it goes to the ring
    /// as [`kind::UNROUTED`]. User space reads what stays behind.
    pub pending: AttemptRecord,
    /// State changes that the second TCP program took because the first was not run. Written by it, read by user
    /// space: the first one's recursion misses less this are lost.
    pub rescued: u64,
    /// A word for each of the two TCP programs, to make a number of a pointer.
    pub scratch: [u64; 2],
    /// State changes that the first TCP program was run for, by a hash of socket and state. Written by it, read
    /// and cleared by the second; a mark that is overwritten before costs a repetition.
    pub marks: [u64; MARKS],
}

const _: () = {
    assert!(MARKS.is_power_of_two());
    assert!(size_of::<CpuState>() == 96 + 8 + 16 + 8 * MARKS);
    assert!(offset_of!(CpuState, pending) == 0);
    assert!(offset_of!(CpuState, rescued) == 96);
    assert!(offset_of!(CpuState, scratch) == 104);
    assert!(offset_of!(CpuState, marks) == 120);
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
    assert!(offset_of!(AttemptRecord, thread) == 76);
    assert!(offset_of!(AttemptRecord, command) == 80);
};

/// Why a fact did not reach the ring: the index into the probe's `LOSSES` map (one slot per CPU and reason).
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Loss {
    /// Ring full: an attempt, which costs its outcome the process; an unrouted one would be lost wholly.
    Attempt = 0,
    /// Ring full: a success.
    Connected = 1,
    /// Ring full: a failure.
    Failed = 2,
    /// Ring full: an accept.
    Accepted = 3,
    /// Ring full: an attempt that died before any state change.
    Unrouted = 4,
    /// `UNPAIRED` full: an attempt may be counted as unrouted and again by its outcome.
    Unpaired = 5,
}

impl Loss {
    /// Every reason, in the order of their slots.
    pub const ALL: [Self; 6] =
        [Self::Attempt, Self::Connected, Self::Failed, Self::Accepted, Self::Unrouted, Self::Unpaired];

    /// The name that reports and recordings use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Attempt => "ring-full-attempt",
            Self::Connected => "ring-full-connected",
            Self::Failed => "ring-full-failed",
            Self::Accepted => "ring-full-accepted",
            Self::Unrouted => "ring-full-unrouted",
            Self::Unpaired => "unpaired-full",
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
