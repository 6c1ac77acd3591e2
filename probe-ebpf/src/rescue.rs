//! Interrupted handlers.
//!
//! The kernel does not run a tracing program that is running on this CPU already (`__bpf_trace_run`,
//! kernel/trace/bpf_trace.c): it counts a recursion miss and goes on. On a loaded node a handler in process
//! context is interrupted by a softirq that works off hundreds of packets, and each of their state changes
//! would be missed. So the tracepoint has two programs: the first marks what it was run for, and the second,
//! which is idle while the first is interrupted, takes whatever bears no mark.
//!
//! A mark can be overwritten by an interrupt between the two programs; then the second reports again, with
//! [`probe_common::kind::RESCUED`] set, and user space drops the repetition by its socket cookie.

use core::ffi::c_void;

use probe_common::{CpuState, MARKS};

/// Marks a state change as seen.
#[inline(always)]
pub(crate) fn mark(cpu: *mut CpuState, socket: *const c_void, state: i32) {
    let identity = identity(cpu, socket, state, 0);
    // SAFETY: this CPU's state, at an index below its length.
    unsafe { (&raw mut (*cpu).marks[slot_of(identity)]).write_volatile(identity) };
}

/// Whether the first program was not run for this state change; takes the mark away.
#[inline(always)]
pub(crate) fn is_missed(cpu: *mut CpuState, socket: *const c_void, state: i32) -> bool {
    let identity = identity(cpu, socket, state, 1);
    // SAFETY: as above; only the second program counts, and it cannot interrupt itself.
    unsafe {
        let mark = &raw mut (*cpu).marks[slot_of(identity)];
        if mark.read_volatile() == identity {
            mark.write_volatile(0);
            return false;
        }
        (*cpu).rescued += 1;
    }
    true
}

/// The socket's address as a number, with the state. The verifier forbids arithmetic on a pointer, so it goes
/// through the map; each program has its own word there and cannot interrupt itself.
#[inline(always)]
fn identity(cpu: *mut CpuState, socket: *const c_void, state: i32, program: usize) -> u64 {
    // SAFETY: this CPU's state.
    let address = unsafe {
        let word = &raw mut (*cpu).scratch[program];
        word.cast::<*const c_void>().write_volatile(socket);
        word.read_volatile()
    };
    // Kernel addresses have their top byte set to ff.
    address ^ (state as u64) << 56
}

/// Sockets come from a slab: their addresses differ above bit 6.
#[inline(always)]
fn slot_of(identity: u64) -> usize {
    (identity >> 6 ^ identity >> 11) as usize & (MARKS - 1)
}
