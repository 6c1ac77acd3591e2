//! The lines of capture's acceptance that a programme can run.

pub mod cost;
pub mod older;
pub mod resolver;
