//! The rings (`probe-ebpf/src/ring.rs`), read from the memory that the hooks write to.
#![expect(unsafe_code, reason = "memory that is shared with the kernel is only reached by pointers")]

use std::{
    io,
    mem::offset_of,
    os::fd::AsFd,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use aya::maps::{Map, MapData};
use memmap2::{MmapOptions, MmapRaw};
use probe_common::{AttemptRecord, RingPlace, RingState};

use super::decode::Bytes;

/// How many rings there are and how long each is; both are powers of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) rings: u32,
    pub(super) places: u32,
}

impl Shape {
    /// Of rings that take `bytes` together (a power of two, at least a page): one for each number of a CPU below
    /// `cpus`. A CPU that comes later shares, and so do all when there would be too little for each.
    pub(super) fn of(bytes: u32, cpus: u32) -> Self {
        /// A few handlers that interrupt each other; and 4 KiB are one ring, so that a test can make all CPUs share it.
        const LEAST: u32 = 32;
        let places = bytes / size_of::<RingPlace>() as u32;
        let rings = cpus.next_power_of_two().min(places / LEAST).max(1);
        Self { rings, places: places / rings }
    }

    pub(super) fn of_this_machine(bytes: u32) -> Self {
        let last = aya::util::online_cpus().ok().and_then(|online| online.into_iter().max());
        Self::of(bytes, last.unwrap_or(0) + 1)
    }
}

/// What one pass over the rings found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Records read.
    pub records: usize,
    /// Whether that was all. A place whose writer was interrupted hides what comes after it in its ring, until the next
    /// pass.
    pub is_all: bool,
}

/// The probe's maps `RINGS` and `PLACES`. The consumer is this process alone.
pub(super) struct Rings {
    shape: Shape,
    states: MmapRaw,
    places: MmapRaw,
    /// Per ring, how many records were read.
    tails: Vec<u64>,
}

impl Rings {
    pub(super) fn new(shape: Shape, states: &Map, places: &Map) -> io::Result<Self> {
        let count = shape.rings as usize * shape.places as usize;
        Ok(Self {
            shape,
            states: mapped(states, shape.rings as usize * size_of::<RingState>())?,
            places: mapped(places, count * size_of::<RingPlace>())?,
            tails: vec![0; shape.rings as usize],
        })
    }

    /// Gives every record whose place was claimed until now, ring by ring. Later ones wait, so that a producer that is
    /// faster than its consumer cannot keep it here.
    pub(super) fn drain(&mut self, mut take: impl FnMut(&Bytes)) -> Drained {
        /// So often the producers hear of places that are free again.
        const PACE: u64 = 64;
        let heads: Vec<u64> =
            (0..self.shape.rings).map(|ring| self.head(ring).load(Ordering::Acquire)).collect();
        let mut drained = Drained { records: 0, is_all: true };
        for (ring, head) in (0..self.shape.rings).zip(heads) {
            let began = self.tails[ring as usize];
            let mut tail = began;
            while tail != head
                && let Some(record) = self.record(ring, tail)
            {
                take(&record);
                tail += 1;
                if tail.is_multiple_of(PACE) {
                    self.tail(ring).store(tail, Ordering::Release);
                }
            }
            if tail != began {
                self.tail(ring).store(tail, Ordering::Release);
                self.tails[ring as usize] = tail;
            }
            drained.records += (tail - began) as usize;
            drained.is_all &= tail == head;
        }
        drained
    }

    /// How many records are claimed and not read.
    pub(super) fn unread(&self) -> u64 {
        let unread = |(ring, tail): (u32, &u64)| self.head(ring).load(Ordering::Acquire) - tail;
        (0..self.shape.rings).zip(&self.tails).map(unread).sum()
    }

    /// How many records one ring holds.
    pub(super) fn places(&self) -> u32 {
        self.shape.places
    }

    /// The record at `tail`. Its place was claimed; whoever claimed it is about to write it, unless it was interrupted:
    /// then it is `None` after a moment, and comes with the next drain.
    fn record(&self, ring: u32, tail: u64) -> Option<Bytes> {
        const PATIENCE: Duration = Duration::from_millis(1);
        if self.claim(ring, tail).load(Ordering::Acquire) != tail + 1 {
            let began = Instant::now();
            while self.claim(ring, tail).load(Ordering::Acquire) != tail + 1 {
                if began.elapsed() > PATIENCE {
                    return None;
                }
                thread::yield_now();
            }
        }
        let mut bytes: Bytes = [0; _];
        for (index, chunk) in bytes.chunks_exact_mut(size_of::<u64>()).enumerate() {
            let word = self.word(ring, tail, offset_of!(RingPlace, record) + index * size_of::<u64>());
            chunk.copy_from_slice(&word.load(Ordering::Relaxed).to_ne_bytes());
        }
        Some(bytes)
    }

    fn claim(&self, ring: u32, tail: u64) -> &AtomicU64 {
        self.word(ring, tail, offset_of!(RingPlace, claim))
    }

