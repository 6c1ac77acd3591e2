//! How the memory for records is shared out: so many rings of so many places.

use std::{fs, io};

use probe_common::RingPlace;

/// How many rings there are and how long each is.
///
/// The states of the CPUs' own rings come first, then those of the common ones; so do their places, but a CPU without
/// memory for a ring of its own has a state and no places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// CPUs that the kernel may ever have: the first number that none can get.
    pub(super) cpus: u32,
    /// CPUs that have a ring for `tcp_state` alone: those numbered below. 0 when there is too little memory.
    pub(super) own: u32,
    /// Rings that every program may write to; a power of two.
    pub(super) common: u32,
    /// Records in each; a power of two.
    pub(super) places: u32,
}

impl Shape {
    /// Of rings that take at most `bytes` together (a power of two, at least a page): two for each number of a CPU below
    /// `online`. A CPU that comes later shares the common rings, and so do all when there would be too little for each.
    pub(super) fn of(bytes: u32, cpus: u32, online: u32) -> Self {
        /// A few handlers that interrupt each other; and 4 KiB are one ring, so that a test can make all CPUs share it.
        const LEAST: u32 = 32;
        let places = bytes / size_of::<RingPlace>() as u32;
        let most = places / LEAST;
        let online_or_more = online.next_power_of_two();
        if online_or_more * 2 <= most {
            let (own, common) = (online, online_or_more);
            return Self { cpus, own, common, places: places / (online_or_more * 2) };
        }
        let common = online_or_more.min(most).max(1);
        Self { cpus, own: 0, common, places: places / common }
    }

    /// # Errors
    ///
    /// When the kernel does not tell its CPUs.
    pub(super) fn of_this_machine(bytes: u32) -> io::Result<Self> {
        let online = number_after_last("online")?;
        Ok(Self::of(bytes, number_after_last("possible")?.max(online), online))
    }

    /// How many states there are.
    pub(super) fn states(self) -> u32 {
        self.cpus + self.common
    }

    /// How many places there are, in all rings together.
    pub(super) fn all_places(self) -> u32 {
        (self.own + self.common) * self.places
    }
}

/// One more than the last number of a list of CPUs such as `0-3,8` (Documentation/admin-guide/cputopology.rst).
fn number_after_last(list: &str) -> io::Result<u32> {
    let name = format!("/sys/devices/system/cpu/{list}");
    let text = fs::read_to_string(&name)?;
    let last = text.trim().rsplit([',', '-']).next().and_then(|last| last.parse::<u32>().ok());
    last.map(|last| last + 1).ok_or_else(|| io::Error::other(format!("{name} says {text:?}")))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::capture) fn shape(cpus: u32, own: u32, common: u32, places: u32) -> Shape {
        Shape { cpus, own, common, places }
    }

    #[test]
    fn each_cpu_has_two_rings_while_there_is_room() {
        assert_eq!(Shape::of(16 << 20, 2, 2), shape(2, 2, 2, 32_768));
        assert_eq!(Shape::of(16 << 20, 240, 3), shape(240, 3, 4, 16_384));
        assert_eq!(Shape::of(64 << 10, 1, 1), shape(1, 1, 1, 256));
        assert_eq!(Shape::of(4 << 10, 1, 1), shape(1, 0, 1, 32));
        assert_eq!(Shape::of(16 << 10, 4, 4), shape(4, 0, 4, 32));
        assert_eq!(Shape::of(4 << 10, 64, 64), shape(64, 0, 1, 32));
        assert_eq!(Shape::of(1 << 30, 4_096, 4_096), shape(4_096, 4_096, 4_096, 1_024));
    }
}
