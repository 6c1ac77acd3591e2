//! What each cgroup takes of the spill, and what it lost: one workload's flood must not hide another's flow.
//!
//! A cgroup may use half as many slots as are free. Then some are always left: one that floods takes a third of all, two
//! take half together, and whoever comes with a first flow still finds room (A. K. Choudhury and E. L. Hahne, "Dynamic
//! queue length thresholds for shared-memory packet switches", IEEE/ACM Transactions on Networking 6.2, 1998).

use core::ptr;

use probe_common::{GROUPS as MANY, GroupSlot, Loss, SpillSlot, SpillState};

use crate::{
    atomics::{add, exchange},
    hash::Hash,
    maps::{GROUPS, SPILL_STATE},
    sets, spill,
};

/// How many slots there are in a set.
const SET: usize = SpillSlot::SET;

/// How often another may be faster.
const TRIES: u32 = 4;

/// A cgroup that has something in the spill, or has lost something.
#[derive(Clone, Copy)]
pub(crate) struct Group(*mut GroupSlot);

impl Group {
    /// That of an id; the one of all others when there are too many.
    #[inline(always)]
    pub(crate) fn of(id: u64) -> Option<Self> {
        let found = find(id);
        (!found.is_null()).then_some(Self(found))
    }

    /// Whether it may take one more slot.
    #[inline(always)]
    pub(crate) fn has_share(self) -> bool {
        let Some(state) = state() else { return false };
        // SAFETY: map's values.
        let (own, all) = unsafe { ((&raw const (*self.0).used).read_volatile(), (*state).used) };
        own.saturating_mul(2) <= spill::slots().saturating_sub(all)
    }

    /// Counts a slot that it takes.
    #[inline(always)]
    pub(crate) fn took_slot(self, is_begun: bool) {
        let Some(state) = state() else { return };
        // SAFETY: map's values.
        unsafe {
            add(&raw mut (*self.0).used, 1);
            add(&raw mut (*state).used, 1);
            if is_begun {
                add(&raw mut (*state).begun, 1);
            }
        }
    }

    /// Counts a slot that it gives back, of an attempt that has begun.
    #[inline(always)]
    pub(crate) fn left_slot(self) {
        let Some(state) = state() else { return };
        // SAFETY: map's values.
        unsafe {
            add(&raw mut (*self.0).used, u64::MAX);
            add(&raw mut (*state).used, u64::MAX);
            add(&raw mut (*state).begun, u64::MAX);
        }
    }
}

/// Counts a loss of a cgroup.
#[inline(always)]
pub(crate) fn lost(id: u64, loss: Loss) {
    group_lost(id, loss as u64);
}

/// A global function, as `spill_take` is.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn group_lost(id: u64, loss: u64) -> u32 {
    let (Some(group), true) = (Group::of(id), loss < Loss::ALL.len() as u64) else { return 0 };
    // SAFETY: a map's value, and within it.
    unsafe { add((&raw mut (*group.0).lost).cast::<u64>().add(loss as usize), 1) };
    1
}

/// Whether the spill holds an attempt that has begun.
#[inline(always)]
pub(crate) fn holds_begun() -> bool {
    // SAFETY: a map's value.
    state().is_some_and(|state| unsafe { (&raw const (*state).begun).read_volatile() } != 0)
}

#[inline(always)]
fn state() -> Option<*mut SpillState> {
    SPILL_STATE.get_ptr_mut(0)
}

/// Null for `None`, which fits into one register.
#[inline(never)]
fn find(id: u64) -> *mut GroupSlot {
    let Some(state) = state() else { return ptr::null_mut() };
    // SAFETY: a map's value; no more than its address is taken.
    let others = unsafe { &raw mut (*state).others };
    let set = Hash::of(id).finish() >> 32;
    let Some(set) = GROUPS.get_ptr_mut(set as u32 & (MANY / SET - 1) as u32) else { return others };
    // What has no cgroup counts with the others.
    if id == 0 {
        return others;
    }
    let mut tries = 0;
    while tries < TRIES {
        // SAFETY: a map's value.
        let holder = |way: usize| unsafe { (&raw const (*set)[way].holder).read_volatile() };
        let way = sets::scan(id, |way| matches!(holder(way), 0) || holder(way) == id);
        if way >= SET {
            break;
        }
        // SAFETY: within the set, aligned as its type asks.
        unsafe {
            let slot = set.cast::<GroupSlot>().add(way);
            let word = &raw mut (*slot).holder;
            if word.read_volatile() == id || exchange(word, 0, id) {
                return slot;
            }
        }
        tries += 1;
    }
    others
}
