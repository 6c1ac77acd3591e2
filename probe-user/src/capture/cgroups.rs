//! The cgroup-v2 tree: its root, where the connect hooks attach, and the names behind ids.

use std::{
    collections::HashMap,
    fs::File,
    io,
    os::{
        fd::AsRawFd,
        unix::fs::{DirEntryExt, MetadataExt},
    },
    path::{Path, PathBuf},
};

use nix::mount::{MntFlags, MsFlags, mount, umount2};

/// The root of the cgroup-v2 hierarchy.
#[derive(Debug)]
pub struct CgroupTree {
    root: PathBuf,
    names: HashMap<u64, String>,
    /// A mount of our own is nowhere to be found but behind this descriptor, and goes with it.
    _private: Option<File>,
}

impl CgroupTree {
    /// Finds the mounted tree, or mounts one for this process where none is.
    ///
    /// # Errors
    ///
    /// When the kernel has no cgroup v2, the mount is refused, or only a part of the tree can be seen.
    pub fn find() -> io::Result<Self> {
        let tree = match mounted()? {
            Some(root) => Self { root, names: HashMap::new(), _private: None },
            None => Self::mount_private()?,
        };
        tree.is_whole()?.then_some(tree).ok_or_else(|| {
            io::Error::other(
                "only a part of the cgroup-v2 tree is visible; run in the node's cgroup namespace",
            )
        })
    }

    /// Whether this is the node's whole tree: a hook on a part of it would see that part alone, and paths below it
    /// would mean something else. The root's inode is 1 (fs/kernfs/dir.c), a cgroup namespace's root has another.
    fn is_whole(&self) -> io::Result<bool> {
        const ROOT: u64 = 1;
        Ok(std::fs::metadata(&self.root)?.ino() == ROOT)
    }

    fn mount_private() -> io::Result<Self> {
        let point = std::env::temp_dir().join(format!("flowdrift-cgroup2-{}", std::process::id()));
        std::fs::create_dir_all(&point)?;
        let mounted = mount(Some("none"), &point, Some("cgroup2"), MsFlags::empty(), None::<&str>);
        let root = mounted.map_err(io::Error::from).and_then(|()| {
            let root = File::open(&point);
            umount2(&point, MntFlags::MNT_DETACH)?;
            root
        });
        std::fs::remove_dir(&point)?;
        let root = root?;
        let path = PathBuf::from(format!("/proc/self/fd/{}", root.as_raw_fd()));
        Ok(Self { root: path, names: HashMap::new(), _private: Some(root) })
    }

    /// The root, opened for attaching.
    ///
    /// # Errors
    ///
    /// When it cannot be opened.
    pub fn open_root(&self) -> io::Result<File> {
        File::open(&self.root)
    }

    /// A group's path below the root, also where it was given below the mount point.
    #[must_use]
    pub fn below(&self, path: &Path) -> PathBuf {
        path.strip_prefix(&self.root).unwrap_or(path).to_owned()
    }

    /// Id and level of a group: `path` is absolute, or as /proc/PID/cgroup shows it.
    ///
    /// # Errors
    ///
    /// When there is no such group.
    pub fn group(&self, path: &Path) -> io::Result<(u64, u32)> {
        let full = if path.starts_with(&self.root) {
            path.to_owned()
        } else {
            self.root.join(path.strip_prefix("/").unwrap_or(path))
        };
        let below = full.strip_prefix(&self.root).map_err(io::Error::other)?;
        let level = below.components().count() as u32;
        Ok((std::fs::metadata(&full)?.ino(), level))
    }

    /// The group that this process is in (`man 7 cgroups`: the line of the unified hierarchy).
    ///
    /// # Errors
    ///
    /// When /proc does not say.
    pub fn own_group(&self) -> io::Result<(u64, u32)> {
        let table = std::fs::read_to_string("/proc/self/cgroup")?;
        let path = table.lines().find_map(|line| line.strip_prefix("0::"));
        self.group(Path::new(path.ok_or_else(|| io::Error::other("no cgroup-v2 line in /proc/self/cgroup"))?))
    }

    /// Path of the group with this id below the root, `/` for the root; `None` when it is gone.
    ///
    /// An id is the inode of its directory (kernfs, 64-bit inodes since Linux 5.5). The tree is read again for
    /// an id that is not known yet.
    pub fn name(&mut self, id: u64) -> Option<String> {
        if !self.names.contains_key(&id) {
            self.refresh();
        }
        self.names.get(&id).cloned()
    }

    fn refresh(&mut self) {
        if let Ok(root) = std::fs::metadata(&self.root) {
            self.names.insert(root.ino(), "/".to_owned());
        }
        let mut names = std::mem::take(&mut self.names);
        // What cannot be read has no name.
        let _ = self.walk(|path, id| {
            if let Ok(below) = path.strip_prefix(&self.root) {
                names.insert(id, format!("/{}", below.display()));
            }
        });
        self.names = names;
    }

    /// Every group now, the root first; those that go meanwhile may be among them. With the reason, if some could not be
    /// read.
    pub(super) fn groups(&self) -> (Vec<PathBuf>, Option<io::Error>) {
        let mut groups = vec![self.root.clone()];
        let unread = self.walk(|path, _| groups.push(path.to_owned()));
        (groups, unread)
    }

    /// Shows every group below the root, with its id; why it could not show all.
    fn walk(&self, mut show: impl FnMut(&Path, u64)) -> Option<io::Error> {
        let mut unread = None;
        let mut waiting = vec![self.root.clone()];
        while let Some(directory) = waiting.pop() {
            let entries = match std::fs::read_dir(&directory) {
                Ok(entries) => entries,
                Err(cause) if cause.kind() == io::ErrorKind::NotFound => continue,
                Err(cause) => {
                    let told = format!("{}: {cause}", directory.display());
                    unread = unread.or(Some(io::Error::new(cause.kind(), told)));
                    continue;
                }
            };
            for entry in entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
                let path = entry.path();
                show(&path, entry.ino());
                waiting.push(path);
            }
        }
        unread
    }
}

/// Mount point of the cgroup-v2 tree (`man 5 proc_pid_mountinfo`; the type follows the separator).
fn mounted() -> io::Result<Option<PathBuf>> {
    let table = std::fs::read_to_string("/proc/self/mountinfo")?;
    let root = |line: &str| {
        let (mount, filesystem) = line.split_once(" - ")?;
        let mut fields = mount.split(' ').skip(3);
        let is_whole = fields.next()? == "/";
        let point = fields.next()?;
        (is_whole && filesystem.starts_with("cgroup2 ")).then(|| PathBuf::from(point.replace("\\040", " ")))
    };
    Ok(table.lines().find_map(root))
}
