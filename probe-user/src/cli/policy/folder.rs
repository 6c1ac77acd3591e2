//! A folder of policies that nobody's work is lost in: what a person has changed there is never written over.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use super::super::output::Output;
use crate::policy::language::File;

/// Stands in the first line of each file, as a comment of its language; the digest is of all that follows the line.
const MARK: &str = "Written by flowdrift, which writes over it only while it is unchanged: sha256 ";

/// The first line of a file. What is a comment elsewhere is a heading in Markdown.
fn mark(path: &Path, digest: &str) -> String {
    if path.extension().is_some_and(|ending| ending == "md") {
        format!("<!-- {MARK}{digest} -->")
    } else {
        format!("# {MARK}{digest}")
    }
}

/// Papers beside the clusters' folders: what awaits approval, and what may go.
pub(super) const PAPERS: [&str; 2] = ["quarantine.yaml", "removal-candidates.yaml"];

/// Whether a file beside the clusters' folders is a paper, and no policy.
pub(super) fn is_paper(path: &Path) -> bool {
    PAPERS.map(Path::new).into_iter().any(|paper| {
        path.file_name().is_some_and(|name| name == paper || beside(paper).file_name() == Some(name))
    })
}

/// Where a paper is written while somebody works on the one before.
fn beside(paper: &Path) -> PathBuf {
    paper.with_extension("new.yaml")
}

/// The folder.
pub(super) struct Folder<'a> {
    at: &'a Path,
}

/// Whose work a file is.
enum Hand {
    /// It is as it was written here.
    Ours,
    /// It was written here, and somebody has changed it.
    Changed,
    /// Somebody else made it.
    Theirs,
}

impl<'a> Folder<'a> {
    pub(super) fn new(at: &'a Path) -> Self {
        Self { at }
    }

    /// Writes the files, and takes away those that it wrote before and that are there no more: of these clusters only, for
    /// of others nobody has said anything. Returns what it took away, and what it left that somebody has changed, in words.
    ///
    /// A paper that somebody works on, which lies beside the clusters' folders, stays, and the new one goes beside it.
    ///
    /// # Errors
    /// A policy there is somebody's, or two files have one name, and nothing is written; or what the file system says.
    pub(super) fn write(&self, files: &[File], clusters: &BTreeSet<String>) -> Result<Vec<String>> {
        let mut told = Vec::new();
        let (mut theirs, mut wanted) = (Vec::new(), BTreeMap::new());
        for file in files {
            let mut path = self.at.join(&file.name);
            if !file.name.contains('/') && is_of_others(&path)? {
                let paper = std::mem::replace(&mut path, beside(&self.at.join(&file.name)));
                let (paper, path) = (paper.display(), path.display());
                told.push(format!("{paper} was changed by hand: the new one is {path}"));
            }
            if is_of_others(&path)? {
                theirs.push(path.display().to_string());
            } else if wanted.insert(path.clone(), file).is_some() {
                // Letters that no path can have give way to others.
                bail!(
                    "two documents would be {}: whom they are for is called too much alike",
                    path.display()
                );
            }
        }
        if !theirs.is_empty() {
            bail!(
                "changed by hand, and not written over: {}; move them away, or write to another folder and compare",
                theirs.join(", ")
            );
        }
        let is_spoken_of =
            |path: &PathBuf| clusters.iter().any(|cluster| path.starts_with(self.at.join(cluster)));
        let mut stale = Vec::new();
        for path in self.there()?.into_iter().filter(|path| is_spoken_of(path) && !wanted.contains_key(path))
        {
            match hand(&path)? {
                Hand::Ours => stale.push(path),
                Hand::Changed => {
                    let path = path.display();
                    told.push(format!(
                        "{path} was changed by hand, and nothing takes its place any more: it stays"
                    ));
                }
                Hand::Theirs => {}
            }
        }
        for (path, file) in &wanted {
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent).with_context(|| format!("making {}", parent.display()))?;
            }
            let mark = mark(path, &digest(&file.text)) + "\n";
            // A quarantine may be large: it is not put together once more.
            Output::open(path)?.write(|out| {
                out.write_all(mark.as_bytes())?;
                out.write_all(file.text.as_bytes())
            })?;
        }
        for path in stale {
            fs::remove_file(&path).with_context(|| format!("removing {}", path.display()))?;
            told.push(format!("{} was written before and is needed no more: removed", path.display()));
        }
        Ok(told)
    }

    /// Every file below, in their order.
    fn there(&self) -> Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        let mut folders = vec![self.at.to_owned()];
        while let Some(folder) = folders.pop() {
            if !folder.exists() {
                continue;
            }
            let cannot = || format!("reading {}", folder.display());
            for entry in fs::read_dir(&folder).with_context(cannot)? {
                let entry = entry.with_context(cannot)?;
                let kind = entry.file_type().with_context(cannot)?;
                match () {
                    () if kind.is_dir() => folders.push(entry.path()),
                    () if kind.is_file() => found.push(entry.path()),
                    () => {}
                }
            }
        }
        found.sort();
        Ok(found)
    }
}

/// Whether what is at a path may not be written over. Links are followed, for so they are written; one that leads nowhere is
/// somebody's, too.
fn is_of_others(path: &Path) -> Result<bool> {
    if !path.exists() {
        return Ok(path.is_symlink());
    }
    Ok(!matches!(hand(path)?, Hand::Ours))
}

