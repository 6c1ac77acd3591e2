//! What an object was built from and with: `probe-ebpf/prebuilt/build.json`.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

const PATH: &str = "probe-ebpf/prebuilt/build.json";

/// The record that is kept beside the object.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Provenance {
    /// Digest of the sources ([`super::digest::of_sources`]).
    pub(super) source_sha256: String,
    /// Digest of the object.
    pub(super) object_sha256: String,
    /// The compiler, with its commit.
    pub(super) rustc: String,
    /// The compiler's LLVM.
    pub(super) llvm: String,
    /// The linker, which optimises and emits the BTF.
    pub(super) bpf_linker: String,
}

impl Provenance {
    pub(super) fn read(root: &Path) -> Result<Self> {
        let text = fs::read_to_string(root.join(PATH))
            .with_context(|| format!("cannot read {PATH}: build the probe with `cargo xtask ebpf`"))?;
        serde_json::from_str(&text).with_context(|| format!("{PATH} is not what `cargo xtask ebpf` writes"))
    }

    pub(super) fn write(&self, root: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        fs::write(root.join(PATH), text).with_context(|| format!("cannot write {PATH}"))
    }

    /// Objects can only be compared when these words are equal.
    pub(super) fn compilers(&self) -> String {
        format!("{}, LLVM {}, bpf-linker {}", self.rustc, self.llvm, self.bpf_linker)
    }
}
