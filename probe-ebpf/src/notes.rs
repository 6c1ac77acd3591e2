//! Whom a datagram goes to or comes from, carried from the cgroup hook that sees the address to the tracepoint that sees
//! how the call ended.
//!
//! An unconnected socket does not know its peers: `sendmsg()` is told one in its arguments, and `recvmsg()` tells one. The
//! cgroup hooks see these addresses in the middle of the call; at its end the same thread comes past the tracepoint, or
//! with its packet past the hook for packets (`packets.rs`). So the hook leaves a note in a slot by its thread. Nothing but the call itself lies between, yet it may sleep there, and
//! threads share slots: a note that was taken by another is missed, and its datagram counts as one of an unknown peer.

use aya_ebpf::{bindings::bpf_sock_addr, helpers::generated::bpf_get_current_task};

use crate::{
    exchange::Peer,
    maps::NOTES,
    owned::{BEING_WRITTEN, Owned},
    socket::{Access, Socket},
};

/// How many notes there are; a power of two.
pub(crate) const LENGTH: usize = 1 << 12;

/// A note.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Note {
    /// Which thread left it, by where its `struct task_struct` is; 0 when none did.
    thread: u64,
    /// Where the socket's structure is. The kernel side alone reads it, and only to compare.
    socket: u64,
    /// The peer.
    address: [u64; 2],
    /// Its port, in its lowest bits.
    port: u64,
    /// Whom the application named, before another program chose the peer (`dialled.rs`).
    named: [u64; 2],
    /// Likewise its port; 0 when nobody looked.
    named_port: u64,
}

/// The running thread. By its address, since hooks for packets cannot ask for its number (before 6.10).
#[inline(always)]
fn current() -> u64 {
    // SAFETY: a helper without arguments.
    unsafe { bpf_get_current_task() }
}

#[derive(Clone, Copy)]
struct Slot(*mut Note);

impl Owned for Slot {
    #[inline(always)]
    fn word(self) -> *mut u64 {
        // SAFETY: a map's value; no more than its address is taken.
        unsafe { &raw mut (*self.0).thread }
    }
}

/// The two slots of a thread.
#[inline(always)]
fn slots(thread: u64) -> Option<(Slot, Slot)> {
    /// Odd, without a pattern (the fractional part of the golden ratio): spreads what differs in the middle bits.
    const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
    let spread = thread.wrapping_mul(SPREAD);
    let near = spread >> (u64::BITS - LENGTH.ilog2());
    let far = spread >> (u64::BITS - 2 * LENGTH.ilog2()) & (LENGTH as u64 - 1);
    Some((Slot(NOTES.get_ptr_mut(near as u32)?), Slot(NOTES.get_ptr_mut(far as u32)?)))
}

/// Lets `write` leave a note for the end of this call; it is told whether the note is this thread's own from before.
#[inline(always)]
fn write<T>(write: impl FnOnce(&mut Note, bool) -> T) -> Option<T> {
    let thread = current();
    let (near, far) = slots(thread)?;
    let of_near = near.holder();
    let slot = if of_near == 0 || of_near == thread { near } else { far };
    let found = slot.holder();
    if found == BEING_WRITTEN || !slot.take(found) {
        return None;
    }
    // SAFETY: a map's value that is ours.
    let result = write(unsafe { &mut *slot.0 }, found == thread);
    slot.give(thread);
    Some(result)
}

#[inline(always)]
fn socket_of(context: &bpf_sock_addr) -> u64 {
    // SAFETY: the context's only pointer in that union.
    unsafe { context.__bindgen_anon_1.sk as u64 }
}

/// Notes whom a datagram is for or from.
#[inline(always)]
pub(crate) fn leave(context: &bpf_sock_addr, peer: &Peer) {
    write(|note, _| {
        note.socket = socket_of(context);
        note.address = peer.address;
        note.port = peer.port;
    });
}

/// Notes whom the application named.
#[inline(always)]
pub(crate) fn leave_named(context: &bpf_sock_addr, named: &Peer) {
    write(|note, _| {
        note.socket = socket_of(context);
        note.named = named.address;
        note.named_port = named.port;
    });
}

/// Notes whom a datagram is for, as [`leave`]; whom the application had named, if that was noted in the same call.
#[inline(always)]
pub(crate) fn leave_chosen(context: &bpf_sock_addr, peer: &Peer) -> Option<Peer> {
    write(|note, is_own| {
        let socket = socket_of(context);
        let (named, named_port) = (note.named, note.named_port);
        let is_named = is_own && note.socket == socket && named_port != 0;
        note.socket = socket;
        note.address = peer.address;
        note.port = peer.port;
        note.named_port = 0;
        is_named.then(|| Peer::new(named, named_port as u16))
    })?
}

/// The note that this call has left, if `socket` is the one that it was left for; nobody finds it again.
#[inline(always)]
pub(crate) fn take(socket: &Socket<impl Access>) -> Option<Peer> {
    let thread = current();
    let (near, far) = slots(thread)?;
    let slot = if near.holder() == thread { near } else { far };
    if slot.holder() != thread || !slot.take(thread) {
        return None;
    }
    // SAFETY: as above.
    let note = unsafe { &*slot.0 };
    let (peer, is_its) = (Peer::new(note.address, note.port as u16), note.socket == socket.address());
    slot.give(0);
    is_its.then_some(peer)
}
