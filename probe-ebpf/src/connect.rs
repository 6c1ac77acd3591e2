//! `connect()` calls, seen before the route lookup: the only trace of an attempt that dies on its route.

use aya_ebpf::{
    EbpfContext,
    bindings::bpf_sock_addr,
    helpers::generated::{bpf_get_socket_cookie, bpf_skc_to_tcp_sock},
    programs::SockAddrContext,
};
use probe_common::{Loss, Record, family, kind};

use crate::{
    emit::{self, Caller},
    maps,
    offsets::{OFFSET_SOCK_LOCAL_PORT, OFFSET_SOCK_LOCAL_V4, OFFSET_SOCK_LOCAL_V6},
    scope,
    socket::Socket,
    tcp,
    tuple::{self, Address},
};

/// Notes an IPv4 `connect()`.
#[inline(always)]
pub(crate) fn begun_v4(context: &SockAddrContext) {
    // SAFETY: the kernel's context, read at constant offsets.
    let remote = Address::v4(unsafe { (*context.sock_addr).user_ip4 });
    begun(context, remote, family::V4);
}

/// Notes an IPv6 `connect()`.
#[inline(always)]
pub(crate) fn begun_v6(context: &SockAddrContext) {
    let words = &raw const context_of(context).user_ip6;
    // SAFETY: as above; word by word, since the context allows no wider load at a variable place.
    let remote = Address::v6(unsafe { [(*words)[0], (*words)[1], (*words)[2], (*words)[3]] });
    begun(context, remote, if remote.is_mapped() { family::V4_MAPPED } else { family::V6 });
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
    // SAFETY: the helper takes the context itself.
    let cookie = unsafe { bpf_get_socket_cookie(context.as_ptr()) };
    let record = Record {
        time: tcp::now(),
        socket: cookie,
        cgroup: socket.cgroup(),
        netns: socket.netns(),
        local: bound_address(&socket, family).octets(),
        remote: remote.octets(),
        local_port: socket.load(&OFFSET_SOCK_LOCAL_PORT),
        remote_port: tuple::port(context_of(context).user_port as u16),
        error: 0,
        kind: kind::UNROUTED,
        family,
    };
    replace_pending(record);
}

/// What the socket was bound to before it connects; the unspecified address as a rule.
#[inline(always)]
fn bound_address(socket: &Socket, family: u8) -> Address {
    match family {
        family::V6 => Address::v6(socket.load(&OFFSET_SOCK_LOCAL_V6)),
        _ => Address::v4(socket.load(&OFFSET_SOCK_LOCAL_V4)),
    }
}

/// Puts the attempt into this CPU's slot, after handing over the one that nobody claimed.
#[inline(always)]
fn replace_pending(record: Record) {
    let Some(cpu) = maps::cpu() else { return };
    // SAFETY: this CPU's state.
    let slot = unsafe { &raw mut (*cpu).pending };
    let Caller { process, thread, command } = Caller::current();
    // SAFETY: this CPU's slot. The socket is written last: until then the slot is empty for every reader.
    unsafe {
        if (*slot).record.socket != 0 {
            let unclaimed = *slot;
            // Out first: another connect() that comes in between must not hand it over as well.
            (&raw mut (*slot).record.socket).write_volatile(0);
            emit::attempt(unclaimed, Loss::Unrouted);
        }
        (&raw mut (*slot).thread).write_volatile(thread);
        (*slot).process = process;
        (*slot).command = command;
        fill(&raw mut (*slot).record, &record);
        // Another connect() that ran on this CPU meanwhile has written its own thread: then the slot holds
        // parts of both, and the weaker claim is the honest one.
        if (&raw const (*slot).thread).read_volatile() == thread {
            (&raw mut (*slot).record.socket).write_volatile(record.socket);
        } else {
            (&raw mut (*slot).record.socket).write_volatile(0);
            emit::lost(Loss::Unrouted, 0);
        }
    }
}

/// Everything but the socket.
#[inline(always)]
unsafe fn fill(slot: *mut Record, record: &Record) {
    // SAFETY: the caller's slot.
    unsafe {
        (*slot).time = record.time;
        (*slot).cgroup = record.cgroup;
        (*slot).netns = record.netns;
        (*slot).local = record.local;
        (*slot).remote = record.remote;
        (*slot).local_port = record.local_port;
        (*slot).remote_port = record.remote_port;
        (*slot).error = record.error;
        (*slot).kind = record.kind;
        (*slot).family = record.family;
    }
}
