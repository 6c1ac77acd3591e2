//! JSON: the model as it is.

use super::Report;

/// The report as indented JSON with a final newline.
///
/// # Errors
///
/// None that a report of this model can cause.
pub fn json(report: &Report) -> Result<String, serde_json::Error> {
    Ok(serde_json::to_string_pretty(report)? + "\n")
}
