//! Hand-over to user space, and each loss counted once.

use aya_ebpf::{
    bindings::BPF_RB_NO_WAKEUP,
    helpers::{
        bpf_get_current_comm, bpf_get_current_pid_tgid,
        generated::{bpf_get_current_task_btf, bpf_ktime_get_boot_ns},
    },
};
use aya_log_ebpf::debug;
use probe_common::{COMMAND_LENGTH, Loss};

use crate::{
    atomics,
    maps::{EVENTS, LOSSES},
    offsets::OFFSET_TASK_COMMAND,
    socket::load,
};

type Command = [u64; COMMAND_LENGTH / size_of::<u64>()];

/// The task that runs.
pub(crate) struct Caller {
    pub(crate) process: u32,
    pub(crate) command: Command,
}

impl Caller {
    /// The current task; only meaningful in process context.
    #[inline(always)]
    pub(crate) fn current() -> Self {
        Self { process: (bpf_get_current_pid_tgid() >> 32) as u32, command: command() }
    }
}

/// The current task's name: read in place, which costs a third of the helper that copies it.
#[inline(always)]
fn command() -> Command {
    match OFFSET_TASK_COMMAND.optional() {
        // SAFETY: a BTF pointer to `struct task_struct` (5.11), with a field of sixteen bytes there.
        Some(offset) => unsafe { load(bpf_get_current_task_btf().cast(), offset) },
        None => {
            let bytes = bpf_get_current_comm().unwrap_or([0; COMMAND_LENGTH]);
            // SAFETY: sixteen bytes without padding either way.
            unsafe { core::mem::transmute::<[u8; COMMAND_LENGTH], Command>(bytes) }
        }
    }
}

/// Hands over a record. Copying it from the stack costs less than a reservation: one call instead of two.
#[inline(always)]
pub(crate) fn hand_over<const LENGTH: usize>(words: &[u64; LENGTH], loss: Loss) {
    if EVENTS.output_untyped::<[u64; LENGTH]>(words, u64::from(BPF_RB_NO_WAKEUP)).is_err() {
        lost(loss);
    }
}

/// Counts one loss.
#[inline(always)]
fn lost(reason: Loss) {
    debug!(&(), "lost: reason {}", reason as u32);
    if let Some(count) = LOSSES.get_ptr_mut(reason as u32) {
        // SAFETY: a map's value. This CPU's alone, but one hook can interrupt another between reading and writing.
        unsafe { atomics::increment(count) };
    }
}

/// Nanoseconds on `CLOCK_BOOTTIME` (5.8).
#[inline(always)]
pub(crate) fn now() -> u64 {
    // SAFETY: a helper without arguments.
    unsafe { bpf_ktime_get_boot_ns() }
}
