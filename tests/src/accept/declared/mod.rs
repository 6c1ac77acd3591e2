//! Acceptance of the declared side: what `accept-declared` runs and reports.

pub mod seeds;
