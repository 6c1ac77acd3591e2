//! Policies' acceptance.

pub mod large;
