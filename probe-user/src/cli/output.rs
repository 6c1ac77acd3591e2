//! Where results go. A file is opened before the work that fills it, since a day's window must not be lost to a
//! mistyped path, and takes its name only once it is whole.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use nix::unistd::{Gid, getegid, geteuid, getgroups};

/// A file that is being written, or standard output.
pub(super) enum Output {
    Standard,
    /// A file that takes its name at the end.
    File {
        name: PathBuf,
        unfinished: PathBuf,
        file: File,
    },
    /// A file that has its name already, in a folder where only a right that is given up meanwhile could rename it.
    InPlace {
        name: PathBuf,
        file: File,
    },
    /// A device or a pipe, which keeps what it is.
    Special {
        name: PathBuf,
        file: File,
    },
}

impl Output {
    /// Opens it; `-` is standard output.
    pub(super) fn open(name: &Path) -> Result<Self> {
        // Opened by its name it would be another writer at another place.
        if ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"].map(Path::new).contains(&name) {
            return Ok(Self::Standard);
        }
        let cannot = || format!("cannot write {}", name.display());
        // A link stays one: what it leads to is written. What stands in /dev leads to what is open already.
        let is_device = name.starts_with("/dev");
        let name = if is_device { name.to_owned() } else { followed(name) };
        match name.metadata() {
            Ok(there) if there.is_dir() => {
                Err(io::Error::from(io::ErrorKind::IsADirectory)).with_context(cannot)
            }
            Ok(there) if is_device || !there.is_file() => {
                // Appending: several may write to one device, and a file behind /dev/stdout keeps what it has.
                let file = File::options().append(true).open(&name).with_context(cannot)?;
                Ok(Self::Special { name, file })
            }
            _ if !may_rename_in(&name) => {
                let file = File::options().write(true).create(true).truncate(false).open(&name);
                Ok(Self::InPlace { file: file.with_context(cannot)?, name })
            }
            there => {
                let mut unfinished = name.as_os_str().to_owned();
                unfinished.push(format!(".{}.tmp", std::process::id()));
                let unfinished = PathBuf::from(unfinished);
                // Whatever stands under that name is not ours to follow or to empty.
                let file =
                    File::options().write(true).create_new(true).open(&unfinished).with_context(cannot)?;
                if let Ok(there) = there {
                    file.set_permissions(there.permissions()).with_context(cannot)?;
                }
                Ok(Self::File { name, unfinished, file })
            }
        }
    }

    /// Writes a value as JSON, for people to read too.
    pub(super) fn write_json(self, value: &impl serde::Serialize) -> Result<()> {
        self.write(|out| {
            serde_json::to_writer_pretty(&mut *out, value)?;
            writeln!(out)
        })
    }

    /// Writes all of it. Whoever reads standard output may have seen enough (`| head`).
    pub(super) fn write(mut self, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
        match &mut self {
            // Standard output would write each line by itself.
            Self::Standard => match buffered(io::stdout().lock(), fill) {
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
                written => written.context("writing to standard output"),
            },
            Self::Special { name, file } => {
                buffered(file, fill).with_context(|| format!("writing {}", name.display()))
            }
            Self::InPlace { name, file } => file
                .set_len(0)
                .and_then(|()| buffered(file, fill))
                .with_context(|| format!("writing {}", name.display())),
            Self::File { name, unfinished, file } => buffered(file, fill)
                .and_then(|()| fs::rename(&unfinished, &name))
                .with_context(|| format!("writing {}", name.display())),
        }
    }
}

/// Whether the file's folder may be written to by who this process is, without the capability to pass over permissions:
/// root in an ordinary user's folder may not, and has that capability only until a window opens.
fn may_rename_in(name: &Path) -> bool {
    let parent = name.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // What is wrong with the folder is told when the file is opened.
    let Ok(folder) = parent.metadata() else { return true };
    let is_of_group = |group| {
        let group = Gid::from_raw(group);
        getegid() == group || getgroups().is_ok_and(|groups| groups.contains(&group))
    };
    let shift = match () {
        () if folder.uid() == geteuid().as_raw() => 6,
        () if is_of_group(folder.gid()) => 3,
        () => 0,
    };
    /// Write and search (`man 7 inode`).
    const NEEDED: u32 = 0o3;
    folder.mode() >> shift & NEEDED == NEEDED
}

/// Where a name leads, also where nothing is there yet.
fn followed(name: &Path) -> PathBuf {
    if let Ok(there) = name.canonicalize() {
        return there;
    }
    match name.read_link() {
        Ok(target) => name.parent().unwrap_or(Path::new("")).join(target),
        Err(_) => name.to_owned(),
    }
}

fn buffered(to: impl Write, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut buffered = BufWriter::new(to);
    fill(&mut buffered)?;
    buffered.flush()
}

impl Drop for Output {
    /// Nothing half written stays behind.
    fn drop(&mut self) {
        if let Self::File { unfinished, .. } = self {
            // After a rename there is none.
            let _ = fs::remove_file(unfinished);
        }
    }
}
