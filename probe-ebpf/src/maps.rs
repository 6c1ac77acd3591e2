//! The probe's maps: who writes, who reads, when an entry goes, what happens when it is full.

use aya_ebpf::{
    bindings::BPF_F_MMAPABLE,
    btf_maps::{Array, HashMap, LruHashMap, PerCpuArray},
    macros::btf_map,
};
use probe_common::{
    ATTEMPTS as SLOTS, AttemptSlot, EXCHANGES as PAIRS, ExchangeSlot, GROUPS as MANY_GROUPS, GroupSlot,
    RingPlace, RingState, SpillSlot, SpillState,
};

use crate::{
    dialled,
    exchange::Peer,
    notes::{self, Notes},
    rescue,
};

/// User space maps the memory (5.5).
const SHARED: usize = BPF_F_MMAPABLE as usize;

/// The rings: how far producers and consumer are (`ring.rs`), and what the hooks keep per CPU; each field of
/// [`RingState`] and `CpuState` tells who writes and who reads it. One for each CPU by its number, then the common ones.
/// The loader sets how many.
#[btf_map]
pub(crate) static RINGS: Array<RingState, 1, SHARED> = Array::new();

/// The places of all rings, one ring after the other. Written by every hook, read and freed by the drain; when
/// a ring is full its record goes to [`SPILL`]. The loader sets how many.
#[btf_map]
pub(crate) static PLACES: Array<RingPlace, 1, SHARED> = Array::new();

/// What no ring could take, folded by a hash of what the facts have in common (`spill.rs`). Written by every hook that
/// finds its ring full, read and freed by user space; full for a cgroup when it has its share: then the fact's counter in
/// [`GROUPS`] grows. The loader sets how many.
#[btf_map]
pub(crate) static SPILL: Array<[SpillSlot; SpillSlot::SET], 1, SHARED> = Array::new();

/// How much of [`SPILL`] is in use; written beside it, read by both sides.
#[btf_map]
pub(crate) static SPILL_STATE: Array<SpillState, 1, SHARED> = Array::new();

/// What each cgroup has in the spill, and what it lost, by its id. Written where that happens, read by user space; an entry
/// stays. Those that find none share one in [`SPILL_STATE`].
#[btf_map]
pub(crate) static GROUPS: Array<[GroupSlot; SpillSlot::SET], { MANY_GROUPS / SpillSlot::SET }, SHARED> =
    Array::new();

/// Outcomes that the first program did not write to its CPU's own ring, by their socket's cookie (`rescue.rs`): for the
/// second, which must not repeat them. Overwritten by the next of its place; never read by user space.
#[btf_map]
pub(crate) static TOLD: PerCpuArray<u64, { rescue::REMEMBERED }> = PerCpuArray::new();

/// Attempts under way, by their socket's cookie (`attempts.rs`). Written by every hook, freed by the outcome; read by
/// user space for the attempts that have none. Two attempts for one slot: the older goes to its ring.
#[btf_map]
pub(crate) static ATTEMPTS: Array<AttemptSlot, SLOTS, SHARED> = Array::new();

/// Exchanges, by a hash of their socket and peer (`exchange.rs`). Written by the UDP programs, read by user space when the
/// window closes; never emptied. Two exchanges for one slot: the one that was silent for longer goes to its ring.
#[btf_map]
pub(crate) static EXCHANGES: Array<ExchangeSlot, PAIRS, SHARED> = Array::new();

/// Peers of calls under way, by thread (`notes.rs`). Written by the cgroup hooks for UDP, taken at the call's end or with its
/// packet; never read by user space, and shared only since such a map begins on a page, and its notes so with a cache line.
/// Two threads for one note: one of them loses it.
#[btf_map]
pub(crate) static NOTES: Array<Notes, { notes::SETS }, SHARED> = Array::new();

/// Whom connected UDP sockets were to reach, by their cookies (`dialled.rs`). Written by the connect hooks where other
/// programs are there, too; read when an exchange begins; never read by user space. Full: the one that was not used for
/// longest goes.
#[btf_map]
pub(crate) static DIALLED: LruHashMap<u64, Peer, { dialled::LENGTH }> = LruHashMap::new();

/// Network namespaces to watch, by cookie, when the user named any. Written before attaching, only read here.
#[btf_map]
pub(crate) static WATCHED_NETNS: HashMap<u64, u8, 1_024> = HashMap::new();

/// cgroups to watch, by id, when the user named any: they and everything below. Likewise.
#[btf_map]
pub(crate) static WATCHED_CGROUPS: HashMap<u64, u8, 1_024> = HashMap::new();
