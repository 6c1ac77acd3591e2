//! A folder of a test, gone with it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};

use crate::live::binary;

/// Open to every user.
pub struct Folder(PathBuf);

impl Folder {
    /// Makes one.
    ///
    /// # Panics
    ///
    /// When the temporary directory is not writable.
    #[must_use]
    pub fn new(purpose: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("flowdrift-{purpose}-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).expect("the temporary directory is writable");
        let everybody = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        fs::set_permissions(&path, everybody).expect("it is ours");
        Self(path)
    }

    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The path of a file in it, as an argument.
    #[must_use]
    pub fn at(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    /// Writes a file.
    ///
    /// # Panics
    ///
    /// When the disk is full.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> &Self {
        fs::write(self.0.join(name), content).expect("the folder is writable");
        self
    }

    /// A copy of flowdrift that any user may run. Another process makes it: a file that a test's thread has open for writing
    /// while a sibling forks cannot be executed.
    ///
    /// # Panics
    ///
    /// When there is no `cp`.
    #[must_use]
    pub fn binary(&self) -> String {
        let copy = self.at("flowdrift");
        let status = Command::new("cp").arg(binary()).arg(&copy).status();
        assert!(status.expect("cp is everywhere").success());
        copy
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
