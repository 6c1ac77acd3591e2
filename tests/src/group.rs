//! cgroups of a test, gone with it.

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

/// A cgroup-v2 group below the root of the mounted tree; removed when dropped, by when it must be empty.
pub struct TestGroup {
    full: PathBuf,
    below: String,
}

impl TestGroup {
    /// Makes one.
    ///
    /// # Panics
    ///
    /// When there is no cgroup-v2 tree.
    #[must_use]
    pub fn new(purpose: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        Self::make(&root(), &format!("/fdt-{}-{number}-{purpose}", std::process::id()))
    }

    /// Makes one below this one.
    ///
    /// # Panics
    ///
    /// When the kernel refuses.
    #[must_use]
    pub fn inner(&self, name: &str) -> Self {
        Self::make(&root(), &format!("{}/{name}", self.below))
    }

    fn make(root: &Path, below: &str) -> Self {
        let full = root.join(below.trim_start_matches('/'));
        std::fs::create_dir(&full).expect("root can make groups");
        Self { full, below: below.to_owned() }
    }

    /// Its path below the root, as a recording names it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.below
    }

    /// Its directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.full
    }
}

impl Drop for TestGroup {
    fn drop(&mut self) {
        // Its last process may still be on its way out.
        for _ in 0..100 {
            if std::fs::remove_dir(&self.full).is_ok() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }
}

/// Mount point of the cgroup-v2 tree (`man 5 proc_pid_mountinfo`).
///
/// # Panics
///
/// When none is mounted.
#[must_use]
pub fn root() -> PathBuf {
    let table = std::fs::read_to_string("/proc/self/mountinfo").expect("/proc is mounted");
    let mount = table.lines().find_map(|line| {
        let (mount, filesystem) = line.split_once(" - ")?;
        filesystem.starts_with("cgroup2 ").then(|| mount.split(' ').nth(4)).flatten()
    });
    PathBuf::from(mount.expect("a cgroup-v2 tree is mounted"))
}
