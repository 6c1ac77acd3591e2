//! Exchanges: the datagrams between a UDP socket and one peer, counted in a slot.
//!
//! The first datagram is told in a record, all later ones are counted where they are found by a hash of the socket and
//! the peer; what a slot holds goes to a ring when another exchange needs it, and is read by user space at the end. A
//! slot has one owner at a time, as those of attempts have (`attempts.rs`).
//!
//! An exchange has two slots to choose from, and takes the place of the one that was silent for longer. The hash has 62
//! bits and a seed that nobody outside can know: two exchanges in a million are one by mistake once in sixteen million
//! times.

use aya_ebpf::{Global, helpers::generated::bpf_ktime_get_boot_ns};
use probe_common::{Datagrams, EXCHANGES, ExchangeSlot, Loss, kind};

use crate::{
    atomics::{exchange, publish},
    clock,
    cpu::Cpu,
    emit::{self, Caller},
    maps,
    offsets::OFFSET_SOCK_USER_LOCKS,
    record::{self, AttemptWords},
    ring::{Place, Ring},
    socket::Socket,
    tuple::Tuple,
    udp::Peer,
};

/// Set by the loader, at random.
#[unsafe(no_mangle)]
static EXCHANGE_SEED: Global<u64> = Global::new(0);

/// In place of a hash.
const BEING_WRITTEN: u64 = ExchangeSlot::BEING_WRITTEN;

/// How a call that sends or receives ended: 0 or the errno of its failure.
#[derive(Clone, Copy)]
pub(crate) enum Call {
    Sent,
    Received,
    Failed(u16),
}

impl Call {
    /// From what the call returned; `None` when it says nothing of the peer.
    #[inline(always)]
    pub(crate) fn of(returned: i32, success: Self) -> Option<Self> {
        if returned >= 0 {
            return Some(success);
        }
        let error = returned.wrapping_neg() as u16;
        is_of_the_way(error).then_some(Self::Failed(error))
    }

    #[inline(always)]
    pub(crate) fn is_failed(self) -> bool {
        matches!(self, Self::Failed(_))
    }

    #[inline(always)]
    fn error(self) -> u16 {
        if let Self::Failed(error) = self { error } else { 0 }
    }

    /// Calls that sent, received and failed.
    #[inline(always)]
    fn once(self) -> [u32; 3] {
        match self {
            Self::Sent => [1, 0, 0],
            Self::Received => [0, 1, 0],
            Self::Failed(_) => [0, 0, 1],
        }
    }

    /// What it says of an exchange that it begins. An error is heard of what was sent.
    #[inline(always)]
    fn beginning(self) -> u8 {
        match self {
            Self::Received => kind::EXCHANGE_RECEIVED_FIRST,
            Self::Sent | Self::Failed(_) => kind::EXCHANGE_SENT_FIRST,
        }
    }
}

/// Whether an errno (asm-generic/errno.h) tells of the way to the peer: no route, a filter here, or what ICMP answered
/// (`icmp_err_convert`, net/ipv4/icmp.c). The others are the caller's own business, such as a full buffer.
#[inline(always)]
fn is_of_the_way(error: u16) -> bool {
    const EPERM: u16 = 1;
    const EACCES: u16 = 13;
    const EINVAL: u16 = 22;
    const ENONET: u16 = 64;
    const ENETDOWN: u16 = 100;
    const ENOPROTOOPT: u16 = 92;
    const ENETUNREACH: u16 = 101;
    const ECONNREFUSED: u16 = 111;
    const EHOSTUNREACH: u16 = 113;
    matches!(error, EPERM | EACCES | EINVAL | ENONET | ENOPROTOOPT | ENETDOWN | ENETUNREACH)
        || matches!(error, ECONNREFUSED..=EHOSTUNREACH)
}

/// A slot that is only touched by its owner.
#[derive(Clone, Copy)]
struct Slot(*mut ExchangeSlot);

impl Slot {
    #[inline(always)]
    fn near(hash: u64) -> Option<Self> {
        Self::at(hash >> 2)
    }

