//! Which programs run before others on a hook of the cgroup tree.
//!
//! A socket load-balancer is such a program: it puts a backend in place of the service that the application named. Who runs
//! ahead of it sees the service, who runs behind it the backend. A group's own programs run before those of the groups
//! above it, in the order of their attachment, so that ours at the root would run last of all; since 6.17 a link may ask to
//! be the first of its group.
//!
//! `BPF_F_PREORDER` would put ours before those of the groups below as well. Before 6.18.40 it lets the kernel mix up
//! whose program is whose when another owner replaces one (CVE-2026-72427): an auditor does not risk that.
#![expect(unsafe_code, reason = "aya has neither these flags nor this question")]

use std::{
    ffi::CStr,
    fs::File,
    io,
    mem::offset_of,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
    path::Path,
};

use aya::util::KernelVersion;
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
    /// As users know the hook (`SEC()` names of libbpf).
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Connect4 => "connect4",
            Self::Connect6 => "connect6",
            Self::SendMessage4 => "sendmsg4",
            Self::SendMessage6 => "sendmsg6",
            Self::ReceiveMessage4 => "recvmsg4",
            Self::ReceiveMessage6 => "recvmsg6",
        }
    }

    /// Those in which a program can choose the peer.
    const CHOOSING: [Self; 4] = [Self::Connect4, Self::Connect6, Self::SendMessage4, Self::SendMessage6];
}

/// What the names of our programs on these hooks begin with (`probe-ebpf/src/main.rs`).
const OURS: &str = "flowdrift_";

/// `enum bpf_cmd` (linux/bpf.h).
const BPF_PROG_GET_FD_BY_ID: libc::c_long = 13;
const BPF_OBJ_GET_INFO_BY_FD: libc::c_long = 15;
const BPF_PROG_QUERY: libc::c_long = 16;
const BPF_LINK_CREATE: libc::c_long = 28;

/// Whether this kernel lets a link ask for the first place (kernel/bpf/cgroup.c, `cgroup_bpf_link_attach`, 6.17).
pub(super) fn can_be_first() -> bool {
    KernelVersion::current().is_ok_and(|found| found >= KernelVersion::new(6, 17, 0))
}

/// Attaches a loaded program as the first of a group, for as long as the link is held.
///
/// # Errors
///
/// When the kernel refuses: see [`can_be_first`].
pub(super) fn link_first(program: BorrowedFd<'_>, group: &File, call: Call) -> io::Result<OwnedFd> {
    /// `BPF_F_BEFORE`, and before nobody in particular: before all.
    const FIRST: u32 = 1 << 3;
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
        flags: FIRST,
    };
    descriptor(BPF_LINK_CREATE, &mut attributes)
}

/// Other owners' programs that can choose the peers of calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Choosers {
    /// Whether there are any at the root, where ours are.
    pub(super) at_root: bool,
    /// Whether there are any below it.
    pub(super) below: bool,
    /// Why there may be more.
    pub(super) unknown: Option<String>,
}

impl Choosers {
    /// Looks for them in the whole tree.
    pub(super) fn of(tree: &CgroupTree) -> Self {
        let mut choosers = Self::default();
        let (groups, unread) = tree.groups();
        choosers.unknown = unread.map(|cause| cause.to_string());
        for (index, group) in groups.iter().enumerate() {
            match has_others(group) {
                Ok(true) if index == 0 => choosers.at_root = true,
                Ok(true) => choosers.below = true,
                Ok(false) => {}
                // It went meanwhile.
                Err(cause) if cause.raw_os_error() == Some(libc::ENOENT) => {}
                Err(cause) => {
                    choosers.unknown.get_or_insert_with(|| format!("{}: {cause}", group.display()));
                }
            }
        }
        choosers
    }

    /// Whether peers may be chosen by others.
    pub(super) fn may_be(&self) -> bool {
        self.at_root || self.below || self.unknown.is_some()
    }
}

/// What runs before our programs.
pub(super) struct Behind {
    pub(super) choosers: Choosers,
    /// Why a program of ours is not the first, where the kernel could do it.
    pub(super) not_first: Vec<String>,
    /// Whether packets show UDP.
    pub(super) by_packets: bool,
}

impl Behind {
    /// Why services may be known by their backends only.
    pub(super) fn in_words(&self) -> Vec<String> {
        const LAST: &str =
            "this kernel runs programs that choose peers before ours (6.17 lets ours be first)";
        const BELOW: &str =
            "a group below the root has a program that chooses peers, and that runs before ours";
        const PACKETS: &str = "of connected UDP sockets packets show the backend alone";
        let Self { choosers: Choosers { at_root, below, unknown }, not_first, by_packets } = self;
        let unknown = unknown.iter().map(|why| format!("nobody knows who chooses peers: {why}"));
        let mut words: Vec<String> = unknown.collect();
        if *at_root || *below {
            words.extend(not_first.iter().cloned());
        }
        match (can_be_first(), at_root, below) {
            (_, false, false) => {}
            (false, ..) => words.push(LAST.to_owned()),
            (true, _, true) => words.push(BELOW.to_owned()),
            (true, ..) if *by_packets => words.push(PACKETS.to_owned()),
            (true, ..) => {}
        }
        words
    }
}

