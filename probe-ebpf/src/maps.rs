//! The probe's maps: who writes, who reads, when an entry goes, what happens when it is full.

use aya_ebpf::{
    bindings::BPF_F_MMAPABLE,
    btf_maps::{Array, HashMap, PerCpuArray},
    macros::btf_map,
};
use probe_common::{
    ATTEMPTS as SLOTS, AttemptSlot, EXCHANGES as PAIRS, ExchangeSlot, Loss, RingPlace, RingState,
};

use crate::notes::{self, Note};

/// User space maps the memory (5.5).
const SHARED: usize = BPF_F_MMAPABLE as usize;

/// The rings: how far producers and consumer are (`ring.rs`), and what the hooks keep per CPU; each field of
/// [`RingState`] and `CpuState` tells who writes and who reads it. One for each CPU by its number, then the common ones.
/// The loader sets how many.
#[btf_map]
pub(crate) static RINGS: Array<RingState, 1, SHARED> = Array::new();

/// The places of all rings, one ring after the other. Written by every hook, read and freed by the drain; when
/// a ring is full its record is not written and its kind's counter in [`LOSSES`] grows. The loader sets how many.
#[btf_map]
pub(crate) static PLACES: Array<RingPlace, 1, SHARED> = Array::new();

/// What did not reach its ring: a slot for each [`Loss`]. Written where the loss happens, read by user space; never
/// reset.
#[btf_map]
pub(crate) static LOSSES: PerCpuArray<u64, { Loss::ALL.len() }> = PerCpuArray::new();

/// Attempts under way, by their socket's cookie (`attempts.rs`). Written by every hook, freed by the outcome; read by
/// user space for the attempts that have none. Two attempts for one slot: the older goes to its ring.
#[btf_map]
pub(crate) static ATTEMPTS: Array<AttemptSlot, SLOTS, SHARED> = Array::new();

/// Exchanges, by a hash of their socket and peer (`exchange.rs`). Written by the UDP programs, read by user space when the
/// window closes; never emptied. Two exchanges for one slot: the one that was silent for longer goes to its ring.
#[btf_map]
pub(crate) static EXCHANGES: Array<ExchangeSlot, PAIRS, SHARED> = Array::new();

/// Peers of calls under way, by thread (`notes.rs`). Written by the cgroup hooks for UDP, taken by the tracepoints' programs
/// at the call's end; never read by user space. Two threads for one note: the first loses it.
#[btf_map]
pub(crate) static NOTES: Array<Note, { notes::LENGTH }> = Array::new();

/// Network namespaces to watch, by cookie, when the user named any. Written before attaching, only read here.
#[btf_map]
pub(crate) static WATCHED_NETNS: HashMap<u64, u8, 1_024> = HashMap::new();

/// cgroups to watch, by id, when the user named any: they and everything below. Likewise.
#[btf_map]
pub(crate) static WATCHED_CGROUPS: HashMap<u64, u8, 1_024> = HashMap::new();
