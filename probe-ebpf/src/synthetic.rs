//! Made-up records, for measuring the way from the rings to a verdict (`BPF_PROG_TEST_RUN`). Only in an object that is built
//! for it, by the feature `synthetic`: the one that users load has nothing of this.

use aya_ebpf::{
    Global,
    bindings::BPF_F_MMAPABLE,
    btf_maps::{Array, RingBuf},
    macros::{btf_map, classifier},
    programs::TcContext,
};
use probe_common::{AttemptRecord, Dialled, family, kind, synthetic::Flow};

use crate::{
    clock,
    cpu::Cpu,
    emit::{Caller, hand_over},
    record::{self, AttemptWords},
    rescue,
    ring::Ring,
    tuple::{Address, Tuple},
};

/// How many flows the records are about.
#[unsafe(no_mangle)]
static SYNTHETIC_FLOWS: Global<u64> = Global::new(1);

/// The namespace's cookie, and the cgroup's id, of all sockets.
#[unsafe(no_mangle)]
static SYNTHETIC_NETNS: Global<u64> = Global::new(0);

/// See [`SYNTHETIC_NETNS`].
#[unsafe(no_mangle)]
static SYNTHETIC_CGROUP: Global<u64> = Global::new(0);

/// How many records were written, in either way, and how many of them were lost in the kernel's ring buffer. Written by the
/// programs here, each on one CPU at a time; read by user space.
#[btf_map]
static SYNTHETIC_COUNTS: Array<u64, 2, { BPF_F_MMAPABLE as usize }> = Array::new();

/// The kernel's own ring buffer, of the size that the rings have by default: for the comparison.
#[btf_map]
static SYNTHETIC_STOCK: RingBuf<AttemptWords, { 16 << 20 }> = RingBuf::new();

/// Their sockets' cookies are this and more, which no socket's are.
const SOCKETS: u64 = 1 << 48;

/// Writes the next record to the rings, as `tcp_state` would.
#[classifier]
fn synthetic(_context: TcContext) -> i32 {
    let (Some(written), Some(cpu)) = (SYNTHETIC_COUNTS.get_ptr_mut(0), Cpu::current()) else { return 0 };
    // SAFETY: a map's value that nobody else writes.
    let number = unsafe { *written };
    let mut words: AttemptWords = [0; size_of::<AttemptRecord>() / 8];
    write(&mut words, number, clock::now(cpu));
    let nowhere = Dialled { rest_of_word: 0, port: 0, address: [0; 2] };
    hand_over(Ring::Own(cpu, (SOCKETS + number) << rescue::CHANGES), &words, &nowhere);
    // SAFETY: as above.
    unsafe { *written = number + 1 };
    0
}

/// Writes the next record to the kernel's own ring buffer, which wakes its reader as it sees fit.
#[classifier]
fn synthetic_stock(_context: TcContext) -> i32 {
    let (Some(written), Some(lost), Some(cpu)) =
        (SYNTHETIC_COUNTS.get_ptr_mut(0), SYNTHETIC_COUNTS.get_ptr_mut(1), Cpu::current())
    else {
        return 0;
    };
    // SAFETY: as above.
    let number = unsafe { *written };
    match SYNTHETIC_STOCK.reserve(0) {
        Some(mut place) => {
            // SAFETY: words of eight bytes, all of which are written here.
            let words = unsafe { &mut *place.as_mut_ptr() };
            write(words, number, clock::now(cpu));
            place.submit(0);
        }
        // SAFETY: as above.
        None => unsafe { *lost += 1 },
    }
    // SAFETY: as above.
    unsafe { *written = number + 1 };
    0
}

#[inline(always)]
fn write(words: &mut AttemptWords, number: u64, time: u64) {
    const COMMAND: [u64; 2] = [u64::from_ne_bytes(*b"syntheti"), u64::from_ne_bytes(*b"c\0\0\0\0\0\0\0")];
    let flow = Flow::of_record(number, SYNTHETIC_FLOWS.load());
    record::write_ids(words, [time, SOCKETS + number], [SYNTHETIC_CGROUP.load(), SYNTHETIC_NETNS.load()]);
    let address = |block: u32, address: u32| match flow.is_v6() {
        true => Address::v6([block.to_be(), 0, 0, address.to_be()]),
        false => Address::v4(address.to_be()),
    };
    let client = 32_768 | number as u16;
    let (local_port, remote_port) =
        if flow.is_server() { (Flow::PORT, client) } else { (client, Flow::PORT) };
    let tuple = Tuple {
        local: address(Flow::OWN_V6, flow.own()),
        remote: address(Flow::PEERS_V6, flow.peer()),
        local_port,
        remote_port,
        family: if flow.is_v6() { family::V6 } else { family::V4 },
    };
    let kind = if flow.is_server() { kind::ACCEPTED } else { kind::CONNECTED | kind::WITH_CALLER };
    record::write_fact(words, &tuple, 0, kind);
    record::write_caller(words, &Caller { process: 1, command: COMMAND });
}
