//! What a pointer says as a number.

use core::ffi::c_void;

/// Its lower half. An instruction of its own, since of a pointer's words the verifier lets this one be copied, and then it is
/// a number (`check_alu_op`, with CAP_PERFMON); what the compiler would make of a conversion and what follows it, it rejects.
#[cfg(target_arch = "bpf")]
#[inline(always)]
pub(crate) fn lower_half(pointer: *const c_void) -> u32 {
    let number: u64;
    // SAFETY: it copies a register, and clears the upper half.
    unsafe {
        core::arch::asm!("w0 = w1", in("r1") pointer, out("r0") number, options(pure, nomem, nostack, preserves_flags));
    }
    number as u32
}

/// For the lints, which look at this crate as built for their own machine.
#[cfg(not(target_arch = "bpf"))]
pub(crate) fn lower_half(pointer: *const c_void) -> u32 {
    pointer as u64 as u32
}
