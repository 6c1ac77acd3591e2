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
//!
//! Where packets are looked at, a call that ends without one leaves its note behind, until the same thread leaves the next.

use core::{ffi::c_void, mem::offset_of};

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

/// Two notes. The first, and whose both are, are in one cache line, and seldom is another wanted.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Notes {
    /// Which thread left each, by [`Thread::id`]; 0 when none did.
    threads: [u64; 2],
    near: Note,
    rest_of_line: u64,
    far: Note,
    line_of_far: [u64; 3],
}

/// What a thread leaves.
#[repr(C)]
#[derive(Clone, Copy)]
struct Note {
    /// Where the socket's structure is. The kernel side alone reads it, and only to compare.
    socket: u64,
    /// The peer.
    address: [u64; 2],
    /// Its port, in its lowest bits, and [`NAME`].
    port: u64,
    /// [`hash::check`] of all these and the thread.
    check: u64,
}

const _: () = assert!(size_of::<Notes>() == 128 && offset_of!(Notes, far) == 64);

/// Above a port: the application named this peer, and another program may yet choose a different one.
const NAME: u64 = 1 << 16;

/// The running thread.
///
/// The contexts of the cgroup hooks and of the tracepoints lie on its stack, so a context's own place tells the thread, and
/// no helper has to be called: where the processor needs safe returns (AMD's, before Zen 5: Documentation/admin-guide/
/// hw-vuln/srso.rst) one call takes as long as all the rest of a hook that leaves a note. A packet's context lies
/// elsewhere; where packets are looked at, the helper is asked.
#[derive(Clone, Copy)]
struct Thread {
    /// Near to that of the other hooks of one call, and of no other thread's.
    id: u64,
    /// What all hooks of one call have in common, and few threads share.
    spot: u64,
    /// How near.
    near: u64,
}

impl Thread {
    /// Bytes of the smallest stack on 64-bit machines, which are aligned to their size (`THREAD_SIZE`, arch/x86/include/asm/
    /// page_64_types.h, arch/arm64/include/asm/memory.h). Of a larger one (`CONFIG_KASAN`, pages of 64 KiB) these calls use
    /// the uppermost part of this size.
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
            return Self { id: task, spot: task, near: 0 };
        }
        // Of two pointers the verifier lets the difference be a number (`adjust_reg_min_max_vals`, with CAP_PERFMON). Which
        // the other one is does not matter, if it is always that.
        let origin: *const c_void = (&raw const UDP_BY_PACKETS).cast();
        let id = (context as u64).wrapping_sub(origin as u64);
        Self { id, spot: u64::from(pointer::lower_half(context) / Self::STACK), near: Self::NEAR }
    }

    /// Whether an id is this thread's.
    #[inline(always)]
    fn is(self, id: u64) -> bool {
        id.wrapping_sub(self.id).wrapping_add(self.near) <= 2 * self.near
    }
}

/// A place for a note.
#[derive(Clone, Copy)]
struct Place {
    thread: *mut u64,
    note: *mut Note,
}

impl Place {
    /// The two that a thread may use.
    #[inline(always)]
    fn both(thread: Thread) -> Option<[Self; 2]> {
        /// Odd, without a pattern (the fractional part of the golden ratio): spreads what differs in some bits only.
        const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
        let set = thread.spot.wrapping_mul(SPREAD) >> (u64::BITS - SETS.ilog2());
        let notes = NOTES.get_ptr_mut(set as u32)?;
        // SAFETY: a map's value; no more than addresses are taken.
        let (threads, near, far) =
            unsafe { (&raw mut (*notes).threads, &raw mut (*notes).near, &raw mut (*notes).far) };
        let thread = |place: usize| threads.cast::<u64>().wrapping_add(place);
        Some([Self { thread: thread(0), note: near }, Self { thread: thread(1), note: far }])
    }

    /// The one in which a thread leaves its note.
    #[inline(always)]
    fn to_leave(thread: Thread) -> Option<Self> {
        let [near, far] = Self::both(thread)?;
        let of_near = near.thread();
        // Where it has left one already: two of one thread would be taken for each other.
        Some(if thread.is(of_near) || (of_near == 0 && !thread.is(far.thread())) { near } else { far })
    }

    /// Which thread has left a note here; 0 when none has.
    #[inline(always)]
    fn thread(self) -> u64 {
        // SAFETY: a map's value, read and written by whole words, here and below.
        unsafe { self.thread.read_volatile() }
    }

    #[inline(always)]
    fn write(self, Thread { id: thread, .. }: Thread, socket: u64, peer: &Peer) {
        let Peer { address: [first, second], port } = *peer;
        let note = self.note;
        // SAFETY: as above.
        unsafe {
            self.thread.write_volatile(thread);
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
        let (id, note) = (self.thread(), self.note);
        // SAFETY: as above.
        let (of, first, second, port, check) = unsafe {
            (
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
        unsafe { self.thread.write_volatile(0) };
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

/// Notes whom the application named, for [`replace`].
#[inline(always)]
pub(crate) fn leave_name(context: &bpf_sock_addr, peer: &Peer) {
    leave(context, &Peer { port: peer.port | NAME, ..*peer });
}

/// Notes whom a datagram is for, as [`leave`]; whom the application named, if that was noted in the same call.
#[inline(always)]
pub(crate) fn replace(context: &bpf_sock_addr, peer: &Peer) -> Option<Peer> {
    let thread = thread_of(context);
    let place = Place::to_leave(thread)?;
    let before = place.read(thread, socket_of(context));
    place.write(thread, socket_of(context), peer);
    // Without the mark it is one that an earlier call has left behind.
    before.filter(|before| before.port & NAME != 0).map(|name| Peer { port: name.port & !NAME, ..name })
}

/// Nobody finds a note of this thread any more.
#[inline(always)]
pub(crate) fn forget(context: &bpf_sock_addr) {
    let thread = thread_of(context);
    if let Some(place) = Place::to_leave(thread)
        && thread.is(place.thread())
    {
        place.clear();
    }
}

/// What a call has left for its end. No `Option`: see [`crate::exchange::Call`].
#[derive(Clone, Copy)]
pub(crate) struct Noted {
    /// Not known, when nothing was left.
    pub(crate) peer: Peer,
    /// Nothing was found, and there may have been something.
    pub(crate) is_missed: bool,
}

/// What this call has left, if it was for `socket`; nobody finds it again. The context is the hook's.
#[inline(always)]
pub(crate) fn take(context: *const c_void, socket: &Socket<impl Access>) -> Noted {
    const NOBODY: Peer = Peer::new([0; 2], 0);
    const NOTHING: Noted = Noted { peer: NOBODY, is_missed: false };
    let thread = Thread::current(context);
    let Some([near, far]) = Place::both(thread) else { return NOTHING };
    let place = if thread.is(near.thread()) { near } else { far };
    let holder = place.thread();
    if !thread.is(holder) {
        // Had there been no other, it would have been left here.
        return Noted { is_missed: holder != 0, ..NOTHING };
    }
    let noted = match place.read(thread, socket.address()) {
        Some(peer) if peer.port & NAME == 0 => Noted { peer, is_missed: false },
        // Another wrote between, or what an earlier call left stood where this one's would.
        _ => Noted { is_missed: true, ..NOTHING },
    };
    place.clear();
    noted
}
