//! A kernel socket behind a BTF pointer, and what is read from it.

use core::{ffi::c_void, marker::PhantomData, mem::MaybeUninit};

use aya_ebpf::helpers::generated::{bpf_get_socket_cookie, bpf_probe_read_kernel};

use crate::offsets::{
    OFFSET_CGROUP_ANCESTORS, OFFSET_CGROUP_LEVEL, OFFSET_CGROUP_NODE, OFFSET_KERNFS_ID, OFFSET_NET_COOKIE,
    OFFSET_SOCK_CGROUP, OFFSET_SOCK_COOKIE, OFFSET_SOCK_NET, Offset,
};

/// How the memory of the kernel is read.
pub(crate) trait Access: Copy {
    /// Loads a value at an offset that the verifier knows as a constant.
    ///
    /// # Safety
    ///
    /// `base` must be a pointer of the kind that the access is for; a fault while following it reads as zero.
    unsafe fn load<T: Copy>(base: *const c_void, offset: usize) -> T;
}

/// By pointers that the verifier tracks by their BTF type; it rejects the program otherwise.
#[derive(Clone, Copy)]
pub(crate) struct Typed;

/// By addresses of which the verifier knows nothing: several times as dear.
#[derive(Clone, Copy)]
pub(crate) struct Untyped;

impl Access for Typed {
    #[inline(always)]
    unsafe fn load<T: Copy>(base: *const c_void, offset: usize) -> T {
        // SAFETY: the caller's promise; fields are aligned as their types ask, and a fault reads as zero (BPF_PROBE_MEM).
        unsafe { base.byte_add(offset).cast::<T>().read() }
    }
}

impl Access for Untyped {
    #[inline(always)]
    unsafe fn load<T: Copy>(base: *const c_void, offset: usize) -> T {
        let mut value = MaybeUninit::<T>::zeroed();
        let place = base.wrapping_byte_add(offset);
        // SAFETY: the helper cannot fault, writes as many bytes as the value has, and leaves zeros where it fails.
        unsafe {
            bpf_probe_read_kernel(value.as_mut_ptr().cast(), size_of::<T>() as u32, place);
            value.assume_init()
        }
    }
}

/// A `struct sock` that the kernel handed to the hook.
#[derive(Clone, Copy)]
pub(crate) struct Socket<A = Typed>(*const c_void, PhantomData<A>);

impl Socket<Typed> {
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
}

impl<A: Access> Socket<A> {
    /// Wraps the pointer; it must come from the hook's arguments or from a helper that returns a socket, and be of the
    /// kind that the access is for.
    #[inline(always)]
    pub(crate) const fn new(pointer: *const c_void) -> Self {
        Self(pointer, PhantomData)
    }

    /// Where it is.
    #[inline(always)]
    pub(crate) fn address(&self) -> u64 {
        self.0 as u64
    }

    /// A required field.
    #[inline(always)]
    pub(crate) fn load<T: Copy>(&self, offset: &Offset) -> T {
        // SAFETY: `self.0` is such a pointer to `struct sock`.
        unsafe { A::load(self.0, offset.required()) }
    }

    /// A field that this kernel may not have.
    #[inline(always)]
    pub(crate) fn load_optional<T: Copy>(&self, offset: &Offset) -> Option<T> {
        let offset = offset.optional()?;
        // SAFETY: as above.
        Some(unsafe { A::load(self.0, offset) })
    }

    /// The cookie, or 0 while nobody has asked for it.
    #[inline(always)]
    pub(crate) fn known_cookie(&self) -> u64 {
        self.load(&OFFSET_SOCK_COOKIE)
    }

    /// Cookie of the network namespace, 0 where the kernel has none.
    #[inline(always)]
    pub(crate) fn netns(&self) -> u64 {
        let Some(cookie) = OFFSET_NET_COOKIE.optional() else { return 0 };
        let Some(net) = self.load_optional::<*const c_void>(&OFFSET_SOCK_NET) else { return 0 };
        // SAFETY: such a pointer to `struct net`, valid as long as the socket.
        unsafe { A::load(net, cookie) }
    }

    /// Id of the cgroup-v2 group, 0 where the kernel does not keep it.
    #[inline(always)]
    pub(crate) fn cgroup(&self) -> u64 {
        let Some(group) = self.group() else { return 0 };
        group_id::<A>(group)
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
        // SAFETY: such a pointer to `struct cgroup`.
        let depth = unsafe { A::load::<i32>(group, depth) };
        if depth < level as i32 {
            return None;
        }
        // The verifier does not follow pointers out of a flexible array (btf_struct_walk), hence the helper.
        // SAFETY: addresses for the helper.
        unsafe {
            let ancestor: *const c_void = Untyped::load(group, ancestors + level * size_of::<u64>());
            let node: *const c_void = Untyped::load(ancestor, OFFSET_CGROUP_NODE.optional()?);
            Some(Untyped::load(node, OFFSET_KERNFS_ID.optional()?))
        }
    }
}

#[inline(always)]
fn group_id<A: Access>(group: *const c_void) -> u64 {
    let (Some(node), Some(id)) = (OFFSET_CGROUP_NODE.optional(), OFFSET_KERNFS_ID.optional()) else {
        return 0;
    };
    // SAFETY: such pointers to `struct cgroup` and `struct kernfs_node`, followed as the verifier allows.
    unsafe { A::load(A::load::<*const c_void>(group, node), id) }
}
