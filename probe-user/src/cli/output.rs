//! Where results go. A file is opened before the work that fills it, since a day's window must not be lost to a
//! mistyped path, and takes its name only once it is whole.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

/// A file that is being written, or standard output.
pub(super) enum Output {
    Standard,
    /// A file that takes its name at the end.
    File {
        name: PathBuf,
        unfinished: PathBuf,
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
        if name == Path::new("-") {
            return Ok(Self::Standard);
        }
        let cannot = || format!("cannot write {}", name.display());
        // A link stays one: what it leads to is written.
        let name = name.canonicalize().unwrap_or_else(|_| name.to_owned());
        match name.metadata() {
            Ok(there) if there.is_dir() => {
                Err(io::Error::from(io::ErrorKind::IsADirectory)).with_context(cannot)
            }
            Ok(there) if !there.is_file() => {
                let file = File::options().write(true).open(&name).with_context(cannot)?;
                Ok(Self::Special { name, file })
            }
            _ => {
                let mut unfinished = name.as_os_str().to_owned();
                unfinished.push(format!(".{}.tmp", std::process::id()));
                let unfinished = PathBuf::from(unfinished);
                let file = File::create(&unfinished).with_context(cannot)?;
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
            Self::File { name, unfinished, file } => buffered(file, fill)
                .and_then(|()| fs::rename(&unfinished, &name))
                .with_context(|| format!("writing {}", name.display())),
        }
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
