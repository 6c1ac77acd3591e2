//! The rings to user space: two per CPU, so that no hook waits for another CPU.
//!
//! The kernel's own ring buffer (`BPF_MAP_TYPE_RINGBUF`) is one for all CPUs, behind a lock, and writing a record to it
//! costs three times as much. These are arrays in memory that user space has mapped. `probe_common::RingState` says who
//! writes what.
//!
//! On each CPU one ring belongs to `tcp_state`, which writes nearly all records, and one to whoever else has a record
//! while `tcp_state` may be at work: the second program, the connect hooks, and `tcp_state` itself when its own ring is
//! full. In that one a place is claimed by an atomic exchange, in the own ring by a plain store, at a fifth of the cost.
//! Both are read as one: a record in the common ring tells which ones of the own came before it. CPUs share the common
//! rings when there are more of them, and have no own ones when there is too little memory.

use aya_ebpf::Global;
use probe_common::{Datagrams, Dialled, RingPlace, RingState};

use crate::{
    atomics::{exchange, publish},
    cpu::Cpu,
    layout::rarely,
    maps::{PLACES, RINGS},
    record::AttemptWords,
    rescue,
};

/// The index of the first common ring, which follows those of the CPUs.
#[unsafe(no_mangle)]
static FIRST_COMMON_RING: Global<u32> = Global::new(0);

/// One less than the number of common rings, which is a power of two.
#[unsafe(no_mangle)]
static LAST_COMMON_RING: Global<u32> = Global::new(0);

/// One less than the number of places in each ring, which is a power of two.
#[unsafe(no_mangle)]
static LAST_PLACE: Global<u32> = Global::new(0);

/// Which of a CPU's rings a program may write to.
#[derive(Clone, Copy)]
pub(crate) enum Ring {
    /// The CPU's own, and the common one when that is full; with the number of the change (`rescue.rs`). For `tcp_state`
    /// only.
    Own(Cpu, u64),
    /// The common one.
    Common,
    /// The common one, with the places that are kept in it for the second program.
    Reserve,
}

/// One in so many places of a common ring is kept for the second program: of the changes of state fewer are interrupted.
const KEPT: u64 = 8;

/// A place that is claimed, and not yet seen by user space.
pub(crate) struct Place {
    place: *mut RingPlace,
    claim: u64,
}

impl Place {
    /// The next place of this CPU's ring, if it is free.
    #[inline(always)]
    pub(crate) fn claim(ring: Ring) -> Option<Self> {
        if let Ring::Own(cpu, change) = ring {
            let claim = next_own(cpu.ring());
            if claim != NONE {
                return Self::of(cpu.ring(), claim);
            }
            rescue::remember(change);
        }
        let places = u64::from(LAST_PLACE.load()) + 1;
        let kept = if matches!(ring, Ring::Reserve) { 0 } else { places / KEPT };
        rarely(Self::claim_common(places - kept))
    }

    /// While fewer than so many places are in use.
    #[inline(always)]
    fn claim_common(limit: u64) -> Option<Self> {
        let ring = RINGS.get_ptr_mut(FIRST_COMMON_RING.load() + (Cpu::number() & LAST_COMMON_RING.load()))?;
        // Before it claims: who sees the claim sees all that was before.
        // SAFETY: a map's value.
        let after = unsafe { (&raw const (*Cpu::current()?.ring()).head).read_volatile() };
        let claim = next_common(ring, limit);
        if claim == NONE {
            return None;
        }
        let claimed = Self::of(ring, claim)?;
        // SAFETY: a map's value that is ours until it is published.
        unsafe { (*claimed.place).after = after as u32 };
        Some(claimed)
    }

    #[inline(always)]
    fn of(ring: *mut RingState, claim: u64) -> Option<Self> {
        // SAFETY: a map's value.
        let first = unsafe { (&raw const (*ring).first_place).read() } as u32;
        Some(Self { place: PLACES.get_ptr_mut(first + (claim as u32 & LAST_PLACE.load()))?, claim })
    }

    /// The record, for its owner to write.
    #[inline(always)]
    pub(crate) fn record(&mut self) -> &mut AttemptWords {
        // SAFETY: a map's value that is ours until it is published; words of eight bytes either way.
        unsafe { &mut *(&raw mut (*self.place).record).cast() }
    }

    /// The counts of an exchange, likewise.
    #[inline(always)]
    pub(crate) fn datagrams(&mut self) -> &mut Datagrams {
        // SAFETY: as above.
        unsafe { &mut (*self.place).datagrams }
    }

    /// Where `connect()` was to go, likewise. What the ring keeps in the same word stays.
    #[inline(always)]
    pub(crate) fn set_dialled(&mut self, dialled: &Dialled) {
        // SAFETY: as above.
        unsafe {
            (*self.place).dialled_port = dialled.port;
            *(&raw mut (*self.place).datagrams).cast::<[u64; 2]>() = dialled.address;
        }
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

/// The next place of the ring that nobody but this program writes on this CPU, if it is free.
///
/// Since 6.1 the kernel never runs a tracing program while it is running on the same CPU (`__bpf_trace_run`,
/// kernel/trace/bpf_trace.c). Before, one run may interrupt another, but a tracepoint's handlers are not preempted, so
/// the interrupting one ends first: it sees that a claim is being made, and gets none.
#[inline(always)]
fn next_own(state: *mut RingState) -> u64 {
    // SAFETY: a map's value, aligned as its type asks.
    unsafe {
        let is_being_claimed = &raw mut (*state).is_being_claimed;
        let has_places = (&raw const (*state).first_place).read() != RingState::NO_PLACES;
        if is_being_claimed.read_volatile() != 0 || !has_places {
            return NONE;
        }
        is_being_claimed.write_volatile(1);
        let head = (&raw const (*state).head).read_volatile();
        let used = head.wrapping_sub((&raw const (*state).tail).read_volatile());
        let claim = if used > u64::from(LAST_PLACE.load()) {
            NONE
        } else {
            publish(&raw mut (*state).head, head + 1);
            head
        };
        is_being_claimed.write_volatile(0);
        claim
    }
}

/// The next place of a ring that others claim from as well, if it is free. Only who interrupts here or shares the ring
/// can be faster, and not often in a row.
#[inline(never)]
fn next_common(state: *mut RingState, limit: u64) -> u64 {
    const TRIES: u32 = 8;
    let mut tries = 0;
    while tries < TRIES {
        let claim = try_claim(state, limit);
        if claim != OVERTAKEN {
            return claim;
        }
        tries += 1;
    }
    NONE
}

#[inline(always)]
fn try_claim(state: *mut RingState, limit: u64) -> u64 {
    // SAFETY: a map's value.
    let tail = || unsafe { (&raw const (*state).tail).read_volatile() };
    let before = tail();
    // SAFETY: likewise.
    let head = unsafe { (&raw const (*state).head).read_volatile() };
    let used = head.wrapping_sub(before);
    if used >= limit {
        // Between the two loads others may have filled the ring and user space have emptied it; on some processors the
        // head is the older of the two, and the difference below zero.
        let is_full = used < OVERTAKEN / 2 && tail() == before;
        return if is_full { NONE } else { OVERTAKEN };
    }
    // SAFETY: likewise, aligned as its type asks.
    if unsafe { exchange(&raw mut (*state).head, head, head + 1) } { head } else { OVERTAKEN }
}
