//! The declared side's documents, from where the user says. Every fault of every file is told at once.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::matrix::{self, Exceptions, Fault, Faults, Inventory, Matrix, Row, inventory};
use crate::workload::ClusterObjects;

/// The baseline that ships with flowdrift.
const BASELINE: &str = include_str!("../../../policies/baseline.yaml");

/// The declared side.
pub(super) struct Declared {
    pub(super) matrices: Vec<Matrix>,
    pub(super) baseline: Matrix,
    pub(super) inventory: Inventory,
    pub(super) exceptions: Option<Exceptions>,
}

/// Reads all of it.
pub(super) fn declared(
    matrices: &[PathBuf],
    inventory: &Path,
    exceptions: Option<&Path>,
    baseline: Option<&Path>,
) -> Result<Declared> {
    let mut faults = Vec::new();
    let matrices = matrices_of(matrices, &mut faults);
    repeated(&matrices, &mut faults);
    let baseline = match baseline {
        Some(path) => matrix::load(path, matrix::read_matrix),
        None => matrix::read_matrix(BASELINE, "baseline.yaml, built in"),
    };
    let baseline = keep(baseline, &mut faults);
    let inventory = keep(matrix::load(inventory, matrix::read_inventory), &mut faults);
    let exceptions =
        exceptions.and_then(|path| keep(matrix::load(path, matrix::read_exceptions), &mut faults));
    if let Some(inventory) = &inventory {
        faults.extend(inventory::unbound(&matrices, inventory));
        faults.extend(exceptions.as_ref().and_then(|list| inventory::unbound_exceptions(list, inventory)));
    }
    let (Some(baseline), Some(inventory), []) = (baseline, inventory, faults.as_slice()) else {
        bail!("{}", told(&faults));
    };
    let inventory = inventory.with_addresses_of(&matrices);
    Ok(Declared { matrices, baseline, inventory, exceptions })
}

/// Matrices, or documents that declare flows, and perhaps an inventory.
pub(super) fn matrices(
    files: &[PathBuf],
    inventory: Option<&Path>,
) -> Result<(Vec<Matrix>, Option<Inventory>)> {
    let mut faults = Vec::new();
    let matrices = matrices_of(files, &mut faults);
    let inventory = inventory.and_then(|path| keep(matrix::load(path, matrix::read_inventory), &mut faults));
    if faults.is_empty() { Ok((matrices, inventory)) } else { bail!("{}", told(&faults)) }
}

fn matrices_of(files: &[PathBuf], faults: &mut Vec<Faults>) -> Vec<Matrix> {
    files.iter().filter_map(|path| keep(matrix::load_bytes(path, matrix::read_declared), faults)).collect()
}

/// What clusters say of themselves, by their names in the inventory.
pub(super) fn clusters(files: &[String], inventory: &Inventory) -> Result<BTreeMap<String, ClusterObjects>> {
    let (mut lists, mut faults) = (BTreeMap::<String, Vec<(Vec<u8>, String)>>::new(), Vec::new());
    for file in files {
        let (name, path) = named(file);
        if !inventory.clusters.contains_key(&name) {
            let known: Vec<&str> = inventory.clusters.keys().map(String::as_str).collect();
            faults.push(format!(
                "{}: no cluster `{name}` is in {}, which has {}: name it, as in NAME=FILE",
                path.display(),
                inventory.file,
                known.join(", ")
            ));
            continue;
        }
        match fs::read(path) {
            Ok(bytes) => lists.entry(name).or_default().push((bytes, path.display().to_string())),
            Err(error) => faults.push(format!("{}: cannot be read: {error}", path.display())),
        }
    }
    let mut clusters = BTreeMap::new();
    for (name, files) in lists {
        match ClusterObjects::read(files.iter().map(|(bytes, file)| (bytes.as_slice(), file.as_str()))) {
            Ok(objects) => {
                clusters.insert(name, objects);
            }
            Err(found) => faults.push(found.to_string()),
        }
    }
    if faults.is_empty() { Ok(clusters) } else { bail!("{}", faults.join("\n")) }
}

/// `NAME=FILE`, or a file whose stem is the name.
pub(super) fn named(file: &str) -> (String, &Path) {
    if let Some((name, path)) =
        file.split_once('=').filter(|(name, _)| !name.contains('/') && !name.is_empty())
    {
        return (name.to_owned(), Path::new(path));
    }
    (matrix::stem(file), Path::new(file))
}

/// Row ids are how findings name rows: two matrices may not share one.
fn repeated(matrices: &[Matrix], faults: &mut Vec<Faults>) {
    let mut earlier: HashMap<&str, (&str, u32)> = HashMap::new();
    for matrix in matrices {
        let fault = |row: &Row| {
            let (file, line) = earlier.get(row.id.as_str())?;
            let message = format!("id `{}` is also the id of {file}:{line}", row.id);
            Some(Fault { line: row.line, path: "rows".to_owned(), message })
        };
        let found: Vec<Fault> = matrix.rows.iter().filter_map(fault).collect();
        for row in &matrix.rows {
            earlier.entry(&row.id).or_insert((&matrix.file, row.line));
        }
        if !found.is_empty() {
            faults.push(Faults::new(&matrix.file, found));
        }
    }
}

fn keep<T>(read: Result<T, Faults>, faults: &mut Vec<Faults>) -> Option<T> {
    read.map_err(|fault| faults.push(fault)).ok()
}

pub(super) fn told(faults: &[Faults]) -> String {
    let count: usize = faults.iter().map(|file| file.faults.len()).sum();
    let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
    let noun = if count == 1 { "fault" } else { "faults" };
    format!("{count} {noun} in the declaration\n{}", lines.join("\n"))
}
