//! Policies' acceptance.

pub mod enforced;
pub mod large;
pub mod validated;
