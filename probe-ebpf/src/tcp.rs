//! TCP: what the socket's state machine tells.
//!
//! | transition | fact |
//! |---|---|
//! | CLOSE → SYN_SENT | attempt; `connect()`'s caller is the current task |
//! | SYN_SENT → ESTABLISHED | success |
//! | SYN_SENT → CLOSE | failure, with `sk_err` |
//! | SYN_RECV → ESTABLISHED | accept, or the end of a self-connect or simultaneous open |

use aya_ebpf::{
    Global,
    helpers::{bpf_get_current_pid_tgid, generated::bpf_ktime_get_boot_ns},
    programs::BtfTracePointContext,
};
use probe_common::{AttemptRecord, CpuState, Loss, kind};

use crate::{
    emit::{self, Caller, Fact},
    maps::{self, UNPAIRED},
    offsets::{OFFSET_SOCK_ERROR, OFFSET_SOCK_PROTOCOL},
    rescue, scope,
    socket::Socket,
    tuple::Tuple,
};

/// States of a TCP socket (include/net/tcp_states.h; fixed since 2.6).
const ESTABLISHED: i32 = 1;
const SYN_SENT: i32 = 2;
const SYN_RECV: i32 = 3;
const CLOSE: i32 = 7;

/// `IPPROTO_TCP`; MPTCP's own socket is 262 and repeats what its subflows report.
const TCP: u16 = 6;

/// Reports a change of state, if it is one that says something.
#[inline(always)]
pub(crate) fn state_changed(context: &BtfTracePointContext) -> i32 {
    let Some(cpu) = maps::cpu() else { return 0 };
    rescue::mark(cpu, context.arg(0), context.arg(2));
    report(context, cpu, 0)
}

/// Reports a change of state that the first program was not run for.
#[inline(always)]
pub(crate) fn state_change_missed(context: &BtfTracePointContext) -> i32 {
    let Some(cpu) = maps::cpu() else { return 0 };
    let is_missed = rescue::is_missed(cpu, context.arg(0), context.arg(2));
    if is_missed { report(context, cpu, kind::RESCUED) } else { 0 }
}

#[inline(always)]
fn report(context: &BtfTracePointContext, cpu: *mut CpuState, rescued: u8) -> i32 {
    match (context.arg::<i32>(1), context.arg::<i32>(2)) {
        (CLOSE, SYN_SENT) => with_tcp(context, |socket| attempted(socket, cpu, rescued)),
        (SYN_SENT, ESTABLISHED) => with_tcp(context, |socket| connected(socket, rescued)),
        (SYN_SENT, CLOSE) => with_tcp(context, |socket| failed(socket, rescued)),
        (SYN_RECV, ESTABLISHED) => with_tcp(context, |socket| accepted(socket, rescued)),
        _ => {}
    }
    0
}

#[inline(always)]
fn with_tcp(context: &BtfTracePointContext, report: impl FnOnce(&Socket)) {
    let socket = Socket::new(context.arg(0));
    if socket.load::<u16>(&OFFSET_SOCK_PROTOCOL) == TCP && scope::watched(&socket) {
        report(&socket);
    }
}

#[inline(always)]
fn attempted(socket: &Socket, cpu: *mut CpuState, rescued: u8) {
    let cookie = socket.cookie();
    // SAFETY: this CPU's state.
    let pending = unsafe { &raw mut (*cpu).pending };
    match claim(pending, cookie) {
        Some(mut attempt) => {
            // The own address was chosen since, and a socket load-balancer may have chosen another peer.
            let tuple = Tuple::of(socket);
            attempt.record.local = tuple.local.octets();
            attempt.record.remote = tuple.remote.octets();
            attempt.record.local_port = tuple.local_port;
            attempt.record.remote_port = tuple.remote_port;
            attempt.record.family = tuple.family;
            attempt.record.kind = kind::ATTEMPT | rescued;
            emit::attempt(attempt, Loss::Attempt);
        }
        None => emit::attempt(unhooked_attempt(socket, cookie, rescued), Loss::Attempt),
    }
}

/// Takes the attempt that the connect hook has noted. The socket goes out first, so that a task which preempts
/// this one finds none; the thread proves that no such task has written into it.
#[inline(always)]
fn claim(pending: *mut AttemptRecord, cookie: u64) -> Option<AttemptRecord> {
    // SAFETY: this CPU's slot.
    unsafe {
        if (*pending).record.socket != cookie {
            return None;
        }
        (&raw mut (*pending).record.socket).write_volatile(0);
        let mut attempt = pending.read();
        attempt.record.socket = cookie;
        (attempt.thread == bpf_get_current_pid_tgid() as u32).then_some(attempt)
    }
}

/// 1 when the connect hooks will be attached; otherwise there is nothing to claim.
#[unsafe(no_mangle)]
static CONNECT_HOOKS: Global<u8> = Global::new(1);

/// An attempt that no connect hook has noted, or that another CPU's has: then its mark voids what that one says.
#[inline(always)]
fn unhooked_attempt(socket: &Socket, cookie: u64, rescued: u8) -> AttemptRecord {
    let time = now();
    // An attempt that passed no connect hook comes here too; user space sweeps its mark.
    if CONNECT_HOOKS.load() != 0 && UNPAIRED.insert(cookie, time, 0).is_err() {
        emit::lost(Loss::Unpaired, emit::row_of(rescued));
    }
    let tuple = Tuple::of(socket);
    let fact = Fact { kind: kind::ATTEMPT | rescued, error: 0, cookie, time };
    let Caller { process, thread, command } = Caller::current();
    AttemptRecord { record: emit::record(socket, &tuple, &fact), process, thread, command }
}

#[inline(always)]
fn connected(socket: &Socket, rescued: u8) {
    outcome(socket, (kind::CONNECTED, rescued), Loss::Connected);
}

#[inline(always)]
fn accepted(socket: &Socket, rescued: u8) {
    outcome(socket, (kind::ACCEPTED, rescued), Loss::Accepted);
}

#[inline(always)]
fn outcome(socket: &Socket, (kind, rescued): (u8, u8), loss: Loss) {
    let tuple = Tuple::of(socket);
    let kind = rescued | if tuple.is_self_connected() { kind::CONNECTED } else { kind };
    let fact = Fact { kind, error: 0, cookie: socket.cookie(), time: now() };
    emit::outcome(emit::record(socket, &tuple, &fact), loss);
}

#[inline(always)]
fn failed(socket: &Socket, rescued: u8) {
    let error = socket.load_optional::<i32>(&OFFSET_SOCK_ERROR).unwrap_or(0) as u16;
    let fact = Fact { kind: kind::FAILED | rescued, error, cookie: socket.cookie(), time: now() };
    emit::outcome(emit::record(socket, &Tuple::of(socket), &fact), Loss::Failed);
}

/// Nanoseconds on `CLOCK_BOOTTIME` (5.8).
#[inline(always)]
pub(crate) fn now() -> u64 {
    // SAFETY: a helper without arguments.
    unsafe { bpf_ktime_get_boot_ns() }
}
