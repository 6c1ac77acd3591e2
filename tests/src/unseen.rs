//! Outcomes that the kernel keeps to itself.
//!
//! An outcome that comes by a timer or by another CPU comes in a softirq over whichever task runs there, and a hardened
//! kernel runs no tracing program over a task that it hides. Seen with 6.18: ftrace had the change of state, and no program
//! on the same tracepoint was called for it, of several recorders; no recursion miss was counted. All that can be known
//! then is that an outcome is missing, and the window must tell. Where it does, the case is tried again.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use flowdrift::flow::Window;

/// Ends a case that the kernel has spoiled.
struct Kept;

/// Runs a case, and again while the kernel keeps an outcome of it to itself.
///
/// # Panics
///
/// When the case does, or when the kernel does so every time.
pub fn tried<T>(mut case: impl FnMut() -> T) -> T {
    const TRIES: usize = 3;
    for _ in 0..TRIES {
        match catch_unwind(AssertUnwindSafe(&mut case)) {
            Ok(result) => return result,
            Err(payload) if payload.is::<Kept>() => {
                eprintln!("the kernel kept an outcome to itself, as the window tells: once more");
            }
            Err(payload) => resume_unwind(payload),
        }
    }
    panic!("an outcome was missed in each of {TRIES} tries")
}

/// Ends a case of [`tried`] whose window tells that one outcome was missed, and nothing else.
///
/// # Panics
///
/// Then.
pub fn must_be_told(window: &Window) {
    let gaps = window.coverage.gaps();
    if gaps.iter().map(|gap| gap.words.as_str()).eq(["1 lost: outcome-unseen"]) {
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
