//! Attempts under way, from `connect()` to their outcome.
//!
//! Each has a slot by its socket's cookie, so that the outcome finds its caller on whatever CPU it comes, and one
//! record tells both. A slot has one owner at a time: whoever puts [`BEING_WRITTEN`] in place of the cookie may read
//! and write the record, and nobody else does. An attempt that must leave its slot before its outcome goes to its ring
//! by itself.
//!
//! A cookie has two slots to choose from. The near one is the same for all the sockets that a CPU numbers in a row, so
//! that attempts which follow each other find it in the CPU's cache; anywhere else the first look at a slot costs as
//! much as the rest of the connect hook. While an attempt is there, the next ones go to the far slots, each to another.

use core::ptr;

use probe_common::{ATTEMPTS, AttemptSlot, Dialled, kind};

use crate::{
    emit,
    layout::rarely,
    maps,
    owned::{BEING_WRITTEN, Owned},
    record::{self, AttemptWords},
    ring::Ring,
};

/// Cookies are given out to CPUs by the 4,096 (net/core/sock_diag.c, `COOKIE_LOCAL_BATCH`).
#[inline(always)]
const fn batch(cookie: u64) -> u64 {
    cookie >> 12
}

/// A slot that is only touched by its owner.
#[derive(Clone, Copy)]
pub(crate) struct Slot(*mut AttemptSlot);

impl Owned for Slot {
    #[inline(always)]
    fn word(self) -> *mut u64 {
        // SAFETY: a map's value; no more than its address is taken.
        unsafe { &raw mut (*self.0).holder }
    }
}

impl Slot {
    /// The slot that a socket shares with those numbered before and after it on its CPU.
    #[inline(always)]
    fn near(cookie: u64) -> Option<Self> {
        // Two CPUs' near slots have a far one between them, and no cache line in common.
        Self::at(batch(cookie) << 1)
    }

    /// The slot of a socket while its near one is taken.
    #[inline(always)]
    fn far(cookie: u64) -> Option<Self> {
        /// Odd, and large against the attempts of one CPU that are under way together: keeps two CPUs that count in
        /// step apart.
        const APART: u64 = 75;
        Self::at(cookie.wrapping_add(batch(cookie).wrapping_mul(APART)) << 1 | 1)
    }

    #[inline(always)]
    fn at(index: u64) -> Option<Self> {
        Some(Self(maps::ATTEMPTS.get_ptr_mut(index as u32 & (ATTEMPTS as u32 - 1))?))
    }

    /// The slot in which a socket's attempt stands, for the caller to own.
    #[inline(always)]
    fn of(cookie: u64) -> Option<Self> {
        let near = Self::near(cookie)?;
        if near.holder() == cookie {
            return near.take(cookie).then_some(near);
        }
        let far = Self::far(cookie)?;
        far.take(cookie).then_some(far)
    }

    /// The record, for the owner.
    #[inline(always)]
    pub(crate) fn record(&mut self) -> &mut AttemptWords {
        // SAFETY: whoever has a slot in hand owns it, or does not ask; words of eight bytes either way.
        unsafe { &mut *(&raw mut (*self.0).record).cast() }
    }

    /// Where it was to go, likewise.
    #[inline(always)]
    fn dialled<'a>(self) -> &'a mut Dialled {
        // SAFETY: as above; a map's value outlives every handler.
        unsafe { &mut (*self.0).dialled }
    }

    /// Gives the attempt to a ring.
    #[inline(always)]
    fn hand_over(mut self, ring: Ring) {
        let dialled = self.dialled();
        emit::hand_over(ring, self.record(), dialled);
    }
}

/// A slot for an attempt that begins, for the connect hook to write and to give to its cookie. `None` when another hook
/// is writing the very slot.
#[inline(always)]
pub(crate) fn begin(cookie: u64) -> Option<Slot> {
    let near = Slot::near(cookie)?;
    if near.holder() == 0 && near.take(0) {
        return Some(near);
    }
    let slot = begin_in_place_of_another(cookie);
    (!slot.is_null()).then_some(Slot(slot))
}

/// Apart, since it needs registers that the usual way can do without. Null for `None`, which fits into one of them.
#[inline(never)]
fn begin_in_place_of_another(cookie: u64) -> *mut AttemptSlot {
    let (Some(near), Some(far)) = (Slot::near(cookie), Slot::far(cookie)) else { return ptr::null_mut() };
    let holder = near.holder();
    // What a socket of an earlier batch has left in the near slot would stay for ever.
    let is_left = holder != BEING_WRITTEN && batch(holder) != batch(cookie);
    let slot = if is_left || holder == cookie { near } else { far };
    let before = slot.holder();
    if before == BEING_WRITTEN || !slot.take(before) {
        return ptr::null_mut();
    }
    if before != 0 {
        hand_over_replaced(slot, before == cookie);
    }
    slot.0
}

/// Hands over an attempt that leaves its slot to another. The same socket's next `connect()` begins only after the one
/// before has returned, so that one died on its route if it has shown no SYN; of another socket's nobody knows yet.
#[inline(never)]
fn hand_over_replaced(mut slot: Slot, is_same_socket: bool) {
    let record = slot.record();
    if is_same_socket && record::is(record, kind::BEGUN) {
        record::set_kind(record, kind::UNROUTED);
    }
    slot.hand_over(Ring::Common);
}

/// Lets `change` write the SYN of a socket's attempt over what the connect hook has noted; whether that was in its slot.
#[inline(always)]
pub(crate) fn sent(cookie: u64, change: impl FnOnce(&mut AttemptWords)) -> bool {
    let Some(mut slot) = Slot::of(cookie) else { return false };
    let record = slot.record();
    let (address, port) = record::remote(record);
    change(record);
    if (address, port) != record::remote(record) {
        rarely(());
        redirected(slot, address, port);
    }
    slot.give(cookie);
    true
}

/// Keeps where the attempt was to go: between the connect hook and the SYN another program has changed that.
#[inline(always)]
fn redirected(mut slot: Slot, address: [u64; 2], port: u16) {
    record::set_redirected(slot.record());
    *slot.dialled() = Dialled { rest_of_word: 0, port: port.into(), address };
}

/// Ends the attempt of a socket with what `change` makes of it; whether it was in its slot.
#[inline(always)]
pub(crate) fn conclude(cookie: u64, ring: Ring, change: impl FnOnce(&mut AttemptWords)) -> bool {
    let Some(mut slot) = Slot::of(cookie) else { return false };
    change(slot.record());
    slot.hand_over(ring);
    slot.give(0);
    true
}
