//! The kernel fields that the probe reads: which global tells it where, and what is lost without one.

use super::{
    btf::{BtfError, KernelTypes},
    error::StartError,
};

/// Value of an offset that the kernel does not have (`probe-ebpf/src/offsets.rs`).
const ABSENT: u32 = u32::MAX;

/// How much rests on a field.
enum Need {
    /// The tuple itself: without it there is no start.
    Required,
    /// A named piece of coverage.
    Optional(&'static str),
    /// Nothing but time: a helper of the kernel tells the same.
    Faster,
}

struct Field {
    global: &'static str,
    path: &'static str,
    width: u32,
    need: Need,
}

const fn required(global: &'static str, path: &'static str, width: u32) -> Field {
    Field { global, path, width, need: Need::Required }
}

const fn optional(global: &'static str, path: &'static str, width: u32, loses: &'static str) -> Field {
    Field { global, path, width, need: Need::Optional(loses) }
}

const fn faster(global: &'static str, path: &'static str, width: u32) -> Field {
    Field { global, path, width, need: Need::Faster }
}

const NETNS: &str = "network namespaces: equal addresses in two namespaces cannot be told apart";
const CGROUP: &str = "cgroups: a flow's workload is not known";
const SHUTDOWN: &str = "empty datagrams: a UDP socket that was shut down seems to receive some";
const USER_LOCKS: &str = "the direction of UDP exchanges of sockets that are older than the audit";
const ANCESTORS: &str = "limits to a cgroup";

const FIELDS: &[Field] = &[
    required("OFFSET_SOCK_FAMILY", "sock.__sk_common.skc_family", 2),
    required("OFFSET_SOCK_LOCAL_PORT", "sock.__sk_common.skc_num", 2),
    required("OFFSET_SOCK_REMOTE_PORT", "sock.__sk_common.skc_dport", 2),
    required("OFFSET_SOCK_LOCAL_V4", "sock.__sk_common.skc_rcv_saddr", 4),
    required("OFFSET_SOCK_REMOTE_V4", "sock.__sk_common.skc_daddr", 4),
    required("OFFSET_SOCK_LOCAL_V6", "sock.__sk_common.skc_v6_rcv_saddr", 16),
    required("OFFSET_SOCK_REMOTE_V6", "sock.__sk_common.skc_v6_daddr", 16),
    required("OFFSET_SOCK_PROTOCOL", "sock.sk_protocol", 2),
    required("OFFSET_SOCK_TYPE", "sock.sk_type", 2),
    required("OFFSET_SOCK_ADDR_SOCK", "bpf_sock_addr_kern.sk", 8),
    required("OFFSET_PACKET_SOCK", "sk_buff.sk", 8),
    required("OFFSET_SOCK_COOKIE", "sock.__sk_common.skc_cookie", 8),
    optional("OFFSET_SOCK_ERROR", "sock.sk_err", 4, "causes: why an attempt failed"),
    optional("OFFSET_SOCK_SHUTDOWN", "sock.sk_shutdown", 1, SHUTDOWN),
    optional("OFFSET_SOCK_NET", "sock.__sk_common.skc_net.net", 8, NETNS),
    optional("OFFSET_NET_COOKIE", "net.net_cookie", 8, NETNS),
    optional("OFFSET_SOCK_CGROUP", "sock.sk_cgrp_data.cgroup", 8, CGROUP),
    optional("OFFSET_CGROUP_NODE", "cgroup.kn", 8, CGROUP),
    optional("OFFSET_KERNFS_ID", "kernfs_node.id", 8, CGROUP),
    optional("OFFSET_CGROUP_LEVEL", "cgroup.level", 4, ANCESTORS),
    // A flexible array has no width of its own.
    optional("OFFSET_CGROUP_ANCESTORS", "cgroup.ancestors", 0, ANCESTORS),
    faster("OFFSET_TASK_PROCESS", "task_struct.tgid", 4),
    faster("OFFSET_TASK_COMMAND", "task_struct.comm", 16),
];

/// One global of the probe and its value.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Offset {
    /// Name of the global.
    pub global: &'static str,
    /// Bytes, or bits for a shift; `u32::MAX` where the kernel lacks the field.
    pub value: u32,
}

/// A field that this kernel lacks, and what that costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingField {
    /// What BTF says.
    pub cause: BtfError,
    /// What is lost.
    pub loses: &'static str,
}

/// Finds every field.
///
/// # Errors
///
/// When a field is absent, ambiguous or of another width on which the tuple itself rests.
pub(super) fn resolve(types: &KernelTypes) -> Result<(Vec<Offset>, Vec<MissingField>), StartError> {
    let mut offsets = Vec::with_capacity(FIELDS.len());
    let mut missing = Vec::new();
    for Field { global, path, width, need } in FIELDS {
        let value = match (types.place_of_width(path, *width), need) {
            (Ok(place), _) => place.offset,
            (Err(cause), Need::Required) => return Err(StartError::Field(cause)),
            (Err(_), Need::Faster) => ABSENT,
            (Err(cause), Need::Optional(loses)) => {
                missing.push(MissingField { cause, loses });
                ABSENT
            }
        };
        offsets.push(Offset { global, value });
    }
    let locks = types.bits("sock.sk_userlocks").unwrap_or_else(|cause| {
        missing.push(MissingField { cause, loses: USER_LOCKS });
        (ABSENT, 0)
    });
    offsets.push(Offset { global: "OFFSET_SOCK_USER_LOCKS", value: locks.0 });
    offsets.push(Offset { global: "SHIFT_SOCK_USER_LOCKS", value: locks.1 });
    Ok((offsets, missing))
}
