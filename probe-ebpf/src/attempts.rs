//! Attempts under way, from `connect()` to their outcome.
//!
//! Each has a slot by its socket's cookie, so that the outcome finds its caller on whatever CPU it comes, and one
//! record tells both. A slot has one owner at a time: whoever puts [`BEING_WRITTEN`] in place of the cookie may read
//! and write the record, and nobody else does. An attempt that must leave its slot before its outcome goes to the
//! ring by itself.

use probe_common::{ATTEMPTS, AttemptSlot, Loss, kind};

use crate::{
    atomics::exchange,
    emit, maps,
    record::{self, AttemptWords},
};

/// In place of a socket's cookie. Cookies count up from 1.
const BEING_WRITTEN: u64 = AttemptSlot::BEING_WRITTEN;

/// A slot that is only touched by its owner.
#[derive(Clone, Copy)]
struct Slot(*mut AttemptSlot);

impl Slot {
    /// The slot of a socket. Cookies are given out to CPUs by the 4,096 (net/core/sock_diag.c,
    /// `COOKIE_LOCAL_BATCH`): the sum keeps two CPUs that count in step apart.
    #[inline(always)]
    fn of(cookie: u64) -> Option<Self> {
        /// Odd, and large against the attempts of one CPU that are under way together.
        const APART: u64 = 75;
        let index = cookie.wrapping_add((cookie >> 12).wrapping_mul(APART)) as u32 & (ATTEMPTS as u32 - 1);
        Some(Self(maps::ATTEMPTS.get_ptr_mut(index)?))
    }

    #[inline(always)]
    fn holder(self) -> u64 {
        // SAFETY: a map's value.
        unsafe { (&raw const (*self.0).holder).read_volatile() }
    }

    /// Makes the caller its owner, if it is still held by `from`.
    #[inline(always)]
    fn take(self, from: u64) -> bool {
        // SAFETY: a map's value, aligned as its type asks.
        unsafe { exchange(&raw mut (*self.0).holder, from, BEING_WRITTEN) }
    }

    /// Ends the ownership; what was written is seen first.
    #[inline(always)]
    fn give(self, to: u64) {
        // SAFETY: as above.
        unsafe { exchange(&raw mut (*self.0).holder, BEING_WRITTEN, to) };
    }

    /// Ends the ownership after the record was handed over: nothing was written since that another may read, and the
    /// ring's own barriers come after the reading.
    #[inline(always)]
    fn free(self) {
        // SAFETY: as above.
        unsafe { (&raw mut (*self.0).holder).write_volatile(0) };
    }

    /// The record, for the owner.
    #[inline(always)]
    unsafe fn record<'a>(self) -> &'a mut AttemptWords {
        // SAFETY: the caller owns the slot; words of eight bytes either way.
        unsafe { &mut *(&raw mut (*self.0).record).cast() }
    }
}

/// Notes what the connect hook saw, which `write` writes. When another CPU is writing the very slot, it goes to the
/// ring instead.
#[inline(always)]
pub(crate) fn begin(cookie: u64, write: impl Fn(&mut AttemptWords)) {
    let Some(slot) = Slot::of(cookie) else { return };
    let before = slot.holder();
    if before == BEING_WRITTEN || !slot.take(before) {
        let mut attempt = [0; _];
        write(&mut attempt);
        return emit::hand_over(&attempt, Loss::Unrouted);
    }
    // SAFETY: it is ours.
    let record = unsafe { slot.record() };
    if before != 0 {
        hand_over_replaced(record, before == cookie);
    }
    write(record);
    slot.give(cookie);
}

/// Hands over an attempt that leaves its slot to another. The same socket's next `connect()` begins only after the one
/// before has returned, so that one died on its route if it has shown no SYN; of another socket's nobody knows yet.
#[inline(always)]
fn hand_over_replaced(record: &mut AttemptWords, is_same_socket: bool) {
    if record::kind(record) == kind::ATTEMPT {
        return emit::hand_over(record, Loss::Attempt);
    }
    if is_same_socket {
        record::set_kind(record, kind::UNROUTED);
    }
    emit::hand_over(record, Loss::Unrouted);
}

/// Lets `change` work on the attempt of a socket; whether it was in its slot.
#[inline(always)]
pub(crate) fn update(cookie: u64, change: impl FnOnce(&mut AttemptWords)) -> bool {
    let Some(slot) = Slot::of(cookie) else { return false };
    if !slot.take(cookie) {
        return false;
    }
    // SAFETY: it is ours.
    change(unsafe { slot.record() });
    slot.give(cookie);
    true
}

/// Ends the attempt of a socket with what `change` makes of it; whether it was in its slot.
#[inline(always)]
pub(crate) fn conclude(cookie: u64, loss: Loss, change: impl FnOnce(&mut AttemptWords)) -> bool {
    let Some(slot) = Slot::of(cookie) else { return false };
    if !slot.take(cookie) {
        return false;
    }
    // SAFETY: it is ours.
    let record = unsafe { slot.record() };
    change(record);
    emit::hand_over(record, loss);
    slot.free();
    true
}
