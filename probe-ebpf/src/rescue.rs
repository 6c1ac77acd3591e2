//! Interrupted handlers.
//!
//! The kernel does not run a tracing program that is running on this CPU already (`__bpf_trace_run`,
//! kernel/trace/bpf_trace.c): it counts a recursion miss and goes on. On a loaded node a handler in process
//! context is interrupted by a softirq that works off hundreds of packets, and each of their state changes
//! would be missed. So the tracepoint has two programs: the first marks what it was run for, and the second,
//! which is idle while the first is interrupted, takes whatever bears no mark.
//!
//! Whoever interrupts has ended before the interrupted goes on, so the marks are a stack; two are enough, since TCP
//! changes states in process context and in softirq, and no deeper. Only an interrupt in the second program's
//! first instructions can push a mark out; then the second reports again, with [`probe_common::kind::RESCUED`] set,
//! and user space drops the repetition by its socket cookie.

use core::ffi::c_void;

use probe_common::CpuState;

/// Marks a state change as seen.
#[inline(always)]
pub(crate) fn mark(cpu: *mut CpuState, socket: *const c_void) {
    // SAFETY: this CPU's state. The verifier takes the pointer as a number once it is in a map.
    unsafe {
        let marks = (&raw mut (*cpu).marks).cast::<*const c_void>();
        let below = (&raw const (*cpu).marks[0]).read_volatile();
        (&raw mut (*cpu).marks[1]).write_volatile(below);
        marks.write_volatile(socket);
    }
}

/// Whether the first program was not run for this state change; takes the mark away.
#[inline(always)]
pub(crate) fn is_missed(cpu: *mut CpuState, socket: *const c_void) -> bool {
    // SAFETY: as above; only the second program counts, and it cannot interrupt itself.
    unsafe {
        let latest = (&raw const (*cpu).marks).cast::<*const c_void>();
        if latest.read_volatile() == socket {
            let below = (&raw const (*cpu).marks[1]).read_volatile();
            (&raw mut (*cpu).marks[0]).write_volatile(below);
            // Otherwise the lower one would come up again after it was taken.
            (&raw mut (*cpu).marks[1]).write_volatile(0);
            return false;
        }
        (*cpu).rescued += 1;
    }
    true
}
