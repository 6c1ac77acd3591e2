//! flowdrift's kernel side. Each hook is one line that calls its family's file:
//!
//! - `tcp.rs`: the TCP state machine (`tp_btf/inet_sock_set_state`)
//! - `connect.rs`: `connect()` calls (`cgroup/connect4`, `cgroup/connect6`)
//! - `dialled.rs`: whom an application named, where another program chooses the peer
//! - `udp.rs`: datagrams (`cgroup/sendmsg4`, `sendmsg6`, `recvmsg4`, `recvmsg6`, `tp_btf/sock_send_length`,
//!   `sock_recv_length`), and `packets.rs` where the kernel has no such tracepoints (`cgroup_skb/egress`, `ingress`)
//!
//! What they share: `offsets.rs` (where the running kernel keeps a field), `socket.rs` (reading one),
//! `tuple.rs` (addresses and ports, the only byte-order code), `record.rs` (building a record), `clock.rs` (its time),
//! `cpu.rs` (what a CPU keeps),
//! `attempts.rs` (from `connect()` to its outcome), `exchange.rs` (the datagrams between a socket and a peer), `notes.rs`
//! (peers, from one hook to the next), `rescue.rs` (interrupted handlers), `scope.rs` (what the user asked
//! to watch), `emit.rs` (hand-over and loss), `ring.rs` (the way to user space), `spill.rs` (what no ring can take),
//! `groups.rs` (each cgroup's share of it, and losses), `sets.rs` (looking through slots), `owned.rs` (memory that one hook has at a time),
//! `hash.rs`, `words.rs` (whole words of small ones), `pointer.rs` (numbers of pointers),
//! `atomics.rs`, `maps.rs` and `layout.rs` (of the code). `synthetic.rs` is for measuring, and in no object that users load.
#![no_std]
#![no_main]
#![cfg_attr(target_arch = "bpf", feature(asm_experimental_arch))]
#![expect(unsafe_code, reason = "kernel memory, helpers and maps are only reached by unsafe calls")]

mod atomics;
mod attempts;
mod clock;
mod connect;
mod cpu;
mod dialled;
mod emit;
mod exchange;
mod groups;
mod hash;
mod layout;
mod maps;
mod notes;
mod offsets;
mod owned;
mod packets;
mod pointer;
mod record;
mod rescue;
mod ring;
mod scope;
mod sets;
mod socket;
mod spill;
#[cfg(feature = "synthetic")]
mod synthetic;
mod tcp;
mod tuple;
mod udp;
mod words;

use aya_ebpf::{
    macros::{btf_tracepoint, cgroup_skb, cgroup_sock_addr},
    programs::{BtfTracePointContext, SkBuffContext, SockAddrContext},
};

// What can stand beside programs that choose peers is named so that another recorder knows it for one of ours
// (`capture/order.rs`); a name has 15 bytes.

/// A cgroup hook's answer that lets the call go on (`man 2 connect` is none of our business).
const ALLOW: i32 = 1;

/// `trace_inet_sock_set_state(const struct sock *sk, const int oldstate, const int newstate)`, called by
/// `tcp_set_state`, `inet_sk_set_state` and `inet_sk_state_store` (net/ipv4/{af_inet,tcp}.c).
/// Checked on 6.18 by `tests/`.
#[btf_tracepoint(function = "inet_sock_set_state")]
fn tcp_state(context: BtfTracePointContext) -> i32 {
    tcp::state_changed(&context)
}

/// The same tracepoint again, attached second: for what the kernel did not let [`tcp_state`] see.
#[btf_tracepoint(function = "inet_sock_set_state")]
fn tcp_rescue(context: BtfTracePointContext) -> i32 {
    tcp::state_change_missed(&context)
}

/// `BPF_CGROUP_RUN_PROG_INET4_CONNECT` in `tcp_v4_pre_connect` (net/ipv4/tcp_ipv4.c): before the route lookup.
#[cgroup_sock_addr(connect4)]
fn flowdrift_conn4(context: SockAddrContext) -> i32 {
    connect::begun_v4(&context);
    ALLOW
}

