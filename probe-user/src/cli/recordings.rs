//! Recordings of many nodes, named together.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use rayon::prelude::*;

use super::threads;
use crate::{
    flow::{Coverage, Window},
    matrix::Inventory,
    report::model::Document,
    source::recording::{self, Recording, RecordingError},
};

/// Recordings in the order of cluster, node and time, so that the order of the arguments changes nothing.
pub(super) fn read_all(paths: &[PathBuf], inventory: &Inventory) -> Result<(Vec<Window>, Vec<Document>)> {
    let (mut read, mut faults) = (Vec::new(), Vec::new());
    threads::start()?;
    let read_one = |path: &PathBuf| checked(read_one(path)?, inventory);
    let results: Vec<Result<Recording>> = paths.par_iter().map(read_one).collect();
    for result in results {
        match result {
            Ok(recording) => read.push(recording),
            Err(fault) => faults.push(format!("{fault:#}")),
        }
    }
    if !faults.is_empty() {
        bail!("{}", faults.join("\n"));
    }
    read.sort_by(|left, right| {
        let order = |one: &Recording| (one.window.cluster.clone(), one.window.node.clone(), one.window.start);
        order(left).cmp(&order(right)).then_with(|| left.digest.cmp(&right.digest))
    });
    if let Some(pair) = read.windows(2).find(|pair| pair[0].digest == pair[1].digest) {
        bail!("{} and {} are the same recording: it would count twice", pair[0].file, pair[1].file);
    }
    for (index, one) in read.iter().enumerate() {
        if let Some(other) = read[..index].iter().find(|other| overlap(&other.window, &one.window)) {
            let (node, files) = (&one.window.node, (&other.file, &one.file));
            bail!(
                "{} and {} both hold node {node} at the same time: connections would count twice",
                files.0,
                files.1
            );
        }
    }
    let document =
        |one: &Recording| Document { name: None, file: one.file.clone(), sha256: one.digest.clone() };
    let documents = read.iter().map(document).collect();
    Ok((read.into_iter().map(|one| one.window).collect(), documents))
}

/// Two parts of one node, such as two namespaces, may be recorded at once.
fn overlap(one: &Window, other: &Window) -> bool {
    let share = !are_apart(&one.coverage, &other.coverage);
    let same_node = one.cluster == other.cluster && one.node == other.node;
    same_node && share && one.start < other.end && other.start < one.end
}

/// Whether both are limited to namespaces and have none in common, or to groups of which none is another or below it.
fn are_apart(one: &Coverage, other: &Coverage) -> bool {
    let apart = |here: Vec<&str>, there: Vec<&str>, meet: &dyn Fn(&str, &str) -> bool| {
        let meet_any = here.iter().any(|here| there.iter().any(|there| meet(here, there)));
        !here.is_empty() && !there.is_empty() && !meet_any
    };
    let is_within = |inner: &str, outer: &str| {
        let [inner, outer] = [inner, outer].map(|path| path.trim_matches('/'));
        outer.is_empty()
            || inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    apart(one.namespaces().collect(), other.namespaces().collect(), &|here, there| here == there)
        || apart(one.groups().collect(), other.groups().collect(), &|here, there| {
            is_within(here, there) || is_within(there, here)
        })
}

fn checked(recording: Recording, inventory: &Inventory) -> Result<Recording> {
    known(&recording.window.cluster, &recording.window.node, inventory)
        .with_context(|| recording.file.clone())?;
    Ok(recording)
}

/// Facts of a node that the inventory does not know would count nowhere.
pub(super) fn known(cluster: &str, node: &str, inventory: &Inventory) -> Result<()> {
    let Some(entry) = inventory.clusters.get(cluster) else {
        let names: Vec<&str> = inventory.clusters.keys().map(String::as_str).collect();
        bail!("cluster `{cluster}` is not in {}, which has {}", inventory.file, names.join(", "));
    };
    if !entry.nodes.contains_key(node) {
        let names: Vec<&str> = entry.nodes.keys().map(String::as_str).collect();
        bail!(
            "node `{node}` is not in the roster of cluster `{cluster}` in {}, which has {}",
            inventory.file,
            names.join(", ")
        );
    }
    Ok(())
}

/// Reads a recording; `-` is standard input.
fn read_one(path: &Path) -> Result<Recording> {
    if path == Path::new("-") {
        return Ok(recording::read("standard input", io::stdin().lock())?);
    }
    let name = path.display().to_string();
    let file = File::open(path).map_err(|cause| RecordingError::Unreadable { file: name.clone(), cause })?;
    Ok(recording::read(&name, io::BufReader::new(file))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_node_are_apart_only_if_no_connection_can_be_in_both() {
        let limited = |limits: &[&str]| Coverage {
            limited_to: limits.iter().map(|&limit| limit.to_owned()).collect(),
            ..Coverage::default()
        };
        let apart = |one: &[&str], other: &[&str]| {
            let (one, other) = (limited(one), limited(other));
            assert_eq!(are_apart(&one, &other), are_apart(&other, &one));
            are_apart(&one, &other)
        };
        assert!(!apart(&[], &["netns blue"]), "one is of the whole node");
        assert!(apart(&["netns red"], &["netns blue", "netns green"]));
        assert!(!apart(&["netns red", "netns blue"], &["netns blue"]));
        assert!(!apart(&["netns blue"], &["cgroup /kubepods"]), "a group may be there");
        assert!(apart(&["cgroup /kubepods/a"], &["cgroup /kubepods/ab", "cgroup /system.slice"]));
        assert!(!apart(&["cgroup /kubepods"], &["cgroup /kubepods/burstable"]), "one is below the other");
        assert!(!apart(&["cgroup /kubepods"], &["cgroup kubepods/"]), "one path, written otherwise");
        assert!(!apart(&["cgroup /"], &["cgroup /kubepods"]));
        assert!(apart(&["netns red", "cgroup /a"], &["netns blue", "cgroup /a"]));
    }
}
