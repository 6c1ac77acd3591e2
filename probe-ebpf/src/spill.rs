//! The spill: what no ring could take, folded in place.
//!
//! Facts that differ in nothing but the client's port and socket are one, with a count. So the spill takes as many as
//! there are, of as many different kinds as it has slots, for as long as user space does not come. What is lost by the
//! folding is the process of all but the first.
//!
//! A fact has two sets of slots to choose from, and goes where it was counted before, or else to the emptier one. A slot
//! has one owner at a time (`owned.rs`). Whoever finds it in other hands takes another: then two slots count the same, and
//! user space adds them up.
//!
//! An attempt that has begun is none of these: whether it died on its route is only known when it shows no SYN. It stands
//! by its socket's cookie until its SYN takes it out, or user space finds that it is too old for one.

use core::ptr;

use aya_ebpf::{Global, helpers::generated::bpf_ktime_get_boot_ns};
use probe_common::{Datagrams, SpillSlot, kind};

use crate::{
    groups::{self, Group},
    hash::Hash,
    maps::SPILL,
    owned::Owned,
    record::{self, AttemptWords},
    sets,
};

/// One less than the number of sets, which is a power of two.
#[unsafe(no_mangle)]
static LAST_SPILL_SET: Global<u32> = Global::new(0);

/// How often another may be faster.
const TRIES: u32 = 4;

type Set = [SpillSlot; SpillSlot::SET];

/// How many slots there are.
#[inline(always)]
pub(crate) fn slots() -> u64 {
    (u64::from(LAST_SPILL_SET.load()) + 1) * SpillSlot::SET as u64
}

/// A slot that is only touched by its owner.
#[derive(Clone, Copy)]
struct Slot(*mut SpillSlot);

impl Owned for Slot {
    #[inline(always)]
    fn word(self) -> *mut u64 {
        // SAFETY: a map's value; no more than its address is taken.
        unsafe { &raw mut (*self.0).holder }
    }
}

impl Slot {
    /// Null for `None`, which fits into one register.
    #[inline(always)]
    fn of(pointer: *mut SpillSlot) -> Option<Self> {
        (!pointer.is_null()).then_some(Self(pointer))
    }

    /// Counts one fact more; whether the counters had room.
    #[inline(always)]
    fn add(self, (sent, received): (u32, u32), last: u64) -> bool {
        // SAFETY: the caller owns the slot.
        let slot = unsafe { &mut *self.0 };
        let is_answered = (received != 0) as u32;
        let (sent, sent_too_many) = slot.sent.overflowing_add(sent);
        let (received, received_too_many) = slot.received.overflowing_add(received);
        if slot.count == u32::MAX || sent_too_many || received_too_many {
            return false;
        }
        slot.count += 1;
        slot.answered += is_answered;
        (slot.sent, slot.received) = (sent, received);
        if slot.last < last {
            slot.last = last;
        }
        true
    }
}

/// A slot that `holder` has, or a free one for 0, which the caller owns then; null for `None`. By turns of both sets, so
/// that the first that is free is in the emptier one.
#[inline(never)]
fn find(hash: u64, holder: u64) -> *mut SpillSlot {
    let last = LAST_SPILL_SET.load();
    let (near, far) = ((hash >> 2) as u32 & last, (hash >> 33) as u32 & last);
    let (Some(near), Some(far)) = (SPILL.get_ptr_mut(near), SPILL.get_ptr_mut(far)) else {
        return ptr::null_mut();
    };
    let mut tries = 0;
    while tries < TRIES {
        // SAFETY: a map's value.
        let has =
            |set: *mut Set, way: usize| unsafe { (&raw const (*set)[way].holder).read_volatile() } == holder;
        let way = sets::scan(hash, |way| has(near, way) || has(far, way));
        if way >= SpillSlot::SET {
            break;
        }
        // SAFETY: within both sets.
        let [near, far] = unsafe { [near, far].map(|set| Slot(set.cast::<SpillSlot>().add(way))) };
        if near.holder() == holder && near.take(holder) {
            return near.0;
        }
        if far.holder() == holder && far.take(holder) {
            return far.0;
        }
        tries += 1;
    }
    ptr::null_mut()
}

