//! The CPU that a hook runs on, and what it keeps there.

use aya_ebpf::helpers::generated::bpf_get_smp_processor_id;
use probe_common::{CpuState, RingState};

use crate::maps::RINGS;

/// This CPU, where a hook stays until it ends.
#[derive(Clone, Copy)]
pub(crate) struct Cpu(*mut RingState);

impl Cpu {
    /// Its number.
    #[inline(always)]
    pub(crate) fn number() -> u32 {
        // SAFETY: a helper without arguments.
        unsafe { bpf_get_smp_processor_id() }
    }

    /// The CPU itself. There is always one: the verifier wants to be told.
    #[inline(always)]
    pub(crate) fn current() -> Option<Self> {
        RINGS.get_ptr_mut(Self::number()).map(Self)
    }

    /// The ring that `tcp_state` has for itself.
    #[inline(always)]
    pub(crate) fn ring(self) -> *mut RingState {
        self.0
    }

    /// What is kept beside the ring.
    #[inline(always)]
    pub(crate) fn state(self) -> *mut CpuState {
        // SAFETY: a map's value; no more than its address is taken.
        unsafe { &raw mut (*self.0).cpu }
    }
}
