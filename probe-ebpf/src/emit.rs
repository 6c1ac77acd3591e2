//! Hand-over to user space: straight into the ring's reservation, and each loss counted once.

use aya_ebpf::{
    bindings::BPF_RB_NO_WAKEUP,
    helpers::{bpf_get_current_comm, bpf_get_current_pid_tgid},
};
use aya_log_ebpf::debug;
use probe_common::{AttemptRecord, COMMAND_LENGTH, Loss, Record};

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
    let Some(mut slot) = EVENTS.reserve_untyped::<Record>(0) else { return lost(loss) };
    slot.write(record);
    slot.submit(u64::from(BPF_RB_NO_WAKEUP));
}

/// Hands over an attempt with its caller.
#[inline(always)]
pub(crate) fn attempt(attempt: AttemptRecord, loss: Loss) {
    let Some(mut slot) = EVENTS.reserve(0) else { return lost(loss) };
    slot.write(attempt);
    slot.submit(u64::from(BPF_RB_NO_WAKEUP));
}

/// Counts one loss.
#[inline(always)]
pub(crate) fn lost(reason: Loss) {
    debug!(&(), "lost: reason {}", reason as u32);
    if let Some(count) = LOSSES.get_ptr_mut(reason as u32) {
        // SAFETY: this CPU's slot, and each reason is counted by one family of hooks. There is no 64-bit
        // fetch_add for this target; a task that preempts another right here could cost one count of two.
        unsafe { *count += 1 };
    }
}
