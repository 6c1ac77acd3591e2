//! A socket load-balancer, as Cilium's: programs at the root of the cgroup tree that put a backend in place of a service
//! in `connect()` and `sendmsg()`, and the service in place of the backend in `recvmsg()`.

use std::net::{IpAddr, SocketAddr};

use super::instructions::{self, Attached, CONNECT, Instruction, RECEIVE, SEND};

/// Puts one address in place of another for as long as it lives.
pub struct Balancer {
    _attached: Vec<Attached>,
}

impl Balancer {
    /// Sends what is for `service` to `backend`, of whatever process.
    ///
    /// # Panics
    ///
    /// When the kernel refuses, or there is no cgroup-v2 tree.
    #[must_use]
    pub fn new(service: SocketAddr, backend: SocketAddr) -> Self {
        let family = usize::from(service.is_ipv6());
        let hooks = [(CONNECT, service, backend), (SEND, service, backend), (RECEIVE, backend, service)];
        let attach = |(kinds, from, to): ([u32; 2], SocketAddr, SocketAddr)| {
            let program = translation(from, to);
            instructions::attach(&program, "fdt_balancer", kinds[family]).expect("the kernel takes it")
        };
        Self { _attached: hooks.map(attach).into() }
    }
}

/// Of `struct bpf_sock_addr` (linux/bpf.h).
const USER_IP4: i16 = 4;
const USER_IP6: i16 = 8;
const USER_PORT: i16 = 24;

/// Lets every call go on, and changes the address and port of those that are for `from`.
fn translation(from: SocketAddr, to: SocketAddr) -> Vec<Instruction> {
    let fields = |socket: SocketAddr| -> Vec<(i16, u32)> {
        let address = match socket.ip() {
            IpAddr::V4(address) => vec![(USER_IP4, u32::from_ne_bytes(address.octets()))],
            IpAddr::V6(address) => {
                let octets = address.octets();
                let (words, _) = octets.as_chunks::<4>();
                let offsets = (USER_IP6..).step_by(size_of::<u32>());
                offsets.zip(words.iter().map(|word| u32::from_ne_bytes(*word))).collect()
            }
        };
        address.into_iter().chain([(USER_PORT, u32::from(socket.port().to_be()))]).collect()
    };
    let instruction = |code, registers, offset, immediate| Instruction { code, registers, offset, immediate };
    // BPF_LDX | BPF_MEM | BPF_W, BPF_JMP32 | BPF_JNE | BPF_K, BPF_ALU | BPF_MOV | BPF_K, BPF_STX | BPF_MEM | BPF_W.
    let (load, unless, set, store) = (0x61, 0x56, 0xb4, 0x63);
    let (wanted, given) = (fields(from), fields(to));
    let mut program = vec![];
    for (index, (field, value)) in wanted.iter().enumerate() {
        // Past the other comparisons and the assignments.
        let past = 2 * (wanted.len() - index - 1) + 2 * given.len();
        program.push(instruction(load, 0x12, *field, 0));
        program.push(instruction(unless, 0x02, past as i16, value.cast_signed()));
    }
    for (field, value) in given {
        program.push(instruction(set, 0x02, 0, value.cast_signed()));
        program.push(instruction(store, 0x21, field, 0));
    }
    program.extend(instructions::ALLOW);
    program
}
