//! What the CPUs have gathered: whole batches from the ring, and the unfinished ones in place.
//!
//! A batch is read in place on every drain and comes through the ring when it is full. Each of its records
//! counts once: what was read in place is remembered by CPU and generation until the batch itself arrives.

use std::{collections::HashMap, io};

use aya::maps::{MapData, PerCpuArray};
use bytes::Buf;
use probe_common::{AttemptRecord, BATCH_LENGTH, Batch, Record, kind};

use super::decode::{DecodeError, decode};
use crate::event::Event;

type Bytes = [u8; size_of::<Batch>()];

const HEAD: usize = std::mem::offset_of!(Batch, records);
const SEALED: usize = std::mem::offset_of!(Batch, sealed);
const KIND: usize = std::mem::offset_of!(Record, kind);

/// The per-CPU batches.
pub(super) struct Batches {
    map: PerCpuArray<MapData, Bytes>,
    /// Records read in place, by CPU and generation.
    taken: HashMap<(u64, u64), usize>,
}

impl Batches {
    pub(super) fn new(map: PerCpuArray<MapData, Bytes>) -> Self {
        Self { map, taken: HashMap::new() }
    }

    /// Whether a record of the ring is a batch.
    pub(super) fn is_batch(record: &[u8]) -> bool {
        record.len() == size_of::<Batch>()
    }

    /// Takes a batch that came through the ring.
    pub(super) fn take_whole(
        &mut self,
        batch: &[u8],
        take: &mut impl FnMut(Result<Event, DecodeError>),
    ) -> usize {
        let Head { generation, cpu, .. } = Head::of(batch);
        let taken = self.taken.remove(&(cpu, generation)).unwrap_or(0);
        records(batch, taken, BATCH_LENGTH, take)
    }

    /// Takes what stands in the unfinished batches.
    pub(super) fn take_unfinished(
        &mut self,
        mut take: impl FnMut(Result<Event, DecodeError>),
    ) -> io::Result<usize> {
        let batches = self.map.get(&0, 0).map_err(io::Error::other)?;
        let mut sum = 0;
        for (cpu, batch) in batches.iter().enumerate() {
            let Head { generation, count, .. } = Head::of(batch);
            let sealed = (&batch[SEALED..]).get_u64_ne();
            if sealed != generation {
                // It went to the ring while it was copied, and comes from there.
                continue;
            }
            let taken = self.taken.entry((cpu as u64, generation)).or_insert(0);
            let count = usize::try_from(count).unwrap_or(BATCH_LENGTH).min(BATCH_LENGTH);
            sum += records(batch, *taken, count, &mut take);
            *taken = count.max(*taken);
        }
        self.taken.retain(|_, taken| *taken > 0);
        Ok(sum)
    }
}

struct Head {
    generation: u64,
    count: u64,
    cpu: u64,
}

impl Head {
    fn of(mut batch: &[u8]) -> Self {
        Self { generation: batch.get_u64_ne(), count: batch.get_u64_ne(), cpu: batch.get_u64_ne() }
    }
}

/// Gives the records from `first` up to `end`; returns how many there were.
fn records(
    batch: &[u8],
    first: usize,
    end: usize,
    take: &mut impl FnMut(Result<Event, DecodeError>),
) -> usize {
    let slots = batch[HEAD..SEALED].chunks_exact(size_of::<AttemptRecord>());
    for slot in slots.take(end).skip(first) {
        // An outcome's slot still holds the process of some earlier attempt behind the record.
        let is_attempt = slot[KIND] & !kind::RESCUED == kind::ATTEMPT;
        take(decode(if is_attempt { slot } else { &slot[..size_of::<Record>()] }));
    }
    end.saturating_sub(first)
}
