//! What the user asked to watch, decided before anything is reserved.

use aya_ebpf::Global;

use crate::{
    maps::{WATCHED_CGROUPS, WATCHED_NETNS},
    socket::{Access, Socket},
};

/// How deep below the cgroup root a watched group may lie.
const LEVELS: usize = 8;

/// 1 when only [`WATCHED_NETNS`] count.
#[unsafe(no_mangle)]
static LIMIT_NETNS: Global<u8> = Global::new(0);

/// Bit `n` set: some group in [`WATCHED_CGROUPS`] lies at level `n`; 0 when all groups count.
#[unsafe(no_mangle)]
static LIMIT_CGROUP_LEVELS: Global<u32> = Global::new(0);

/// The recorder's own group, this one alone and not what is below: the known connection is made there. Only read
/// when groups are limited.
#[unsafe(no_mangle)]
static OWN_CGROUP: Global<u64> = Global::new(0);

/// Whether this socket is to be reported. Without a limit the verifier removes the whole of it.
#[inline(always)]
pub(crate) fn watched(socket: &Socket<impl Access>) -> bool {
    if LIMIT_NETNS.load() != 0 && !contains(&WATCHED_NETNS, socket.netns()) {
        return false;
    }
    let levels = LIMIT_CGROUP_LEVELS.load();
    levels == 0 || in_watched_group(socket, levels) || socket.cgroup() == OWN_CGROUP.load()
}

#[inline(always)]
fn in_watched_group(socket: &Socket<impl Access>, levels: u32) -> bool {
    let mut level = 0;
    while level < LEVELS {
        if levels & (1 << level) != 0
            && let Some(ancestor) = socket.cgroup_ancestor(level)
            && contains(&WATCHED_CGROUPS, ancestor)
        {
            return true;
        }
        level += 1;
    }
    false
}

#[inline(always)]
fn contains<const ENTRIES: usize>(set: &aya_ebpf::btf_maps::HashMap<u64, u8, ENTRIES>, key: u64) -> bool {
    // SAFETY: the value is not read, only its presence.
    unsafe { set.get(key) }.is_some()
}
