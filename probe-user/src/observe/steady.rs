//! Whether time went on as it should while a window was open: the clock was not set, and the recorder was running.

use std::time::Duration;

use crate::capture::clock::Anchor;

/// A clock that is slewed goes less than this beside the time between two looks, which are about a second apart.
const SLEWED: u64 = 100_000_000;

/// A recorder that looks later than this was not running.
const LATEST: Duration = Duration::from_secs(5);

/// What was noticed so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Steady {
    last: Anchor,
    pub(super) clock_steps: u64,
    /// Nanoseconds.
    pub(super) clock_moved: i64,
    /// Nanoseconds.
    pub(super) stood_still: u64,
}

impl Steady {
    pub(super) fn since(start: Anchor) -> Self {
        Self { last: start, clock_steps: 0, clock_moved: 0, stood_still: 0 }
    }

    /// When the last look was, `CLOCK_BOOTTIME`, nanoseconds.
    pub(super) fn last_look(&self) -> u64 {
        self.last.boot()
    }

    /// Takes a look; to be called about once a second.
    pub(super) fn look(&mut self, now: Anchor) {
        let passed = now.boot().saturating_sub(self.last.boot());
        let moved = self.last.set_until(&now);
        // A pause makes the look longer, and what a clock may be slewed meanwhile.
        if moved.unsigned_abs() > SLEWED + passed / 1_000 {
            self.clock_steps += 1;
            self.clock_moved = self.clock_moved.saturating_add(moved);
        }
        if passed > LATEST.as_nanos() as u64 {
            self.stood_still += passed;
        }
        self.last = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_step_is_none_of_a_slew() {
        let start = Anchor::at(100 * SECOND, 5_000_000_000);
        let mut steady = Steady::since(start);
        // Half a millisecond in each second, for a minute.
        for second in 1..60 {
            steady.look(Anchor::at((100 + second) * SECOND, 5_000_000_000 + second as i64 * 1_000_500_000));
        }
        assert_eq!((steady.clock_steps, steady.stood_still), (0, 0));
        steady.look(Anchor::at(160 * SECOND, 3_600_000_000_000));
        assert_eq!(steady.clock_steps, 1);
        assert!(steady.clock_moved > 3_500_000_000_000);
    }

    #[test]
    fn a_pause_is_told_and_moves_no_clock() {
        let mut steady = Steady::since(Anchor::at(100 * SECOND, 0));
        steady.look(Anchor::at(112 * SECOND, 12_000_000_000));
        assert_eq!((steady.clock_steps, steady.stood_still), (0, 12 * SECOND));
    }
}
