//! Whom an application named, where another program of the cgroup chooses the peer (a socket load-balancer).
//!
//! Such a program changes the address in the middle of `connect()` or `sendmsg()`. A program that runs ahead of it has
//! seen the name, what comes after it sees the choice. Of TCP both meet in the attempt's slot (`attempts.rs`); of UDP they
//! meet here, and what was named goes to user space in a record of its own, once for each exchange that begins.

use aya_ebpf::{Global, bindings::BPF_ANY};
use probe_common::{Loss, kind};

use crate::{
    clock,
    cpu::Cpu,
    emit,
    exchange::{self, Peer},
    maps::DIALLED,
    record,
    ring::{Place, Ring},
    socket::{Access, Socket},
    tuple::{Address, Tuple},
};

/// 1 where other programs are on these hooks; otherwise the verifier removes all that is here.
#[unsafe(no_mangle)]
static PEERS_ARE_CHOSEN: Global<u8> = Global::new(0);

/// Whether other programs may choose a peer.
#[inline(always)]
pub(crate) fn may_differ() -> bool {
    PEERS_ARE_CHOSEN.load() != 0
}

/// How many connected UDP sockets are remembered by whom their `connect()` named; those that were not used for longest go.
pub(crate) const LENGTH: usize = 1 << 12;

/// Remembers whom a UDP socket's `connect()` names.
#[inline(always)]
pub(crate) fn remember(cookie: u64, peer: &Peer) {
    // Full it is never: what was not used for longest goes.
    let _ = DIALLED.insert(cookie, *peer, BPF_ANY as u64);
}

/// Tells of an exchange that begins with a connected socket's peer whom its `connect()` had named. Apart, for the sake of the
/// stack.
#[inline(never)]
pub(crate) fn of_connected<A: Access>(socket: &Socket<A>, cookie: u64, peer: &Peer) {
    if exchange::is_known(cookie, peer) {
        return;
    }
    // SAFETY: the entry is memory of the map even where another socket has taken it meanwhile.
    let Some(named) = (unsafe { DIALLED.get(cookie) }) else { return };
    tell(socket, cookie, peer, named);
}

/// Tells that datagrams for `named` go to `peer`, unless they are the same or their exchange is told already. Apart,
/// likewise.
#[inline(never)]
pub(crate) fn tell<A: Access>(socket: &Socket<A>, cookie: u64, peer: &Peer, named: &Peer) {
    // Read once: it may be a map's entry, which another socket can take.
    let named = *named;
    if named == *peer || exchange::is_known(cookie, peer) {
        return;
    }
    let Some(cpu) = Cpu::current() else { return };
    let Some(mut place) = Place::claim(Ring::Common) else {
        return emit::lost(socket.cgroup(), Loss::Datagram);
    };
    let words = place.record();
    record::write_socket(words, clock::now(cpu), cookie, socket);
    Tuple::with(socket, [0; 2], peer, |tuple| {
        let local = Address::of_words(named.address);
        let tuple = Tuple { local, local_port: named.port as u16, ..*tuple };
        record::write_fact(words, &tuple, 0, kind::DIALLED);
    });
    place.publish();
}
