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
//!
//! User space cannot drop a repetition that was folded away (`spill.rs`). So an outcome that does not go to the CPU's own
//! ring is also remembered by its socket, and the second program looks there before it takes a change. In the common ring
//! some places are kept for the second program: they outlast the own ring.

use probe_common::kind;

use crate::{cpu::Cpu, maps::TOLD, ring::Ring};

/// How many outcomes are remembered on each CPU, by the lowest bits of their sockets' cookies, which count up there: more
/// than one softirq brings between the two programs; a power of two.
pub(crate) const REMEMBERED: usize = 1 << 10;

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

    /// Where it reports a change. The second may be at work while the first is interrupted.
    #[inline(always)]
    pub(crate) fn ring(self, cpu: Cpu, change: u64) -> Ring {
        match self {
            Self::First => Ring::Own(cpu, change),
            Self::Second => Ring::Reserve,
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

/// Remembers an outcome that does not go to the CPU's own ring.
#[inline(always)]
pub(crate) fn remember(change: u64) {
    if let Some(told) = TOLD.get_ptr_mut(place_of(change)) {
        // SAFETY: this CPU's value.
        unsafe { told.write_volatile(change) };
    }
}

/// Whether it was; forgets it.
#[inline(always)]
pub(crate) fn is_remembered(change: u64) -> bool {
    let Some(told) = TOLD.get_ptr_mut(place_of(change)) else { return false };
    // SAFETY: as above.
    unsafe {
        let is_remembered = told.read_volatile() == change;
        if is_remembered {
            told.write_volatile(0);
        }
        is_remembered
    }
}

#[inline(always)]
fn place_of(change: u64) -> u32 {
    (change >> CHANGES) as u32 & (REMEMBERED as u32 - 1)
}

/// How many bits of a change's number tell which change it is; the others are its socket's cookie.
pub(crate) const CHANGES: u32 = 2;

/// Counts a change that the second program takes.
#[inline(always)]
pub(crate) fn count(cpu: Cpu) {
    // SAFETY: as above; only the second program counts, and it cannot interrupt itself.
    unsafe { (*cpu.state()).rescued += 1 };
}