fn hand(path: &Path) -> Result<Hand> {
    let bytes = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    let Some((first, rest)) = str::from_utf8(&bytes).ok().and_then(|text| text.split_once('\n')) else {
        return Ok(Hand::Theirs);
    };
    Ok(match () {
        () if first == mark(path, &digest(rest)) => Hand::Ours,
        () if first.contains(MARK) => Hand::Changed,
        () => Hand::Theirs,
    })
}

fn digest(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, text: &str) -> File {
        File { name: name.to_owned(), cluster: None, text: text.to_owned() }
    }

    #[test]
    fn what_a_person_changed_stays_and_what_is_needed_no_more_goes() -> Result<()> {
        let at = std::env::temp_dir().join(format!("flowdrift-folder-{}", std::process::id()));
        let folder = Folder::new(&at);
        let clusters = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        let both = clusters(&["run", "view"]);
        folder.write(
            &[file("run/a.yaml", "one\n"), file("run/b.yaml", "two\n"), file("view/c.yaml", "c\n")],
            &both,
        )?;
        fs::write(at.join("run/mine.yaml"), "mine\n")?;
        // Of the other cluster nobody says anything this time.
        let told = folder.write(&[file("run/a.yaml", "three\n")], &clusters(&["run"]))?;
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(!at.join("run/b.yaml").exists());
        assert!(at.join("view/c.yaml").exists());
        assert!(fs::read_to_string(at.join("run/a.yaml"))?.ends_with("\nthree\n"));
        let table = [file("run/a.yaml", "three\n"), file("run/t.md", "| a |\n")];
        folder.write(&table, &clusters(&["run"]))?;
        assert!(fs::read_to_string(at.join("run/t.md"))?.starts_with("<!-- Written by flowdrift, "));
        // It is known again as what nobody has changed.
        folder.write(&table, &clusters(&["run"]))?;
        let changed = fs::read_to_string(at.join("run/a.yaml"))?.replace("three", "four");
        fs::write(at.join("run/a.yaml"), &changed)?;
        let refused = folder.write(&[file("run/a.yaml", "five\n"), file("run/c.yaml", "six\n")], &both);
        assert!(refused.is_err_and(|error| error.to_string().contains("run/a.yaml")));
        assert_eq!(fs::read_to_string(at.join("run/a.yaml"))?, changed);
        assert!(!at.join("run/c.yaml").exists(), "nothing of it is written");
        assert_eq!(fs::read_to_string(at.join("run/mine.yaml"))?, "mine\n");
        // Nobody misses that it is applied still.
        let told = folder.write(&[file("run/c.yaml", "six\n")], &both)?;
        assert!(
            told.iter().any(|told| told.contains("run/a.yaml") && told.ends_with("it stays")),
            "{told:?}"
        );
        assert!(!told.iter().any(|told| told.contains("mine.yaml")), "{told:?}");
        let alike = folder.write(&[file("run/d.yaml", "one\n"), file("run/d.yaml", "two\n")], &both);
        assert!(alike.is_err_and(|error| error.to_string().contains("run/d.yaml")));
        fs::remove_dir_all(&at)?;
        Ok(())
    }

    #[test]
    fn links_lead_to_nobody_elses_files_and_papers_are_worked_on() -> Result<()> {
        let at = std::env::temp_dir().join(format!("flowdrift-folder-links-{}", std::process::id()));
        fs::create_dir_all(at.join("made/run"))?;
        fs::write(at.join("mine.yaml"), "mine\n")?;
        std::os::unix::fs::symlink(at.join("mine.yaml"), at.join("made/run/a.yaml"))?;
        let made = at.join("made");
        let folder = Folder::new(&made);
        let clusters = ["run".to_owned()].into();
        assert!(folder.write(&[file("run/a.yaml", "one\n")], &clusters).is_err());
        assert_eq!(fs::read_to_string(at.join("mine.yaml"))?, "mine\n");
        folder.write(&[file("quarantine.yaml", "one\n")], &clusters)?;
        fs::write(made.join("quarantine.yaml"), "approved\n")?;
        folder.write(&[file("quarantine.yaml", "two\n"), file("run/b.yaml", "b\n")], &clusters)?;
        assert_eq!(fs::read_to_string(made.join("quarantine.yaml"))?, "approved\n");
        assert!(fs::read_to_string(made.join("quarantine.new.yaml"))?.ends_with("\ntwo\n"));
        assert!(made.join("run/b.yaml").exists());
        // So does one that was written beside it, and a link that leads nowhere yet.
        fs::write(made.join("quarantine.new.yaml"), "read\n")?;
        assert!(folder.write(&[file("quarantine.yaml", "three\n")], &clusters).is_err());
        assert_eq!(fs::read_to_string(made.join("quarantine.new.yaml"))?, "read\n");
        std::os::unix::fs::symlink(at.join("nobodys.yaml"), made.join("run/c.yaml"))?;
        assert!(folder.write(&[file("run/c.yaml", "c\n")], &clusters).is_err());
        assert!(!at.join("nobodys.yaml").exists());
        fs::remove_dir_all(&at)?;
        Ok(())
    }
}
