//! Changes that the kernel keeps to itself.
//!
//! What comes by a timer or by another CPU comes in a softirq over whichever task runs there, and a hardened kernel runs no
//! tracing program over the tasks of process 1. Seen with 6.18: ftrace had a thousand changes of state, 164 of them over a
//! thread of process 1, and no program on the same tracepoint was called for these, of several recorders; no recursion miss was
//! counted. A server's end has nothing by which anybody could tell then. Where ftrace saw such a change, the case is tried again.

use std::{
    cell::RefCell,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
};

use crate::witness::Witness;

thread_local! {
    /// Who looks while a case of this thread is tried.
    static WITNESS: RefCell<Option<Witness>> = const { RefCell::new(None) };
}

/// Ends a case that the kernel has spoiled.
struct Kept;

/// Runs a case, and again while the kernel keeps a change of it to itself.
///
/// # Panics
///
/// When the case does, or when the kernel does so every time.
pub fn tried<T>(mut case: impl FnMut() -> T) -> T {
    const TRIES: usize = 3;
    for _ in 0..TRIES {
        // Without ftrace nobody is excused.
        WITNESS.set(Witness::watch().ok());
        let end = catch_unwind(AssertUnwindSafe(&mut case));
        WITNESS.set(None);
        match end {
            Ok(result) => return result,
            Err(payload) if payload.is::<Kept>() => {
                eprintln!("the kernel kept a change to itself, as ftrace tells: once more");
            }
            Err(payload) => resume_unwind(payload),
        }
    }
    panic!("a change was kept from every program in each of {TRIES} tries")
}

/// Ends a case of [`tried`] in which the kernel kept changes of a port's connections to itself.
///
/// # Panics
///
/// Then.
pub fn must_not_be(port: u16) {
    let kept = WITNESS.with_borrow(|witness| {
        witness.as_ref().is_some_and(|witness| witness.during_process_one(port).is_ok_and(|kept| kept > 0))
    });
    if kept {
        resume_unwind(Box::new(Kept));
    }
}

#[cfg(test)]
mod tests {
    use std::panic::resume_unwind;

    use super::{Kept, tried};

    #[test]
    fn a_case_that_the_kernel_spoils_is_tried_again_and_no_other() {
        let mut tries = 0;
        let mut spoilt = |times| {
            tries = 0;
            tried(|| {
                tries += 1;
                if tries <= times {
                    resume_unwind(Box::new(Kept));
                }
            });
            tries
        };
        assert_eq!([0, 1, 2].map(&mut spoilt), [1, 2, 3]);
        assert!(std::panic::catch_unwind(|| tried(|| resume_unwind(Box::new(Kept)))).is_err());
        let mut tries = 0;
        let fails = std::panic::AssertUnwindSafe(|| {
            tried(|| {
                tries += 1;
                resume_unwind(Box::new("another reason"))
            })
        });
        assert!(std::panic::catch_unwind(fails).is_err());
        assert_eq!(tries, 1);
    }
}
