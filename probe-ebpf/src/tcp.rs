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
    attempts, clock,
    cpu::Cpu,
    emit::{self, Caller},
    layout::rarely,
    offsets::{OFFSET_SOCK_ERROR, OFFSET_SOCK_LOCAL_PORT, OFFSET_SOCK_PROTOCOL},
    record::{self, AttemptWords},
    rescue::{self, Program},
    ring::{Place, Ring},
    scope,
    socket::Socket,
    spill,
    tuple::Tuple,
};

/// States of a TCP socket (include/net/tcp_states.h; fixed since 2.6).
const ESTABLISHED: i32 = 1;
const SYN_SENT: i32 = 2;
const SYN_RECV: i32 = 3;
const CLOSE: i32 = 7;

/// `IPPROTO_TCP`; MPTCP's own socket is 262 and repeats what its subflows report.
const TCP: u16 = 6;

/// What a change of state says of a connection.
#[derive(Clone, Copy)]
enum Change {
    Attempted,
    Connected,
    Failed,
    Accepted,
}

impl Change {
    /// Most changes say nothing: they belong to the way a connection ends. They pass straight through, within the first
    /// cache line of the code; the others jump.
    #[inline(always)]
    fn of(context: &BtfTracePointContext) -> Option<Self> {
        let change = match (context.arg::<i32>(1), context.arg::<i32>(2)) {
            (CLOSE, SYN_SENT) => rarely(Self::Attempted),
            (SYN_SENT, ESTABLISHED) => rarely(Self::Connected),
            (SYN_SENT, CLOSE) => rarely(Self::Failed),
            (SYN_RECV, ESTABLISHED) => rarely(Self::Accepted),
            _ => return None,
        };
        Some(change)
    }

    /// A number for this change of this socket, as `rescue.rs` marks it.
    #[inline(always)]
    fn of_socket(self, cookie: u64) -> u64 {
        cookie << rescue::CHANGES | self as u64
    }
}

/// Reports a change of state, if it is one that says something.
#[inline(always)]
pub(crate) fn state_changed(context: &BtfTracePointContext) -> i32 {
    let Some(change) = Change::of(context) else { return 0 };
    let Some(cpu) = Cpu::current() else { return 0 };
    let socket = Socket::new(context.arg(0));
    if is_of_interest(&socket) {
        // While nobody has asked for its cookie it has passed no connect hook.
        let is_new = socket.known_cookie() == 0;
        let cookie = socket.cookie();
        rescue::mark(cpu, change.of_socket(cookie));
        report(change, Seen { socket, cookie, cpu }, is_new, Program::First);
    }
    0
}

/// Reports a change of state that the first program was not run for.
#[inline(always)]
pub(crate) fn state_change_missed(context: &BtfTracePointContext) -> i32 {
    let Some(change) = Change::of(context) else { return 0 };
    let Some(cpu) = Cpu::current() else { return 0 };
    let socket = Socket::new(context.arg(0));
    let known = socket.known_cookie();
    // The first program gives a cookie to what it reports.
    let is_new = known == 0;
    // In this order, since nearly all are marked.
    if (is_new || !rescue::is_marked(cpu, change.of_socket(known))) && is_of_interest(&socket) {
        let cookie = socket.cookie();
        if rescue::is_remembered(change.of_socket(cookie)) {
            return 0;
        }
        rescue::count(cpu);
        report(change, Seen { socket, cookie, cpu }, is_new, Program::Second);
    }
    0
}

#[inline(always)]
fn is_of_interest(socket: &Socket) -> bool {
    socket.load::<u16>(&OFFSET_SOCK_PROTOCOL) == TCP && scope::watched(socket)
}

/// What every change needs.
struct Seen {
    socket: Socket,
    cookie: u64,
    cpu: Cpu,
}

#[inline(always)]
fn report(change: Change, Seen { socket, cookie, cpu }: Seen, is_new: bool, by: Program) {
    match change {
        Change::Attempted => attempted(socket, cookie, cpu, by),
        Change::Connected => connected(socket, cookie, cpu, by),
        Change::Failed => failed(socket, cookie, cpu, by),
        Change::Accepted => accepted(socket, cookie, cpu, by, is_new),
    }
}

// Each of these is a function of its own, called by both programs: the changes that say nothing do not pay for the
// registers and the stack that it needs. Below 64 bytes that is the kernel's own stack and therefore warm
// (kernel/bpf/verifier.c, `BPF_PRIV_STACK_MIN_SIZE`, 6.13).

