//! Whose a socket is: a process's, or the kernel's own.
//!
//! A tunnel of the kernel (VXLAN, Geneve, WireGuard) has a UDP socket that sock_diag lists as any other. It sends and
//! receives without a system call, so no hook shows it. What tells it apart is that no process has it open.

use std::{collections::HashSet, fs, io};

/// The inodes of the sockets that processes have open (`man 5 proc_pid_fd`).
///
/// # Errors
///
/// When /proc is not readable, or a process may not be looked into: then nobody knows whose the others are.
pub fn held_by_processes() -> io::Result<HashSet<u32>> {
    let mut held = HashSet::new();
    for process in fs::read_dir("/proc")? {
        let process = process?;
        let is_process = process.file_name().to_str().is_some_and(|name| name.parse::<u32>().is_ok());
        if !is_process {
            continue;
        }
        let open = match fs::read_dir(process.path().join("fd")) {
            Ok(open) => open,
            Err(cause) if is_gone(&cause) => continue,
            Err(cause) => return Err(cause),
        };
        for descriptor in open.flatten() {
            match fs::read_link(descriptor.path()) {
                Ok(target) => held.extend(target.to_str().and_then(inode)),
                Err(cause) if is_gone(&cause) => {}
                Err(cause) => return Err(cause),
            }
        }
    }
    Ok(held)
}

/// A process may end, or close, at any moment.
fn is_gone(cause: &io::Error) -> bool {
    cause.kind() == io::ErrorKind::NotFound || cause.raw_os_error() == Some(nix::libc::ESRCH)
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
        // Without the right to look into all processes nobody can tell.
        let Ok(held) = held_by_processes() else { return };
        assert!(held.contains(&inode));
        drop(file);
        assert!(!held_by_processes().expect("as before").contains(&inode));
    }
}
