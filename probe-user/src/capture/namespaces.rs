//! The network namespaces of this node, and work done inside of one.

use std::{
    collections::{BTreeMap, HashSet},
    fs::File,
    io,
    os::{
        fd::{AsFd, AsRawFd},
        unix::fs::MetadataExt,
    },
    path::{Path, PathBuf},
};

use nix::{
    sched::{CloneFlags, setns},
    sys::socket::{AddressFamily, SockFlag, SockType, socket},
    sys::statfs::{NSFS_MAGIC, fstatfs},
};

use super::lockdown;

/// A network namespace that can be entered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace {
    /// A path under /proc, or a bind mount, that leads to it.
    pub path: PathBuf,
    /// Inode on nsfs: unique among the living (`man 7 namespaces`).
    pub inode: u64,
    /// The bind mount's name, where it has one.
    pub name: Option<String>,
}

impl Namespace {
    /// The namespace at a path, such as `/run/netns/blue` or `/proc/17/ns/net`.
    ///
    /// # Errors
    ///
    /// When there is none: a bind mount that goes leaves a plain file for a moment.
    pub fn at(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        if fstatfs(&file)?.filesystem_type() != NSFS_MAGIC {
            return Err(io::Error::new(io::ErrorKind::NotFound, "this is a file, and no namespace"));
        }
        let inode = file.metadata()?.ino();
        let below_proc = path.starts_with("/proc");
        let name = if below_proc { None } else { path.file_name().map(|name| name.to_string_lossy().into()) };
        Ok(Self { path: path.to_owned(), inode, name })
    }

    /// Name for people: the bind mount's, otherwise `net:[inode]` as /proc shows it.
    #[must_use]
    pub fn label(&self) -> String {
        self.name.clone().unwrap_or_else(|| format!("net:[{}]", self.inode))
    }

    /// Runs `work` inside the namespace, on a thread of its own that ends with it unless it is our own.
    ///
    /// # Errors
    ///
    /// When the namespace cannot be entered (it needs CAP_SYS_ADMIN) or is gone ([`io::ErrorKind::NotFound`]), and what
    /// `work` returns.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
        // Being there already needs no right.
        if own()?.inode == self.inode {
            return work();
        }
        let file = self.open()?;
        let inside = || {
            setns(file.as_fd(), CloneFlags::CLONE_NEWNET)?;
            work()
        };
        std::thread::scope(|scope| {
            let thread =
                std::thread::Builder::new().name("flowdrift-netns".into()).spawn_scoped(scope, inside)?;
            thread.join().unwrap_or_else(|_| Err(io::Error::other("the thread in the namespace panicked")))
        })
    }

    /// Runs `work` inside the namespace on a thread that has given up its capabilities there, and does not wait for its
    /// end.
    ///
    /// # Errors
    ///
    /// When the namespace cannot be entered.
    pub fn stay(&self, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let file = (own()?.inode != self.inode).then(|| self.open()).transpose()?;
        let (sender, entered) = std::sync::mpsc::sync_channel(1);
        std::thread::Builder::new().name("flowdrift-netns".into()).spawn(move || {
            let there = file.map_or(Ok(()), |file| setns(file.as_fd(), CloneFlags::CLONE_NEWNET));
            let there = there.map_err(io::Error::from).and_then(|()| lockdown::give_up_capabilities());
            let is_there = there.is_ok();
            let _ = sender.send(there);
            if is_there {
                work();
            }
        })?;
        entered.recv().map_err(io::Error::other)?
    }

    fn open(&self) -> io::Result<File> {
        let file = File::open(&self.path)?;
        // What was mounted there may be gone, and something else in its place.
        if file.metadata()?.ino() != self.inode {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the namespace has gone"));
        }
        Ok(file)
    }

    /// The kernel's cookie for it, the one that records carry (`SO_NETNS_COOKIE`, Linux 5.14).
    ///
    /// # Errors
    ///
    /// When it cannot be entered, or the kernel is older.
    pub fn cookie(&self) -> io::Result<u64> {
        self.enter(current_cookie)
    }
}

/// This process's own network namespace.
///
/// # Errors
///
/// When /proc is not mounted.
pub fn own() -> io::Result<Namespace> {
    Namespace::at(Path::new("/proc/self/ns/net"))
}

