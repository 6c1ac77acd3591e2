//! Exchanges: the datagrams between a UDP socket and one peer, counted in a slot.
//!
//! The first datagram is told in a record, all later ones are counted where they are found by a hash of the socket and
//! the peer; what a slot holds goes to a ring when another exchange needs it, and is read by user space at the end. A
//! slot has one owner at a time, as those of attempts have (`attempts.rs`).
//!
//! An exchange has two slots to choose from, and takes the place of the one that was silent for longer. The hash has 62
//! bits and a seed that nobody outside can know: two exchanges in a million are one by mistake once in sixteen million
//! times.

use aya_ebpf::helpers::generated::bpf_ktime_get_boot_ns;
use probe_common::{Datagrams, EXCHANGES, ExchangeSlot, Loss, kind};

use crate::{
    clock,
    cpu::Cpu,
    emit::{self, Caller},
    hash::Hash,
    maps,
    offsets::{OFFSET_SOCK_USER_LOCKS, SHIFT_SOCK_USER_LOCKS},
    owned::{BEING_WRITTEN, Owned},
    record::{self, AttemptWords},
    ring::{Place, Ring},
    socket::{Access, Socket},
    spill,
    tuple::Tuple,
};

/// The other end of a datagram. Without a port nobody knows it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Peer {
    /// As `Address::words` gives it.
    pub(crate) address: [u64; 2],
    /// In host byte order.
    pub(crate) port: u64,
}

impl Peer {
    #[inline(always)]
    pub(crate) const fn new(address: [u64; 2], port: u16) -> Self {
        Self { address, port: port as u64 }
    }

    #[inline(always)]
    pub(crate) fn is_known(&self) -> bool {
        self.port != 0
    }
}

/// What a hook saw of a datagram.
#[derive(Clone, Copy)]
pub(crate) struct Datagram {
    pub(crate) peer: Peer,
    /// The address of our own that it used; zeros where only the socket can tell.
    pub(crate) own: [u64; 2],
    pub(crate) call: Call,
}

/// What became of a datagram. One word and no `enum`: of a value that only some variants have, the compiler leaves the
/// register unset, and the verifier lets nobody read it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Call(u64);

impl Call {
    /// It is to be sent; whether it was is told apart, or not at all when it was not.
    pub(crate) const BEGUN: Self = Self(0);
    /// It was sent.
    pub(crate) const SENT: Self = Self(1);
    /// It was received.
    pub(crate) const RECEIVED: Self = Self(2);
    /// It arrived, which counts as received: whoever runs now has nothing to do with it.
    pub(crate) const ARRIVED: Self = Self(3);
    /// The call failed, with the errno that is added.
    const FAILED: u64 = 1 << 32;

    /// From what the call returned; `None` when it says nothing of the peer.
    #[inline(always)]
    pub(crate) fn of(returned: i32, success: Self) -> Option<Self> {
        if returned >= 0 {
            return Some(success);
        }
        let error = returned.wrapping_neg() as u16;
        is_of_the_way(error).then_some(Self(Self::FAILED | u64::from(error)))
    }

    #[inline(always)]
    pub(crate) fn is_failed(self) -> bool {
        self.0 & Self::FAILED != 0
    }

    /// The errno, 0 unless it failed.
    #[inline(always)]
    fn error(self) -> u16 {
        if self.is_failed() { self.0 as u16 } else { 0 }
    }

    /// Calls that sent, received and failed.
    #[inline(always)]
    fn once(self) -> [u32; 3] {
        [(self == Self::SENT) as u32, self.is_received() as u32, self.is_failed() as u32]
    }

    #[inline(always)]
    fn is_received(self) -> bool {
        matches!(self, Self::RECEIVED | Self::ARRIVED)
    }

