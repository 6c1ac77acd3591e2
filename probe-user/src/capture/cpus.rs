//! What the TCP programs keep per CPU (`probe_common::CpuState`), as far as user space reads it.

use std::{io, mem::offset_of};

use aya::maps::{MapData, PerCpuArray};
use bytes::Buf;
use probe_common::CpuState;

type Bytes = [u8; size_of::<CpuState>()];

/// The per-CPU state.
pub(super) struct Cpus(PerCpuArray<MapData, Bytes>);

impl Cpus {
    pub(super) fn new(map: PerCpuArray<MapData, Bytes>) -> Self {
        Self(map)
    }

    /// State changes that the second TCP program took, over all CPUs.
    pub(super) fn rescued(&self) -> io::Result<u64> {
        let cpus = self.0.get(&0, 0).map_err(io::Error::other)?;
        Ok(cpus.iter().map(|state| (&state[offset_of!(CpuState, rescued)..]).get_u64_ne()).sum())
    }
}
