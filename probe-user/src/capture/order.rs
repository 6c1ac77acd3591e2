//! Which programs run before others on a hook of the cgroup tree.
//!
//! A socket load-balancer is such a program: it puts a backend in place of the service that the application named. Who runs
//! ahead of it sees the service, who runs behind it the backend. A group's own programs run before those of the groups
//! above it, in the order of their attachment, so that ours at the root would run last; since 6.17 a link may ask to be
//! ahead of all others.
#![expect(unsafe_code, reason = "aya has neither these flags nor this question")]

use std::{
    fs::File,
    io,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
};

use nix::libc;

use super::cgroups::CgroupTree;

/// `enum bpf_attach_type` (linux/bpf.h), as far as it is needed here.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Connect4 = 10,
    Connect6 = 11,
    SendMessage4 = 14,
    SendMessage6 = 15,
    ReceiveMessage4 = 19,
    ReceiveMessage6 = 20,
}

impl Call {
    /// Those in which a program can choose the peer.
    const CHOOSING: [Self; 4] = [Self::Connect4, Self::Connect6, Self::SendMessage4, Self::SendMessage6];
}

/// `enum bpf_cmd` (linux/bpf.h).
const BPF_PROG_QUERY: libc::c_long = 16;
const BPF_LINK_CREATE: libc::c_long = 28;

/// Attaches a loaded program ahead of all others, for as long as the link is held.
///
/// # Errors
///
/// When the kernel refuses: before 6.17 it takes no flags (kernel/bpf/cgroup.c, `cgroup_bpf_link_attach`).
pub(super) fn link_ahead(program: BorrowedFd<'_>, group: &File, call: Call) -> io::Result<OwnedFd> {
    /// `BPF_F_BEFORE` without another program: before all. `BPF_F_PREORDER`: also before those of groups below.
    const AHEAD: u32 = 1 << 3 | 1 << 6;
    /// The first fields of `link_create` in `union bpf_attr`.
    #[repr(C)]
    struct LinkCreate {
        program: i32,
        target: i32,
        attach_type: u32,
        flags: u32,
    }
    let mut attributes = LinkCreate {
        program: program.as_raw_fd(),
        target: group.as_raw_fd(),
        attach_type: call as u32,
        flags: AHEAD,
    };
    let link = bpf(BPF_LINK_CREATE, &mut attributes)?;
    // SAFETY: the kernel has just opened it for us.
    Ok(unsafe { OwnedFd::from_raw_fd(link) })
}

/// Whether any group has a program that can choose the peers of calls.
///
/// # Errors
///
/// When a group of the tree, which was there, does not tell.
pub(super) fn are_peers_chosen(tree: &CgroupTree) -> io::Result<bool> {
    for group in tree.groups() {
        let file = match File::open(&group) {
            Ok(file) => file,
            // It went meanwhile.
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => continue,
            Err(cause) => return Err(cause),
        };
        for call in Call::CHOOSING {
            match count(&file, call) {
                Ok(0) => {}
                Ok(_) => return Ok(true),
                Err(cause) if cause.raw_os_error() == Some(libc::ENOENT) => break,
                Err(cause) => return Err(cause),
            }
        }
    }
    Ok(false)
}

/// How many programs a group has itself.
fn count(group: &File, call: Call) -> io::Result<u32> {
    /// `query` in `union bpf_attr`, as long as in 4.17 (the kernel takes a shorter one).
    #[repr(C)]
    struct Query {
        target: i32,
        attach_type: u32,
        query_flags: u32,
        attach_flags: u32,
        programs: u64,
        count: u32,
        rest_of_word: u32,
    }
    let mut attributes = Query {
        target: group.as_raw_fd(),
        attach_type: call as u32,
        query_flags: 0,
        attach_flags: 0,
        programs: 0,
        count: 0,
        rest_of_word: 0,
    };
    bpf(BPF_PROG_QUERY, &mut attributes)?;
    Ok(attributes.count)
}

fn bpf<T>(command: libc::c_long, attributes: &mut T) -> io::Result<i32> {
    // SAFETY: the kernel reads and writes no more of the attributes than it is told they have.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, attributes, size_of::<T>()) };
    Ok(nix::errno::Errno::result(result)? as i32)
}