/// Takes a fact; whether there was room.
#[inline(always)]
pub(crate) fn take(words: &AttemptWords) -> bool {
    // SAFETY: a helper without arguments.
    let now = unsafe { bpf_ktime_get_boot_ns() };
    spill_take(words, 0, now) != 0
}

/// Takes a fact, of an exchange with its counts and the time of its latest datagram; whether there was room.
#[inline(always)]
pub(crate) fn take_exchange(words: &AttemptWords, counts: &Datagrams, last: u64) -> bool {
    spill_take(words, u64::from(counts.sent) << 32 | u64::from(counts.received), last) != 0
}

/// A global function: the verifier walks it by itself, once, and not again for each of its many callers. `datagrams` are the
/// calls that sent, and in the lower half those that received.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn spill_take(words: *const AttemptWords, datagrams: u64, last: u64) -> u32 {
    // The verifier does not know that it comes of a reference.
    if words.is_null() {
        return 0;
    }
    // SAFETY: the callers have made it of a reference.
    unsafe { fold(&*words, ((datagrams >> 32) as u32, datagrams as u32), last) as u32 }
}

#[inline(always)]
fn fold(words: &AttemptWords, counts: (u32, u32), last: u64) -> bool {
    let is_begun = record::basic_kind(words) == kind::BEGUN;
    let hash = if is_begun { of_attempt(record::cookie(words)) } else { of_fact(words) };
    if let Some(slot) = Slot::of(find(hash, hash)) {
        let is_added = slot.add(counts, last);
        slot.give(hash);
        if is_added {
            return true;
        }
    }
    let Some(group) = Group::of(record::cgroup(words)) else { return false };
    if !group.has_share() {
        return false;
    }
    let Some(slot) = Slot::of(find(hash, 0)) else { return false };
    group.took_slot(is_begun);
    // SAFETY: the slot is ours now; words of eight bytes either way.
    unsafe {
        *(&raw mut (*slot.0).record).cast() = *words;
        (*slot.0).count = 0;
        (*slot.0).answered = 0;
        (*slot.0).sent = 0;
        (*slot.0).received = 0;
        (*slot.0).last = 0;
    }
    slot.add(counts, last);
    slot.give(hash);
    true
}

/// Takes an attempt out that has shown its SYN.
#[inline(always)]
pub(crate) fn withdraw(cookie: u64) {
    if groups::holds_begun() {
        spill_withdraw(cookie);
    }
}

/// A global function, likewise.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn spill_withdraw(cookie: u64) -> u32 {
    let hash = of_attempt(cookie);
    let Some(slot) = Slot::of(find(hash, hash)) else { return 0 };
    // SAFETY: the slot is ours now; words of eight bytes either way.
    let (count, group) = unsafe {
        let words: &AttemptWords = &*(&raw const (*slot.0).record).cast();
        ((*slot.0).count, record::cgroup(words))
    };
    // Earlier ones of the same socket have died.
    if count > 1 {
        // SAFETY: as above.
        unsafe { (*slot.0).count = count - 1 };
        slot.give(hash);
        return 1;
    }
    slot.give(0);
    if let Some(group) = Group::of(group) {
        group.left_slot();
    }
    1
}

#[inline(always)]
fn of_attempt(cookie: u64) -> u64 {
    Hash::of(cookie).and(u64::from(kind::BEGUN)).finish()
}

/// Of all that facts which count together have in common.
#[inline(always)]
fn of_fact(words: &AttemptWords) -> u64 {
    let [local, remote] = record::addresses(words);
    Hash::of(record::cgroup(words))
        .and(record::netns(words))
        .and(local[0])
        .and(local[1])
        .and(remote[0])
        .and(remote[1])
        .and(record::service(words))
        .finish()
}