    /// What it says of an exchange that it begins. An error is heard of what was sent.
    #[inline(always)]
    fn beginning(self) -> u8 {
        if self.is_received() { kind::EXCHANGE_RECEIVED_FIRST } else { kind::EXCHANGE_SENT_FIRST }
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

impl Owned for Slot {
    #[inline(always)]
    fn word(self) -> *mut u64 {
        // SAFETY: a map's value; no more than its address is taken.
        unsafe { &raw mut (*self.0).holder }
    }
}

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

#[inline(always)]
fn hash(cookie: u64, peer: &Peer) -> u64 {
    Hash::of(cookie).and(peer.address[0]).and(peer.address[1]).and(peer.port).finish()
}

/// Whether an exchange stands in its slot.
#[inline(always)]
pub(crate) fn is_known(cookie: u64, peer: &Peer) -> bool {
    let hash = hash(cookie, peer);
    let (Some(near), Some(far)) = (Slot::near(hash), Slot::far(hash)) else { return false };
    near.holder() == hash || far.holder() == hash
}

/// Counts what a hook saw of a datagram. The socket has a cookie, this one.
#[inline(always)]
pub(crate) fn count(socket: &Socket<impl Access>, cookie: u64, datagram: &Datagram) {
    let hash = hash(cookie, &datagram.peer);
    let Some(mut slot) = Slot::near(hash) else { return };
    if slot.holder() != hash {
        let Some(far) = Slot::far(hash) else { return };
        slot = far;
    }
    if slot.holder() == hash && slot.take(hash) {
        add(slot, datagram.call);
        slot.give(hash);
    } else {
        // A copy: what the others see of the datagram is in memory, and this one's was in registers until here.
        let datagram = &Datagram { ..*datagram };
        if !begin(socket, datagram, hash) {
            alone(socket, datagram);
        }
    }
}

/// Counts a call in the slot that it belongs to.
#[inline(always)]
fn add(mut slot: Slot, call: Call) {
    let Datagrams { sent, received, failed, tick } = *slot.datagrams();
    let is_full = match call {
        Call::SENT => sent == u32::MAX,
        Call::RECEIVED | Call::ARRIVED => received == u32::MAX,
        _ if call.is_failed() => {
            failed == u32::MAX || (failed != 0 && record::error(slot.record()) != call.error())
        }
        _ => false,
    };
    if is_full && !renew(slot) {
        return;
    }
    match call {
        Call::SENT => slot.datagrams().sent += 1,
        Call::RECEIVED | Call::ARRIVED => slot.datagrams().received += 1,
        _ if call.is_failed() => {
            slot.datagrams().failed += 1;
            record::set_error(slot.record(), call.error());
        }
        _ => {}
    }
    // What is true to a tick is written once in a tick.
    let now = clock::tick() as u32;
    if now != tick
        && let Some(cpu) = Cpu::current()
    {
        slot.datagrams().tick = now;
        slot.set_last(clock::now(cpu));
    }
}

/// Hands over what was counted and begins to count anew; whether that was possible. If not, the call is lost.
#[inline(never)]
fn renew(mut slot: Slot) -> bool {
    let is_handed_over = hand_over(slot);
    if is_handed_over {
        *slot.datagrams() = Datagrams { tick: slot.datagrams().tick, ..Datagrams::default() };
    } else {
        emit::lost(record::cgroup(slot.record()), Loss::Datagram);
    }
    is_handed_over
}

/// Hands over what a slot holds; whether that was possible.
#[inline(always)]
fn hand_over(mut slot: Slot) -> bool {
    let last = slot.last();
    let Datagrams { sent, received, failed, .. } = *slot.datagrams();
    let Some(mut place) = Place::claim(Ring::Common) else {
        let counts = *slot.datagrams();
        return spill::take_exchange(slot.record(), &counts, last);
    };
    let words = place.record();
    *words = *slot.record();
    record::set_milliseconds(words, last);
    set(place.datagrams(), [sent, received, failed]);
    place.publish();
    true
}

/// The first of an exchange, or one that found its slot in other hands; whether there was a slot.
#[inline(never)]
fn begin<A: Access>(socket: &Socket<A>, datagram: &Datagram, hash: u64) -> bool {
    // SAFETY: a helper without arguments. Exact, so that the first of two is known on whatever CPU it came.
    let time = unsafe { bpf_ktime_get_boot_ns() };
    let Some(mut slot) = choose(hash) else { return false };
    write(slot.record(), socket, datagram);
    record::set_time(slot.record(), time);
    set(slot.datagrams(), datagram.call.once());
    slot.datagrams().tick = clock::tick() as u32;
    slot.set_last(time);
    // Its counts come from the slot; this only tells that it is there, while what its ids name still is.
    if let Some(mut place) = Place::claim(Ring::Common) {
        *place.record() = *slot.record();
        set(place.datagrams(), [0; 3]);
        place.publish();
    }
    slot.give(hash);
    true
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
    if !hand_over(slot) {
        slot.give(before);
        return None;
    }
    Some(slot)
}

/// What has no slot is told by itself.
#[inline(never)]
fn alone<A: Access>(socket: &Socket<A>, datagram: &Datagram) {
    // SAFETY: as above.
    let time = unsafe { bpf_ktime_get_boot_ns() };
    let mut words: AttemptWords = [0; _];
    write(&mut words, socket, datagram);
    record::set_time(&mut words, time);
    let [sent, received, failed] = datagram.call.once();
    let counts = Datagrams { sent, received, failed, tick: 0 };
    if let Some(mut place) = Place::claim(Ring::Common) {
        *place.record() = words;
        *place.datagrams() = counts;
        place.publish();
        return;
    }
    if !spill::take_exchange(&words, &counts, time) {
        emit::lost(record::cgroup(&words), Loss::Datagram);
    }
}

#[inline(always)]
fn set(datagrams: &mut Datagrams, [sent, received, failed]: [u32; 3]) {
    *datagrams = Datagrams { sent, received, failed, tick: 0 };
}

/// Writes who exchanges with whom; the time is for the caller to write.
#[inline(always)]
fn write<A: Access>(words: &mut AttemptWords, socket: &Socket<A>, datagram: &Datagram) {
    let Datagram { peer, own, call } = datagram;
    record::write_socket(words, 0, socket.known_cookie(), socket);
    let is_of_task = *call != Call::ARRIVED;
    let of_task = if is_of_task { kind::WITH_CALLER } else { 0 };
    let kind = call.beginning() | choice(socket) | of_task;
    Tuple::with(socket, *own, peer, |tuple| record::write_fact(words, tuple, call.error(), kind));
    if is_of_task {
        record::write_caller(words, &Caller::current());
    }
}

/// What the kernel says of the port's choice.
#[inline(always)]
fn choice(socket: &Socket<impl Access>) -> u8 {
    /// `SOCK_BINDPORT_LOCK` (include/net/sock.h).
    const CHOSEN: u8 = 8;
    match socket.load_optional::<u8>(&OFFSET_SOCK_USER_LOCKS) {
        Some(locks) if locks >> SHIFT_SOCK_USER_LOCKS.load() & CHOSEN != 0 => kind::PORT_CHOSEN,
        Some(_) => kind::PORT_GIVEN,
        None => 0,
    }
}
