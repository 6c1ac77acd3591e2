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

    /// Of a moment that was read elsewhere, nanoseconds.
    #[must_use]
    pub fn at(boot: u64, wall: i64) -> Self {
        Self { boot: i64::try_from(boot).unwrap_or(i64::MAX), wall }
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

    /// By how much the wall clock was set between this anchor and a later one, nanoseconds: what it went beside the time
    /// that has passed. A clock that is slewed goes at most a two-thousandth beside it (`man 2 adjtimex`).
    #[must_use]
    pub fn set_until(&self, later: &Self) -> i64 {
        (later.wall - later.boot).saturating_sub(self.wall - self.boot)
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
