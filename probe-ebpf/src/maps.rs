//! The probe's maps: who writes, who reads, when an entry goes, what happens when it is full.

use aya_ebpf::{
    btf_maps::{HashMap, PerCpuArray, RingBuf},
    macros::btf_map,
};
use probe_common::{AttemptRecord, Loss};

use crate::rescue;

/// Size of the ring in bytes; the loader may set another (a power of two, at least a page).
const RING_BYTES: usize = 16 << 20;

/// Records on their way to user space. Written by every hook, read and freed by the drain. When it is full a
/// record is not written and its kind's counter in [`LOSSES`] grows.
#[btf_map]
pub(crate) static EVENTS: RingBuf<AttemptRecord, RING_BYTES> = RingBuf::new();

/// What did not reach the ring: a slot for each [`Loss`]. Written where the loss happens, read by user space;
/// never reset.
#[btf_map]
pub(crate) static LOSSES: PerCpuArray<u64, { Loss::ALL.len() }> = PerCpuArray::new();

/// The `connect()` that began last on this CPU and has shown no state change yet; its socket is 0 when there
/// is none. Written by the connect hooks; cleared by the socket's SYN_SENT, which normally follows in the same
/// system call. Whatever is still there when the next one begins died on its route: it goes to the ring as
/// `UNROUTED`. User space reads what stays behind.
#[btf_map]
pub(crate) static PENDING: PerCpuArray<AttemptRecord, 1> = PerCpuArray::new();

/// Sockets whose SYN_SENT did not find them in [`PENDING`], because the task changed its CPU or another took
/// the slot in between: their `UNROUTED` record, if there is one, is void. Value: time of the SYN_SENT on
/// `CLOCK_BOOTTIME`. Written by the TCP hook, read and deleted by user space, which also deletes what nobody
/// claimed. When it is full, [`Loss::Unpaired`] grows.
#[btf_map]
pub(crate) static UNPAIRED: HashMap<u64, u64, 65_536> = HashMap::new();

/// Network namespaces to watch, by cookie, when the user named any. Written before attaching, only read here.
#[btf_map]
pub(crate) static WATCHED_NETNS: HashMap<u64, u8, 1_024> = HashMap::new();

/// cgroups to watch, by id, when the user named any: they and everything below. Likewise.
#[btf_map]
pub(crate) static WATCHED_CGROUPS: HashMap<u64, u8, 1_024> = HashMap::new();

/// State changes that the first TCP program was run for on this CPU, by a hash of socket and state. Written by
/// the first program, read and cleared by the second; an entry that is overwritten before costs a repetition.
#[btf_map]
pub(crate) static MARKS: PerCpuArray<u64, { rescue::SLOTS }> = PerCpuArray::new();

/// A word for each of the two TCP programs, to make a number of a pointer.
#[btf_map]
pub(crate) static SCRATCH: PerCpuArray<u64, 2> = PerCpuArray::new();

/// How many state changes the second TCP program took because the first was not run. Written by it, read by
/// user space: the first one's recursion misses less this are lost.
#[btf_map]
pub(crate) static RESCUED: PerCpuArray<u64, 1> = PerCpuArray::new();
