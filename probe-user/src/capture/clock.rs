//! The kernel's clock and the wall's.

use std::io;

use nix::time::{ClockId, clock_gettime};

/// Ties `CLOCK_BOOTTIME`, which the records carry, to the wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anchor {
    boot: i64,
    wall: i64,
}

impl Anchor {
    /// Reads both clocks now.
    ///
    /// # Errors
    ///
    /// When the kernel has no `CLOCK_BOOTTIME` (before 2.6.39).
    pub fn now() -> io::Result<Self> {
        Ok(Self { boot: read(ClockId::CLOCK_BOOTTIME)?, wall: read(ClockId::CLOCK_REALTIME)? })
    }

    /// The moment of the anchor on `CLOCK_BOOTTIME`, nanoseconds.
    #[must_use]
    pub fn boot(&self) -> u64 {
        self.boot.unsigned_abs()
    }

    /// The moment of the anchor on the wall clock, nanoseconds since the Unix epoch.
    #[must_use]
    pub fn wall(&self) -> i64 {
        self.wall
    }

    /// Wall-clock time of a moment on `CLOCK_BOOTTIME`, nanoseconds since the Unix epoch.
    #[must_use]
    pub fn wall_of(&self, boot: u64) -> i64 {
        let since = i64::try_from(boot).unwrap_or(i64::MAX).saturating_sub(self.boot);
        self.wall.saturating_add(since)
    }
}

fn read(clock: ClockId) -> io::Result<i64> {
    let time = clock_gettime(clock)?;
    Ok(time.tv_sec() * 1_000_000_000 + time.tv_nsec())
}