#[inline(never)]
fn attempted(socket: Socket, cookie: u64, cpu: Cpu, by: Program) {
    // The own address was chosen since, and a socket load-balancer may have chosen another peer.
    let change = |attempt: &mut AttemptWords| write_attempt(attempt, &socket, kind::ATTEMPT);
    if !attempts::sent(cookie, change) {
        attempted_alone(socket, cookie, cpu, by);
    }
}

/// No connect hook, or the slot went to another: the record goes alone.
#[inline(never)]
fn attempted_alone(socket: Socket, cookie: u64, cpu: Cpu, by: Program) {
    spill::withdraw(cookie);
    let (time, caller) = (clock::now(cpu), Caller::current());
    let Some(mut place) = Place::claim(by.ring(cpu, Change::Attempted.of_socket(cookie))) else {
        return emit::lost(socket.cgroup(), Loss::Attempt);
    };
    let words = place.record();
    record::write_socket(words, time, cookie, &socket);
    write_attempt(words, &socket, kind::SENT | by.flag());
    record::write_caller(words, &caller);
    place.publish();
}

#[inline(always)]
fn write_attempt(words: &mut AttemptWords, socket: &Socket, kind: u8) {
    Tuple::read(socket, |tuple| record::write_fact(words, tuple, 0, kind | kind::WITH_CALLER));
}

#[inline(never)]
fn connected(socket: Socket, cookie: u64, cpu: Cpu, by: Program) {
    let ring = by.ring(cpu, Change::Connected.of_socket(cookie));
    if !succeeded(&socket, cookie, by, ring) {
        stands(&socket, cookie, cpu, ring, kind::CONNECTED | by.flag(), 0);
    }
}

#[inline(never)]
fn accepted(socket: Socket, cookie: u64, cpu: Cpu, by: Program, is_new: bool) {
    let ring = by.ring(cpu, Change::Accepted.of_socket(cookie));
    let mut kind = kind::ACCEPTED;
    if !is_new {
        // Both ends called connect() at once (RFC 9293, 3.5), or it talks to itself.
        if succeeded(&socket, cookie, by, ring) {
            return;
        }
        Tuple::read(&socket, |tuple| {
            if tuple.is_self_connected() {
                kind = kind::CONNECTED;
            }
        });
    }
    stands(&socket, cookie, cpu, ring, kind | by.flag(), 0);
}

/// The success of an attempt that is in its slot; whether it was.
#[inline(always)]
fn succeeded(socket: &Socket, cookie: u64, by: Program, ring: Ring) -> bool {
    // The SYN has told the addresses; the own port is chosen after it.
    let port = socket.load(&OFFSET_SOCK_LOCAL_PORT);
    let change = |attempt: &mut AttemptWords| record::set_success(attempt, kind::CONNECTED | by.flag(), port);
    attempts::conclude(cookie, ring, change)
}

/// The outcome by itself.
#[inline(always)]
fn stands(socket: &Socket, cookie: u64, cpu: Cpu, ring: Ring, kind: u8, error: u16) {
    let time = clock::now(cpu);
    match Place::claim(ring) {
        Some(mut place) => {
            write_outcome(place.record(), time, socket, cookie, (kind, error));
            place.publish();
        }
        None => overflow(*socket, cookie, time, kind, error),
    }
}

#[inline(always)]
fn write_outcome(words: &mut AttemptWords, time: u64, socket: &Socket, cookie: u64, what: (u8, u16)) {
    let (kind, error) = what;
    record::write_socket(words, time, cookie, socket);
    Tuple::read(socket, |tuple| record::write_fact(words, tuple, error, kind));
}

/// Apart, since the record needs room on the stack.
#[inline(never)]
fn overflow(socket: Socket, cookie: u64, time: u64, kind: u8, error: u16) {
    let mut words: AttemptWords = [0; _];
    write_outcome(&mut words, time, &socket, cookie, (kind, error));
    emit::overflow(&words);
}

#[inline(never)]
fn failed(socket: Socket, cookie: u64, cpu: Cpu, by: Program) {
    let error = socket.load_optional::<i32>(&OFFSET_SOCK_ERROR).unwrap_or(0) as u16;
    let time = clock::now(cpu);
    let ring = by.ring(cpu, Change::Failed.of_socket(cookie));
    let is_noted = attempts::conclude(cookie, ring, |attempt| {
        // The socket may have lost its addresses already; the attempt keeps them.
        // Another CPU's clock may have stood at an earlier tick.
        let microseconds = time.saturating_sub(record::time(attempt)) / 1_000;
        let elapsed = if microseconds < u64::from(u32::MAX) { microseconds as u32 } else { u32::MAX };
        record::set_failure(attempt, kind::FAILED | by.flag(), error, elapsed);
    });
    if !is_noted {
        stands(&socket, cookie, cpu, ring, kind::FAILED | by.flag(), error);
    }
}
