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

use crate::maps::{MARKS, RESCUED, SCRATCH};

/// How many marks a CPU keeps; a power of two.
pub(crate) const SLOTS: usize = 16;

/// Marks a state change as seen.
#[inline(always)]
pub(crate) fn mark(socket: *const c_void, state: i32) {
    let Some(identity) = identity(socket, state, 0) else { return };
    if let Some(slot) = MARKS.get_ptr_mut(slot_of(identity)) {
        // SAFETY: this CPU's slot.
        unsafe { slot.write_volatile(identity) };
    }
}

/// Whether the first program was not run for this state change; takes the mark away.
#[inline(always)]
pub(crate) fn is_missed(socket: *const c_void, state: i32) -> bool {
    let Some(identity) = identity(socket, state, 1) else { return false };
    let Some(slot) = MARKS.get_ptr_mut(slot_of(identity)) else { return false };
    // SAFETY: this CPU's slot.
    unsafe {
        if slot.read_volatile() == identity {
            slot.write_volatile(0);
            return false;
        }
    }
    if let Some(count) = RESCUED.get_ptr_mut(0) {
        // SAFETY: this CPU's slot, and only the second program writes it, which cannot interrupt itself.
        unsafe { *count += 1 };
    }
    true
}

/// The socket's address as a number, with the state. The verifier forbids arithmetic on a pointer, so it goes
/// through a map; each program has its own slot there and cannot interrupt itself.
#[inline(always)]
fn identity(socket: *const c_void, state: i32, program: u32) -> Option<u64> {
    let scratch = SCRATCH.get_ptr_mut(program)?;
    // SAFETY: this CPU's slot.
    let address = unsafe {
        scratch.cast::<*const c_void>().write_volatile(socket);
        scratch.read_volatile()
    };
    // Kernel addresses have their top byte set to ff.
    Some(address ^ (state as u64) << 56)
}

/// Sockets come from a slab: their addresses differ above bit 6.
#[inline(always)]
fn slot_of(identity: u64) -> u32 {
    ((identity >> 6 ^ identity >> 11) as usize & (SLOTS - 1)) as u32
}
