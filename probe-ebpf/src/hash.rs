//! A hash of words that nobody outside can foresee, so that nobody can make two things share a place.

use aya_ebpf::Global;

/// Set by the loader, at random.
#[unsafe(no_mangle)]
static HASH_SEED: Global<u64> = Global::new(0);

/// Of the words that were added so far.
#[derive(Clone, Copy)]
pub(crate) struct Hash(u64);

impl Hash {
    /// Odd, half of their bits set, without a pattern (the fractional parts of the golden ratio and of the root of 3).
    const FIRST: u64 = 0x9e37_79b9_7f4a_7c15;
    const SECOND: u64 = 0xbb67_ae85_84ca_a73b;

    #[inline(always)]
    pub(crate) fn of(word: u64) -> Self {
        Self((word ^ HASH_SEED.load()).wrapping_mul(Self::FIRST))
    }

    /// With one more word.
    #[inline(always)]
    pub(crate) fn and(self, word: u64) -> Self {
        Self((self.0 ^ self.0 >> 32 ^ word).wrapping_mul(Self::SECOND))
    }

    /// Of 62 bits; neither 0 nor [`crate::owned::BEING_WRITTEN`].
    #[inline(always)]
    pub(crate) fn finish(self) -> u64 {
        (self.0 ^ self.0 >> 32) & !2 | 1
    }
}

/// One word for five, another for any other five except by chance: so that whoever reads all six knows that they were
/// written together. Unlike in a [`Hash`], none of its multiplications waits for another.
#[inline(always)]
pub(crate) fn check([first, second, third, fourth, fifth]: [u64; 5]) -> u64 {
    /// Odd, half of their bits set, without a pattern (the fractional parts of the roots of 2, 3, 5 and 7).
    const FACTORS: [u64; 4] =
        [0x6a09_e667_f3bc_c909, 0xbb67_ae85_84ca_a73b, 0x3c6e_f372_fe94_f82b, 0xa54f_f53a_5f1d_36f1];
    let seed = HASH_SEED.load();
    first
        ^ (second ^ seed).wrapping_mul(FACTORS[0])
        ^ (third ^ seed).wrapping_mul(FACTORS[1])
        ^ (fourth ^ seed).wrapping_mul(FACTORS[2])
        ^ (fifth ^ seed).wrapping_mul(FACTORS[3])
}
