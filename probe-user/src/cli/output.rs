//! Where results go. A file is opened before the work that fills it, since a day's window must not be lost to a
//! mistyped path, and takes its name only once it is whole.

use std::{
    fmt,
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
        let written = self.begin().and_then(|mut to| {
            fill(&mut to)?;
            to.flush()
        });
        let name = self.to_string();
        match written {
            Err(error) if matches!(self, Self::Standard) && error.kind() == io::ErrorKind::BrokenPipe => {
                Ok(())
            }
            written => written.and_then(|()| self.end()).with_context(|| format!("writing {name}")),
        }
    }

    /// Where it is written to, piece by piece; [`Self::end`] is to be called when it is whole.
    pub(super) fn begin(&mut self) -> io::Result<BufWriter<Box<dyn Write>>> {
        let to: Box<dyn Write> = match self {
            // Standard output would write each line by itself.
            Self::Standard => Box::new(io::stdout().lock()),
            Self::InPlace { file, .. } => {
                file.set_len(0)?;
                Box::new(file.try_clone()?)
            }
            Self::Special { file, .. } | Self::File { file, .. } => Box::new(file.try_clone()?),
        };
        Ok(BufWriter::new(to))
    }

    /// It is whole.
    pub(super) fn end(self) -> io::Result<()> {
        match &self {
            Self::File { name, unfinished, .. } => fs::rename(unfinished, name),
            Self::Standard | Self::InPlace { .. } | Self::Special { .. } => Ok(()),
        }
    }
}

impl fmt::Display for Output {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Standard => formatter.write_str("standard output"),
            Self::File { name, .. } | Self::InPlace { name, .. } | Self::Special { name, .. } => {
                name.display().fmt(formatter)
            }
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

impl Drop for Output {
    /// Nothing half written stays behind.
    fn drop(&mut self) {
        if let Self::File { unfinished, .. } = self {
            // After a rename there is none.
            let _ = fs::remove_file(unfinished);
        }
    }
}
