//! `connect()` calls, seen before the route lookup: the only trace of an attempt that dies on its route.

use aya_ebpf::{
    EbpfContext,
    bindings::bpf_sock_addr,
    helpers::generated::{bpf_get_socket_cookie, bpf_skc_to_tcp_sock},
    programs::SockAddrContext,
};
use probe_common::{family, kind};

use crate::{
    attempts, clock,
    cpu::Cpu,
    emit::{self, Caller},
    offsets::{OFFSET_SOCK_LOCAL_PORT, OFFSET_SOCK_LOCAL_V4, OFFSET_SOCK_LOCAL_V6},
    owned::Owned,
    record::{self, AttemptWords},
    ring::{Place, Ring},
    scope,
    socket::Socket,
    tuple::{self, Address, Tuple},
    udp,
};

/// Notes an IPv4 `connect()`.
#[inline(always)]
pub(crate) fn begun_v4(context: &SockAddrContext) {
    // SAFETY: the kernel's context, read at constant offsets.
    let remote = Address::v4(unsafe { (*context.sock_addr).user_ip4 });
    begun(context, remote, family::V4);
    udp::connecting(context, udp::peer_v4);
}

/// Notes an IPv6 `connect()`.
#[inline(always)]
pub(crate) fn begun_v6(context: &SockAddrContext) {
    let words = &raw const context_of(context).user_ip6;
    // SAFETY: as above; word by word, since the context allows no wider load at a variable place.
    let remote = Address::v6(unsafe { [(*words)[0], (*words)[1], (*words)[2], (*words)[3]] });
    begun(context, remote, if remote.is_mapped() { family::V4_MAPPED } else { family::V6 });
    udp::connecting(context, udp::peer_v6);
}

#[inline(always)]
fn context_of(context: &SockAddrContext) -> &bpf_sock_addr {
    // SAFETY: the kernel's context outlives the handler.
    unsafe { &*context.sock_addr }
}

#[inline(always)]
fn begun(context: &SockAddrContext, remote: Address, family: u8) {
    // SAFETY: the helper checks for null and answers null for anything but a full TCP socket (5.9).
    let pointer = unsafe { bpf_skc_to_tcp_sock(context_of(context).__bindgen_anon_1.sk.cast()) };
    if pointer.is_null() {
        return;
    }
    let socket = Socket::new(pointer.cast());
    if !scope::watched(&socket) {
        return;
    }
    let Some(cpu) = Cpu::current() else { return };
    let cookie = match socket.known_cookie() {
        // SAFETY: the helper takes the context itself.
        0 => unsafe { bpf_get_socket_cookie(context.as_ptr()) },
        known => known,
    };
    let time = clock::now(cpu);
    let remote_port = tuple::port(context_of(context).user_port as u16);
    let begun = Begun { time, cookie, remote, remote_port, family };
    if let Some(mut slot) = attempts::begin(cookie) {
        begun.write(slot.record(), &socket);
        slot.give(cookie);
    } else if let Some(mut place) = Place::claim(Ring::Common) {
        begun.write(place.record(), &socket);
        place.publish();
    } else {
        overflow(&begun, &socket);
    }
}

/// Apart, since the record needs room on the stack.
#[inline(never)]
fn overflow(begun: &Begun, socket: &Socket) {
    let mut words: AttemptWords = [0; _];
    begun.write(&mut words, socket);
    emit::overflow(&words);
}

/// What only the hook knows; the rest is read where it is written, since what lives across a call needs the stack.
struct Begun {
    time: u64,
    cookie: u64,
    remote: Address,
    remote_port: u16,
    family: u8,
}

impl Begun {
    #[inline(always)]
    fn write(&self, words: &mut AttemptWords, socket: &Socket) {
        let &Self { time, cookie, remote, remote_port, family } = self;
        let local = bound_address(socket, family);
        let tuple =
            Tuple { local, remote, local_port: socket.load(&OFFSET_SOCK_LOCAL_PORT), remote_port, family };
        record::write_socket(words, time, cookie, socket);
        record::write_fact(words, &tuple, 0, kind::BEGUN | kind::WITH_CALLER);
        record::write_caller(words, &Caller::current());
    }
}

/// What the socket was bound to before it connects; the unspecified address as a rule.
#[inline(always)]
fn bound_address(socket: &Socket, family: u8) -> Address {
    match family {
        family::V6 => Address::v6(socket.load(&OFFSET_SOCK_LOCAL_V6)),
        _ => Address::v4(socket.load(&OFFSET_SOCK_LOCAL_V4)),
    }
}
