//! Interrupted handlers.
//!
//! The kernel does not run a tracing program that is running on this CPU already (`__bpf_trace_run`,
//! kernel/trace/bpf_trace.c): it counts a recursion miss and goes on. On a loaded node a handler in process
//! context is interrupted by a softirq that works off hundreds of packets, and each of their state changes
//! would be missed. So the tracepoint has two programs: the first marks what it was run for, and the second,
//! which is idle while the first is interrupted, takes whatever bears no mark. Both pass over what says nothing before
//! they look at marks.
//!
//! Whoever interrupts has ended before the interrupted goes on, so the marks are a stack; two are enough, since TCP
//! changes states in process context and in softirq, and no deeper. A mark that the second program was not run for,
//! because it was interrupted itself, stays; so a mark names one change of one socket by its cookie, and cookies,
//! unlike addresses, are never used again. It could only hide that the same socket fails twice, the second time
//! unseen. Only an interrupt in the second program's first instructions can push a mark out; then the second reports
//! again, with [`probe_common::kind::RESCUED`] set, and user space drops the repetition by its cookie.

use probe_common::CpuState;

/// Marks a change as seen.
#[inline(always)]
pub(crate) fn mark(cpu: *mut CpuState, change: u64) {
    // SAFETY: this CPU's state.
    unsafe {
        let below = (&raw const (*cpu).marks[0]).read_volatile();
        (&raw mut (*cpu).marks[1]).write_volatile(below);
        (&raw mut (*cpu).marks[0]).write_volatile(change);
    }
}

/// Whether the first program was run for this change; takes the mark away.
#[inline(always)]
pub(crate) fn is_marked(cpu: *mut CpuState, change: u64) -> bool {
    // SAFETY: as above.
    unsafe {
        if (&raw const (*cpu).marks[0]).read_volatile() != change {
            return false;
        }
        let below = (&raw const (*cpu).marks[1]).read_volatile();
        (&raw mut (*cpu).marks[0]).write_volatile(below);
        // Otherwise the lower one would come up again after it was taken.
        (&raw mut (*cpu).marks[1]).write_volatile(0);
        true
    }
}

/// Counts a change that the second program takes.
#[inline(always)]
pub(crate) fn count(cpu: *mut CpuState) {
    // SAFETY: as above; only the second program counts, and it cannot interrupt itself.
    unsafe { (*cpu).rescued += 1 };
}
