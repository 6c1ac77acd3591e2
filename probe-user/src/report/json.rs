//! JSON: the model as it is.

use std::io::{self, Write};

use super::Report;

/// Writes the report as indented JSON with a final newline.
///
/// # Errors
///
/// Those of the sink.
pub fn json(report: &Report, mut sink: impl Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut sink, report)?;
    writeln!(sink)
}
