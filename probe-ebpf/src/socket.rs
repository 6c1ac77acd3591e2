//! A kernel socket behind a BTF pointer, and what is read from it.

use core::ffi::c_void;

use aya_ebpf::helpers::{bpf_get_socket_cookie, bpf_probe_read_kernel};

use crate::offsets::{
    OFFSET_CGROUP_ANCESTORS, OFFSET_CGROUP_LEVEL, OFFSET_CGROUP_NODE, OFFSET_KERNFS_ID, OFFSET_NET_COOKIE,
    OFFSET_SOCK_CGROUP, OFFSET_SOCK_COOKIE, OFFSET_SOCK_NET, Offset,
};

/// Loads a value at an offset that the verifier knows as a constant.
///
/// # Safety
///
/// `base` must be a pointer that the verifier tracks by its BTF type (it rejects the program otherwise); a
/// fault while following it reads as zero (BPF_PROBE_MEM).
#[inline(always)]
pub(crate) unsafe fn load<T: Copy>(base: *const c_void, offset: usize) -> T {
    // SAFETY: the caller's promise; fields are aligned as their types ask.
    unsafe { base.byte_add(offset).cast::<T>().read() }
}

/// A `struct sock` that the kernel handed to the hook.
#[derive(Clone, Copy)]
pub(crate) struct Socket(*const c_void);

impl Socket {
    /// Wraps the pointer; it must come from the hook's arguments or from a helper that returns a socket.
    #[inline(always)]
    pub(crate) const fn new(pointer: *const c_void) -> Self {
        Self(pointer)
    }

    /// Where it is.
    #[inline(always)]
    pub(crate) fn address(&self) -> u64 {
        self.0 as u64
    }

    /// A required field.
    #[inline(always)]
    pub(crate) fn load<T: Copy>(&self, offset: &Offset) -> T {
        // SAFETY: `self.0` is a BTF pointer to `struct sock`.
        unsafe { load(self.0, offset.required()) }
    }

    /// A field that this kernel may not have.
    #[inline(always)]
    pub(crate) fn load_optional<T: Copy>(&self, offset: &Offset) -> Option<T> {
        let offset = offset.optional()?;
        // SAFETY: as above.
        Some(unsafe { load(self.0, offset) })
    }

    /// The cookie, or 0 while nobody has asked for it.
    #[inline(always)]
    pub(crate) fn known_cookie(&self) -> u64 {
        self.load(&OFFSET_SOCK_COOKIE)
    }

    /// The cookie; given at first asking and kept for the socket's life.
    #[inline(always)]
    pub(crate) fn cookie(&self) -> u64 {
        match self.known_cookie() {
            // SAFETY: the helper takes a BTF socket pointer (5.12 for tracing programs).
            0 => unsafe { bpf_get_socket_cookie(self.0.cast_mut()) },
            // The load costs a tenth of the call.
            known => known,
        }
    }

    /// Cookie of the network namespace, 0 where the kernel has none.
    #[inline(always)]
    pub(crate) fn netns(&self) -> u64 {
        let Some(cookie) = OFFSET_NET_COOKIE.optional() else { return 0 };
        let Some(net) = self.load_optional::<*const c_void>(&OFFSET_SOCK_NET) else { return 0 };
        // SAFETY: a BTF pointer to `struct net`, valid as long as the socket.
        unsafe { load(net, cookie) }
    }

    /// Id of the cgroup-v2 group, 0 where the kernel does not keep it.
    #[inline(always)]
    pub(crate) fn cgroup(&self) -> u64 {
        let Some(group) = self.group() else { return 0 };
        group_id(group)
    }

    #[inline(always)]
    fn group(&self) -> Option<*const c_void> {
        self.load_optional::<*const c_void>(&OFFSET_SOCK_CGROUP)
    }

    /// Id of the ancestor at `level` of the socket's cgroup (0 is the root), if it has one.
    #[inline(always)]
    pub(crate) fn cgroup_ancestor(&self, level: usize) -> Option<u64> {
        let group = self.group()?;
        let depth = OFFSET_CGROUP_LEVEL.optional()?;
        let ancestors = OFFSET_CGROUP_ANCESTORS.optional()?;
        // SAFETY: a BTF pointer to `struct cgroup`.
        let depth = unsafe { load::<i32>(group, depth) };
        if depth < level as i32 {
            return None;
        }
        // The verifier does not follow pointers out of a flexible array (btf_struct_walk), hence the helper.
        let slot = group.wrapping_byte_add(ancestors + level * size_of::<u64>()).cast::<*const c_void>();
        // SAFETY: reading kernel memory by the helper cannot fault.
        let ancestor = unsafe { bpf_probe_read_kernel(slot) }.ok()?;
        let node = ancestor.wrapping_byte_add(OFFSET_CGROUP_NODE.optional()?).cast::<*const c_void>();
        // SAFETY: as above.
        let node = unsafe { bpf_probe_read_kernel(node) }.ok()?;
        let id = node.wrapping_byte_add(OFFSET_KERNFS_ID.optional()?).cast::<u64>();
        // SAFETY: as above.
        unsafe { bpf_probe_read_kernel(id) }.ok()
    }
}

#[inline(always)]
fn group_id(group: *const c_void) -> u64 {
    let (Some(node), Some(id)) = (OFFSET_CGROUP_NODE.optional(), OFFSET_KERNFS_ID.optional()) else {
        return 0;
    };
    // SAFETY: BTF pointers to `struct cgroup` and `struct kernfs_node`, followed as the verifier allows.
    unsafe { load(load::<*const c_void>(group, node), id) }
}
