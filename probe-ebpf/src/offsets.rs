//! Where the running kernel keeps the fields that the hooks read.
//!
//! The loader sets every value from `/sys/kernel/btf/vmlinux` before loading. The section is then frozen, so
//! the verifier knows the values as constants: a load at an offset is proven like one in C, and a branch on an
//! absent field is removed.

use aya_ebpf::Global;

/// The value of a field that this kernel does not have.
const ABSENT: u32 = u32::MAX;

/// Offset in bytes of one field, [`ABSENT`] until the loader says otherwise.
#[repr(transparent)]
pub(crate) struct Offset(Global<u32>);

impl Offset {
    const fn unset() -> Self {
        Self(Global::new(ABSENT))
    }

    /// The offset; only for fields without which the loader refuses to start.
    #[inline(always)]
    pub(crate) fn required(&self) -> usize {
        self.0.load() as usize
    }

    /// The offset, if this kernel has the field.
    #[inline(always)]
    pub(crate) fn optional(&self) -> Option<usize> {
        match self.0.load() {
            ABSENT => None,
            offset => Some(offset as usize),
        }
    }
}

macro_rules! offsets {
    ($($(#[$doc:meta])* $name:ident)*) => {
        $($(#[$doc])* #[unsafe(no_mangle)] pub(crate) static $name: Offset = Offset::unset();)*
    };
}

offsets! {
    /// `sock.__sk_common.skc_family`, u16
    OFFSET_SOCK_FAMILY
    /// `sock.__sk_common.skc_num`, u16, host byte order
    OFFSET_SOCK_LOCAL_PORT
    /// `sock.__sk_common.skc_dport`, u16, network byte order
    OFFSET_SOCK_REMOTE_PORT
    /// `sock.__sk_common.skc_rcv_saddr`, u32, network byte order
    OFFSET_SOCK_LOCAL_V4
    /// `sock.__sk_common.skc_daddr`, u32, network byte order
    OFFSET_SOCK_REMOTE_V4
    /// `sock.__sk_common.skc_v6_rcv_saddr`, 16 bytes
    OFFSET_SOCK_LOCAL_V6
    /// `sock.__sk_common.skc_v6_daddr`, 16 bytes
    OFFSET_SOCK_REMOTE_V6
    /// `sock.sk_protocol`, u16 (u8 and a bit-field before 5.6)
    OFFSET_SOCK_PROTOCOL
    /// `sock.sk_type`, u16 (a bit-field before 5.6)
    OFFSET_SOCK_TYPE
    /// `sock.sk_shutdown`, u8
    OFFSET_SOCK_SHUTDOWN
    /// The byte that has `sock.sk_userlocks` (before 6.8, as a bit-field)
    OFFSET_SOCK_USER_LOCKS
    /// `sock.__sk_common.skc_cookie`, u64 within its atomic type
    OFFSET_SOCK_COOKIE
    /// `sock.sk_err`, int
    OFFSET_SOCK_ERROR
    /// `bpf_sock_addr_kern.sk`, a pointer
    OFFSET_SOCK_ADDR_SOCK
    /// `sk_buff.sk`, a pointer
    OFFSET_PACKET_SOCK
    /// `sock.__sk_common.skc_net.net`, a pointer
    OFFSET_SOCK_NET
    /// `net.net_cookie`, u64 (5.12)
    OFFSET_NET_COOKIE
    /// `sock.sk_cgrp_data.cgroup`, a pointer
    OFFSET_SOCK_CGROUP
    /// `cgroup.kn`, a pointer
    OFFSET_CGROUP_NODE
    /// `cgroup.level`, int
    OFFSET_CGROUP_LEVEL
    /// `cgroup.ancestors`, an array of pointers (6.1)
    OFFSET_CGROUP_ANCESTORS
    /// `kernfs_node.id`, u64
    OFFSET_KERNFS_ID
    /// `task_struct.tgid`, i32
    OFFSET_TASK_PROCESS
    /// `task_struct.comm`, 16 bytes
    OFFSET_TASK_COMMAND
}

/// The bit of that byte with which `sock.sk_userlocks` begins.
#[unsafe(no_mangle)]
pub(crate) static SHIFT_SOCK_USER_LOCKS: Global<u32> = Global::new(0);
