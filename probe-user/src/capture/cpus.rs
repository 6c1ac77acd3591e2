//! What the hooks keep per CPU (`probe_common::CpuState`), as far as user space reads it.

use std::{io, mem::offset_of};

use aya::maps::{MapData, PerCpuArray};
use bytes::Buf;
use probe_common::{AttemptRecord, CpuState};

use super::decode::decode;
use crate::event::Event;

type Bytes = [u8; size_of::<CpuState>()];

/// The per-CPU state.
pub(super) struct Cpus(PerCpuArray<MapData, Bytes>);

impl Cpus {
    pub(super) fn new(map: PerCpuArray<MapData, Bytes>) -> Self {
        Self(map)
    }

    /// The attempts that stand in the CPUs' slots, with the CPU.
    pub(super) fn pending(&self) -> io::Result<Vec<(usize, Event)>> {
        const FROM: usize = offset_of!(CpuState, pending);
        let cpus = self.0.get(&0, 0).map_err(io::Error::other)?;
        let slots = cpus.iter().map(|state| decode(&state[FROM..FROM + size_of::<AttemptRecord>()]));
        let standing = slots.enumerate().filter_map(|(cpu, slot)| Some((cpu, slot.ok()?)));
        Ok(standing.filter(|(_, event)| event.socket != 0).collect())
    }

    /// State changes that the second TCP program took, over all CPUs.
    pub(super) fn rescued(&self) -> io::Result<u64> {
        let cpus = self.0.get(&0, 0).map_err(io::Error::other)?;
        Ok(cpus.iter().map(|state| (&state[offset_of!(CpuState, rescued)..]).get_u64_ne()).sum())
    }
}
