//! `cargo xtask tidy`: what the compiler cannot check. Every fault is told at once, with its file and line.

mod imports;
mod leftovers;
mod machine_paths;
mod pure;
mod readme;
mod scope;
mod source;
mod top_level;

use std::fmt;
use std::path::Path;

use anyhow::{Result, bail};

use source::{Source, Tree};

/// One fault, at a place.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Fault {
    path: String,
    /// From 1; 0 where the whole file is meant.
    line: usize,
    what: String,
}

impl Fault {
    fn new(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, what: what.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}: {}", self.path, self.line, self.what)
    }
}

/// What is asked of each Rust file by itself.
const SOURCE_CHECKS: [fn(&Source) -> Vec<Fault>; 4] =
    [imports::check, scope::check, pure::check, leftovers::check];

/// Reads the tracked files and reports every fault in them.
pub(crate) fn run(root: &Path) -> Result<()> {
    let tree = Tree::read(root)?;
    let mut faults: Vec<_> = tree
        .sources
        .iter()
        .flat_map(|source| SOURCE_CHECKS.iter().flat_map(move |check| check(source)))
        .collect();
    faults.extend(top_level::check(&tree.paths));
    for (path, text) in &tree.texts {
        faults.extend(machine_paths::check(path, text));
        faults.extend(leftovers::check_comments(path, text));
    }
    faults.extend(readme::check_file(root, &tree)?);
    faults.sort();
    for fault in &faults {
        eprintln!("{fault}");
    }
    if !faults.is_empty() {
        bail!("tidy found {} faults", faults.len());
    }
    println!("tidy: {} files, no faults", tree.paths.len());
    Ok(())
}
