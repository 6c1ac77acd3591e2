//! Hints on the layout of the code: the usual way straight on, in as few cache lines as it takes.

/// Tells the compiler that the way here is the less usual one.
#[cold]
#[inline(always)]
pub(crate) const fn rarely<T>(value: T) -> T {
    value
}
