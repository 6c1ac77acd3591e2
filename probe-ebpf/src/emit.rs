//! Hand-over to user space: by a ring, by the spill when that is full, and each loss counted once.

use aya_ebpf::helpers::{
    bpf_get_current_comm, bpf_get_current_pid_tgid, generated::bpf_get_current_task_btf,
};
use aya_log_ebpf::debug;
use probe_common::{COMMAND_LENGTH, Dialled, Loss};

use crate::{
    groups,
    layout::rarely,
    offsets::{OFFSET_TASK_COMMAND, OFFSET_TASK_PROCESS},
    record::{self, AttemptWords},
    ring::{Place, Ring},
    socket::{Access, Typed},
    spill,
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

/// Hands over an attempt that stands elsewhere, or its outcome. Folded, it loses where it was to go.
#[inline(always)]
pub(crate) fn hand_over(ring: Ring, record: &AttemptWords, dialled: &Dialled) {
    match Place::claim(ring) {
        Some(mut place) => {
            *place.record() = *record;
            if record::is_redirected(record) {
                rarely(());
                place.set_dialled(dialled);
            }
            place.publish();
        }
        None => overflow(record),
    }
}

/// Folds what no ring can take, or counts it as lost.
#[inline(never)]
pub(crate) fn overflow(record: &AttemptWords) {
    let loss = Loss::of(record::basic_kind(record));
    // Without its attempt an outcome has no process, and nothing else is amiss.
    if loss == Loss::Attempt || !spill::take(record) {
        lost(record::cgroup(record), loss);
    }
}

/// Counts a loss of a cgroup.
#[inline(always)]
pub(crate) fn lost(cgroup: u64, loss: Loss) {
    debug!(&(), "lost: reason {}", loss as u32);
    groups::lost(cgroup, loss);
}
