//! The kernel's modules that the tests need, each after those that it needs itself.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use object::{Object, ObjectSection};

/// What the tests use; what these need comes along. One that is built in has no file.
const WANTED: [&str; 18] = [
    // Asked for by its function, which no module names (`softdep`).
    "crc32c_generic",
    "veth",
    "bridge",
    "dummy",
    "inet_diag",
    "tcp_diag",
    "udp_diag",
    "nf_tables",
    "nft_chain_nat",
    "nft_nat",
    "nft_masq",
    "nft_ct",
    "nf_conntrack",
    "nf_conntrack_netlink",
    "nft_reject_inet",
    "nft_redir",
    "sctp",
    "mptcp_diag",
];

/// A module, unpacked.
pub(super) struct Module {
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
}

/// The modules below `folder`, in an order in which they can be loaded.
pub(super) fn of(folder: &Path) -> Result<Vec<Module>> {
    let mut files = BTreeMap::new();
    find(&folder.join("kernel"), &mut files)?;
    let mut found = Vec::new();
    for name in WANTED {
        add(name, &files, &mut found)?;
    }
    Ok(found)
}

/// Modules by the kernel's names for them, which have no hyphens.
fn find(folder: &Path, files: &mut BTreeMap<String, PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            find(&path, files)?;
        } else if let Some(name) = path.file_name().and_then(|name| name.to_str())
            && let Some((name, _)) = name.split_once(".ko")
        {
            files.insert(name.replace('-', "_"), path.clone());
        }
    }
    Ok(())
}

fn add(name: &str, files: &BTreeMap<String, PathBuf>, found: &mut Vec<Module>) -> Result<()> {
    let Some(file) = files.get(name) else { return Ok(()) };
    if found.iter().any(|module| module.name == name) {
        return Ok(());
    }
    let bytes = read(file)?;
    for needed in needs(&bytes).with_context(|| format!("{}", file.display()))? {
        add(&needed, files, found)?;
    }
    found.push(Module { name: name.to_owned(), bytes });
    Ok(())
}

fn read(file: &Path) -> Result<Vec<u8>> {
    if file.extension().is_none_or(|ending| ending != "xz") {
        return Ok(fs::read(file)?);
    }
    let output = Command::new("xz").arg("-dc").arg(file).output().context("cannot start xz")?;
    ensure!(output.status.success(), "{}: xz failed: {}", file.display(), output.status);
    Ok(output.stdout)
}

/// From the module's own description (`.modinfo`, include/linux/module.h: strings with `name=value`).
fn needs(module: &[u8]) -> Result<Vec<String>> {
    let file = object::File::parse(module)?;
    let section = file.section_by_name(".modinfo").context("no .modinfo")?;
    let text = String::from_utf8_lossy(section.data()?).into_owned();
    let needs = text.split('\0').find_map(|entry| entry.strip_prefix("depends=")).unwrap_or_default();
    Ok(needs.split(',').filter(|name| !name.is_empty()).map(|name| name.replace('-', "_")).collect())
}
