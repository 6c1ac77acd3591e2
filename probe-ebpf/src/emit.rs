//! Hand-over to user space, and each loss counted once.

use aya_ebpf::helpers::{
    bpf_get_current_comm, bpf_get_current_pid_tgid, generated::bpf_get_current_task_btf,
};
use aya_log_ebpf::debug;
use probe_common::{COMMAND_LENGTH, Loss};

use crate::{
    atomics,
    maps::LOSSES,
    offsets::{OFFSET_TASK_COMMAND, OFFSET_TASK_PROCESS},
    record::AttemptWords,
    ring::{Place, Ring},
    socket::{Access, Typed},
};

type Command = [u64; COMMAND_LENGTH / size_of::<u64>()];

/// The task that runs.
pub(crate) struct Caller {
    pub(crate) process: u32,
    pub(crate) command: Command,
}

impl Caller {
    /// The current task; only meaningful in process context. Read in place, which costs a third of the helpers that say
    /// the same.
    #[inline(always)]
    pub(crate) fn current() -> Self {
        let (Some(process), Some(command)) = (OFFSET_TASK_PROCESS.optional(), OFFSET_TASK_COMMAND.optional())
        else {
            return Self::told_by_helpers();
        };
        // SAFETY: a BTF pointer to `struct task_struct` (5.11), with such fields there.
        unsafe {
            let task = bpf_get_current_task_btf().cast();
            Self { process: Typed::load(task, process), command: Typed::load(task, command) }
        }
    }

    #[inline(always)]
    fn told_by_helpers() -> Self {
        let command = bpf_get_current_comm().unwrap_or([0; COMMAND_LENGTH]);
        // SAFETY: sixteen bytes without padding either way.
        let command = unsafe { core::mem::transmute::<[u8; COMMAND_LENGTH], Command>(command) };
        Self { process: (bpf_get_current_pid_tgid() >> 32) as u32, command }
    }
}

/// A place for a record on its way to user space; without one, it is counted as lost.
#[inline(always)]
pub(crate) fn place(ring: Ring, loss: Loss) -> Option<Place> {
    let place = Place::claim(ring);
    if place.is_none() {
        lost(loss);
    }
    place
}

/// Hands over a record that stands elsewhere.
#[inline(always)]
pub(crate) fn hand_over(ring: Ring, loss: Loss, record: &AttemptWords) {
    if let Some(mut place) = place(ring, loss) {
        *place.record() = *record;
        place.publish();
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
