//! Programs of the cgroup hooks for socket addresses, written instruction by instruction and attached at the root of the
//! cgroup tree.
#![expect(unsafe_code, reason = "no crate writes BPF programs instruction by instruction")]

use std::{
    fs::File,
    io,
    os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd},
};

use nix::libc;

use crate::group;

/// `enum bpf_attach_type` (linux/bpf.h) of the hooks for IPv4 and IPv6.
pub(super) const CONNECT: [u32; 2] = [10, 11];
/// Likewise.
pub(super) const SEND: [u32; 2] = [14, 15];
/// Likewise.
pub(super) const RECEIVE: [u32; 2] = [19, 20];

/// `struct bpf_insn`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Instruction {
    pub(super) code: u8,
    pub(super) registers: u8,
    pub(super) offset: i16,
    pub(super) immediate: i32,
}

/// `r0 = 1; exit`: lets the call go on.
pub(super) const ALLOW: [Instruction; 2] = [
    Instruction { code: 0xb7, registers: 0x00, offset: 0, immediate: 1 },
    Instruction { code: 0x95, registers: 0x00, offset: 0, immediate: 0 },
];

/// A program that is attached for as long as this lives.
pub(super) struct Attached {
    _link: OwnedFd,
    _program: OwnedFd,
}

/// Loads a program and attaches it behind all others of its hook.
pub(super) fn attach(program: &[Instruction], name: &str, kind: u32) -> io::Result<Attached> {
    let root = File::open(group::root())?;
    let program = load(program, name, kind)?;
    let link = link(&program, &root, kind)?;
    Ok(Attached { _link: link, _program: program })
}

fn load(program: &[Instruction], name_of: &str, kind: u32) -> io::Result<OwnedFd> {
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
    name[..name_of.len()].copy_from_slice(name_of.as_bytes());
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

fn link(program: &OwnedFd, group: &File, kind: u32) -> io::Result<OwnedFd> {
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
