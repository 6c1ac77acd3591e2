//! Whom a datagram goes to or comes from, carried from the cgroup hook that sees the address to the tracepoint that sees
//! how the call ended.
//!
//! An unconnected socket does not know its peers: `sendmsg()` is told one in its arguments, and `recvmsg()` tells one. The
//! cgroup hooks see these addresses in the middle of the call; at its end the same thread comes past the tracepoint, or
//! with its packet past the hook for packets (`packets.rs`). So the hook leaves a note in a place by its thread. Nothing but
//! the call itself lies between, yet it may sleep there, and threads share places: a note that another has overwritten is
//! missed, and its datagram counts as one of an unknown peer.
//!
//! A note has no owner: who reads it is who wrote it, and a check over all its words tells when another wrote
//! between. That costs a third of what two atomic operations would.

use core::ffi::c_void;

use aya_ebpf::{bindings::bpf_sock_addr, helpers::generated::bpf_get_current_task};

use crate::{
    exchange::Peer,
    hash,
    maps::NOTES,
    pointer,
    socket::{Access, Socket},
    udp::UDP_BY_PACKETS,
};

/// How many pairs of notes there are; a power of two.
pub(crate) const SETS: usize = 1 << 11;

/// A note: one cache line.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Note {
    /// Which thread left it, by [`Thread::id`]; 0 when none did.
    thread: u64,
    /// Where the socket's structure is. The kernel side alone reads it, and only to compare.
    socket: u64,
    /// The peer.
    address: [u64; 2],
    /// Its port, in its lowest bits.
    port: u64,
    /// [`hash::check`] of all these.
    check: u64,
    rest_of_line: [u64; 2],
}

const _: () = assert!(size_of::<Note>() == 64);

/// The running thread.
///
/// The contexts of the cgroup hooks and of the tracepoints lie on its stack, so a context's own place tells the thread, and
/// no helper has to be called: where the processor needs safe returns (AMD's, before Zen 5: Documentation/admin-guide/
/// hw-vuln/srso.rst) one call takes as long as all the rest of a hook that leaves a note. A packet's context lies
/// elsewhere; where packets are looked at, the helper is asked.
#[derive(Clone, Copy)]
struct Thread {
    /// What two hooks of one call have in common: that it is near is enough.
    id: u64,
    /// What they have wholly in common, and few threads share.
    spot: u64,
}

impl Thread {
    /// Bytes of the smallest stack on 64-bit machines, which are aligned to their size (`THREAD_SIZE`, arch/x86/include/asm/
    /// page_64_types.h, arch/arm64/include/asm/memory.h). Of a larger one, as `CONFIG_KASAN` makes them, the uppermost part
    /// of this size is in use by these calls.
    const STACK: u32 = 1 << 14;
    /// Two stacks have more than this between them: the guard page of vmalloc (`CONFIG_VMAP_STACK`), or, without it, nearly
    /// the whole of one. Two hooks of one call are closer.
    const NEAR: u64 = 1 << 12;

    #[inline(always)]
    fn current(context: *const c_void) -> Self {
        if UDP_BY_PACKETS.load() != 0 {
            // By its address, since hooks for packets cannot ask for its number (before 6.10).
            // SAFETY: a helper without arguments.
            let task = unsafe { bpf_get_current_task() };
            return Self { id: task, spot: task };
        }
        // Of two pointers the verifier lets the difference be a number (`adjust_reg_min_max_vals`, with CAP_PERFMON). Which
        // the other one is does not matter, if it is always that.
        let origin: *const c_void = (&raw const UDP_BY_PACKETS).cast();
        let id = (context as u64).wrapping_sub(origin as u64);
        Self { id, spot: u64::from(pointer::lower_half(context) / Self::STACK) }
    }

    /// Whether an id is this thread's.
    #[inline(always)]
    fn is(self, id: u64) -> bool {
        if UDP_BY_PACKETS.load() != 0 {
            return id == self.id;
        }
        id.wrapping_sub(self.id).wrapping_add(Self::NEAR) < 2 * Self::NEAR
    }
}

/// A place for a note.
#[derive(Clone, Copy)]
struct Place(*mut Note);

