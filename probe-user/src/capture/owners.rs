//! Whose a socket is: a process's, or the kernel's own.
//!
//! A tunnel of the kernel (VXLAN, Geneve, WireGuard) has a UDP socket that sock_diag lists as any other. It sends and
//! receives without a system call, so no hook shows it. What tells it apart is that no process has it open; where some
//! processes may not be looked into, theirs pass for the kernel's, and the other way round never.

use std::{collections::HashSet, ffi::OsStr, fs, io, path::Path};

/// The inodes of the sockets that processes have open (`man 5 proc_pid_fd`), as far as they may be looked into: an ordinary
/// user may only look into his own, and some machines keep root out of their first.
#[must_use]
pub fn held_by_processes() -> HashSet<u32> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let is_process = |name: &OsStr| name.to_str().is_some_and(|name| name.parse::<u32>().is_ok());
    let processes = processes.filter(|entry| is_process(&entry.file_name()));
    // Whoever has ended meanwhile holds nothing any more.
    processes.flat_map(|process| held_by(&process.path()).unwrap_or_default()).collect()
}

/// The inodes of a process's sockets.
fn held_by(process: &Path) -> io::Result<Vec<u32>> {
    let mut held = Vec::new();
    for descriptor in fs::read_dir(process.join("fd"))? {
        match fs::read_link(descriptor?.path()) {
            Ok(target) => held.extend(target.to_str().and_then(inode)),
            // It was closed.
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {}
            Err(cause) => return Err(cause),
        }
    }
    Ok(held)
}

/// Of `socket:[4711]`.
fn inode(target: &str) -> Option<u32> {
    target.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::{net::UdpSocket, os::unix::fs::MetadataExt};

    use super::*;

    #[test]
    fn an_own_socket_is_held_until_it_is_closed() {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("there is a port");
        let file = fs::File::from(std::os::fd::OwnedFd::from(socket));
        let inode = u32::try_from(file.metadata().expect("it is open").ino()).expect("they count from 1");
        // Of other processes root alone can tell.
        let own = || held_by(Path::new("/proc/self")).expect("everybody may look into himself");
        assert!(own().contains(&inode));
        drop(file);
        assert!(!own().contains(&inode));
    }
}
