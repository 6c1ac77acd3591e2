//! Memory that several hooks want, and one has at a time.
//!
//! A word beside it tells who holds it. Whoever puts [`BEING_WRITTEN`] in place of the holder owns the memory until it
//! puts a holder there again; nobody else reads or writes it meanwhile, and nobody waits for it.

use probe_common::{AttemptSlot, ExchangeSlot, SpillSlot};

use crate::atomics::{exchange, publish};

/// In place of a holder.
pub(crate) const BEING_WRITTEN: u64 = AttemptSlot::BEING_WRITTEN;
const _: () = {
    assert!(BEING_WRITTEN == ExchangeSlot::BEING_WRITTEN);
    assert!(BEING_WRITTEN == SpillSlot::BEING_WRITTEN);
};

/// A map's value with such a word.
pub(crate) trait Owned: Copy {
    /// The word, aligned to eight bytes.
    fn word(self) -> *mut u64;

    /// Who holds it now; 0 when nobody does.
    #[inline(always)]
    fn holder(self) -> u64 {
        // SAFETY: a word of a map's value.
        unsafe { self.word().read_volatile() }
    }

    /// Makes the caller its owner, if it is still held by `from`.
    #[inline(always)]
    fn take(self, from: u64) -> bool {
        // SAFETY: as above, aligned as the trait asks.
        unsafe { exchange(self.word(), from, BEING_WRITTEN) }
    }

    /// Ends the ownership; what was written is seen first.
    #[inline(always)]
    fn give(self, to: u64) {
        // SAFETY: as above.
        unsafe { publish(self.word(), to) };
    }
}