/// Whether a group has such programs that no recorder has attached.
fn has_others(group: &Path) -> io::Result<bool> {
    let group = File::open(group)?;
    for call in Call::CHOOSING {
        let Some(programs) = programs(&group, call)? else { return Ok(true) };
        for program in programs {
            if !is_ours(program)? {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Ids of the programs that a group has itself; `None` when they are too many to be ours.
fn programs(group: &File, call: Call) -> io::Result<Option<Vec<u32>>> {
    const MANY: usize = 64;
    /// `query` in `union bpf_attr` of 6.17: the kernel writes to its last field, however short it is told that ours is
    /// (CVE-2026-74371); older ones take a longer one whose end is zero.
    #[repr(C)]
    struct Query {
        target: i32,
        attach_type: u32,
        query_flags: u32,
        attach_flags: u32,
        programs: u64,
        count: u32,
        rest_of_word: u32,
        program_attach_flags: u64,
        links: u64,
        link_attach_flags: u64,
        revision: u64,
    }
    const _: () = assert!(size_of::<Query>() == 64 && offset_of!(Query, revision) == 56);
    let mut ids = [0u32; MANY];
    let mut attributes = Query {
        target: group.as_raw_fd(),
        attach_type: call as u32,
        query_flags: 0,
        attach_flags: 0,
        programs: ids.as_mut_ptr() as u64,
        count: MANY as u32,
        rest_of_word: 0,
        program_attach_flags: 0,
        links: 0,
        link_attach_flags: 0,
        revision: 0,
    };
    match bpf(BPF_PROG_QUERY, &mut attributes) {
        Ok(_) => Ok(Some(ids[..MANY.min(attributes.count as usize)].to_vec())),
        Err(cause) if cause.raw_os_error() == Some(libc::ENOSPC) => Ok(None),
        // Without CONFIG_CGROUP_BPF nobody has any.
        Err(cause) if cause.raw_os_error() == Some(libc::EINVAL) => Ok(Some(Vec::new())),
        Err(cause) => Err(cause),
    }
}

/// Whether another recorder has loaded a program. Asking takes CAP_SYS_ADMIN; without it every program is another's.
fn is_ours(program: u32) -> io::Result<bool> {
    /// The first fields of `struct bpf_prog_info`, as far as the name (4.15).
    #[repr(C)]
    struct Info {
        before_name: [u64; 8],
        name: [u8; 16],
    }
    #[repr(C)]
    struct ById {
        id: u32,
        next: u32,
        open_flags: u32,
    }
    #[repr(C)]
    struct ByDescriptor {
        descriptor: i32,
        length: u32,
        info: u64,
    }
    let opened = descriptor(BPF_PROG_GET_FD_BY_ID, &mut ById { id: program, next: 0, open_flags: 0 });
    let program = match opened {
        Ok(program) => program,
        Err(cause) if cause.raw_os_error() == Some(libc::EPERM) => return Ok(false),
        // It went meanwhile.
        Err(cause) if cause.raw_os_error() == Some(libc::ENOENT) => return Ok(true),
        Err(cause) => return Err(cause),
    };
    let mut info = Info { before_name: [0; 8], name: [0; 16] };
    let mut attributes = ByDescriptor {
        descriptor: program.as_raw_fd(),
        length: size_of::<Info>() as u32,
        info: (&raw mut info) as u64,
    };
    bpf(BPF_OBJ_GET_INFO_BY_FD, &mut attributes)?;
    let name = CStr::from_bytes_until_nul(&info.name).unwrap_or_default();
    Ok(name.to_bytes().starts_with(OURS.as_bytes()))
}

/// A command that opens something.
fn descriptor<T>(command: libc::c_long, attributes: &mut T) -> io::Result<OwnedFd> {
    let opened = bpf(command, attributes)?;
    // SAFETY: the kernel has just opened it for us.
    Ok(unsafe { OwnedFd::from_raw_fd(opened) })
}

fn bpf<T>(command: libc::c_long, attributes: &mut T) -> io::Result<i32> {
    // SAFETY: the kernel reads and writes no more of the attributes than they have, by their size or as is said where they
    // are; what they point to outlives the call.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, attributes, size_of::<T>()) };
    Ok(nix::errno::Errno::result(result)? as i32)
}
