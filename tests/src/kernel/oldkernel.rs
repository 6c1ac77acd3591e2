//! A kernel without BPF ring buffers (before Linux 5.8), played by a tracer: every `bpf(BPF_MAP_CREATE)` of that type
//! fails as it would there, with EINVAL.

use std::{
    io::Read,
    process::{Command, Output, Stdio},
};

use crate::needs;

/// Whether the tracer knows this machine's registers.
///
/// # Panics
///
/// With `CI=true`, when it does not.
#[must_use]
pub fn can_be_played(test: &str) -> bool {
    needs::met(test, (!cfg!(target_arch = "x86_64")).then_some("its tracer knows x86-64 only"))
}

/// Runs a command on such a kernel; its output, and how often it was refused a ring buffer.
///
/// # Panics
///
/// When it cannot be traced.
#[cfg(target_arch = "x86_64")]
pub fn without_ring_buffers(command: &mut Command) -> (Output, u64) {
    use std::os::unix::process::CommandExt;

    let traced = || nix::sys::ptrace::traceme().map_err(Into::into);
    #[expect(unsafe_code, reason = "the child must ask to be traced before it executes")]
    // SAFETY: between fork and exec this makes one system call and allocates nothing.
    unsafe {
        command.pre_exec(traced)
    };
    #[expect(clippy::zombie_processes, reason = "the tracer waits for it")]
    let mut child =
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).stdin(Stdio::null()).spawn().expect("it runs");
    let mut errors = child.stderr.take().expect("it is piped");
    let reader = std::thread::spawn(move || {
        let mut said = Vec::new();
        errors.read_to_end(&mut said).map(|_| said)
    });
    let (code, refused) = tracer::run(nix::unistd::Pid::from_raw(child.id().cast_signed()));
    let stderr = reader.join().expect("it does not panic").expect("a pipe");
    let mut stdout = Vec::new();
    child.stdout.take().expect("it is piped").read_to_end(&mut stdout).expect("a pipe");
    let status = std::os::unix::process::ExitStatusExt::from_raw(code << 8);
    (Output { status, stdout, stderr }, refused)
}

/// Other machines: see [`can_be_played`].
///
/// # Panics
///
/// Always.
#[cfg(not(target_arch = "x86_64"))]
pub fn without_ring_buffers(_command: &mut Command) -> (Output, u64) {
    unreachable!("asked for by `can_be_played`")
}

#[cfg(target_arch = "x86_64")]
mod tracer {
    use nix::{
        libc,
        sys::{
            ptrace,
            wait::{WaitStatus, waitpid},
        },
        unistd::Pid,
    };

    /// linux/bpf.h
    const BPF_MAP_CREATE: u64 = 0;
    const BPF_MAP_TYPE_RINGBUF: u32 = 27;

    /// Leads the process to its end; its exit code, and how many maps were refused. Threads are not traced: the
    /// recorder makes its maps on its first.
    pub(super) fn run(process: Pid) -> (i32, u64) {
        waitpid(process, None).expect("it stops at its exec");
        ptrace::setoptions(
            process,
            ptrace::Options::PTRACE_O_TRACESYSGOOD | ptrace::Options::PTRACE_O_EXITKILL,
        )
        .expect("it is stopped");
        let (mut refused, mut inside, mut signal) = (0, None, None);
        loop {
            ptrace::syscall(process, signal.take()).expect("it is stopped");
            match waitpid(process, None).expect("it is our child") {
                WaitStatus::PtraceSyscall(_) => match inside.take() {
                    None => {
                        let is_refused = asks_for_ring_buffer(process);
                        if is_refused {
                            skip(process);
                            refused += 1;
                        }
                        inside = Some(is_refused);
                    }
                    Some(true) => answer(process, -i64::from(libc::EINVAL)),
                    Some(false) => {}
                },
                WaitStatus::Stopped(_, other) => signal = Some(other),
                WaitStatus::Exited(_, code) => return (code, refused),
                other => panic!("it ended otherwise: {other:?}"),
            }
        }
    }

    fn asks_for_ring_buffer(process: Pid) -> bool {
        let registers = ptrace::getregs(process).expect("it is stopped");
        if registers.orig_rax != libc::SYS_bpf as u64 || registers.rdi != BPF_MAP_CREATE {
            return false;
        }
        // `union bpf_attr` begins with the map's type.
        let word = ptrace::read(process, registers.rsi as ptrace::AddressType).expect("its own memory");
        word as u32 == BPF_MAP_TYPE_RINGBUF
    }

    /// The kernel runs no system call with this number.
    fn skip(process: Pid) {
        let mut registers = ptrace::getregs(process).expect("it is stopped");
        registers.orig_rax = u64::MAX;
        ptrace::setregs(process, registers).expect("it is stopped");
    }

    fn answer(process: Pid, result: i64) {
        let mut registers = ptrace::getregs(process).expect("it is stopped");
        registers.rax = result.cast_unsigned();
        ptrace::setregs(process, registers).expect("it is stopped");
    }
}