    /// A word of the place at `tail`.
    fn word(&self, ring: u32, tail: u64, offset: usize) -> &AtomicU64 {
        let place = tail as u32 & (self.shape.places - 1);
        let index = ring as usize * self.shape.places as usize + place as usize;
        word(&self.places, index * size_of::<RingPlace>() + offset)
    }

    fn head(&self, ring: u32) -> &AtomicU64 {
        word(&self.states, ring as usize * size_of::<RingState>() + offset_of!(RingState, head))
    }

    fn tail(&self, ring: u32) -> &AtomicU64 {
        word(&self.states, ring as usize * size_of::<RingState>() + offset_of!(RingState, tail))
    }
}

/// Maps an array's values (`BPF_F_MMAPABLE`; kernel/bpf/arraymap.c, `array_map_mmap`).
fn mapped(map: &Map, length: usize) -> io::Result<MmapRaw> {
    let Map::Array(data) = map else { return Err(io::Error::other("it is no array")) };
    MmapOptions::new().len(length).map_raw(&descriptor(data)?)
}

fn descriptor(data: &MapData) -> io::Result<std::fs::File> {
    Ok(data.fd().as_fd().try_clone_to_owned()?.into())
}

/// The word at an offset, which the kernel may write at any time.
fn word(memory: &MmapRaw, offset: usize) -> &AtomicU64 {
    assert!(
        offset.is_multiple_of(size_of::<u64>()) && offset + size_of::<u64>() <= memory.len(),
        "within the map"
    );
    // SAFETY: aligned and within the mapping, as was just seen, and mapped as long as `memory` lives.
    unsafe { AtomicU64::from_ptr(memory.as_mut_ptr().add(offset).cast()) }
}

const _: () = assert!(size_of::<AttemptRecord>().is_multiple_of(size_of::<u64>()));

#[cfg(test)]
mod tests {
    use bytes::Buf;

    use super::*;

    #[test]
    fn each_cpu_has_a_ring_while_there_is_room() {
        assert_eq!(Shape::of(16 << 20, 2), Shape { rings: 2, places: 65_536 });
        assert_eq!(Shape::of(16 << 20, 3), Shape { rings: 4, places: 32_768 });
        assert_eq!(Shape::of(64 << 10, 1), Shape { rings: 1, places: 512 });
        assert_eq!(Shape::of(4 << 10, 64), Shape { rings: 1, places: 32 });
        assert_eq!(Shape::of(1 << 30, 4_096), Shape { rings: 4_096, places: 2_048 });
    }

    /// Rings as a hook would see them.
    fn rings(shape: Shape) -> Rings {
        let memory = |length| MmapOptions::new().len(length).map_anon().expect("memory").into();
        Rings {
            shape,
            states: memory(shape.rings as usize * size_of::<RingState>()),
            places: memory((shape.rings * shape.places) as usize * size_of::<RingPlace>()),
            tails: vec![0; shape.rings as usize],
        }
    }

    fn claim(rings: &Rings, ring: u32) -> u64 {
        rings.head(ring).fetch_add(1, Ordering::AcqRel)
    }

    fn publish(rings: &Rings, ring: u32, claim: u64, value: u64) {
        rings.word(ring, claim, offset_of!(RingPlace, record)).store(value, Ordering::Relaxed);
        rings.claim(ring, claim).store(claim + 1, Ordering::Release);
    }

    /// First words of all records that a pass gives, and whether that was all.
    fn drained(rings: &mut Rings) -> (Vec<u64>, bool) {
        let mut found = Vec::new();
        let drained = rings.drain(|record| found.push(record.as_slice().get_u64_ne()));
        assert_eq!(drained.records, found.len());
        (found, drained.is_all)
    }

    #[test]
    fn a_place_that_is_being_written_hides_what_follows_in_its_ring_until_it_is() {
        let mut rings = rings(Shape { rings: 2, places: 32 });
        let [first, second] = [claim(&rings, 0), claim(&rings, 0)];
        let other = claim(&rings, 1);
        publish(&rings, 0, second, 2);
        publish(&rings, 1, other, 3);
        assert_eq!(drained(&mut rings), (vec![3], false));
        assert_eq!(rings.unread(), 2);
        publish(&rings, 0, first, 1);
        assert_eq!(drained(&mut rings), (vec![1, 2], true));
        assert_eq!(rings.unread(), 0);
    }

    #[test]
    fn places_are_used_again_and_never_read_twice() {
        let mut rings = rings(Shape { rings: 1, places: 32 });
        for round in 0..10 {
            let expected: Vec<u64> = (0..25).map(|value| round * 25 + value).collect();
            for value in &expected {
                let claim = claim(&rings, 0);
                publish(&rings, 0, claim, *value);
            }
            assert_eq!(drained(&mut rings), (expected, true));
            assert_eq!(rings.tail(0).load(Ordering::Acquire), (round + 1) * 25);
        }
        claim(&rings, 0);
        assert_eq!(drained(&mut rings), (vec![], false));
    }
}
