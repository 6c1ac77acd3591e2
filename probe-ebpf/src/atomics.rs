//! The atomic operations that the probe needs, on map values.
//!
//! Rust's `AtomicU64` has no read-modify-write operations for this target, so they are written as the instructions
//! themselves (BPF_ATOMIC; `cmpxchg` and `xchg` since 5.12, RFC 9669, 5.3). Both are full barriers on every machine
//! (kernel/bpf, "Atomic operations"): what was written before is seen before.

use aya_ebpf::Global;

/// 1 where the processor lets no store overtake another, nor a load that comes before it: x86. There a plain store
/// publishes, at a fifth of the cost.
#[unsafe(no_mangle)]
static STORES_IN_ORDER: Global<u8> = Global::new(0);

/// Stores a value after everything that was read and written before.
///
/// # Safety
///
/// `word` lies in a map's value and is aligned to eight bytes.
#[inline(always)]
pub(crate) unsafe fn publish(word: *mut u64, value: u64) {
    // SAFETY: the caller's promise.
    unsafe {
        if STORES_IN_ORDER.load() == 0 {
            swap(word, value);
        } else {
            store(word, value);
        }
    }
}

/// Puts `new` where `expected` stands; whether it did.
///
/// # Safety
///
/// `word` lies in a map's value and is aligned to eight bytes; the verifier rejects the program otherwise.
#[cfg(target_arch = "bpf")]
#[inline(always)]
pub(crate) unsafe fn exchange(word: *mut u64, expected: u64, new: u64) -> bool {
    let found: u64;
    // SAFETY: the caller's promise. R0 holds what is expected before and what was found after.
    unsafe {
        core::arch::asm!(
            "r0 = cmpxchg_64({word} + 0, r0, {new})",
            word = in(reg) word,
            new = in(reg) new,
            inlateout("r0") expected => found,
        );
    }
    found == expected
}

/// Puts `value`.
///
/// # Safety
///
/// As for [`exchange`].
#[cfg(target_arch = "bpf")]
#[inline(always)]
unsafe fn swap(word: *mut u64, value: u64) {
    // SAFETY: the caller's promise.
    unsafe {
        core::arch::asm!(
            "{value} = xchg_64({word} + 0, {value})",
            word = in(reg) word,
            value = inlateout(reg) value => _,
        );
    }
}

/// A store that the compiler moves nothing across.
///
/// # Safety
///
/// As for [`exchange`].
#[cfg(target_arch = "bpf")]
#[inline(always)]
unsafe fn store(word: *mut u64, value: u64) {
    // SAFETY: the caller's promise.
    unsafe {
        core::arch::asm!("*(u64 *)({word} + 0) = {value}", word = in(reg) word, value = in(reg) value);
    }
}

/// Adds `value`, modulo 2⁶⁴.
///
/// # Safety
///
/// As for [`exchange`].
#[cfg(target_arch = "bpf")]
#[inline(always)]
pub(crate) unsafe fn add(word: *mut u64, value: u64) {
    // SAFETY: the caller's promise.
    unsafe {
        core::arch::asm!("lock *(u64 *)({word} + 0) += {value}", word = in(reg) word, value = in(reg) value);
    }
}

/// For the lints, which look at this crate as built for their own machine.
#[cfg(not(target_arch = "bpf"))]
mod elsewhere {
    use core::sync::atomic::{AtomicU64, Ordering::SeqCst};

    pub(crate) unsafe fn exchange(word: *mut u64, expected: u64, new: u64) -> bool {
        // SAFETY: the caller's promise.
        unsafe { AtomicU64::from_ptr(word) }.compare_exchange(expected, new, SeqCst, SeqCst).is_ok()
    }

    pub(super) unsafe fn swap(word: *mut u64, value: u64) {
        // SAFETY: the caller's promise.
        unsafe { AtomicU64::from_ptr(word) }.swap(value, SeqCst);
    }

    pub(super) use swap as store;

    pub(crate) unsafe fn add(word: *mut u64, value: u64) {
        // SAFETY: the caller's promise.
        unsafe { AtomicU64::from_ptr(word) }.fetch_add(value, SeqCst);
    }
}
#[cfg(not(target_arch = "bpf"))]
pub(crate) use elsewhere::{add, exchange};
#[cfg(not(target_arch = "bpf"))]
use elsewhere::{store, swap};
