//! After the start: no capability, no way to one, and no system call but those that watching and writing need.
//!
//! The maps that are still read stand in this process's memory, the links go with the process, and what must be asked in
//! other namespaces is asked by sockets and threads that are there already.

use std::{collections::BTreeMap, io};

use caps::{CapSet, CapsHashSet};
use nix::{libc, sys::prctl};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, apply_filter_all_threads,
};

/// Takes every right from this process that it does not need for a window that is open.
///
/// # Errors
///
/// When the kernel refuses, in words: then the process may have lost a part.
pub fn engage() -> io::Result<()> {
    prctl::set_no_new_privs()?;
    give_up_capabilities()?;
    for filter in filters().map_err(io::Error::other)? {
        apply_filter_all_threads(&filter).map_err(io::Error::other)?;
    }
    Ok(())
}

/// Takes the calling thread's capabilities, for good.
pub(super) fn give_up_capabilities() -> io::Result<()> {
    // Before the capabilities go: one of them is needed for it.
    empty_bounding_set()?;
    for set in [CapSet::Ambient, CapSet::Effective, CapSet::Inheritable, CapSet::Permitted] {
        caps::set(None, set, &CapsHashSet::new()).map_err(io::Error::other)?;
    }
    Ok(())
}

/// So that a program that is run could not have them either. It takes CAP_SETPCAP, which an ordinary user has not, and
/// such a user's bounding set gives nothing by itself.
fn empty_bounding_set() -> io::Result<()> {
    let has = caps::has_cap(None, CapSet::Effective, caps::Capability::CAP_SETPCAP);
    if has.map_err(io::Error::other)? {
        caps::clear(None, CapSet::Bounding).map_err(io::Error::other)?;
    }
    Ok(())
}

/// What is not named is answered with EPERM, so that whatever wanted it can say so. A thread may be made and no namespace
/// with it: in a user namespace of its own a process has every capability. `clone3` hides its flags from a filter; without
/// it the C library makes threads by `clone`.
fn filters() -> Result<[BpfProgram; 2], seccompiler::BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        CALLS.iter().chain(CALLS_OF_THIS_MACHINE).map(|call| (*call, Vec::new())).collect();
    let no_namespace = SeccompCmpOp::MaskedEq(NAMESPACES);
    let is_thread = SeccompCondition::new(0, SeccompCmpArgLen::Qword, no_namespace, 0)?;
    rules.insert(libc::SYS_clone, vec![SeccompRule::new(vec![is_thread])?]);
    let hidden = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
    let errno = |error: i32| SeccompAction::Errno(error as u32);
    let machine = TargetArch::try_from(std::env::consts::ARCH)?;
    // The second one lets no further filter be set, and what one refuses the other cannot allow.
    Ok([
        SeccompFilter::new(hidden, SeccompAction::Allow, errno(libc::ENOSYS), machine)?.try_into()?,
        SeccompFilter::new(rules, errno(libc::EPERM), SeccompAction::Allow, machine)?.try_into()?,
    ])
}

/// Every kind of namespace that `clone` can make (`man 2 clone`).
const NAMESPACES: u64 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET) as u64;

/// Memory, threads, time and signals; files; the sockets of the known connections and of sock_diag. Nothing that runs a
/// program, mounts, enters a namespace, traces, or loads anything into the kernel.
const CALLS: &[i64] = &[
    libc::SYS_brk,
    libc::SYS_mmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_munmap,
    libc::SYS_madvise,
    libc::SYS_clone3,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_futex,
    libc::SYS_get_robust_list,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_membarrier,
    libc::SYS_prctl,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_getgroups,
    libc::SYS_getrandom,
    libc::SYS_getcpu,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_restart_syscall,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_kill,
    libc::SYS_tgkill,
    libc::SYS_uname,
    libc::SYS_openat,
    libc::SYS_close,
    libc::SYS_read,
    libc::SYS_pread64,
    libc::SYS_readv,
    libc::SYS_write,
    libc::SYS_pwrite64,
    libc::SYS_writev,
    libc::SYS_lseek,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_fstatfs,
    libc::SYS_getdents64,
    libc::SYS_readlinkat,
    libc::SYS_getcwd,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_fcntl,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_pipe2,
    libc::SYS_ioctl,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_ftruncate,
    libc::SYS_fchmod,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_unlinkat,
    libc::SYS_copy_file_range,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    libc::SYS_eventfd2,
    libc::SYS_ppoll,
    libc::SYS_pselect6,
    libc::SYS_socket,
    libc::SYS_socketpair,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept4,
    libc::SYS_connect,
    libc::SYS_shutdown,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    libc::SYS_getsockopt,
    libc::SYS_setsockopt,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
];

/// What newer machines do without.
#[cfg(target_arch = "x86_64")]
const CALLS_OF_THIS_MACHINE: &[i64] = &[
    libc::SYS_access,
    libc::SYS_dup2,
    libc::SYS_epoll_wait,
    libc::SYS_getdents,
    libc::SYS_lstat,
    libc::SYS_open,
    libc::SYS_pipe,
    libc::SYS_poll,
    libc::SYS_readlink,
    libc::SYS_rename,
    libc::SYS_select,
    libc::SYS_stat,
    libc::SYS_time,
    libc::SYS_unlink,
];
#[cfg(not(target_arch = "x86_64"))]
const CALLS_OF_THIS_MACHINE: &[i64] = &[];

#[cfg(test)]
mod tests {
    use std::thread;

    use nix::errno::Errno;

    use super::*;

    #[test]
    fn threads_can_be_made_and_namespaces_cannot() {
        // The filters stay with the thread that asks for them, and those that it makes.
        let filtered = thread::spawn(|| {
            prctl::set_no_new_privs().expect("anybody may");
            for filter in filters().expect("this machine has filters") {
                seccompiler::apply_filter(&filter).expect("anybody may, without new rights");
            }
            let made = thread::spawn(|| 7).join().expect("it does not panic");
            let flags = libc::CLONE_NEWUSER | libc::SIGCHLD;
            // SAFETY: refused before anything is made; null for everything else.
            #[expect(unsafe_code, reason = "nothing safe makes a namespace with a process")]
            let (with_namespace, hidden) = unsafe {
                let with_namespace = libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0);
                let first = Errno::result(with_namespace);
                let hidden = libc::syscall(libc::SYS_clone3, 0, 0);
                (first, Errno::result(hidden))
            };
            (made, with_namespace, hidden)
        });
        let found = filtered.join().expect("it does not panic");
        assert_eq!(found, (7, Err(Errno::EPERM), Err(Errno::ENOSYS)));
    }
}
