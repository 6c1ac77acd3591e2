//! The only place here that reads files.

use std::io;
use std::path::Path;

use super::faults::{Fault, Faults};

/// Reads a file, or standard input for `-`, and hands its text and name to `read`, one of this module's `read_…` functions.
///
/// # Errors
/// The file cannot be read or is not UTF-8 text, or what `read` finds.
pub fn load<T>(path: &Path, read: impl FnOnce(&str, &str) -> Result<T, Faults>) -> Result<T, Faults> {
    let is_standard = path == Path::new("-");
    let file = if is_standard { "standard input".to_owned() } else { path.display().to_string() };
    let text =
        if is_standard { io::read_to_string(io::stdin().lock()) } else { std::fs::read_to_string(path) };
    let text = text.map_err(|error| {
        let message = format!("cannot be read: {}", error.to_string().to_lowercase());
        Faults::new(&file, vec![Fault { line: 0, path: String::new(), message }])
    })?;
    read(&text, &file)
}
