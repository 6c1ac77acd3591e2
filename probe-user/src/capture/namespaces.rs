//! The network namespaces of this node, and work done inside of one.

use std::{
    collections::BTreeMap,
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
    sys::statfs::{NSFS_MAGIC, fstatfs},
};

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
        let file = File::open(&self.path)?;
        // What was mounted there may be gone, and something else in its place.
        if file.metadata()?.ino() != self.inode {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the namespace has gone"));
        }
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

/// `SO_NETNS_COOKIE` (include/uapi/asm-generic/socket.h).
const SO_NETNS_COOKIE: i32 = 71;

/// The cookie of the namespace that the calling thread is in.
///
/// # Errors
///
/// When the kernel is older than 5.14.
pub fn current_cookie() -> io::Result<u64> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").or_else(|_| std::net::UdpSocket::bind("[::]:0"))?;
    let mut cookie = 0u64;
    let mut length = size_of::<u64>() as nix::libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes into `cookie`, which outlives the call.
    #[expect(unsafe_code, reason = "nix has no SO_NETNS_COOKIE")]
    let result = unsafe {
        nix::libc::getsockopt(
            socket.as_raw_fd(),
            nix::libc::SOL_SOCKET,
            SO_NETNS_COOKIE,
            (&raw mut cookie).cast(),
            &raw mut length,
        )
    };
    nix::errno::Errno::result(result)?;
    Ok(cookie)
}

/// Every network namespace that a task is in or that a bind mount of ours holds, each once; bind mounts come
/// first, since they have names.
///
/// # Errors
///
/// When /proc cannot be read at all.
pub fn all() -> io::Result<Vec<Namespace>> {
    let mut found = BTreeMap::new();
    let paths = mounted()?.into_iter().chain(["/proc/self/ns/net".into()]).chain(of_tasks()?);
    for path in paths {
        // A task or mount that went meanwhile took its namespace along, or another path leads there.
        if let Ok(namespace) = Namespace::at(&path) {
            found.entry(namespace.inode).or_insert(namespace);
        }
    }
    Ok(found.into_values().collect())
}

/// Bind mounts of namespaces (`man 5 proc_pid_mountinfo`: the root field reads `net:[…]`).
fn mounted() -> io::Result<Vec<PathBuf>> {
    let table = std::fs::read_to_string("/proc/self/mountinfo")?;
    let namespace = |line: &str| {
        let mut fields = line.split(' ').skip(3);
        let root = fields.next()?;
        let point = fields.next()?;
        root.starts_with("net:[").then(|| PathBuf::from(point.replace("\\040", " ")))
    };
    Ok(table.lines().filter_map(namespace).collect())
}

fn of_tasks() -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for process in std::fs::read_dir("/proc")?.flatten() {
        let is_process = process.file_name().to_string_lossy().bytes().all(|byte| byte.is_ascii_digit());
        if !is_process {
            continue;
        }
        let Ok(tasks) = std::fs::read_dir(process.path().join("task")) else { continue };
        paths.extend(tasks.flatten().map(|task| task.path().join("ns/net")));
    }
    Ok(paths)
}
