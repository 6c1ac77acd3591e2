//! Hand-over to user space: straight into the ring's reservation, and each loss counted once.

use aya_ebpf::{
    bindings::BPF_RB_NO_WAKEUP,
    helpers::{bpf_get_current_comm, bpf_get_current_pid_tgid},
};
use aya_log_ebpf::debug;
use probe_common::{AttemptRecord, COMMAND_LENGTH, Loss, Record, kind};

use crate::{
    maps::{EVENTS, LOSSES},
    socket::Socket,
    tuple::Tuple,
};

/// The task that runs.
pub(crate) struct Caller {
    pub(crate) process: u32,
    pub(crate) thread: u32,
    pub(crate) command: [u8; COMMAND_LENGTH],
}

impl Caller {
    /// The current task; only meaningful in process context.
    #[inline(always)]
    pub(crate) fn current() -> Self {
        let both = bpf_get_current_pid_tgid();
        let command = bpf_get_current_comm().unwrap_or([0; COMMAND_LENGTH]);
        Self { process: (both >> 32) as u32, thread: both as u32, command }
    }
}

/// What a record says beside the socket's own fields.
pub(crate) struct Fact {
    pub(crate) kind: u8,
    pub(crate) error: u16,
    pub(crate) cookie: u64,
    pub(crate) time: u64,
}

/// The record of a fact about a socket.
#[inline(always)]
pub(crate) fn record(socket: &Socket, tuple: &Tuple, fact: &Fact) -> Record {
    Record {
        time: fact.time,
        socket: fact.cookie,
        cgroup: socket.cgroup(),
        netns: socket.netns(),
        local: tuple.local.octets(),
        remote: tuple.remote.octets(),
        local_port: tuple.local_port,
        remote_port: tuple.remote_port,
        error: fact.error,
        kind: fact.kind,
        family: tuple.family,
    }
}

/// Hands over the outcome of a connection.
#[inline(always)]
pub(crate) fn outcome(record: Record, loss: Loss) {
    let row = row_of(record.kind);
    let Some(mut slot) = EVENTS.reserve_untyped::<Record>(0) else { return lost(loss, row) };
    slot.write(record);
    slot.submit(u64::from(BPF_RB_NO_WAKEUP));
}

/// Hands over an attempt with its caller.
#[inline(always)]
pub(crate) fn attempt(attempt: AttemptRecord, loss: Loss) {
    let row = row_of(attempt.record.kind);
    let Some(mut slot) = EVENTS.reserve(0) else { return lost(loss, row) };
    slot.write(attempt);
    slot.submit(u64::from(BPF_RB_NO_WAKEUP));
}

/// The row of [`LOSSES`] of the program that writes a record of this kind.
#[inline(always)]
pub(crate) const fn row_of(kind: u8) -> u32 {
    if kind & kind::RESCUED == 0 { 0 } else { Loss::ALL.len() as u32 }
}

/// Counts one loss.
#[inline(always)]
pub(crate) fn lost(reason: Loss, row: u32) {
    debug!(&(), "lost: reason {}", reason as u32);
    if let Some(count) = LOSSES.get_ptr_mut(row + reason as u32) {
        // SAFETY: this CPU's slot. There is no 64-bit fetch_add for this target: a connect() that preempts another
        // right here could cost one count of two; the TCP programs have rows of their own and cannot interrupt
        // themselves.
        unsafe { *count += 1 };
    }
}
