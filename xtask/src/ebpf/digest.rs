//! The digest that ties the object in the repository to its sources.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

/// What the object is made of: each a file, or a directory taken whole.
const SOURCES: [&str; 4] =
    ["probe-common/Cargo.toml", "probe-common/src", "probe-ebpf/Cargo.toml", "probe-ebpf/src"];

/// SHA-256 over the sorted relative paths and contents of the probe's sources. Lengths go in as well, so that
/// no bytes can move from a name to a content or from one file to the next.
pub(super) fn of_sources(root: &Path) -> Result<String> {
    let mut paths = Vec::new();
    for source in SOURCES {
        collect(root, Path::new(source), &mut paths)?;
    }
    paths.sort();
    let mut digest = Sha256::new();
    for path in paths {
        let content =
            fs::read(root.join(&path)).with_context(|| format!("cannot read {}", path.display()))?;
        let name = path.to_string_lossy();
        digest.update(format!("{} {} {name}\n", name.len(), content.len()));
        digest.update(content);
    }
    Ok(hexadecimal(&digest.finalize()))
}

/// SHA-256 of one file's content.
pub(super) fn of_bytes(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

fn collect(root: &Path, path: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    let whole = root.join(path);
    if !whole.is_dir() {
        found.push(path.to_path_buf());
        return Ok(());
    }
    for entry in fs::read_dir(&whole).with_context(|| format!("cannot list {}", path.display()))? {
        collect(root, &path.join(entry?.file_name()), found)?;
    }
    Ok(())
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        write!(text, "{byte:02x}").ok();
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_their_known_digest() {
        assert_eq!(of_bytes(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn sources_are_digested_wherever_they_lie() -> Result<()> {
        let root = crate::workspace::root()?;
        assert_eq!(of_sources(&root)?, of_sources(&root.join("xtask/.."))?);
        Ok(())
    }
}
