//! Hand-over to user space, in batches on the usual path, and each loss counted once.

use aya_ebpf::{
    bindings::BPF_RB_NO_WAKEUP,
    helpers::{bpf_get_current_comm, bpf_get_current_pid_tgid, bpf_get_smp_processor_id},
};
use aya_log_ebpf::debug;
use probe_common::{AttemptRecord, BATCH_LENGTH, Batch, COMMAND_LENGTH, Loss, Record};

use crate::{
    maps::{BATCHES, EVENTS, LOSSES},
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

/// How a record gets to user space.
#[derive(Clone, Copy)]
pub(crate) enum Way {
    /// In this CPU's batch: a fraction of a reservation's cost. For the first TCP program alone.
    Batch,
    /// By itself, at once.
    Alone,
}

/// Hands over the outcome of a connection.
#[inline(always)]
pub(crate) fn outcome(record: Record, loss: Loss, way: Way) {
    match way {
        Way::Batch => append(loss, |slot| {
            // SAFETY: a slot of this CPU's batch.
            unsafe { (*slot).record = record };
        }),
        Way::Alone => {
            let Some(mut slot) = EVENTS.reserve_untyped::<Record>(0) else { return lost(loss) };
            slot.write(record);
            slot.submit(u64::from(BPF_RB_NO_WAKEUP));
        }
    }
}

/// Hands over an attempt with its caller.
#[inline(always)]
pub(crate) fn attempt(attempt: AttemptRecord, loss: Loss, way: Way) {
    match way {
        Way::Batch => append(loss, |slot| {
            // SAFETY: a slot of this CPU's batch.
            unsafe { *slot = attempt };
        }),
        Way::Alone => {
            let Some(mut slot) = EVENTS.reserve(0) else { return lost(loss) };
            slot.write(attempt);
            slot.submit(u64::from(BPF_RB_NO_WAKEUP));
        }
    }
}

/// Appends to this CPU's batch, after handing it over if it is full.
#[inline(always)]
fn append(loss: Loss, fill: impl FnOnce(*mut AttemptRecord)) {
    let Some(batch) = BATCHES.get_ptr_mut(0) else { return };
    // SAFETY: this CPU's batch, which only this program writes, and it cannot interrupt itself.
    unsafe {
        let mut count = (*batch).count as usize;
        if count >= BATCH_LENGTH {
            if !hand_over(batch) {
                return lost(loss);
            }
            count = 0;
        }
        fill(&raw mut (*batch).records[count & (BATCH_LENGTH - 1)]);
        (&raw mut (*batch).count).write_volatile(count as u64 + 1);
    }
}

/// Puts a full batch into the ring and begins the next one; the order of the stores is [`Batch`]'s.
#[inline(always)]
unsafe fn hand_over(batch: *mut Batch) -> bool {
    // SAFETY: the caller's.
    unsafe {
        (*batch).cpu = u64::from(bpf_get_smp_processor_id());
        if EVENTS.output_untyped::<Batch>(&*batch, u64::from(BPF_RB_NO_WAKEUP)).is_err() {
            return false;
        }
        let next = (*batch).generation + 1;
        (&raw mut (*batch).sealed).write_volatile(next);
        (&raw mut (*batch).count).write_volatile(0);
        (&raw mut (*batch).generation).write_volatile(next);
    }
    true
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
