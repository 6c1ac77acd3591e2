//! Looking through a set of slots that stand side by side in a map's value.

use probe_common::SpillSlot;

/// The first slot of a set that `is_wanted`; [`SpillSlot::SET`] or more for none. What follows must not trust it: others
/// write to the set at any time. `noise` is any number that the verifier does not know.
#[inline(always)]
pub(crate) fn scan(noise: u64, is_wanted: impl Fn(usize) -> bool) -> usize {
    let mut way = 0;
    while way < SpillSlot::SET {
        if is_wanted(way) {
            break;
        }
        way += 1;
    }
    forget(way, noise)
}

/// The same number, of which the verifier knows nothing any more: otherwise it walks what follows once for each.
#[cfg(target_arch = "bpf")]
#[inline(always)]
fn forget(number: usize, noise: u64) -> usize {
    let mut number = number;
    // SAFETY: there and back.
    unsafe {
        core::arch::asm!(
            "{number} ^= {noise}",
            "{number} ^= {noise}",
            number = inlateout(reg) number,
            noise = in(reg) noise,
        );
    }
    number
}

/// For the lints, which look at this crate as built for their own machine.
#[cfg(not(target_arch = "bpf"))]
fn forget(number: usize, _noise: u64) -> usize {
    number
}
