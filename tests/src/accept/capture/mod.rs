//! The lines of capture's acceptance that a programme can run.

pub mod cost;
pub mod docker;
pub mod fairness;
pub mod older;
pub mod resolver;
pub mod spill;