    #[inline(always)]
    fn far(hash: u64) -> Option<Self> {
        Self::at(hash >> 32)
    }

    #[inline(always)]
    fn at(index: u64) -> Option<Self> {
        Some(Self(maps::EXCHANGES.get_ptr_mut(index as u32 & (EXCHANGES as u32 - 1))?))
    }

    #[inline(always)]
    fn holder(self) -> u64 {
        // SAFETY: a map's value.
        unsafe { (&raw const (*self.0).holder).read_volatile() }
    }

    /// Makes the caller its owner, if it is still held by `from`.
    #[inline(always)]
    fn take(self, from: u64) -> bool {
        // SAFETY: a map's value, aligned as its type asks.
        unsafe { exchange(&raw mut (*self.0).holder, from, BEING_WRITTEN) }
    }

    /// Ends the ownership; what was written is seen first.
    #[inline(always)]
    fn give(self, to: u64) {
        // SAFETY: as above.
        unsafe { publish(&raw mut (*self.0).holder, to) };
    }

    #[inline(always)]
    fn last(self) -> u64 {
        // SAFETY: as above.
        unsafe { (&raw const (*self.0).last).read_volatile() }
    }

    #[inline(always)]
    fn set_last(self, time: u64) {
        // SAFETY: as above.
        unsafe { (&raw mut (*self.0).last).write_volatile(time) };
    }

    /// The counts, for the owner.
    #[inline(always)]
    fn datagrams(&mut self) -> &mut Datagrams {
        // SAFETY: whoever has a slot in hand owns it, or does not ask.
        unsafe { &mut (*self.0).datagrams }
    }

    /// The record, for the owner.
    #[inline(always)]
    fn record(&mut self) -> &mut AttemptWords {
        // SAFETY: whoever has a slot in hand owns it, or does not ask; words of eight bytes either way.
        unsafe { &mut *(&raw mut (*self.0).record).cast() }
    }
}

/// A hash that is neither free nor [`BEING_WRITTEN`].
#[inline(always)]
fn hash(cookie: u64, peer: &Peer) -> u64 {
    /// Odd, half of their bits set, without a pattern (the fractional parts of the golden ratio and of the root of 3).
    const FIRST: u64 = 0x9e37_79b9_7f4a_7c15;
    const SECOND: u64 = 0xbb67_ae85_84ca_a73b;
    let mut hash = (cookie ^ EXCHANGE_SEED.load()).wrapping_mul(FIRST);
    hash = (hash ^ hash >> 32 ^ peer.address[0]).wrapping_mul(SECOND);
    hash = (hash ^ hash >> 32 ^ peer.address[1]).wrapping_mul(FIRST);
    hash = (hash ^ hash >> 32 ^ peer.port).wrapping_mul(SECOND);
    (hash ^ hash >> 32) & !2 | 1
}

/// Counts one call.
#[inline(always)]
pub(crate) fn count(socket: &Socket, peer: &Peer, call: Call) {
    let Some(cpu) = Cpu::current() else { return };
    let cookie = socket.cookie();
    let hash = hash(cookie, peer);
    let Some(mut slot) = Slot::near(hash) else { return };
    if slot.holder() != hash {
        let Some(far) = Slot::far(hash) else { return };
        slot = far;
    }
    if slot.holder() == hash && slot.take(hash) {
        add(slot, cpu, call);
        slot.give(hash);
    } else {
        begin(socket, peer, hash, call);
    }
}

/// Counts a call in the slot that it belongs to.
#[inline(always)]
fn add(mut slot: Slot, cpu: Cpu, call: Call) {
    let Datagrams { sent, received, failed, .. } = *slot.datagrams();
    let is_full = match call {
        Call::Sent => sent == u32::MAX,
        Call::Received => received == u32::MAX,
        Call::Failed(error) => failed == u32::MAX || (failed != 0 && record::error(slot.record()) != error),
    };
    if is_full && !renew(slot) {
        return;
    }
    match call {
        Call::Sent => slot.datagrams().sent += 1,
        Call::Received => slot.datagrams().received += 1,
        Call::Failed(error) => {
            slot.datagrams().failed += 1;
            record::set_error(slot.record(), error);
        }
    }
    slot.set_last(clock::now(cpu));
}

