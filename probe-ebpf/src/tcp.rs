//! TCP: what the socket's state machine tells.
//!
//! | transition | fact |
//! |---|---|
//! | CLOSE → SYN_SENT | attempt; `connect()`'s caller is the current task |
//! | SYN_SENT → ESTABLISHED | success |
//! | SYN_SENT → CLOSE | failure, with `sk_err` |
//! | SYN_RECV → ESTABLISHED | accept, or the success of a self-connect or simultaneous open |

use aya_ebpf::programs::BtfTracePointContext;
use probe_common::{Loss, kind};

use crate::{
    attempts,
    emit::{self, Caller},
    maps,
    offsets::{OFFSET_SOCK_ERROR, OFFSET_SOCK_LOCAL_PORT, OFFSET_SOCK_PROTOCOL},
    record::{self, AttemptWords, Fact, Words},
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
    rescue::mark(cpu, context.arg(0));
    report(context, 0)
}

/// Reports a change of state that the first program was not run for.
#[inline(always)]
pub(crate) fn state_change_missed(context: &BtfTracePointContext) -> i32 {
    let Some(cpu) = maps::cpu() else { return 0 };
    if rescue::is_missed(cpu, context.arg(0)) { report(context, kind::RESCUED) } else { 0 }
}

#[inline(always)]
fn report(context: &BtfTracePointContext, rescued: u8) -> i32 {
    match (context.arg::<i32>(1), context.arg::<i32>(2)) {
        (CLOSE, SYN_SENT) => with_tcp(context, |socket| attempted(socket, rescued)),
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
fn attempted(socket: &Socket, rescued: u8) {
    let cookie = socket.cookie();
    let tuple = Tuple::of(socket);
    // The own address was chosen since, and a socket load-balancer may have chosen another peer.
    let change = |attempt: &mut AttemptWords| record::set_tuple(attempt, &tuple, kind::ATTEMPT);
    if !attempts::update(cookie, change) {
        // No connect hook, or the slot went to another: the record goes alone.
        let mut words: AttemptWords = [0; _];
        record::write(&mut words, &fact(socket, cookie, kind::ATTEMPT | rescued), &tuple);
        record::write_caller(&mut words, &Caller::current());
        emit::hand_over(&words, Loss::Attempt);
    }
}

/// A fact that only the socket tells, now.
#[inline(always)]
fn fact(socket: &Socket, cookie: u64, kind: u8) -> Fact {
    Fact { time: emit::now(), socket: cookie, cgroup: socket.cgroup(), netns: socket.netns(), kind, error: 0 }
}

#[inline(always)]
fn connected(socket: &Socket, rescued: u8) {
    let cookie = socket.cookie();
    if !succeeded(socket, cookie, rescued) {
        stands(socket, &fact(socket, cookie, kind::CONNECTED | rescued), Loss::Connected);
    }
}

#[inline(always)]
fn accepted(socket: &Socket, rescued: u8) {
    match socket.known_cookie() {
        // Nobody has asked for its cookie yet: it has passed no connect hook.
        0 => stands(socket, &fact(socket, socket.cookie(), kind::ACCEPTED | rescued), Loss::Accepted),
        // Both ends called connect() at once (RFC 9293, 3.5), or it talks to itself.
        known if succeeded(socket, known, rescued) => {}
        known if Tuple::of(socket).is_self_connected() => {
            stands(socket, &fact(socket, known, kind::CONNECTED | rescued), Loss::Connected);
        }
        known => stands(socket, &fact(socket, known, kind::ACCEPTED | rescued), Loss::Accepted),
    }
}

/// The success of an attempt that is in its slot; whether it was.
#[inline(always)]
fn succeeded(socket: &Socket, cookie: u64, rescued: u8) -> bool {
    // The SYN has told the addresses; the own port is chosen after it.
    let port = socket.load(&OFFSET_SOCK_LOCAL_PORT);
    let change = |attempt: &mut AttemptWords| record::set_success(attempt, kind::CONNECTED | rescued, port);
    attempts::conclude(cookie, Loss::Connected, change)
}

/// The outcome by itself.
#[inline(always)]
fn stands(socket: &Socket, fact: &Fact, loss: Loss) {
    let mut words: Words = [0; _];
    record::write(&mut words, fact, &Tuple::of(socket));
    emit::hand_over(&words, loss);
}

#[inline(always)]
fn failed(socket: &Socket, rescued: u8) {
    let cookie = socket.cookie();
    let error = socket.load_optional::<i32>(&OFFSET_SOCK_ERROR).unwrap_or(0) as u16;
    let kind = kind::FAILED | rescued;
    let time = emit::now();
    let is_noted = attempts::conclude(cookie, Loss::Failed, |attempt| {
        // The socket may have lost its addresses already; the attempt keeps them.
        let microseconds = time.wrapping_sub(record::time(attempt)) / 1_000;
        let elapsed = if microseconds < u64::from(u32::MAX) { microseconds as u32 } else { u32::MAX };
        record::set_failure(attempt, kind, error, elapsed);
    });
    if !is_noted {
        stands(socket, &Fact { error, ..fact(socket, cookie, kind) }, Loss::Failed);
    }
}
