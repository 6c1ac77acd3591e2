//! Words made of smaller ones, in the order of memory.
//!
//! Written as shifts: what is stored in small parts and loaded as a whole waits for the stores, and a `transmute` through
//! memory does just that.

/// Two words of 16 bits.
#[inline(always)]
pub(crate) const fn half(first: u16, second: u16) -> u32 {
    if cfg!(target_endian = "little") {
        (second as u32) << 16 | first as u32
    } else {
        (first as u32) << 16 | second as u32
    }
}

/// Two words of 32 bits.
#[inline(always)]
pub(crate) const fn whole([first, second]: [u32; 2]) -> u64 {
    if cfg!(target_endian = "little") {
        (second as u64) << 32 | first as u64
    } else {
        (first as u64) << 32 | second as u64
    }
}

/// The two words of 32 bits of a whole one.
#[inline(always)]
pub(crate) const fn halves(word: u64) -> [u32; 2] {
    if cfg!(target_endian = "little") {
        [word as u32, (word >> 32) as u32]
    } else {
        [(word >> 32) as u32, word as u32]
    }
}
