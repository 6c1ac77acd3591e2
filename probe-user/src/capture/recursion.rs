//! State changes that the kernel kept from a program that was running on that CPU already.
//!
//! The tracepoint has two programs (`probe-ebpf/src/rescue.rs`). A softirq that interrupts one of them finds the other
//! idle, and nothing that changes TCP states interrupts a softirq: with handlers that cannot be preempted, each state
//! change is seen by one of them.

use aya::util::KernelVersion;

/// The kernels after this one may preempt a handler of a tracepoint (include/linux/tracepoint.h: SRCU in place of
/// `preempt_disable`). A task that runs then can be interrupted in the second program while the first one waits.
const LAST_WITHOUT_PREEMPTION: (u8, u8) = (6, 18);

/// What the two TCP programs missed until now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recursion {
    /// State changes that the first program was not run for, by the kernel's count. Most of them say nothing.
    pub(super) first: u64,
    /// Likewise for the second.
    pub(super) second: u64,
    /// Whether a third handler can run while the two are interrupted.
    pub(super) can_nest: bool,
}

impl Recursion {
    /// At most so many facts were seen by neither program.
    #[must_use]
    pub fn lost(&self) -> u64 {
        if self.can_nest { self.first.min(self.second) } else { 0 }
    }
}

/// Whether this kernel preempts handlers.
pub(super) fn handlers_can_nest() -> bool {
    KernelVersion::current().map_or(true, |found| found >= first_with_preemption())
}

fn first_with_preemption() -> KernelVersion {
    let (major, minor) = LAST_WITHOUT_PREEMPTION;
    KernelVersion::new(major, minor + 1, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_two_programs_sees_each_change_unless_a_task_is_preempted_in_both() {
        let seen = Recursion { first: 9, second: 3, can_nest: false };
        assert_eq!(seen.lost(), 0);
        assert_eq!(Recursion { can_nest: true, ..seen }.lost(), 3);
        assert_eq!(Recursion { can_nest: true, first: 0, ..seen }.lost(), 0);
    }
}
