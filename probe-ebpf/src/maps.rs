//! The probe's maps: who writes, who reads, when an entry goes, what happens when it is full.

use aya_ebpf::{
    btf_maps::{Array, HashMap, PerCpuArray, RingBuf},
    macros::btf_map,
};
use probe_common::{ATTEMPTS as SLOTS, AttemptRecord, AttemptSlot, CpuState, Loss};

/// Size of the ring in bytes; the loader may set another (a power of two, at least a page).
const RING_BYTES: usize = 16 << 20;

/// Records on their way to user space. Written by every hook, read and freed by the drain. When it is full a
/// record is not written and its kind's counter in [`LOSSES`] grows.
#[btf_map]
pub(crate) static EVENTS: RingBuf<AttemptRecord, RING_BYTES> = RingBuf::new();

/// What did not reach the ring: a slot for each [`Loss`]. Written where the loss happens, read by user space; never
/// reset.
#[btf_map]
pub(crate) static LOSSES: PerCpuArray<u64, { Loss::ALL.len() }> = PerCpuArray::new();

/// Attempts under way, by their socket's cookie (`attempts.rs`). Written by every hook, freed by the outcome; read by
/// user space for the attempts that have none. Two attempts for one slot: the older goes to [`EVENTS`].
#[btf_map]
pub(crate) static ATTEMPTS: Array<AttemptSlot, SLOTS> = Array::new();

/// What the TCP programs keep per CPU; each field of [`CpuState`] tells who writes and who reads it. Never full.
#[btf_map]
static CPUS: PerCpuArray<CpuState, 1> = PerCpuArray::new();

/// This CPU's state.
#[inline(always)]
pub(crate) fn cpu() -> Option<*mut CpuState> {
    CPUS.get_ptr_mut(0)
}

/// Network namespaces to watch, by cookie, when the user named any. Written before attaching, only read here.
#[btf_map]
pub(crate) static WATCHED_NETNS: HashMap<u64, u8, 1_024> = HashMap::new();

/// cgroups to watch, by id, when the user named any: they and everything below. Likewise.
#[btf_map]
pub(crate) static WATCHED_CGROUPS: HashMap<u64, u8, 1_024> = HashMap::new();
