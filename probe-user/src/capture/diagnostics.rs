//! The probe's own diagnostics (aya-log), off unless the user asks: the loader then leaves them in the programs.

use log::{Log, Metadata, Record};

/// Writes the probe's lines to standard error.
pub(super) struct Diagnostics;

impl Log for Diagnostics {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        eprintln!("probe: {}: {}", record.level().as_str().to_lowercase(), record.args());
    }

    fn flush(&self) {}
}
