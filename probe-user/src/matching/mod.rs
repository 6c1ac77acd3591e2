//! Which declared cells a tuple fits.
//!
//! [`Rows`] splits every row into cells, each with one source, one destination and one port entry, and tells of
//! a tuple which cells it fits over which leg. The local end is placed by who reports it, the remote end by
//! its address (invariant 6): see `reach`. No I/O, no clock, no verdicts.

mod binding;
mod cell;
mod compiled;
mod directory;
pub mod draft;
mod exempt;
mod hidden;
mod leg;
mod names;
mod near;
mod placement;
mod reach;
mod rows;
mod tuple;
mod width;

pub use binding::Binding;
pub use cell::{Cell, LocalKind, Place};
pub use compiled::{Compiled, Found, Question, Reader, Reporter, TooManyClasses};
pub use leg::Leg;
pub use names::Names;
pub use near::{Field, NearMiss};
pub use placement::{Placed, Placement};
pub use rows::{Match, Matcher, Rows};
pub use tuple::Tuple;
pub use width::{Width, size};

#[cfg(test)]
mod tests;