impl Place {
    /// The two that a thread may use.
    #[inline(always)]
    fn both(thread: Thread) -> Option<[Self; 2]> {
        /// Odd, without a pattern (the fractional part of the golden ratio): spreads what differs in some bits only.
        const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
        let set = thread.spot.wrapping_mul(SPREAD) >> (u64::BITS - SETS.ilog2());
        let first: *mut Note = NOTES.get_ptr_mut(set as u32)?.cast();
        // SAFETY: the set has two.
        Some([Self(first), Self(unsafe { first.add(1) })])
    }

    /// The one in which a thread leaves its note.
    #[inline(always)]
    fn to_leave(thread: Thread) -> Option<Self> {
        let [near, far] = Self::both(thread)?;
        let of_near = near.thread();
        Some(if of_near == 0 || thread.is(of_near) { near } else { far })
    }

    /// Which thread has left a note here; 0 when none has.
    #[inline(always)]
    fn thread(self) -> u64 {
        // SAFETY: a map's value, read and written by whole words, here and below.
        unsafe { (&raw const (*self.0).thread).read_volatile() }
    }

    #[inline(always)]
    fn write(self, Thread { id: thread, .. }: Thread, socket: u64, peer: &Peer) {
        let Peer { address: [first, second], port } = *peer;
        let note = self.0;
        // SAFETY: as above.
        unsafe {
            (&raw mut (*note).thread).write_volatile(thread);
            (&raw mut (*note).socket).write_volatile(socket);
            (&raw mut (*note).address[0]).write_volatile(first);
            (&raw mut (*note).address[1]).write_volatile(second);
            (&raw mut (*note).port).write_volatile(port);
            // Read again: the verifier allows no arithmetic with a pointer, and knows none in a map.
            let socket = (&raw const (*note).socket).read_volatile();
            (&raw mut (*note).check).write_volatile(hash::check([thread, socket, first, second, port]));
        }
    }

    /// What the thread has left here for `socket`, if nobody else wrote since.
    #[inline(always)]
    fn read(self, thread: Thread, socket: u64) -> Option<Peer> {
        let note = self.0;
        // SAFETY: as above.
        let (id, of, first, second, port, check) = unsafe {
            (
                (&raw const (*note).thread).read_volatile(),
                (&raw const (*note).socket).read_volatile(),
                (&raw const (*note).address[0]).read_volatile(),
                (&raw const (*note).address[1]).read_volatile(),
                (&raw const (*note).port).read_volatile(),
                (&raw const (*note).check).read_volatile(),
            )
        };
        let is_whole = check == hash::check([id, of, first, second, port]);
        (is_whole && of == socket && thread.is(id)).then_some(Peer { address: [first, second], port })
    }

    #[inline(always)]
    fn clear(self) {
        // SAFETY: as above.
        unsafe { (&raw mut (*self.0).thread).write_volatile(0) };
    }
}

#[inline(always)]
fn socket_of(context: &bpf_sock_addr) -> u64 {
    // SAFETY: the context's only pointer in that union.
    unsafe { context.__bindgen_anon_1.sk as u64 }
}

#[inline(always)]
fn thread_of(context: &bpf_sock_addr) -> Thread {
    Thread::current((&raw const *context).cast())
}

/// Notes whom a datagram is for or from, for the end of this call.
#[inline(always)]
pub(crate) fn leave(context: &bpf_sock_addr, peer: &Peer) {
    let thread = thread_of(context);
    if let Some(place) = Place::to_leave(thread) {
        place.write(thread, socket_of(context), peer);
    }
}

/// Notes whom a datagram is for, as [`leave`]; whom the same call had noted before.
#[inline(always)]
pub(crate) fn replace(context: &bpf_sock_addr, peer: &Peer) -> Option<Peer> {
    let thread = thread_of(context);
    let place = Place::to_leave(thread)?;
    let before = place.read(thread, socket_of(context));
    place.write(thread, socket_of(context), peer);
    before
}

/// The note that this call has left, if `socket` is the one that it was left for; nobody finds it again. The context is
/// the hook's.
#[inline(always)]
pub(crate) fn take(context: *const c_void, socket: &Socket<impl Access>) -> Option<Peer> {
    let thread = Thread::current(context);
    let [near, far] = Place::both(thread)?;
    let place = if thread.is(near.thread()) { near } else { far };
    if !thread.is(place.thread()) {
        return None;
    }
    let peer = place.read(thread, socket.address());
    place.clear();
    peer
}
