//! Acceptance of the declared side: what `accept-declared` runs and reports.

mod large;
pub mod robustness;
pub mod roundtrip;
pub mod seeds;
mod workbook;
