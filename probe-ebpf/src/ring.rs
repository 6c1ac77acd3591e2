//! The rings to user space: one per CPU, so that no hook waits for another CPU.
//!
//! The kernel's own ring buffer (`BPF_MAP_TYPE_RINGBUF`) is one for all CPUs, behind a lock, and writing a record to it
//! costs three times as much. These are arrays in memory that user space has mapped. `probe_common::RingState` says who
//! writes what; a place is claimed atomically, because one handler can interrupt another, and because CPUs share
//! a ring when there are more of them than rings.

use aya_ebpf::{Global, helpers::generated::bpf_get_smp_processor_id};
use probe_common::{RingPlace, RingState};

use crate::{
    atomics::{exchange, publish},
    maps::{PLACES, RINGS},
    record::AttemptWords,
};

/// One less than the number of rings, which is a power of two.
#[unsafe(no_mangle)]
static LAST_RING: Global<u32> = Global::new(0);

/// One less than the number of places in each ring, which is a power of two.
#[unsafe(no_mangle)]
static LAST_PLACE: Global<u32> = Global::new(0);

/// A place that is claimed, and not yet seen by user space.
pub(crate) struct Place {
    place: *mut RingPlace,
    claim: u64,
}

impl Place {
    /// The next place of this CPU's ring, if it is free.
    #[inline(always)]
    pub(crate) fn claim() -> Option<Self> {
        // SAFETY: a helper without arguments.
        let ring = unsafe { bpf_get_smp_processor_id() } & LAST_RING.load();
        let claim = claim(RINGS.get_ptr_mut(ring)?);
        if claim == NONE {
            return None;
        }
        let index = ring * (LAST_PLACE.load() + 1) + (claim as u32 & LAST_PLACE.load());
        Some(Self { place: PLACES.get_ptr_mut(index)?, claim })
    }

    /// The record, for its owner to write.
    #[inline(always)]
    pub(crate) fn record(&mut self) -> &mut AttemptWords {
        // SAFETY: a map's value that is ours until it is published; words of eight bytes either way.
        unsafe { &mut *(&raw mut (*self.place).record).cast() }
    }

    /// Shows the record to user space.
    #[inline(always)]
    pub(crate) fn publish(self) {
        // SAFETY: a map's value, aligned as its type asks.
        unsafe { publish(&raw mut (*self.place).claim, self.claim + 1) };
    }
}

/// No claim: a number that fits into one register, unlike an `Option`.
const NONE: u64 = u64::MAX;
/// Another was faster.
const OVERTAKEN: u64 = u64::MAX - 1;

#[inline(always)]
fn claim(state: *mut RingState) -> u64 {
    match try_claim(state) {
        OVERTAKEN => claim_in_competition(state),
        claim => claim,
    }
}

/// Only who interrupts here or shares the ring can be faster, and not often in a row.
#[inline(never)]
fn claim_in_competition(state: *mut RingState) -> u64 {
    const TRIES: u32 = 8;
    let mut tries = 0;
    while tries < TRIES {
        let claim = try_claim(state);
        if claim != OVERTAKEN {
            return claim;
        }
        tries += 1;
    }
    NONE
}

#[inline(always)]
fn try_claim(state: *mut RingState) -> u64 {
    // SAFETY: a map's value.
    let tail = || unsafe { (&raw const (*state).tail).read_volatile() };
    let before = tail();
    // SAFETY: likewise.
    let head = unsafe { (&raw const (*state).head).read_volatile() };
    let used = head.wrapping_sub(before);
    if used > u64::from(LAST_PLACE.load()) {
        // Between the two loads others may have filled the ring and user space have emptied it; on some processors the
        // head is the older of the two, and the difference below zero.
        let is_full = used < OVERTAKEN / 2 && tail() == before;
        return if is_full { NONE } else { OVERTAKEN };
    }
    // SAFETY: likewise, aligned as its type asks.
    if unsafe { exchange(&raw mut (*state).head, head, head + 1) } { head } else { OVERTAKEN }
}
