//! Policies from files and folders, by cluster.

use std::{
    collections::BTreeMap,
    fs,
    num::NonZero,
    panic::resume_unwind,
    path::{Path, PathBuf},
    thread,
};

use anyhow::{Context, Result, bail};

use super::{folder::is_paper, nft};
use crate::{
    escape::text,
    policy::{
        World,
        language::{Document, Enforced, Evaluator, component},
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
    /// All of them as those who enforce them have them.
    pub(in crate::cli) fn load(&self, world: &World<'_>) -> Result<Vec<Document>> {
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
        let (mut files, folders) = (Vec::new(), folders(world)?);
        for path in self.paths {
            if !path.is_dir() {
                files.push((self.cluster_of_rest(world)?, path.clone()));
                continue;
            }
            let before = files.len();
            for entry in entries(path)?.into_iter().filter(|entry| !is_paper(entry)) {
                let mut found = Vec::new();
                below(&entry, &mut found)?;
                let name = entry.file_name().unwrap_or_default().to_string_lossy();
                let cluster = match folders.get(&*name).filter(|_| entry.is_dir()) {
                    Some(cluster) => (*cluster).to_owned(),
                    None if found.is_empty() => continue,
                    None => self.cluster_of_rest(world)?,
                };
                files.extend(found.into_iter().map(|file| (cluster.clone(), file)));
            }
            if files.len() == before {
                let path = path.display();
                bail!("{path}: found no policies, expected files that end in {}", ENDINGS.join(", "));
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

/// Documents with their rulesets as the kernel has them. The threads are gone afterwards: whoever gives up rights for a live
/// audit gives up his own alone.
pub(super) fn listed(mut documents: Vec<Document>) -> Result<Vec<Document>> {
    let listed = |ruleset: &mut &mut Document| {
        let listed = nft::listed(&ruleset.text, &ruleset.name);
        listed.map(|listed| ruleset.text = listed).err().map(|fault| format!("{fault:#}"))
    };
    let mut rulesets: Vec<&mut Document> =
        documents.iter_mut().filter(|document| document.is_ruleset()).collect();
    let workers = thread::available_parallelism().map_or(1, NonZero::get);
    let share = rulesets.len().div_ceil(workers).max(1);
    let mut faults: Vec<String> = thread::scope(|scope| {
        let work = |share: &mut [&mut Document]| share.iter_mut().filter_map(listed).collect::<Vec<_>>();
        let threads: Vec<_> =
            rulesets.chunks_mut(share).map(|share| scope.spawn(move || work(share))).collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
            .collect()
    });
    // That something is not there is told once.
    faults.dedup();
    if faults.is_empty() { Ok(documents) } else { bail!("{}", faults.join("\n")) }
}

/// What enforces documents; says what of them is not compared.
///
/// # Errors
/// They are no policies, or nobody enforces any of them: whoever asks what they let through would be told that nothing is wrong.
pub(in crate::cli) fn enforced<'w>(world: &'w World<'w>, documents: &[Document]) -> Result<Enforced<'w>> {
    let enforced = Enforced::read(world, documents)?;
    if enforced.is_empty() {
        let names: Vec<&str> = documents.iter().map(|document| document.name.as_str()).collect();
        bail!("{}: found nothing that a cluster enforces, expected policies", names.join(", "));
    }
    for note in enforced.notes() {
        eprintln!("flowdrift: warning: {}", text(&note));
    }
    Ok(enforced)
}

/// The folder of each cluster, by its name.
///
/// # Errors
/// Two clusters would have one: letters that no path can have give way to others.
pub(super) fn folders<'w>(world: &World<'w>) -> Result<BTreeMap<String, &'w str>> {
    let mut folders = BTreeMap::new();
    for cluster in world.inventory.clusters.keys() {
        if let Some(other) = folders.insert(component(cluster), cluster.as_str()) {
            let folder = component(cluster);
            bail!(
                "the clusters {other} and {cluster} would both be the folder {folder}: one needs another name"
            );
        }
    }
    Ok(folders)
}

/// How the files of policies end.
const ENDINGS: [&str; 4] = ["yaml", "yml", "json", "nft"];

/// What of it is a file of policies, also in folders below.
fn below(path: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    if path.is_dir() {
        return entries(path)?.iter().try_for_each(|entry| below(entry, found));
    }
    let ending = path.extension().and_then(|ending| ending.to_str());
    if ending.is_some_and(|ending| ENDINGS.contains(&ending)) {
        found.push(path.to_owned());
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
