//! Made-up records as the program writes them (`probe-ebpf/src/synthetic.rs`), without a kernel.

use std::mem::offset_of;

use flowdrift::capture::decode::Words;
use probe_common::{AttemptRecord, Record, kind, synthetic::Flow};

/// The record of a number, of so many flows.
#[must_use]
pub fn record(number: u64, flows: u64) -> Words {
    let flow = Flow::of_record(number, flows);
    let mut words: Words = [0; _];
    let address = |block: u32, address: u32| match flow.is_v6() {
        true => [u64::from(block) << 32, address.into()],
        false => [0, 0xffff << 32 | u64::from(address)],
    };
    let mut set = |offset: usize, word| words[offset / size_of::<u64>()] = word;
    set(offset_of!(Record, time), number);
    set(offset_of!(Record, socket), number + 1);
    set(offset_of!(Record, cgroup), 7);
    set(offset_of!(Record, netns), 8);
    for (offset, [upper, lower]) in [
        (offset_of!(Record, local), address(Flow::OWN_V6, flow.own())),
        (offset_of!(Record, remote), address(Flow::PEERS_V6, flow.peer())),
    ] {
        set(offset, upper.to_be());
        set(offset + size_of::<u64>(), lower.to_be());
    }
    let client = 32_768 | number as u16;
    let (local, remote) = if flow.is_server() { (Flow::PORT, client) } else { (client, Flow::PORT) };
    let kind = if flow.is_server() { kind::ACCEPTED } else { kind::CONNECTED | kind::WITH_CALLER };
    let [local, remote] = [local, remote].map(u16::to_ne_bytes);
    set(
        offset_of!(Record, local_port),
        u64::from_ne_bytes([local[0], local[1], remote[0], remote[1], 0, 0, kind, 4]),
    );
    set(offset_of!(AttemptRecord, process), 1);
    set(offset_of!(AttemptRecord, command), u64::from_ne_bytes(*b"made-up\0"));
    words
}
