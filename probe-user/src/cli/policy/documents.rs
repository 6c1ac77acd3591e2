//! Policies from files and folders, by cluster.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use rayon::prelude::*;

use super::nft;
use crate::{
    cli::threads,
    escape::text,
    policy::{
        World,
        language::{Document, Enforced, Evaluator},
    },
};

/// Where policies are, and whose they are.
pub(in crate::cli) struct Documents<'a> {
    /// Files, and folders as they are written here: one below for each cluster.
    pub(in crate::cli) paths: &'a [PathBuf],
    /// The cluster of those that no folder gives to one.
    pub(in crate::cli) cluster: Option<&'a str>,
}

impl Documents<'_> {
    /// What enforces all of them; every fault of every file is told at once, and what of them is not compared.
    pub(in crate::cli) fn read<'w>(&self, world: &'w World<'w>) -> Result<Enforced<'w>> {
        enforced(world, &self.load(world)?)
    }

    /// All of them as those who enforce them have them.
    pub(super) fn load(&self, world: &World<'_>) -> Result<Vec<Document>> {
        let mut documents = Vec::new();
        for (cluster, file) in self.files(world)? {
            let name = file.display().to_string();
            let all = fs::read_to_string(&file).with_context(|| format!("reading {name}"))?;
            documents.push(Document { cluster, name, text: all });
        }
        listed(documents)
    }

    /// Each file with its cluster.
    fn files(&self, world: &World<'_>) -> Result<Vec<(String, PathBuf)>> {
        let mut files = Vec::new();
        for path in self.paths {
            if !path.is_dir() {
                files.push((self.cluster_of_rest(world)?, path.clone()));
                continue;
            }
            // What lies beside the clusters' folders are papers, such as the quarantine.
            for folder in entries(path)?.into_iter().filter(|entry| entry.is_dir()) {
                let name =
                    folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                let of_cluster = world.inventory.clusters.contains_key(&name).then_some(name);
                let cluster = of_cluster.map_or_else(|| self.cluster_of_rest(world), Ok)?;
                let mut found = Vec::new();
                below(&folder, &mut found)?;
                files.extend(found.into_iter().map(|file| (cluster.clone(), file)));
            }
        }
        Ok(files)
    }

    fn cluster_of_rest(&self, world: &World<'_>) -> Result<String> {
        if let Some(cluster) = self.cluster {
            return Ok(cluster.to_owned());
        }
        match world.inventory.clusters.keys().collect::<Vec<_>>().as_slice() {
            [one] => Ok((*one).clone()),
            _ => bail!("which cluster are the policies for? Name it with --cluster"),
        }
    }
}

/// Documents with their rulesets as the kernel has them.
pub(super) fn listed(mut documents: Vec<Document>) -> Result<Vec<Document>> {
    let listed = |ruleset: &mut Document| {
        let listed = nft::listed(&ruleset.text, &ruleset.name);
        listed.map(|listed| ruleset.text = listed).err().map(|fault| format!("{fault:#}"))
    };
    threads::start()?;
    let rulesets = documents.par_iter_mut().filter(|document| document.is_ruleset());
    let mut faults: Vec<String> = rulesets.filter_map(listed).collect();
    // Where nft is missing, it is for each of them.
    faults.dedup();
    if faults.is_empty() { Ok(documents) } else { bail!("{}", faults.join("\n")) }
}

/// What enforces documents; says what of them is not compared.
pub(super) fn enforced<'w>(world: &'w World<'w>, documents: &[Document]) -> Result<Enforced<'w>> {
    let enforced = Enforced::read(world, documents)?;
    for note in enforced.notes() {
        eprintln!("flowdrift: warning: {}", text(&note));
    }
    Ok(enforced)
}

/// Files of policies, also in folders below.
fn below(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for path in entries(folder)? {
        let ending = path.extension().and_then(|ending| ending.to_str());
        if path.is_dir() {
            below(&path, found)?;
        } else if matches!(ending, Some("yaml" | "yml" | "json" | "nft")) {
            found.push(path);
        }
    }
    Ok(())
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let cannot = || format!("reading {}", folder.display());
    let entries = fs::read_dir(folder).with_context(cannot)?;
    let mut paths =
        entries.map(|entry| Ok(entry.with_context(cannot)?.path())).collect::<Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}