/// Hands over what was counted and begins to count anew; whether that was possible. If not, the call is lost.
#[inline(never)]
fn renew(mut slot: Slot) -> bool {
    let Some(place) = emit::place(Ring::Common, Loss::Datagram) else { return false };
    hand_over(slot, place);
    set(slot.datagrams(), [0; 3]);
    true
}

/// Hands over what a slot holds.
#[inline(always)]
fn hand_over(mut slot: Slot, mut place: Place) {
    let words = place.record();
    *words = *slot.record();
    record::set_milliseconds(words, slot.last());
    let Datagrams { sent, received, failed, .. } = *slot.datagrams();
    set(place.datagrams(), [sent, received, failed]);
    place.publish();
}

/// The first call of an exchange, or one that found its slot in other hands.
#[inline(never)]
fn begin(socket: &Socket, peer: &Peer, hash: u64, call: Call) {
    // SAFETY: a helper without arguments. Exact, so that the first of two calls is known on whatever CPU it came.
    let time = unsafe { bpf_ktime_get_boot_ns() };
    let Some(mut slot) = choose(hash) else { return alone(socket, peer, time, call) };
    write(slot.record(), socket, peer, time, call);
    set(slot.datagrams(), call.once());
    slot.set_last(time);
    // Its counts come from the slot; this only tells that it is there, while what its ids name still is.
    if let Some(mut place) = Place::claim(Ring::Common) {
        *place.record() = *slot.record();
        set(place.datagrams(), [0; 3]);
        place.publish();
    }
    slot.give(hash);
}

/// A slot for an exchange that begins, which the caller owns. Another that stood there has been handed over; `None` when
/// that is not possible now.
#[inline(always)]
fn choose(hash: u64) -> Option<Slot> {
    let (near, far) = (Slot::near(hash)?, Slot::far(hash)?);
    if near.holder() == 0 && near.take(0) {
        return Some(near);
    }
    if far.holder() == 0 && far.take(0) {
        return Some(far);
    }
    let slot = if near.last() < far.last() { near } else { far };
    let before = slot.holder();
    if before == BEING_WRITTEN || before == hash || !slot.take(before) {
        return None;
    }
    let Some(place) = Place::claim(Ring::Common) else {
        slot.give(before);
        return None;
    };
    hand_over(slot, place);
    Some(slot)
}

/// A call that has no slot is told by itself.
#[inline(always)]
fn alone(socket: &Socket, peer: &Peer, time: u64, call: Call) {
    let Some(mut place) = emit::place(Ring::Common, Loss::Datagram) else { return };
    write(place.record(), socket, peer, time, call);
    set(place.datagrams(), call.once());
    place.publish();
}

#[inline(always)]
fn set(datagrams: &mut Datagrams, [sent, received, failed]: [u32; 3]) {
    *datagrams = Datagrams { sent, received, failed, rest_of_word: 0 };
}

/// Writes who exchanges with whom.
#[inline(always)]
fn write(words: &mut AttemptWords, socket: &Socket, peer: &Peer, time: u64, call: Call) {
    record::write_socket(words, time, socket.cookie(), socket);
    let (kind, error) = (call.beginning() | choice(socket) | kind::WITH_CALLER, call.error());
    Tuple::with(socket, peer, |tuple| record::write_fact(words, tuple, error, kind));
    record::write_caller(words, &Caller::current());
}

/// What the kernel says of the port's choice.
#[inline(always)]
fn choice(socket: &Socket) -> u8 {
    /// `SOCK_BINDPORT_LOCK` (include/net/sock.h).
    const CHOSEN: u8 = 8;
    match socket.load_optional::<u8>(&OFFSET_SOCK_USER_LOCKS) {
        Some(locks) if locks & CHOSEN != 0 => kind::PORT_CHOSEN,
        Some(_) => kind::PORT_GIVEN,
        None => 0,
    }
}
