//! A socket load-balancer, as Cilium's: programs at the root of the cgroup tree that put a backend in place of a service
//! in `connect()` and `sendmsg()`, and the service in place of the backend in `recvmsg()`.
#![expect(unsafe_code, reason = "no crate writes BPF programs instruction by instruction")]

use std::{
    fs::File,
    io,
    net::{IpAddr, SocketAddr},
    os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd},
};

use nix::libc;

use crate::group;

/// `enum bpf_attach_type` (linux/bpf.h) of the hooks for IPv4 and IPv6.
const CONNECT: [u32; 2] = [10, 11];
const SEND: [u32; 2] = [14, 15];
const RECEIVE: [u32; 2] = [19, 20];

/// Puts one address in place of another for as long as it lives.
pub struct Balancer {
    _links: Vec<OwnedFd>,
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
        let root = File::open(group::root()).expect("the root of the cgroup tree");
        let hooks = [(CONNECT, service, backend), (SEND, service, backend), (RECEIVE, backend, service)];
        let link = |(kinds, from, to): ([u32; 2], SocketAddr, SocketAddr)| {
            let kind = kinds[family];
            let program = load(&translation(from, to), kind).expect("the verifier takes it");
            attach(&program, &root, kind).expect("it can be attached")
        };
        Self { _links: hooks.map(link).into() }
    }
}

/// `struct bpf_insn`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Instruction {
    code: u8,
    registers: u8,
    offset: i16,
    immediate: i32,
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
    // r0 = 1; exit.
    program.push(instruction(0xb7, 0x00, 0, 1));
    program.push(instruction(0x95, 0x00, 0, 0));
    program
}

fn load(program: &[Instruction], kind: u32) -> io::Result<OwnedFd> {
    /// `BPF_PROG_TYPE_CGROUP_SOCK_ADDR`.
    const SOCK_ADDR: u32 = 18;
    /// Up to `expected_attach_type` (4.17).
    #[repr(C)]
    struct Load {
        program_type: u32,
        instruction_count: u32,
        instructions: u64,
        license: u64,
        log: [u32; 2],
        log_buffer: u64,
        kernel_version: u32,
        flags: u32,
        name: [u8; 16],
        interface: u32,
        expected_attach_type: u32,
    }
    let mut name = [0; 16];
    name[..12].copy_from_slice(b"fdt_balancer");
    let attributes = Load {
        program_type: SOCK_ADDR,
        instruction_count: program.len() as u32,
        instructions: program.as_ptr() as u64,
        license: c"GPL".as_ptr() as u64,
        log: [0; 2],
        log_buffer: 0,
        kernel_version: 0,
        flags: 0,
        name,
        interface: 0,
        expected_attach_type: kind,
    };
    /// `BPF_PROG_LOAD`.
    const LOAD: libc::c_long = 5;
    bpf(LOAD, &attributes)
}

fn attach(program: &OwnedFd, group: &File, kind: u32) -> io::Result<OwnedFd> {
    #[repr(C)]
    struct Link {
        program: RawFd,
        target: RawFd,
        attach_type: u32,
        flags: u32,
    }
    /// `BPF_LINK_CREATE`.
    const LINK: libc::c_long = 28;
    let (program, target) = (program.as_raw_fd(), group.as_raw_fd());
    bpf(LINK, &Link { program, target, attach_type: kind, flags: 0 })
}

fn bpf<T>(command: libc::c_long, attributes: &T) -> io::Result<OwnedFd> {
    // SAFETY: the kernel reads no more of the attributes than it is told they have, and what they point to outlives the
    // call.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, attributes, size_of::<T>()) };
    let descriptor = nix::errno::Errno::result(result)?;
    // SAFETY: both commands give a descriptor of ours.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor as RawFd) })
}