/// `BPF_CGROUP_RUN_PROG_INET6_CONNECT` in `tcp_v6_pre_connect` (net/ipv6/tcp_ipv6.c): before the route lookup,
/// for IPv4-mapped destinations too.
#[cgroup_sock_addr(connect6)]
fn flowdrift_conn6(context: SockAddrContext) -> i32 {
    connect::begun_v6(&context);
    ALLOW
}

/// `trace_sock_send_length(struct sock *sk, int ret, int flags)`, called by `sock_sendmsg_nosec` (net/socket.c, 6.3) when a
/// socket of any kind has sent.
/// Checked on 6.18 by `tests/`.
#[btf_tracepoint(function = "sock_send_length")]
fn udp_sent(context: BtfTracePointContext) -> i32 {
    udp::sent(&context)
}

/// `trace_sock_recv_length(struct sock *sk, int ret, int flags)`, called by `sock_recvmsg_nosec`, likewise.
#[btf_tracepoint(function = "sock_recv_length")]
fn udp_received(context: BtfTracePointContext) -> i32 {
    udp::received(&context)
}

/// `BPF_CGROUP_RUN_PROG_UDP4_SENDMSG_LOCK` in `udp_sendmsg` (net/ipv4/udp.c), when the call names a peer: for IPv4-mapped
/// ones of an IPv6 socket too.
#[cgroup_sock_addr(sendmsg4)]
fn flowdrift_send4(context: SockAddrContext) -> i32 {
    udp::addressed_v4(&context);
    ALLOW
}

/// `BPF_CGROUP_RUN_PROG_UDP6_SENDMSG_LOCK` in `udpv6_sendmsg` (net/ipv6/udp.c), likewise.
#[cgroup_sock_addr(sendmsg6)]
fn flowdrift_send6(context: SockAddrContext) -> i32 {
    udp::addressed_v6(&context);
    ALLOW
}

/// The same hook as [`flowdrift_send4`]'s again, ahead of every other program of it: for whom the application has named.
/// Only attached where there are other programs.
#[cgroup_sock_addr(sendmsg4)]
fn flowdrift_name4(context: SockAddrContext) -> i32 {
    udp::named_v4(&context);
    ALLOW
}

/// Likewise of [`flowdrift_send6`].
#[cgroup_sock_addr(sendmsg6)]
fn flowdrift_name6(context: SockAddrContext) -> i32 {
    udp::named_v6(&context);
    ALLOW
}

/// `BPF_CGROUP_RUN_PROG_UDP4_RECVMSG_LOCK` in `udp_recvmsg` (net/ipv4/udp.c), when the caller asks for the peer.
#[cgroup_sock_addr(recvmsg4)]
fn recvmsg4(context: SockAddrContext) -> i32 {
    udp::came_v4(&context);
    ALLOW
}

/// `BPF_CGROUP_RUN_PROG_UDP6_RECVMSG_LOCK` in `udpv6_recvmsg` (net/ipv6/udp.c), likewise; for IPv4 datagrams of an IPv6
/// socket too.
#[cgroup_sock_addr(recvmsg6)]
fn recvmsg6(context: SockAddrContext) -> i32 {
    udp::came_v6(&context);
    ALLOW
}

/// `BPF_CGROUP_RUN_PROG_INET_EGRESS` in `ip_finish_output` (net/ipv4/ip_output.c) and `ip6_finish_output`.
/// Checked on 6.1 and 6.18 by `tests/`.
#[cgroup_skb(egress)]
fn udp_left(context: SkBuffContext) -> i32 {
    packets::left(&context);
    ALLOW
}

/// `BPF_CGROUP_RUN_PROG_INET_INGRESS` in `sk_filter_trim_cap` (net/core/filter.c), likewise.
#[cgroup_skb(ingress)]
fn udp_arrived(context: SkBuffContext) -> i32 {
    packets::arrived(&context);
    ALLOW
}

/// A panic that can be reached must not load: the verifier rejects the endless loop.
#[cfg(not(test))]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// The helpers that read kernel memory are for GPL-compatible programs only (kernel/bpf/verifier.c).
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
