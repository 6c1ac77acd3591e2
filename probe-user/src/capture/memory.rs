//! Maps whose values user space has in its own memory (`BPF_F_MMAPABLE`, Linux 5.5).
#![expect(unsafe_code, reason = "memory that is shared with the kernel is only reached by pointers")]

use std::{
    fs::File,
    io,
    os::fd::AsFd,
    sync::atomic::{AtomicU64, Ordering},
};

use aya::maps::Map;
use memmap2::{MmapOptions, MmapRaw};

use super::decode::Words;

/// The values of an array, which hooks may write at any time.
pub(super) struct Shared(MmapRaw);

/// An array that is not in our memory yet: it would count there whole, whether anybody looks at it or not.
pub(super) struct Array(File);

impl Array {
    pub(super) fn of(map: &Map) -> io::Result<Self> {
        let Map::Array(data) = map else { return Err(io::Error::other("it is no array")) };
        Ok(Self(File::from(data.fd().as_fd().try_clone_to_owned()?)))
    }

    /// Maps the first `length` bytes of it (kernel/bpf/arraymap.c, `array_map_mmap`).
    pub(super) fn map(&self, length: usize) -> io::Result<Shared> {
        MmapOptions::new().len(length).map_raw(&self.0).map(Shared)
    }
}

/// Gives the system back what was freed. To load the probe takes fifty megabytes for a moment, and the C library would keep
/// some of them for as long as a small piece stands behind them.
pub fn give_back_freed() {
    // SAFETY: it touches free memory only (`man 3 malloc_trim`).
    #[cfg(target_env = "gnu")]
    unsafe {
        nix::libc::malloc_trim(0);
    }
}

impl Shared {
    /// Maps the first `length` bytes of an array.
    pub(super) fn of(map: &Map, length: usize) -> io::Result<Self> {
        Array::of(map)?.map(length)
    }

    /// The word at an offset.
    ///
    /// # Panics
    ///
    /// When there is none.
    #[inline]
    pub(super) fn word(&self, offset: usize) -> &AtomicU64 {
        assert!(
            offset.is_multiple_of(size_of::<u64>()) && offset + size_of::<u64>() <= self.0.len(),
            "within the map"
        );
        // SAFETY: aligned and within the mapping, as was just seen, and mapped as long as `self` lives.
        unsafe { AtomicU64::from_ptr(self.0.as_mut_ptr().add(offset).cast()) }
    }

    /// The half of a word at an offset.
    ///
    /// # Panics
    ///
    /// When there is none.
    pub(super) fn half(&self, offset: usize) -> u32 {
        let word =
            self.word(offset / size_of::<u64>() * size_of::<u64>()).load(Ordering::Relaxed).to_ne_bytes();
        let [first, second, third, fourth, ..] = if offset.is_multiple_of(size_of::<u64>()) {
            word
        } else {
            [word[4], word[5], word[6], word[7], 0, 0, 0, 0]
        };
        u32::from_ne_bytes([first, second, third, fourth])
    }

    /// A copy of the record at an offset, with what stands beside it, word by word.
    #[inline]
    pub(super) fn record(&self, offset: usize) -> Words {
        let mut words: Words = [0; _];
        for (index, word) in words.iter_mut().enumerate() {
            *word = self.word(offset + index * size_of::<u64>()).load(Ordering::Relaxed);
        }
        words
    }
}

#[cfg(test)]
impl Shared {
    /// Memory that no hook knows of.
    pub(super) fn alone(length: usize) -> Self {
        Self(MmapOptions::new().len(length).map_anon().expect("memory").into())
    }
}
