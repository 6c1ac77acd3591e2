//! The only place here that reads files.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::faults::{Fault, Faults};

/// No table that a person wrote is larger; a file that only says that it is large is not read to its end.
const LARGEST: u64 = 64 << 20;

/// Reads a file, or standard input for `-`, and hands its text and name to `read`, one of this module's `read_…` functions.
///
/// # Errors
/// The file cannot be read or is not UTF-8 text, or what `read` finds.
pub fn load<T>(path: &Path, read: impl FnOnce(&str, &str) -> Result<T, Faults>) -> Result<T, Faults> {
    load_bytes(path, |bytes, file| {
        let text = str::from_utf8(bytes)
            .map_err(|_| cannot(file, "cannot be read: stream did not contain valid utf-8"))?;
        read(text, file)
    })
}

/// Reads a file, or standard input for `-`, and hands its bytes and name to `read`.
///
/// # Errors
/// The file cannot be read, or what `read` finds.
pub fn load_bytes<T>(path: &Path, read: impl FnOnce(&[u8], &str) -> Result<T, Faults>) -> Result<T, Faults> {
    let is_standard = path == Path::new("-");
    let file = if is_standard { "standard input".to_owned() } else { path.display().to_string() };
    let bytes = if is_standard { limited(io::stdin().lock()) } else { File::open(path).and_then(limited) };
    let bytes = bytes
        .map_err(|error| cannot(&file, &format!("cannot be read: {}", error.to_string().to_lowercase())))?;
    if bytes.len() as u64 > LARGEST {
        return Err(cannot(
            &file,
            &format!("is larger than {} MiB, expected a document that a person wrote", LARGEST >> 20),
        ));
    }
    read(&bytes, &file)
}

/// What a document is called after its file: the name without folders and ending.
#[must_use]
pub fn stem(file: &str) -> String {
    Path::new(file).file_stem().map_or_else(|| file.to_owned(), |stem| stem.to_string_lossy().into_owned())
}

fn limited(from: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(LARGEST + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn cannot(file: &str, message: &str) -> Faults {
    Faults::new(file, vec![Fault { line: 0, path: String::new(), message: message.to_owned() }])
}
