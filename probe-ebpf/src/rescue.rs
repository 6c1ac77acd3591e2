//! Interrupted handlers.
//!
//! The kernel does not run a tracing program that is running on this CPU already (`__bpf_trace_run`,
//! kernel/trace/bpf_trace.c): it counts a recursion miss and goes on. On a loaded node a handler in process
//! context is interrupted by a softirq that works off hundreds of packets, and each of their state changes
//! would be missed. So the tracepoint has two programs: the first marks what it was run for, and the second,
//! which is idle while the first is interrupted, takes whatever bears no mark. Both pass over what says nothing before
//! they look at marks.
//!
//! The mark is one change of one socket by its cookie; cookies, unlike addresses, are never used again. Whoever
//! interrupts between the two programs leaves its own mark in place of the interrupted change's, or none. Then the
//! second program reports that change again, with [`probe_common::kind::RESCUED`] set, and user space drops the
//! repetition by its cookie. A second mark below the first would spare those few, and costs every change a look at
//! memory that is cold. A mark that the second program was not run for, because it was interrupted itself, stays. It
//! could only hide that the same socket fails twice, the second time unseen.

use probe_common::kind;

use crate::{cpu::Cpu, ring::Ring};

/// Which of the two programs reports a change.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    First,
    Second,
}

impl Program {
    /// What the kind of its records has set.
    #[inline(always)]
    pub(crate) fn flag(self) -> u8 {
        match self {
            Self::First => 0,
            Self::Second => kind::RESCUED,
        }
    }

    /// The second may be at work while the first is interrupted.
    #[inline(always)]
    pub(crate) fn ring(self, cpu: Cpu) -> Ring {
        match self {
            Self::First => Ring::Own(cpu),
            Self::Second => Ring::Common,
        }
    }
}

/// Marks a change as seen.
#[inline(always)]
pub(crate) fn mark(cpu: Cpu, change: u64) {
    // SAFETY: this CPU's state.
    unsafe { (&raw mut (*cpu.state()).mark).write_volatile(change) };
}

/// Whether the first program was run for this change; takes the mark away.
#[inline(always)]
pub(crate) fn is_marked(cpu: Cpu, change: u64) -> bool {
    // SAFETY: as above.
    unsafe {
        let is_marked = (&raw const (*cpu.state()).mark).read_volatile() == change;
        if is_marked {
            (&raw mut (*cpu.state()).mark).write_volatile(0);
        }
        is_marked
    }
}

/// Counts a change that the second program takes.
#[inline(always)]
pub(crate) fn count(cpu: Cpu) {
    // SAFETY: as above; only the second program counts, and it cannot interrupt itself.
    unsafe { (*cpu.state()).rescued += 1 };
}