/// The cookie of the namespace that the calling thread is in (`SO_NETNS_COOKIE`).
///
/// # Errors
///
/// When the kernel is older than 5.14.
pub fn current_cookie() -> io::Result<u64> {
    // Any socket tells, and this kind takes no port and is never absent.
    let socket = socket(AddressFamily::Unix, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
    socket_option(&socket, SO_NETNS_COOKIE)
}

/// The cookie of a socket (`SO_COOKIE`, Linux 4.12), the one that records carry.
///
/// # Errors
///
/// When the kernel is older.
pub fn socket_cookie(socket: &impl AsFd) -> io::Result<u64> {
    socket_option(socket, nix::libc::SO_COOKIE)
}

/// `SO_NETNS_COOKIE` (include/uapi/asm-generic/socket.h).
const SO_NETNS_COOKIE: i32 = 71;

/// An option of eight bytes at the level of sockets.
fn socket_option(socket: &impl AsFd, option: i32) -> io::Result<u64> {
    let mut value = 0u64;
    let mut length = size_of::<u64>() as nix::libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes into `value`, which outlives the call.
    #[expect(unsafe_code, reason = "nix has neither of these options")]
    let result = unsafe {
        nix::libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            nix::libc::SOL_SOCKET,
            option,
            (&raw mut value).cast(),
            &raw mut length,
        )
    };
    nix::errno::Errno::result(result)?;
    Ok(value)
}

/// Every network namespace that a task is in, that a bind mount holds in whatever mount namespace, or that a task has an
/// open descriptor of; each once. Bind mounts come first, since they have names.
///
/// # Errors
///
/// When /proc cannot be read at all.
pub fn all() -> io::Result<Vec<Namespace>> {
    found(mounted()?.into_iter().chain(of_tasks()?).chain(of_descriptors()?))
}

/// Likewise, but for those that nothing but a descriptor holds: there are many descriptors to look through.
///
/// # Errors
///
/// As [`all`].
pub fn entered_or_mounted() -> io::Result<Vec<Namespace>> {
    found(mounted()?.into_iter().chain(of_tasks()?))
}

fn found(paths: impl Iterator<Item = PathBuf>) -> io::Result<Vec<Namespace>> {
    let mut found = BTreeMap::new();
    for path in paths {
        // A task or mount that went meanwhile took its namespace along, or another path leads there.
        if let Ok(namespace) = Namespace::at(&path) {
            found.entry(namespace.inode).or_insert(namespace);
        }
    }
    Ok(found.into_values().collect())
}

/// Bind mounts of namespaces (`man 5 proc_pid_mountinfo`: the root field reads `net:[…]`): our own, and those of every
/// other mount namespace by the way of one of its processes.
fn mounted() -> io::Result<Vec<PathBuf>> {
    let own = Path::new("/proc/self");
    let mut paths = mounts_of(own, Path::new("/"));
    let mut seen: HashSet<PathBuf> = std::fs::read_link(own.join("ns/mnt")).into_iter().collect();
    for process in processes()? {
        if std::fs::read_link(process.join("ns/mnt")).is_ok_and(|mounts| seen.insert(mounts)) {
            paths.extend(mounts_of(&process, &process.join("root")));
        }
    }
    Ok(paths)
}

fn mounts_of(process: &Path, root: &Path) -> Vec<PathBuf> {
    let table = std::fs::read_to_string(process.join("mountinfo")).unwrap_or_default();
    let namespace = |line: &str| {
        let mut fields = line.split(' ').skip(3);
        let source = fields.next()?;
        let point = fields.next()?.replace("\\040", " ");
        source.starts_with("net:[").then(|| root.join(point.trim_start_matches('/')))
    };
    table.lines().filter_map(namespace).collect()
}

fn processes() -> io::Result<impl Iterator<Item = PathBuf>> {
    let is_process = |entry: &std::fs::DirEntry| {
        entry.file_name().to_string_lossy().bytes().all(|byte| byte.is_ascii_digit())
    };
    Ok(std::fs::read_dir("/proc")?.flatten().filter(is_process).map(|entry| entry.path()))
}

fn of_tasks() -> io::Result<Vec<PathBuf>> {
    let mut paths = vec!["/proc/self/ns/net".into()];
    for process in processes()? {
        let Ok(tasks) = std::fs::read_dir(process.join("task")) else { continue };
        paths.extend(tasks.flatten().map(|task| task.path().join("ns/net")));
    }
    Ok(paths)
}

/// Descriptors of namespaces (`man 7 namespaces`: the link reads `net:[…]`).
fn of_descriptors() -> io::Result<Vec<PathBuf>> {
    let is_namespace = |path: &PathBuf| {
        std::fs::read_link(path)
            .is_ok_and(|target| target.as_os_str().as_encoded_bytes().starts_with(b"net:["))
    };
    let mut paths = Vec::new();
    for process in processes()? {
        let Ok(descriptors) = std::fs::read_dir(process.join("fd")) else { continue };
        paths.extend(descriptors.flatten().map(|one| one.path()).filter(is_namespace));
    }
    Ok(paths)
}
